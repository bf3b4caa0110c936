/**
 * The fields of a network that a client may set: what the reference's controller stores for a value that it is sent.
 * Facts: controller.md §2 (conversions) and §3 (table of fields); `vectors/api/controller-network.json`.
 *
 * Nothing is refused. A value of the wrong type is converted, or gives the fallback of its field, or leaves the field as
 * it is; which of the three differs from field to field, and tools rely on it.
 */
import { asBoolean, asInteger, asText, isNumber } from "../json/coerce.ts";
import { isJsonObject, type JsonObject, type JsonValue, newJsonObject } from "../json/json.ts";
import { clampMtu, DEFAULT_MTU } from "../network/limits.ts";
import { ruleFromJson, ruleToJson } from "../network/rules/json.ts";
import { formatIp } from "../protocol/inet-address.ts";
import { arraysOnly, type Fields, integerJson, numberOf, traceLevel, traceTarget } from "./fields.ts";
import { itemsOf, MAX_LIST_ITEMS, objectsById, readPools, readRoutes } from "./lists.ts";

const DEFAULT_MULTICAST_LIMIT = 32n;

/** What `authTokens` is while there are none: the reference stores this array, and its tools know it. */
export const NO_AUTH_TOKENS: JsonValue = [null];
export const NO_V4_ASSIGNMENT: JsonObject = { zt: false };
export const NO_V6_ASSIGNMENT: JsonObject = { "6plane": false, rfc4193: false, zt: false };
/** Unlike rules that were sent, the rule of a new network keeps `not` and `or`. */
export const ACCEPT_ALL: JsonValue = [{ not: false, or: false, type: "ACTION_ACCEPT" }];

const V6_MODES = Object.keys(NO_V6_ASSIGNMENT);

function v4AssignMode(value: JsonValue): JsonValue {
  return { zt: isJsonObject(value) ? asBoolean(value["zt"], false) : value === "zt" };
}

/** An object is replaced by those of the known keys that it has; a text names those that are on. */
function v6AssignMode(value: JsonValue): JsonValue {
  if (isJsonObject(value)) {
    const given = V6_MODES.filter((mode) => value[mode] !== undefined);
    return Object.fromEntries(given.map((mode) => [mode, asBoolean(value[mode], false)]));
  }
  const on = typeof value === "string" ? value.split(",") : [];
  return Object.fromEntries(V6_MODES.map((mode) => [mode, on.includes(mode)]));
}

function routes(items: readonly JsonValue[]): JsonValue {
  return readRoutes(items).map(({ target, via }) => ({
    target: `${formatIp(target.ip)}/${target.bits}`,
    via: via === null ? null : formatIp(via),
  }));
}

function pools(items: readonly JsonValue[]): JsonValue {
  return readPools(items).map(({ start, end }) => ({ ipRangeStart: formatIp(start), ipRangeEnd: formatIp(end) }));
}

/** Each rule is read and rendered again; what cannot be a rule is dropped. Throws `JsonTypeError` as `ruleFromJson`. */
function rules(items: readonly JsonValue[]): JsonValue {
  const rendered: JsonObject[] = [];
  for (const item of items.slice(0, MAX_LIST_ITEMS)) {
    const rule = ruleFromJson(item);
    if (rule !== null) rendered.push(ruleToJson(rule));
  }
  return rendered;
}

function capabilities(items: readonly JsonValue[]): JsonValue {
  return objectsById(items).map(([id, item]) => ({
    id: integerJson(id),
    default: asBoolean(item["default"], false),
    rules: rules(itemsOf(item["rules"])),
  }));
}

function tags(items: readonly JsonValue[]): JsonValue {
  return objectsById(items).map(([id, item]) => {
    const value = item["default"] ?? null;
    return { id: integerJson(id), default: value === null ? null : integerJson(asInteger(value, 0n)) };
  });
}

/** Entries whose value is a number that is not negative. None left gives null, anything but an object `[null]`. */
function authTokens(value: JsonValue): JsonValue {
  if (!isJsonObject(value)) return NO_AUTH_TOKENS;
  const kept = newJsonObject();
  for (const [token, until] of Object.entries(value)) {
    if (isNumber(until) && numberOf(until) >= 0) kept[token] = until;
  }
  return Object.keys(kept).length === 0 ? null : kept;
}

/** Neither the domain nor the servers are looked at. */
function dns(value: JsonValue): JsonValue | undefined {
  if (!isJsonObject(value)) return undefined;
  const servers = value["servers"];
  const domain = value["domain"] ?? null;
  return Array.isArray(servers) ? { domain, servers: servers.slice(0, MAX_LIST_ITEMS) as JsonValue } : { domain };
}

/** The fields of a network that a client may set. */
export const NETWORK_FIELDS: Fields = {
  name: (value) => asText(value, ""),
  private: (value) => asBoolean(value, true),
  // A new network has broadcast; null switches it off all the same.
  enableBroadcast: (value) => asBoolean(value, false),
  multicastLimit: (value) => integerJson(asInteger(value, DEFAULT_MULTICAST_LIMIT)),
  mtu: (value) => clampMtu(Number(BigInt.asUintN(32, asInteger(value, BigInt(DEFAULT_MTU))))),
  remoteTraceTarget: traceTarget,
  remoteTraceLevel: traceLevel,
  v4AssignMode,
  v6AssignMode,
  routes: arraysOnly(routes),
  ipAssignmentPools: arraysOnly(pools),
  rules: arraysOnly(rules),
  capabilities: arraysOnly(capabilities),
  tags: arraysOnly(tags),
  authTokens,
  dns,
};
