/**
 * Between a member's record (the reference's object and ours beside it, controller.md §6) and the member that `/api/v1`
 * shows. Pure. Two things are done otherwise than in the reference: the level of remote tracing stays as it was set, and
 * a member that is authorized for the first time gets the network's default capabilities (controller.md §11).
 */

import type { MemberDraft, MemberStatus } from "../../controller/management.ts";
import { type MemberRecord, type NetworkRecord, NO_MEMBER_OWN } from "../../controller/records.ts";
import type { JsonObject, JsonValue } from "../../json/json.ts";
import { rfc4193Address, sixPlaneAddress } from "../../network/derived-addresses.ts";
import { MemberMacs } from "../../network/mac.ts";
import { formatNetworkId } from "../../network/network-id.ts";
import { type Address, formatAddress } from "../../protocol/address.ts";
import { formatMac } from "../../protocol/ethernet.ts";
import { formatIp } from "../../protocol/inet-address.ts";
import { addressErrors } from "./addressing.ts";
import { ApiError, invalid } from "./errors.ts";
import type { MemberPatch, MemberView } from "./member-schema.ts";
import { defaultCapabilities, managedRoutes, revisionOf } from "./network-model.ts";
import { flagField, listField, objectField, textField, textsField, wholeField } from "./record-fields.ts";

const AUTHORIZED_BY = ["api", "public", "token"] as const;

function tagsIn(json: JsonObject): { id: number; value: number }[] {
  return listField(json, "tags").flatMap((pair) => {
    if (!Array.isArray(pair)) return [];
    const [id, value] = pair as readonly JsonValue[];
    return typeof id === "number" && typeof value === "number" ? [{ id, value }] : [];
  });
}

function derivedIn(network: NetworkRecord, address: Address, json: JsonObject): string[] {
  if (flagField(json, "noAutoAssignIps")) return [];
  const mode = objectField(network.json, "v6AssignMode");
  const derived: string[] = [];
  if (flagField(mode, "rfc4193")) derived.push(formatIp(rfc4193Address(network.id, address).ip));
  if (flagField(mode, "6plane")) derived.push(formatIp(sixPlaneAddress(network.id, address).ip));
  return derived;
}

function statusView(status: MemberStatus): MemberView["status"] {
  return {
    online: status.online,
    lastSeen: status.lastSeen || null,
    version: status.version || null,
    platform: status.platform || null,
    physicalAddress: status.physicalAddress || null,
    reach: status.reach,
    root: status.root || null,
    latency: status.latency < 0 ? null : status.latency,
  };
}

/** The member as it is shown. */
export function memberView(
  { networkId, address, json, own }: MemberRecord,
  network: NetworkRecord,
  status: MemberStatus,
): MemberView {
  const credentialType = textField(json, "lastAuthorizedCredentialType");
  return {
    address: formatAddress(address),
    networkId: formatNetworkId(networkId),
    name: textField(json, "name"),
    description: own.description,
    authorized: flagField(json, "authorized"),
    authorizationExpiresAt: own.authorizationExpiresAt || null,
    authorizedAt: wholeField(json, "lastAuthorizedTime") || null,
    deauthorizedAt: wholeField(json, "lastDeauthorizedTime") || null,
    authorizedBy: AUTHORIZED_BY.find((type) => type === credentialType) ?? null,
    bridge: flagField(json, "activeBridge"),
    autoAssign: !flagField(json, "noAutoAssignIps"),
    ipAssignments: textsField(json, "ipAssignments"),
    derivedAddresses: derivedIn(network, address, json),
    capabilities: listField(json, "capabilities").filter((id): id is number => typeof id === "number"),
    tags: tagsIn(json),
    remoteTrace: {
      target: textField(json, "remoteTraceTarget") || null,
      level: wholeField(json, "remoteTraceLevel"),
    },
    identity: textField(json, "identity") || null,
    mac: formatMac(new MemberMacs(networkId).macOf(address)),
    stranger: own.stranger,
    createdAt: wholeField(json, "creationTime"),
    revision: revisionOf(json),
    status: statusView(status),
  };
}

/** The record of a member that nobody has ever heard of: every key that the reference writes, nothing granted. */
export function newMember(networkId: bigint, address: Address, now: number): MemberDraft {
  const text = formatAddress(address);
  return {
    json: {
      activeBridge: false,
      address: text,
      authenticationExpiryTime: 0,
      authorized: false,
      capabilities: [],
      creationTime: now,
      id: text,
      ipAssignments: [],
      lastAuthorizedCredential: null,
      lastAuthorizedCredentialType: null,
      lastAuthorizedTime: 0,
      lastDeauthorizedTime: 0,
      noAutoAssignIps: false,
      nwid: formatNetworkId(networkId),
      objtype: "member",
      remoteTraceLevel: 0,
      remoteTraceTarget: null,
      revision: 0,
      ssoExempt: false,
      tags: [],
      vMajor: -1,
      vMinor: -1,
      vProto: -1,
      vRev: -1,
    },
    own: NO_MEMBER_OWN,
  };
}

function sortedUnique(values: readonly number[]): number[] {
  return [...new Set(values)].sort((a, b) => a - b);
}

/** Ascending by id; of two with one id the last counts, as in the reference. */
function sortedTags(tags: NonNullable<MemberPatch["tags"]>): number[][] {
  return [...new Map(tags.map(({ id, value }) => [id, value]))].sort(([a], [b]) => a - b);
}

/** What changes with `authorized`; empty if it does not change. */
function authorization(json: JsonObject, to: boolean | undefined, now: number): JsonObject {
  const was = flagField(json, "authorized");
  if (to === undefined || to === was) return {};
  if (!to) return { authorized: false, lastDeauthorizedTime: now };
  return {
    authorized: true,
    lastAuthorizedTime: now,
    lastAuthorizedCredentialType: "api",
    lastAuthorizedCredential: null,
  };
}

function checkExpiry(patch: MemberPatch, authorizedAfter: boolean, now: number): void {
  const expiresAt = patch.authorizationExpiresAt;
  if (expiresAt === undefined || expiresAt === null) return;
  const path = "authorizationExpiresAt";
  if (!authorizedAfter) {
    const expected = "authorized: true with it, or null";
    throw invalid([{ path, message: "the member is not authorized, so nothing can expire", expected }]);
  }
  if (expiresAt <= now) {
    const expected = `a time after ${now} (ms since 1970), or null`;
    throw invalid([{ path, message: `${expiresAt} has passed: write ${expected}`, expected }]);
  }
}

/** The record after `patch`. Throws `ApiError` if an address lies in no route or an expiry makes no sense. */
export function patchMember(
  current: MemberDraft,
  network: NetworkRecord,
  patch: MemberPatch,
  now: number,
): MemberDraft {
  const { json, own } = current;
  const ips = patch.ipAssignments === undefined ? undefined : [...new Set(patch.ipAssignments)];
  const held = textsField(json, "ipAssignments");
  const strange = addressErrors("ipAssignments", ips ?? [], held, managedRoutes(network.json));
  if (strange.length > 0) throw invalid(strange);
  const granted = authorization(json, patch.authorized, now);
  const authorizedAfter = patch.authorized ?? flagField(json, "authorized");
  checkExpiry(patch, authorizedAfter, now);
  const isFirst = granted["authorized"] === true && wholeField(json, "lastAuthorizedTime") === 0;
  const heldCapabilities = listField(json, "capabilities").filter((id): id is number => typeof id === "number");
  const capabilities =
    patch.capabilities ?? (isFirst ? [...heldCapabilities, ...defaultCapabilities(network.json)] : null);
  const next: Record<string, JsonValue | undefined> = { ...json, ...granted };
  const set = (key: string, value: JsonValue | undefined) => {
    if (value !== undefined) next[key] = value;
  };
  set("name", patch.name);
  set("activeBridge", patch.bridge);
  set("noAutoAssignIps", patch.autoAssign === undefined ? undefined : !patch.autoAssign);
  set("ipAssignments", ips);
  set("capabilities", capabilities === null ? undefined : sortedUnique(capabilities));
  set("tags", patch.tags === undefined ? undefined : sortedTags(patch.tags));
  set("remoteTraceTarget", patch.remoteTrace?.target);
  set("remoteTraceLevel", patch.remoteTrace?.level);
  // A new authorization without an expiry is for good, whatever an earlier one said.
  const heldExpiry = authorizedAfter && granted["authorized"] !== true ? own.authorizationExpiresAt : 0;
  return {
    json: next,
    own: {
      description: patch.description ?? own.description,
      authorizationExpiresAt:
        patch.authorizationExpiresAt === undefined ? heldExpiry : (patch.authorizationExpiresAt ?? 0),
      stranger: false,
    },
  };
}

/** The record with its identity pinned. Throws `ApiError` 409 if another one is there already. */
export function pinIdentity(draft: MemberDraft, identity: string): MemberDraft {
  const held = textField(draft.json, "identity");
  if (held !== "" && held !== identity) {
    const message = "the member has another identity already: delete the member to replace its keys";
    throw new ApiError("conflict", message, [{ path: "identity", message, expected: held }]);
  }
  return { ...draft, json: { ...draft.json, identity } };
}
