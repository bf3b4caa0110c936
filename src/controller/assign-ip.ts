/**
 * Managed addresses of a member: which it has, and which it gets. Facts: controller.md §10.
 *
 * | order | address | condition |
 * |---|---|---|
 * | 1 | RFC 4193 | assign mode `rfc4193` |
 * | 2 | 6PLANE | assign mode `6plane` |
 * | 3 | those in the record | a route contains them; the longest gives the prefix length |
 * | 4 | a new IPv6 one | assign mode `zt`, and no managed IPv6 address yet |
 * | 5 | a new IPv4 one | the same for IPv4 |
 *
 * A new address depends on the node's address, so that it comes back to the same member if it is free.
 */
import { rfc4193Address, sixPlaneAddress } from "../network/derived-addresses.ts";
import { MAX_STATIC_IPS } from "../network/limits.ts";
import type { Random } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";
import { bytesEqual } from "../protocol/bytes.ts";
import { type IpPrefix, prefixContains } from "../protocol/inet-address.ts";
import type { IpPool, ManagedRoute } from "./lists.ts";
import type { MemberSettings, NetworkSettings } from "./settings.ts";

/** Addresses tried in one pool before it counts as full. */
const MAX_TRIALS = 1000;
const LOW_64 = 0xffff_ffff_ffff_ffffn;
/** A pool at least this large holds every node's own address. */
const ALL_ADDRESSES = 0xff_ffff_ffffn;
const MAX_U32 = 0xffff_ffff;

export interface AssignedAddresses {
  /** In the order in which they are sent. */
  readonly addresses: readonly IpPrefix[];
  /** One of them follows from the node's address: members answer neighbour discovery for each other. */
  readonly ndpEmulation: boolean;
}

/** Says whether somebody else has this managed address (4 or 16 bytes). */
export type IsTaken = (ip: Uint8Array) => Promise<boolean>;

/** What the member has without anything new. */
export function presentAddresses(
  network: NetworkSettings,
  member: MemberSettings,
  networkId: bigint,
  address: Address,
): AssignedAddresses {
  const derived = derivedAddresses(network, member, networkId, address);
  const addresses = [...derived, ...routable(network, member)].slice(0, MAX_STATIC_IPS);
  return { addresses, ndpEmulation: derived.length > 0 };
}

/** The families (4, 6) in which the member has to get a new address. */
export function missingFamilies(network: NetworkSettings, member: MemberSettings): (4 | 6)[] {
  if (member.noAutoAssignIps) return [];
  const has = routable(network, member);
  const wanted: (4 | 6)[] = [];
  if (network.v6AssignZt && !has.some(({ family }) => family === 6)) wanted.push(6);
  if (network.v4AssignZt && !has.some(({ family }) => family === 4)) wanted.push(4);
  return wanted;
}

/** A free address out of the pools of one family, or null if there is none. */
export async function freeAddress(
  family: 4 | 6,
  network: NetworkSettings,
  address: Address,
  random: Random,
  isTaken: IsTaken,
): Promise<Uint8Array | null> {
  for (const pool of network.pools) {
    if (pool.start.length !== (family === 4 ? 4 : 16)) continue;
    const candidates = family === 6 ? candidatesV6(pool, address, random) : candidatesV4(pool, address);
    for (const ip of candidates) {
      const usable = family === 6 ? routedV6(network.routes, ip) : routedV4(network.routes, ip);
      if (usable && !(await isTaken(ip))) return ip;
    }
  }
  return null;
}

function derivedAddresses(
  network: NetworkSettings,
  member: MemberSettings,
  networkId: bigint,
  address: Address,
): IpPrefix[] {
  if (member.noAutoAssignIps) return [];
  const derived: IpPrefix[] = [];
  if (network.v6AssignRfc4193) derived.push(rfc4193Address(networkId, address));
  if (network.v6Assign6plane) derived.push(sixPlaneAddress(networkId, address));
  return derived;
}

/** Addresses of the record that a route contains, each with the prefix length of the longest such route. */
function routable(network: NetworkSettings, member: MemberSettings): IpPrefix[] {
  const found: IpPrefix[] = [];
  for (const ip of member.ipAssignments) {
    let bits = -1;
    for (const { target } of network.routes) {
      if (target.bits > bits && contains(target, ip)) bits = target.bits;
    }
    if (bits >= 0) found.push({ family: ip.length === 4 ? 4 : 6, ip, bits });
  }
  return found;
}

/** A route's host bits are ignored in IPv4; in IPv6 such a route contains nothing (controller.md §10, 3). */
function contains(target: IpPrefix, ip: Uint8Array): boolean {
  if (target.ip.length !== ip.length || !prefixContains(target, ip)) return false;
  return target.family === 4 || !hasHostBits(target);
}

function hasHostBits({ ip, bits }: IpPrefix): boolean {
  for (let bit = bits; bit < ip.length * 8; bit++) {
    if ((ip[bit >> 3]! & (0x80 >> (bit & 7))) !== 0) return true;
  }
  return false;
}

/** Routes through a gateway do not count for a new IPv6 address; the last of the others decides. */
function routedV6(routes: readonly ManagedRoute[], ip: Uint8Array): boolean {
  const on = routes.filter(({ target, via }) => via === null && target.family === 6 && contains(target, ip));
  const last = on.at(-1);
  return last !== undefined && last.target.bits > 0;
}

/** The first route that contains a new IPv4 address decides; its target must have no host bits. */
function routedV4(routes: readonly ManagedRoute[], ip: Uint8Array): boolean {
  const first = routes.find(({ target }) => target.family === 4 && !hasHostBits(target) && prefixContains(target, ip));
  return first !== undefined && first.target.bits > 0;
}

function* candidatesV4({ start, end }: IpPool, address: Address): Generator<Uint8Array> {
  const [first, last] = [toU32(start), toU32(end)];
  if (last < first || first === 0) return;
  const length = last - first;
  let counter = address % (MAX_U32 + 1);
  for (let trial = Math.min(length + 1, MAX_TRIALS); trial > 0; trial--) {
    const ip = first + (length > 0 ? counter % length : 0);
    counter = (counter + 1) % (MAX_U32 + 1);
    if ((ip & 0xff) !== 0xff) yield fromU32(ip);
  }
}

function* candidatesV6({ start, end }: IpPool, address: Address, random: Random): Generator<Uint8Array> {
  const [startHigh, startLow] = halves(start);
  const [endHigh, endLow] = halves(end);
  if (endLow > startLow && endLow - startLow >= ALL_ADDRESSES) {
    yield fromHalves(startHigh, (startLow + BigInt(address)) & LOW_64);
  }
  const drawn = new Uint8Array(16);
  for (let trial = 1; trial < MAX_TRIALS; trial++) {
    random(drawn);
    const [high, low] = halves(drawn);
    const ip = fromHalves(within(startHigh, endHigh, high), within(startLow, endLow, low));
    yield ip;
    if (bytesEqual(start, end)) return;
  }
}

function within(start: bigint, end: bigint, drawn: bigint): bigint {
  return end > start ? start + (drawn % (end - start)) : start;
}

function toU32(ip: Uint8Array): number {
  return ((ip[0]! << 24) | (ip[1]! << 16) | (ip[2]! << 8) | ip[3]!) >>> 0;
}

function fromU32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
}

function halves(ip: Uint8Array): [bigint, bigint] {
  const view = new DataView(ip.buffer, ip.byteOffset, 16);
  return [view.getBigUint64(0), view.getBigUint64(8)];
}

function fromHalves(high: bigint, low: bigint): Uint8Array {
  const ip = new Uint8Array(16);
  const view = new DataView(ip.buffer);
  view.setBigUint64(0, high);
  view.setBigUint64(8, low);
  return ip;
}
