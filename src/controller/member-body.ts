/**
 * A member as the reference's controller stores it after a POST, and as it begins when a node asks for the first time.
 * Facts: controller.md §6 (fields, defaults, what is removed) and §8 (what a change of `authorized` sets);
 * `vectors/api/controller-member.json`.
 */
import { asBoolean, asInteger, asText, requireText } from "../json/coerce.ts";
import { isJsonObject, type JsonObject, type JsonValue, newJsonObject } from "../json/json.ts";
import { formatNetworkId } from "../network/network-id.ts";
import { type Address, formatAddress } from "../protocol/address.ts";
import { formatIp } from "../protocol/inet-address.ts";
import { applyFields, arraysOnly, type Fields, integerJson, traceLevel, traceTarget } from "./fields.ts";
import { MAX_LIST_ITEMS, readPlainIp, readTagValues } from "./lists.ts";
import type { MemberDraft } from "./management.ts";
import { type MemberRecord, NO_MEMBER_OWN } from "./records.ts";

/** Keys that other versions of the reference wrote, or that are not to be kept; none survives a save. */
const REMOVED = [
  "clock",
  "physicalAddr",
  "recentLog",
  "lastModified",
  "lastRequestMetaData",
  "authenticationURL",
  "authenticationClientID",
];

const UNKNOWN_VERSION = -1;

function defaults(now: number): JsonObject {
  return {
    activeBridge: false,
    authenticationExpiryTime: 0,
    authorized: false,
    capabilities: [],
    creationTime: now,
    ipAssignments: [],
    lastAuthorizedCredential: null,
    lastAuthorizedCredentialType: null,
    lastAuthorizedTime: 0,
    lastDeauthorizedTime: 0,
    noAutoAssignIps: false,
    remoteTraceTarget: null,
    revision: 0,
    ssoExempt: false,
    tags: [],
    vMajor: UNKNOWN_VERSION,
    vMinor: UNKNOWN_VERSION,
    vProto: UNKNOWN_VERSION,
    vRev: UNKNOWN_VERSION,
  };
}

/** The record as it is before anything is changed: what is missing filled in, the ids as the caller spells them. */
function prepared(
  current: JsonObject | null,
  networkIdText: string,
  addressText: string,
  now: number,
): { [key: string]: JsonValue } {
  const json = Object.assign(newJsonObject(), defaults(now), current);
  Object.assign(json, { address: addressText, id: addressText, nwid: networkIdText });
  // Every save that does not bring a level resets it, a node's own request too.
  Object.assign(json, { objtype: "member", remoteTraceLevel: 0 });
  for (const key of REMOVED) delete json[key];
  return json;
}

/**
 * What is stored of a member when its node asks at `now` (ms since the epoch), before the request changes anything:
 * `current` with the defaults of missing keys, canonical ids, and without what does not survive a save.
 */
export function memberJsonForRequest(
  current: JsonObject | null,
  networkId: bigint,
  address: Address,
  now: number,
): JsonObject {
  return prepared(current, formatNetworkId(networkId), formatAddress(address), now);
}

/** A member that nobody knew before its node asked at `now`. No `name`, no `identity`; not authorized. */
export function newMemberJson(networkId: bigint, address: Address, now: number): JsonObject {
  return memberJsonForRequest(null, networkId, address, now);
}

/** An item that is no text fails the whole request; one that is no address is dropped. */
function ipAssignments(items: readonly JsonValue[]): JsonValue {
  const texts: string[] = [];
  for (const item of items.slice(0, MAX_LIST_ITEMS)) {
    const ip = readPlainIp(requireText(item));
    if (ip !== null) texts.push(formatIp(ip));
  }
  return texts;
}

function capabilities(items: readonly JsonValue[]): JsonValue {
  const ids = new Set(items.slice(0, MAX_LIST_ITEMS).map((item) => asInteger(item, 0n)));
  return [...ids].sort((a, b) => (a < b ? -1 : 1)).map(integerJson);
}

function tags(items: readonly JsonValue[]): JsonValue {
  return readTagValues(items).map(({ id, value }) => [id, value]);
}

/** The fields that a client may set, but for `authorized`. */
const MEMBER_FIELDS: Fields = {
  activeBridge: (value) => asBoolean(value, false),
  noAutoAssignIps: (value) => asBoolean(value, false),
  ipAssignments: arraysOnly(ipAssignments),
  tags: arraysOnly(tags),
  capabilities: arraysOnly(capabilities),
  name: (value) => asText(value, ""),
  remoteTraceTarget: traceTarget,
  remoteTraceLevel: traceLevel,
  authenticationExpiryTime: (value) => integerJson(asInteger(value, 0n)),
};

/** The keys that a change of `authorized` by the API sets. */
function authorization(authorized: boolean, now: number): JsonObject {
  if (!authorized) return { authorized, lastDeauthorizedTime: now };
  return { authorized, lastAuthorizedTime: now, lastAuthorizedCredentialType: "api", lastAuthorizedCredential: null };
}

/**
 * The member after a POST of `body` at `now` (ms since the epoch). `current` is null for a new one. `networkIdText` and
 * `addressText` are the ids as the caller spelled them: the record keeps that spelling until its node asks again.
 * A body that is no object acts like `{}`, which still fills in what is missing and resets `remoteTraceLevel`.
 * Whoever POSTs makes the member one that somebody knows; an authorization given this way has no end, and one that is
 * taken away has none any more.
 * Throws `JsonTypeError`, with the text that the reference answers with status 500, for an assigned IP that is no text.
 */
export function applyMemberBody(
  current: MemberRecord | null,
  networkIdText: string,
  addressText: string,
  body: JsonValue,
  now: number,
): MemberDraft {
  const json = prepared(current?.json ?? null, networkIdText, addressText, now);
  applyFields(json, MEMBER_FIELDS, body);
  const own = { ...(current?.own ?? NO_MEMBER_OWN), stranger: false };
  if (!isJsonObject(body) || !Object.hasOwn(body, "authorized")) return { json, own };
  const authorized = asBoolean(body["authorized"], false);
  if (authorized === asBoolean(json["authorized"], false)) return { json, own };
  return { json: Object.assign(json, authorization(authorized, now)), own: { ...own, authorizationExpiresAt: 0 } };
}
