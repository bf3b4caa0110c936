/**
 * Which subnet a new network gets. A proposed one is free if it touches no route of another network and nothing that
 * the host itself is connected to: a device that joins both could not tell the two apart.
 */
import type { Random } from "../node/ports.ts";
import { formatIp, type IpPrefix, parsePrefix, prefixContains } from "../protocol/inet-address.ts";

/** The 24 ranges that ZeroTier's own console proposes; they are rare in homes and offices. */
export const PROPOSED_SUBNETS: readonly IpPrefix[] = [
  ...["17", "18", "19", "20"].map((third) => `10.147.${third}.0/24`),
  ...["144", "241", "242", "243", "244"].map((second) => `10.${second}.0.0/16`),
  ...["22", "23", "24", "25", "26", "27", "28", "29", "30"].map((second) => `172.${second}.0.0/16`),
  ...["191", "192", "193", "194", "195", "196"].map((third) => `192.168.${third}.0/24`),
].map((text) => parsePrefix(text)!);

/** Where to look when every proposed range is taken: any /24 of 10.0.0.0/8. */
const FALLBACK_FIRST_BYTE = 10;
const FALLBACK_SUBNETS = 65_536;

/** A prefix that is in use, and by what: for messages. */
export interface OccupiedPrefix {
  readonly prefix: IpPrefix;
  /** Such as `network 8056c2e21c000001` or `interface eth0`. */
  readonly by: string;
}

/** First and last address, as texts, that members may be given from a subnet. */
export interface AddressRange {
  readonly start: string;
  readonly end: string;
}

/** True if the two have an address in common. */
export function prefixesOverlap(a: IpPrefix, b: IpPrefix): boolean {
  return a.bits <= b.bits ? prefixContains(a, b.ip) : prefixContains(b, a.ip);
}

/** True if no bit behind the prefix length is set. */
export function isNetworkAddress({ ip, bits }: IpPrefix): boolean {
  return ip.every((byte, at) => (byte & (0xff >> Math.min(8, Math.max(0, bits - 8 * at)))) === 0);
}

/** `prefix` with the bits behind its length cleared. */
export function networkOf(prefix: IpPrefix): IpPrefix {
  const ip = prefix.ip.map((byte, at) => byte & ~(0xff >> Math.min(8, Math.max(0, prefix.bits - 8 * at))));
  return { ...prefix, ip };
}

export function formatPrefix({ ip, bits }: IpPrefix): string {
  return `${formatIp(ip)}/${bits}`;
}

/** What of `occupied` shares addresses with `prefix`. Whole address families (a default route) do not count. */
export function collisionsOf(prefix: IpPrefix, occupied: Iterable<OccupiedPrefix>): OccupiedPrefix[] {
  const found: OccupiedPrefix[] = [];
  for (const one of occupied) {
    if (one.prefix.bits > 0 && prefixesOverlap(prefix, one.prefix)) found.push(one);
  }
  return found;
}

/** From `.1` to `.254` of an IPv4 subnet with at least two host bits: network and broadcast address stay out. */
export function poolOf({ ip, bits }: IpPrefix): AddressRange {
  const last = ip.map((byte, at) => byte | (0xff >> Math.min(8, Math.max(0, bits - 8 * at))));
  const first = new Uint8Array(ip);
  first[first.length - 1]! |= 1;
  last[last.length - 1]! &= 0xfe;
  return { start: formatIp(first), end: formatIp(last) };
}

function randomBelow(count: number, random: Random): number {
  const draw = new Uint32Array(1);
  random(new Uint8Array(draw.buffer));
  return draw[0]! % count;
}

/** The /24 subnets of 10.0.0.0/8 that something in `occupied` touches; index = second byte · 256 + third byte. */
function takenFallbacks(occupied: Iterable<OccupiedPrefix>): Uint8Array {
  const taken = new Uint8Array(FALLBACK_SUBNETS);
  for (const { prefix } of occupied) {
    if (prefix.family !== 4 || prefix.bits === 0) continue;
    if (prefix.bits < 8) {
      if (prefixContains(prefix, Uint8Array.of(FALLBACK_FIRST_BYTE, 0, 0, 0))) taken.fill(1);
    } else if (prefix.ip[0] === FALLBACK_FIRST_BYTE) {
      const network = networkOf(prefix).ip;
      const start = network[1]! * 256 + network[2]!;
      taken.fill(1, start, start + 2 ** Math.max(0, 24 - prefix.bits));
    }
  }
  return taken;
}

/**
 * A free subnet: one of the proposed ranges at random, so that two controllers rarely choose the same; if none is free
 * a random free /24 of 10.0.0.0/8; null if even there is none.
 */
export function chooseSubnet(occupied: readonly OccupiedPrefix[], random: Random): IpPrefix | null {
  const free = PROPOSED_SUBNETS.filter((prefix) => collisionsOf(prefix, occupied).length === 0);
  if (free.length > 0) return free[randomBelow(free.length, random)]!;
  const taken = takenFallbacks(occupied);
  const start = randomBelow(FALLBACK_SUBNETS, random);
  for (let step = 0; step < FALLBACK_SUBNETS; step++) {
    const at = (start + step) % FALLBACK_SUBNETS;
    if (taken[at] === 0) {
      return { family: 4, ip: Uint8Array.of(FALLBACK_FIRST_BYTE, at >> 8, at & 0xff, 0), bits: 24 };
    }
  }
  return null;
}
