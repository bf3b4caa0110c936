/**
 * Answers to IPv6 neighbour solicitations for 6PLANE and RFC 4193 addresses: the MAC follows from the address, so no
 * multicast is needed. Facts: vl2-ethernet.md §4.
 */
import { RFC_4193_BITS, SIX_PLANE_BITS } from "../network/derived-addresses.ts";
import type { MemberMacs } from "../network/mac.ts";
import { type Address, readAddress } from "../protocol/address.ts";
import { EtherType, ethernetFrame, type Mac, writeMac } from "../protocol/ethernet.ts";
import type { IpPrefix } from "../protocol/inet-address.ts";

/** Offsets in an IPv6 packet that carries a neighbour solicitation. */
const NEXT_HEADER_OFFSET = 6;
const ICMP_TYPE_OFFSET = 40;
const TARGET_OFFSET = 48;
const SOLICITATION_BYTES = 64;

const ICMPV6 = 58;
const NEIGHBOR_SOLICITATION = 0x87;
const NEIGHBOR_ADVERTISEMENT = 0x88;
const ADVERTISEMENT_BYTES = 72;
const ICMP_BYTES = 32;
const SOLICITED_AND_OVERRIDE = 0x60;
const TARGET_LINK_LAYER_OPTION = 2;
const MAX_HOPS = 255;
const IPV6_BYTES = 16;

/**
 * The Ethernet frame that answers a solicitation, or null if `data` (an IPv6 packet, `etherType` 0x86dd) is none or
 * asks for an address that does not tell its owner. `ips` are our own managed addresses in the configuration's order,
 * `solicitor` is the MAC that asked.
 */
export function emulatedAdvertisement(
  data: Uint8Array,
  ips: readonly IpPrefix[],
  self: Address,
  macs: MemberMacs,
  solicitor: Mac,
): Uint8Array | null {
  if (data.length < SOLICITATION_BYTES || data[NEXT_HEADER_OFFSET] !== ICMPV6) return null;
  if (data[ICMP_TYPE_OFFSET] !== NEIGHBOR_SOLICITATION) return null;
  const target = data.subarray(TARGET_OFFSET, TARGET_OFFSET + IPV6_BYTES);
  for (const own of ips) {
    const owner = ownerOf(target, own);
    if (owner === null) continue;
    if (owner === 0 || owner === self) return null;
    const mac = macs.macOf(owner);
    return ethernetFrame(solicitor, mac, EtherType.IPV6, advertisement(target, own.ip, mac));
  }
  return null;
}

/** Whose address `target` is if it is of the same scheme and network as `own`; null if it is not. */
function ownerOf(target: Uint8Array, own: IpPrefix): Address | null {
  if (own.family !== 6) return null;
  const { ip, bits } = own;
  if (bits === RFC_4193_BITS && ip[0] === 0xfd && ip[9] === 0x99 && ip[10] === 0x93) {
    return startsEqual(target, ip, 11) ? readAddress(target, 11) : null;
  }
  if (bits === SIX_PLANE_BITS && ip[0] === 0xfc) return startsEqual(target, ip, 5) ? readAddress(target, 5) : null;
  return null;
}

function startsEqual(a: Uint8Array, b: Uint8Array, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function advertisement(target: Uint8Array, recipient: Uint8Array, mac: Mac): Uint8Array {
  const packet = new Uint8Array(ADVERTISEMENT_BYTES);
  packet[0] = 0x60;
  packet[5] = ICMP_BYTES;
  packet[NEXT_HEADER_OFFSET] = ICMPV6;
  packet[7] = MAX_HOPS;
  packet.set(target, 8);
  packet.set(recipient, 24);
  packet[ICMP_TYPE_OFFSET] = NEIGHBOR_ADVERTISEMENT;
  packet[44] = SOLICITED_AND_OVERRIDE;
  packet.set(target, TARGET_OFFSET);
  packet[64] = TARGET_LINK_LAYER_OPTION;
  packet[65] = 1;
  writeMac(packet, 66, mac);
  const sum = checksum(packet);
  packet[42] = sum >> 8;
  packet[43] = sum;
  return packet;
}

/** ICMPv6 checksum of the packet: pseudo header (both addresses, length, next header), then everything from 40 on. */
function checksum(packet: Uint8Array): number {
  let sum = ICMP_BYTES + ICMPV6;
  for (let i = 8; i < packet.length; i += 2) sum += (packet[i]! << 8) | packet[i + 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
