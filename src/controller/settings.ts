/**
 * Records of networks and members as the engine needs them: typed, within bounds, every odd value replaced as the
 * reference replaces it when it builds a configuration. Facts: controller.md §3, §6, §9, §11 and §2; limits in
 * vl2-networks.md §5.1.
 *
 * A record may come out of a file that anybody wrote: nothing here throws.
 */
import { asBoolean, asInteger, asText, isNumber, JsonTypeError } from "../json/coerce.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../json/json.ts";
import { clampMtu, DEFAULT_MTU, MAX_CAPABILITIES, MAX_DNS_SERVERS, MAX_ROUTES, MAX_RULES } from "../network/limits.ts";
import { ruleFromJson } from "../network/rules/json.ts";
import type { Rule } from "../network/rules/rule.ts";
import { type Address, parseAddress } from "../protocol/address.ts";
import { numberOf } from "./fields.ts";
import {
  type IpPool,
  itemsOf,
  lowWord,
  MAX_LIST_ITEMS,
  type ManagedRoute,
  readPlainIp,
  readPools,
  readRoutes,
  readTagValues,
  type TagValue,
} from "./lists.ts";

/** Rules of one capability that are sent (controller.md §4). */
const MAX_CAPABILITY_RULES = 64;
const DEFAULT_MULTICAST_LIMIT = 32n;
/** The credential time window (controller.md §9): 30 minutes unless the record says otherwise, within these bounds. */
const DEFAULT_MAX_DELTA_MS = 1_800_000n;
const MIN_MAX_DELTA_MS = 300_000;
const MAX_MAX_DELTA_MS = 7_200_000;

/** To whom members send traces. */
export interface RemoteTrace {
  readonly target: Address;
  readonly level: number;
}

/** A capability that the network defines. */
export interface CapabilityDefinition {
  readonly id: number;
  /** New members get it. */
  readonly isDefault: boolean;
  /** At most 64. */
  readonly rules: readonly Rule[];
}

/** A tag that the network defines. */
export interface TagDefinition {
  readonly id: number;
  /** What members without a value of their own get; null for none. */
  readonly default: number | null;
}

/** Name servers for the members. */
export interface DnsSettings {
  /** Of any length, without NUL, as the name. */
  readonly domain: string;
  /** 4 or 16 bytes each, at most 4 of them. */
  readonly servers: readonly Uint8Array[];
}

/** A network as a configuration needs it. */
export interface NetworkSettings {
  readonly isPrivate: boolean;
  /** Of any length, without NUL; whoever writes a configuration cuts it. */
  readonly name: string;
  readonly enableBroadcast: boolean;
  /** 0 … 2^32−1. */
  readonly multicastLimit: number;
  /** 1280 … 10000. */
  readonly mtu: number;
  /** How far the timestamps of two members' credentials may be apart, ms: 300 000 … 7 200 000. */
  readonly credentialMaxDeltaMs: number;
  /** What members see as the revision of their configuration. */
  readonly revision: bigint;
  /** In stored order, at most 128. */
  readonly routes: readonly ManagedRoute[];
  readonly v4AssignZt: boolean;
  readonly v6AssignZt: boolean;
  readonly v6AssignRfc4193: boolean;
  readonly v6Assign6plane: boolean;
  /** In stored order. */
  readonly pools: readonly IpPool[];
  /** At most 1024. */
  readonly rules: readonly Rule[];
  /** Ascending by id, each id once, at most 128. */
  readonly capabilities: readonly CapabilityDefinition[];
  /** In stored order, each id once. There may be more than a member can carry. */
  readonly tags: readonly TagDefinition[];
  readonly dns: DnsSettings | null;
  /** Text of a token → ms since the epoch at which it ends; 0 = never. */
  readonly authTokens: ReadonlyMap<string, number>;
  readonly remoteTrace: RemoteTrace | null;
  readonly ssoEnabled: boolean;
}

/** A member as a configuration needs it. */
export interface MemberSettings {
  readonly authorized: boolean;
  readonly activeBridge: boolean;
  readonly noAutoAssignIps: boolean;
  /** 4 or 16 bytes each, in stored order. There may be more than are sent. */
  readonly ipAssignments: readonly Uint8Array[];
  /** Ascending by id, each id once. There may be more than are sent. */
  readonly tags: readonly TagValue[];
  /** Ids, in stored order, each once. */
  readonly capabilities: readonly number[];
  /** The public identity it is pinned to, as text; whatever is there that is no text gives "", which no node has. */
  readonly identity: string | null;
  readonly remoteTrace: RemoteTrace | null;
  readonly ssoExempt: boolean;
  /** ms since the epoch. */
  readonly authenticationExpiryTime: number;
  readonly revision: bigint;
}

/** As far as a C string goes. */
function untilNul(text: string): string {
  const end = text.indexOf("\0");
  return end < 0 ? text : text.slice(0, end);
}

function remoteTrace(json: JsonObject): RemoteTrace | null {
  const target = parseAddress(asText(json["remoteTraceTarget"], ""));
  return target === null || target === 0 ? null : { target, level: lowWord(json["remoteTraceLevel"]) };
}

function credentialMaxDelta(value: JsonValue | undefined): number {
  const delta = Number(asInteger(value, DEFAULT_MAX_DELTA_MS));
  return Math.min(Math.max(delta, MIN_MAX_DELTA_MS), MAX_MAX_DELTA_MS);
}

/** The rule, or null for what cannot be one. A rule that fails a POST can still stand in a file. */
function ruleOrNull(item: JsonValue): Rule | null {
  try {
    return ruleFromJson(item);
  } catch (error) {
    if (error instanceof JsonTypeError) return null;
    throw error;
  }
}

function readRules(value: JsonValue | undefined, max: number): Rule[] {
  const rules: Rule[] = [];
  for (const item of itemsOf(value).slice(0, MAX_LIST_ITEMS)) {
    if (rules.length === max) break;
    const rule = ruleOrNull(item);
    if (rule !== null) rules.push(rule);
  }
  return rules;
}

/** Of several with one id the last counts. */
function readCapabilities(value: JsonValue | undefined): CapabilityDefinition[] {
  const byId = new Map<number, JsonObject>();
  for (const item of itemsOf(value).slice(0, MAX_LIST_ITEMS))
    if (isJsonObject(item)) byId.set(lowWord(item["id"]), item);
  return [...byId]
    .sort(([a], [b]) => a - b)
    .slice(0, MAX_CAPABILITIES)
    .map(([id, item]) => ({
      id,
      isDefault: asBoolean(item["default"], false),
      rules: readRules(item["rules"], MAX_CAPABILITY_RULES),
    }));
}

/** Of several with one id the first that has a default counts: a member that got it does not lack the tag any more. */
function readTags(value: JsonValue | undefined): TagDefinition[] {
  const byId = new Map<number, number | null>();
  for (const item of itemsOf(value).slice(0, MAX_LIST_ITEMS)) {
    if (!isJsonObject(item)) continue;
    const id = lowWord(item["id"]);
    const preset = item["default"];
    byId.set(id, byId.get(id) ?? (isNumber(preset) ? lowWord(preset) : null));
  }
  return [...byId].map(([id, preset]) => ({ id, default: preset }));
}

function readDns(value: JsonValue | undefined): DnsSettings | null {
  if (!isJsonObject(value)) return null;
  const servers: Uint8Array[] = [];
  for (const item of itemsOf(value["servers"]).slice(0, MAX_LIST_ITEMS)) {
    const ip = readPlainIp(item);
    if (ip !== null && servers.length < MAX_DNS_SERVERS) servers.push(ip);
  }
  return { domain: untilNul(asText(value["domain"], "")), servers };
}

/** The array that stands for "none" gives none, like anything else that is no object. */
function readAuthTokens(value: JsonValue | undefined): Map<string, number> {
  const tokens = new Map<string, number>();
  if (!isJsonObject(value)) return tokens;
  for (const [token, until] of Object.entries(value)) if (isNumber(until)) tokens.set(token, numberOf(until));
  return tokens;
}

function isOn(mode: JsonValue | undefined, key: string): boolean {
  return isJsonObject(mode) && asBoolean(mode[key], false);
}

/** A network's stored object as settings. */
export function networkSettings(json: JsonObject): NetworkSettings {
  const v6 = json["v6AssignMode"];
  return {
    isPrivate: asBoolean(json["private"], true),
    name: untilNul(asText(json["name"], "")),
    enableBroadcast: asBoolean(json["enableBroadcast"], true),
    multicastLimit: Number(BigInt.asUintN(32, asInteger(json["multicastLimit"], DEFAULT_MULTICAST_LIMIT))),
    mtu: clampMtu(Number(BigInt.asUintN(32, asInteger(json["mtu"], BigInt(DEFAULT_MTU))))),
    credentialMaxDeltaMs: credentialMaxDelta(json["certificateTimeoutWindowSize"]),
    revision: asInteger(json["revision"], 0n),
    routes: readRoutes(itemsOf(json["routes"])).slice(0, MAX_ROUTES),
    v4AssignZt: isOn(json["v4AssignMode"], "zt"),
    v6AssignZt: isOn(v6, "zt"),
    v6AssignRfc4193: isOn(v6, "rfc4193"),
    v6Assign6plane: isOn(v6, "6plane"),
    pools: readPools(itemsOf(json["ipAssignmentPools"])),
    rules: readRules(json["rules"], MAX_RULES),
    capabilities: readCapabilities(json["capabilities"]),
    tags: readTags(json["tags"]),
    dns: readDns(json["dns"]),
    authTokens: readAuthTokens(json["authTokens"]),
    remoteTrace: remoteTrace(json),
    ssoEnabled: asBoolean(json["ssoEnabled"], false),
  };
}

function readIdentity(value: JsonValue | undefined): string | null {
  if (value === undefined || value === null) return null;
  return typeof value === "string" ? value : "";
}

/** A member's stored object as settings. */
export function memberSettings(json: JsonObject): MemberSettings {
  const ips = itemsOf(json["ipAssignments"]).slice(0, MAX_LIST_ITEMS).map(readPlainIp);
  return {
    authorized: asBoolean(json["authorized"], false),
    activeBridge: asBoolean(json["activeBridge"], false),
    noAutoAssignIps: asBoolean(json["noAutoAssignIps"], false),
    ipAssignments: ips.filter((ip) => ip !== null),
    tags: readTagValues(itemsOf(json["tags"])),
    capabilities: [...new Set(itemsOf(json["capabilities"]).slice(0, MAX_LIST_ITEMS).map(lowWord))],
    identity: readIdentity(json["identity"]),
    remoteTrace: remoteTrace(json),
    ssoExempt: asBoolean(json["ssoExempt"], false),
    authenticationExpiryTime: Number(asInteger(json["authenticationExpiryTime"], 0n)),
    revision: asInteger(json["revision"], 0n),
  };
}
