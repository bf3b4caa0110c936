/**
 * Between a network's record (the reference's object and ours beside it, controller.md §3) and the network that
 * `/api/v1` shows. Pure. Keys of the record that this API does not know are kept as they are.
 */
import type { NetworkDraft } from "../../controller/management.ts";
import type { MemberCounts } from "../../controller/ports.ts";
import type { NetworkRecord } from "../../controller/records.ts";
import type { JsonObject, JsonValue } from "../../json/json.ts";
import { formatNetworkId } from "../../network/network-id.ts";
import { checkAddressing } from "./addressing.ts";
import type { NetworkPatch, NetworkSummaryView, NetworkView } from "./network-schema.ts";
import { flagField, listField, objectField, objectsField, textField, textsField, wholeField } from "./record-fields.ts";

interface Range {
  readonly start: string;
  readonly end: string;
}

function isIpv6(text: string): boolean {
  return text.includes(":");
}

/** Both families, in the record's order. */
function poolsIn(json: JsonObject): Range[] {
  return objectsField(json, "ipAssignmentPools").map((pool) => ({
    start: textField(pool, "ipRangeStart"),
    end: textField(pool, "ipRangeEnd"),
  }));
}

function routesIn(json: JsonObject): { target: string; via: string | null }[] {
  return objectsField(json, "routes").map((route) => ({
    target: textField(route, "target"),
    via: textField(route, "via") || null,
  }));
}

function dnsIn(json: JsonObject): { domain: string; servers: string[] } | null {
  const dns = objectField(json, "dns");
  const domain = textField(dns, "domain");
  const servers = textsField(dns, "servers");
  return domain === "" && servers.length === 0 ? null : { domain, servers };
}

/** Null as the reference writes it, too. */
function traceIn(json: JsonObject): { target: string | null; level: number } {
  return { target: textField(json, "remoteTraceTarget") || null, level: wholeField(json, "remoteTraceLevel") };
}

/** The network without its rules, as lists show it. */
export function networkSummaryView({ id, json, own }: NetworkRecord, memberCounts: MemberCounts): NetworkSummaryView {
  const pools = poolsIn(json);
  const v4 = objectField(json, "v4AssignMode");
  const v6 = objectField(json, "v6AssignMode");
  return {
    id: formatNetworkId(id),
    name: textField(json, "name"),
    description: own.description,
    access: flagField(json, "private", true) ? "private" : "public",
    mtu: wholeField(json, "mtu"),
    multicast: { broadcast: flagField(json, "enableBroadcast", true), limit: wholeField(json, "multicastLimit") },
    routes: routesIn(json),
    ipv4: { assign: flagField(v4, "zt"), pools: pools.filter(({ start }) => !isIpv6(start)) },
    ipv6: {
      assign: flagField(v6, "zt"),
      rfc4193: flagField(v6, "rfc4193"),
      sixPlane: flagField(v6, "6plane"),
      pools: pools.filter(({ start }) => isIpv6(start)),
    },
    dns: dnsIn(json),
    remoteTrace: traceIn(json),
    memberCounts: { ...memberCounts },
    createdAt: wholeField(json, "creationTime"),
    revision: revisionOf(json),
  };
}

/** The whole network. */
export function networkView(record: NetworkRecord, memberCounts: MemberCounts): NetworkView {
  const { json } = record;
  const source = textField(json, "rulesSource");
  return {
    ...networkSummaryView(record, memberCounts),
    rules: { source: source === "" ? null : source, count: listField(json, "rules").length },
    capabilities: objectsField(json, "capabilities").map((capability) => ({
      id: wholeField(capability, "id"),
      default: flagField(capability, "default"),
      rules: listField(capability, "rules").length,
    })),
    tags: objectsField(json, "tags").map((tag) => ({
      id: wholeField(tag, "id"),
      default: typeof tag["default"] === "number" ? tag["default"] : null,
    })),
  };
}

/** Decimal digits. */
export function revisionOf(json: JsonObject): string {
  const revision = json["revision"];
  if (typeof revision === "bigint") return revision.toString();
  return String(wholeField(json, "revision"));
}

/** Ids of the capabilities that a new member gets. */
export function defaultCapabilities(json: JsonObject): number[] {
  return objectsField(json, "capabilities")
    .filter((capability) => flagField(capability, "default"))
    .map((capability) => wholeField(capability, "id"));
}

function asRange({ ipRangeStart, ipRangeEnd }: { ipRangeStart: string; ipRangeEnd: string }): JsonObject {
  return { ipRangeEnd, ipRangeStart };
}

function patchedPools(json: JsonObject, { ipv4, ipv6 }: NetworkPatch): JsonObject[] {
  const held = poolsIn(json);
  const pools = [
    ...(ipv4?.pools ?? held.filter(({ start }) => !isIpv6(start))),
    ...(ipv6?.pools ?? held.filter(({ start }) => isIpv6(start))),
  ];
  return pools.map(({ start, end }) => asRange({ ipRangeStart: start, ipRangeEnd: end }));
}

/** Keeps what the reference has beside `target` and `via` of a route that stays (flags, metric). */
function patchedRoutes(json: JsonObject, routes: NonNullable<NetworkPatch["routes"]>): JsonObject[] {
  const held = objectsField(json, "routes");
  return routes.map(({ target, via }) => ({
    ...held.find((route) => textField(route, "target") === target),
    target,
    via,
  }));
}

/**
 * The record after `patch`, without its rules (network-rules.ts sets them). Throws `ApiError` if routes, pools and modes
 * do not fit together; a patch that touches none of them is not held responsible for them.
 */
export function patchNetwork(current: NetworkDraft, patch: NetworkPatch): NetworkDraft {
  const next: Record<string, JsonValue | undefined> = { ...current.json };
  const set = (key: string, value: JsonValue | undefined) => {
    if (value !== undefined) next[key] = value;
  };
  set("name", patch.name);
  set("private", patch.access === undefined ? undefined : patch.access === "private");
  set("mtu", patch.mtu);
  set("enableBroadcast", patch.multicast?.broadcast);
  set("multicastLimit", patch.multicast?.limit);
  set("remoteTraceTarget", patch.remoteTrace?.target);
  set("remoteTraceLevel", patch.remoteTrace?.level);
  if (patch.dns !== undefined) set("dns", patch.dns === null ? [] : { ...patch.dns });
  if (patch.ipv4?.assign !== undefined) set("v4AssignMode", { zt: patch.ipv4.assign });
  if (patch.ipv6 !== undefined) {
    const held = objectField(current.json, "v6AssignMode");
    set("v6AssignMode", {
      "6plane": patch.ipv6.sixPlane ?? flagField(held, "6plane"),
      rfc4193: patch.ipv6.rfc4193 ?? flagField(held, "rfc4193"),
      zt: patch.ipv6.assign ?? flagField(held, "zt"),
    });
  }
  if (patch.routes !== undefined) set("routes", patchedRoutes(current.json, patch.routes));
  if (patch.ipv4?.pools !== undefined || patch.ipv6?.pools !== undefined) {
    set("ipAssignmentPools", patchedPools(current.json, patch));
  }
  if (patch.routes !== undefined || patch.ipv4 !== undefined || patch.ipv6 !== undefined) {
    const pools = poolsIn(next);
    checkAddressing({
      routes: routesIn(next),
      pools4: pools.filter(({ start }) => !isIpv6(start)),
      pools6: pools.filter(({ start }) => isIpv6(start)),
    });
  }
  return { json: next, own: { ...current.own, description: patch.description ?? current.own.description } };
}

/** The managed routes of a network: those without a gateway, from which members may have addresses. */
export function managedRoutes(json: JsonObject): string[] {
  return routesIn(json)
    .filter(({ via }) => via === null)
    .map(({ target }) => target);
}

/** Every route target of a network. */
export function routeTargets(json: JsonObject): string[] {
  return routesIn(json).map(({ target }) => target);
}
