/**
 * The verdict about a node that asks for its configuration, and what its record is afterwards. Pure: looked at first
 * with what is in memory, and once more inside the transaction that writes. Facts: controller.md §7, §8, §11.
 */

import { type Identity, parseIdentity } from "../identity/identity.ts";
import { equalJson, type JsonObject, type JsonValue } from "../json/json.ts";
import { formatNetworkId } from "../network/network-id.ts";
import type { RequestMetadata } from "../network/request-metadata.ts";
import type { Millis } from "../node/ports.ts";
import { type Address, formatAddress } from "../protocol/address.ts";
import { newMemberJson } from "./member-body.ts";
import type { NetworkState } from "./network-state.ts";
import type { JoinToken } from "./ports.ts";
import { type MemberRecord, type NetworkRecord, NO_MEMBER_OWN } from "./records.ts";
import { memberSettings, type NetworkSettings } from "./settings.ts";

/** How a request says that it shows a token; what follows is the token. */
const TOKEN_PREFIX = "token:";

/** The token that a request shows, or null. */
export function shownToken({ credential }: RequestMetadata): string | null {
  return credential.startsWith(TOKEN_PREFIX) && credential.length > TOKEN_PREFIX.length
    ? credential.slice(TOKEN_PREFIX.length)
    : null;
}

/** A node that asks. */
export interface Asking {
  readonly identity: Identity;
  readonly facts: RequestMetadata;
  /** The join token whose secret it showed, valid now; null if it showed none. */
  readonly joinToken: JoinToken | null;
}

export interface Admission {
  readonly verdict: "accepted" | "denied" | "wrong_identity" | "authenticate";
  /** The record as it shall be; as it was for `wrong_identity`. Equal to the one before if nothing is to be written. */
  readonly draft: MemberRecord;
  /** The node was not known to the network. */
  readonly isNew: boolean;
  /** The join token let it in: one use of it is spent. */
  readonly spends: JoinToken | null;
}

/**
 * Whether the node has to authenticate first. A node that is first seen then gets a record that says authorized, without
 * a time: the end of its authentication is what lets it in or not (recorded: api/controller-import.json, "member of SSO
 * network").
 */
function mustAuthenticate(network: NetworkSettings, draft: MemberRecord, now: Millis): boolean {
  const { ssoExempt, authenticationExpiryTime } = memberSettings(draft.json);
  return network.ssoEnabled && !ssoExempt && authenticationExpiryTime <= now;
}

export function admit(network: NetworkState, current: MemberRecord | null, asking: Asking, now: Millis): Admission {
  const isNew = current === null;
  const { id: networkId } = network.record;
  const { address } = asking.identity;
  const fresh = newMemberJson(networkId, address, now);
  const known: MemberRecord = {
    networkId,
    address,
    json: current === null ? fresh : withMissing(current.json, fresh),
    own: current?.own ?? { ...NO_MEMBER_OWN, stranger: true },
  };
  if (!isSameIdentity(known, asking.identity)) {
    return { verdict: "wrong_identity", draft: known, isNew, spends: null };
  }
  const draft: MemberRecord = { ...known, json: withIdentity(known, asking.identity) };
  if (mustAuthenticate(network.settings, draft, now)) {
    const shown = isNew ? { ...draft, json: withEntries(draft.json, { authorized: true }) } : draft;
    return { verdict: "authenticate", draft: shown, isNew, spends: null };
  }
  if (!memberSettings(draft.json).authorized) {
    const entrance = entranceOf(network.settings, asking, now);
    if (entrance === null) return { verdict: "denied", draft, isNew, spends: null };
    return accepted(network, letIn(draft, entrance, now), asking, isNew, entrance.joinToken);
  }
  return accepted(network, draft, asking, isNew, null);
}

/** The keys that an address was first seen with, or that somebody gave for it, stay its keys. */
function isSameIdentity({ json }: MemberRecord, identity: Identity): boolean {
  const pinned = json["identity"];
  if (typeof pinned !== "string" || pinned === "") return true;
  return parseIdentity(pinned)?.equals(identity) ?? false;
}

function withIdentity({ json, networkId }: MemberRecord, identity: Identity): JsonObject {
  const id = formatAddress(identity.address);
  return withEntries(json, { id, address: id, nwid: formatNetworkId(networkId), identity: identity.toString() });
}

/** By what a node gets in that nobody has authorized. */
interface Entrance {
  readonly type: "public" | "token";
  readonly credential: string | null;
  readonly joinToken: JoinToken | null;
}

function entranceOf(network: NetworkSettings, { facts, joinToken }: Asking, now: Millis): Entrance | null {
  if (!network.isPrivate) return { type: "public", credential: null, joinToken: null };
  if (joinToken !== null) return { type: "token", credential: joinToken.id, joinToken };
  const token = shownToken(facts);
  const expiry = token === null ? undefined : network.authTokens.get(token);
  if (token === null || expiry === undefined || (expiry !== 0 && expiry <= now)) return null;
  return { type: "token", credential: token, joinToken: null };
}

function letIn(draft: MemberRecord, { type, credential, joinToken }: Entrance, now: Millis): MemberRecord {
  const json = withEntries(draft.json, {
    authorized: true,
    lastAuthorizedTime: now,
    lastAuthorizedCredentialType: type,
    lastAuthorizedCredential: credential,
  });
  const lasts = joinToken?.authorizationMs ?? 0;
  return { ...draft, json, own: { ...draft.own, authorizationExpiresAt: lasts === 0 ? 0 : now + lasts } };
}

/** The record of somebody who showed a join token without asking for a configuration: it may come later, or be there. */
export function letInByToken(
  network: NetworkRecord,
  current: MemberRecord | null,
  address: Address,
  token: JoinToken,
  now: Millis,
): MemberRecord {
  const json = current?.json ?? newMemberJson(network.id, address, now);
  const draft = { networkId: network.id, address, json, own: { ...(current?.own ?? NO_MEMBER_OWN), stranger: false } };
  if (memberSettings(json).authorized) return draft;
  return letIn(draft, { type: "token", credential: token.id, joinToken: token }, now);
}

function accepted(
  network: NetworkState,
  draft: MemberRecord,
  { facts }: Asking,
  isNew: boolean,
  spends: JoinToken | null,
): Admission {
  const entries: Record<string, JsonValue> = {
    vMajor: facts.versionMajor,
    vMinor: facts.versionMinor,
    vRev: facts.versionRevision,
    vProto: facts.protocolVersion,
    tags: withDefaultTags(network.settings, draft.json),
  };
  if (isNew) entries["capabilities"] = withDefaultCapabilities(network.settings, draft.json);
  const json = withEntries(draft.json, entries);
  return { verdict: "accepted", draft: { ...draft, json, own: { ...draft.own, stranger: false } }, isNew, spends };
}

/** The object with the entries that it lacks: records from files may be incomplete until they are next written. */
function withMissing(json: JsonObject, defaults: JsonObject): JsonObject {
  return Object.keys(defaults).every((key) => key in json) ? json : { ...defaults, ...json };
}

/** The object with these entries; the same object if it has them already, so that a request that changes nothing is cheap. */
function withEntries(json: JsonObject, entries: Readonly<Record<string, JsonValue>>): JsonObject {
  const same = (key: string) => equalJson(json[key] ?? null, entries[key]);
  return Object.keys(entries).every((key) => key in json && same(key)) ? json : { ...json, ...entries };
}

/** A default is written down when it is first given, so that changing it later changes no member (controller.md §11). */
function withDefaultTags(network: NetworkSettings, json: JsonObject): JsonValue {
  const { tags } = memberSettings(json);
  const has = new Set(tags.map(({ id }) => id));
  const missing = network.tags.filter((tag) => tag.default !== null && !has.has(tag.id));
  if (missing.length === 0) return json["tags"] ?? [];
  const all = [...tags, ...missing.map((tag) => ({ id: tag.id, value: tag.default ?? 0 }))];
  return all.sort((a, b) => a.id - b.id).map(({ id, value }) => [id, value]);
}

/** The ids of a member's capabilities together with those that the network gives to everybody. */
export function withDefaultCapabilities(network: NetworkSettings, json: JsonObject): JsonValue {
  const ids = new Set(memberSettings(json).capabilities);
  for (const { id, isDefault } of network.capabilities) if (isDefault) ids.add(id);
  return [...ids].sort((a, b) => a - b);
}
