/**
 * IPv6 addresses that follow from network id and address, so that nobody has to assign them.
 * Facts: vl2-networks.md §1.3.
 *
 * | scheme | bytes |
 * |---|---|
 * | 6PLANE | `fc`, 4 bytes (upper XOR lower half of the network id), 5 bytes address, `00 00 00 00 00 01` |
 * | RFC 4193 | `fd`, 8 bytes network id, `99 93`, 5 bytes address |
 */
import { type Address, writeAddress } from "../protocol/address.ts";
import type { Mac } from "../protocol/ethernet.ts";
import type { IpPrefix } from "../protocol/inet-address.ts";
import type { NetworkId } from "./network-id.ts";

const IPV6_BYTES = 16;
/** Length of the network's part: what is behind it tells members apart. */
export const SIX_PLANE_BITS = 40;
export const RFC_4193_BITS = 88;

/** A member's 6PLANE address, with the network's prefix length (40). All of its /80 is the member's. */
export function sixPlaneAddress(networkId: NetworkId, address: Address): IpPrefix {
  const ip = new Uint8Array(IPV6_BYTES);
  ip[0] = 0xfc;
  const folded = Number((networkId ^ (networkId >> 32n)) & 0xffffffffn);
  new DataView(ip.buffer).setUint32(1, folded);
  writeAddress(ip, 5, address);
  ip[15] = 1;
  return { family: 6, ip, bits: SIX_PLANE_BITS };
}

/** A member's RFC 4193 address, with the network's prefix length (88). */
export function rfc4193Address(networkId: NetworkId, address: Address): IpPrefix {
  const ip = new Uint8Array(IPV6_BYTES);
  ip[0] = 0xfd;
  new DataView(ip.buffer).setBigUint64(1, networkId);
  ip[9] = 0x99;
  ip[10] = 0x93;
  writeAddress(ip, 11, address);
  return { family: 6, ip, bits: RFC_4193_BITS };
}

/**
 * Whether an IPv6 address belongs to a member because of how it is made: it shares the network's part with one of our
 * own derived addresses among `own` (vl2-rules.md §3.1, "emulation rule"). Whose it is is not looked at.
 */
export function isDerivedLikeOurs(ip: Uint8Array, own: readonly IpPrefix[], id: NetworkId, self: Address): boolean {
  if (ip.length !== IPV6_BYTES) return false;
  const derived = ip[0] === 0xfc ? sixPlaneAddress(id, self) : ip[0] === 0xfd ? rfc4193Address(id, self) : null;
  if (derived === null || !startsEqual(ip, derived.ip, derived.bits / 8)) return false;
  return own.some(({ ip: ours }) => ours.length === IPV6_BYTES && startsEqual(ours, derived.ip, IPV6_BYTES));
}

function startsEqual(a: Uint8Array, b: Uint8Array, bytes: number): boolean {
  for (let i = 0; i < bytes; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The link-local IPv6 address (16 bytes) that an interface with this MAC gives itself (EUI-64). */
export function linkLocalAddress(mac: Mac): Uint8Array {
  const ip = new Uint8Array(IPV6_BYTES);
  ip[0] = 0xfe;
  ip[1] = 0x80;
  const view = new DataView(ip.buffer);
  view.setUint32(8, Math.floor(mac / 0x1000000) * 0x100);
  view.setUint32(12, mac % 0x1000000);
  ip[8]! ^= 0x02;
  ip[11] = 0xff;
  ip[12] = 0xfe;
  return ip;
}
