/**
 * The lists in the records of networks and members, as typed values: read out of what a client sent and out of what is
 * stored, by the same rules. Facts: controller.md §3, §6.
 *
 * Items that are not what they should be are left out, as in the reference.
 */
import { asInteger } from "../json/coerce.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../json/json.ts";
import { readLoosePrefix } from "../network/loose-prefix.ts";
import type { IpPrefix } from "../protocol/inet-address.ts";

/** What is beyond this many items of any list is ignored. */
export const MAX_LIST_ITEMS = 16_384;

/** A managed route. */
export interface ManagedRoute {
  /** Bits of the host part as they were given. */
  readonly target: IpPrefix;
  /** 4 or 16 bytes, of the target's family; null for a route on the link itself. */
  readonly via: Uint8Array | null;
}

/** A range of addresses for members. Both ends have 4 or both have 16 bytes; the end may be below the start. */
export interface IpPool {
  readonly start: Uint8Array;
  readonly end: Uint8Array;
}

/** A tag as a member carries it. */
export interface TagValue {
  /** 0 … 2^32−1, as the value. */
  readonly id: number;
  readonly value: number;
}

function objectsOf(items: readonly JsonValue[]): JsonObject[] {
  return items.slice(0, MAX_LIST_ITEMS).filter(isJsonObject);
}

/** The list, or nothing where there is none. */
export function itemsOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]) : [];
}

/** An address without what may stand behind its slash: 4 or 16 bytes; null if it is no text or of no family. */
export function readPlainIp(value: JsonValue | undefined): Uint8Array | null {
  return typeof value === "string" ? (readLoosePrefix(value)?.ip ?? null) : null;
}

/** No number means /0, and bits of the host part stay. Null if there is no family or there are too many bits. */
function readRouteTarget(value: JsonValue | undefined): IpPrefix | null {
  const target = typeof value === "string" ? readLoosePrefix(value) : null;
  return target === null || target.bits > target.ip.length * 8 ? null : target;
}

/** Routes out of `{target, via}` items, in their order. A `via` of another family than its target is dropped. */
export function readRoutes(items: readonly JsonValue[]): ManagedRoute[] {
  const routes: ManagedRoute[] = [];
  for (const item of objectsOf(items)) {
    const target = readRouteTarget(item["target"]);
    if (target === null) continue;
    const via = readPlainIp(item["via"]);
    routes.push({ target, via: via !== null && via.length === target.ip.length ? via : null });
  }
  return routes;
}

/** Pools out of `{ipRangeStart, ipRangeEnd}` items, in their order. */
export function readPools(items: readonly JsonValue[]): IpPool[] {
  const pools: IpPool[] = [];
  for (const item of objectsOf(items)) {
    const start = readPlainIp(item["ipRangeStart"]);
    const end = readPlainIp(item["ipRangeEnd"]);
    if (start !== null && end !== null && start.length === end.length) pools.push({ start, end });
  }
  return pools;
}

/** An item's `id`, as unsigned 64 bits; 0 if it has none. */
export function idOf(item: JsonObject): bigint {
  return asInteger(item["id"], 0n);
}

/** Objects of a list with an id each: ascending by id, of several with one id the last. */
export function objectsById(items: readonly JsonValue[]): [bigint, JsonObject][] {
  const byId = new Map<bigint, JsonObject>();
  for (const item of objectsOf(items)) byId.set(idOf(item), item);
  return [...byId].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The low 32 bits of an integer in JSON; 0 where there is none. */
export function lowWord(value: JsonValue | undefined): number {
  return Number(BigInt.asUintN(32, asInteger(value, 0n)));
}

/** A member's tags out of `[id, value]` items: ascending by id, of several with one id the last. */
export function readTagValues(items: readonly JsonValue[]): TagValue[] {
  const byId = new Map<number, number>();
  for (const item of items.slice(0, MAX_LIST_ITEMS)) {
    if (Array.isArray(item) && item.length === 2) byId.set(lowWord(item[0]), lowWord(item[1]));
  }
  return [...byId].map(([id, value]) => ({ id, value })).sort((a, b) => a.id - b.id);
}
