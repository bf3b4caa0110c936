/**
 * What the wire says about Ethernet: MACs, multicast groups, EtherTypes.
 * Facts: vl2-ethernet.md §1 (groups), §5.1 (address resolution groups).
 */
import type { Reader, Writer } from "./bytes.ts";

/** A 48-bit MAC as an exact integer, 0 … 2^48−1. */
export type Mac = number;

export const BROADCAST_MAC: Mac = 0xffffffffffff;

const FIRST_OCTET = 0x10000000000;
/** 33:33:ff:00:00:00; the last three bytes are the address's. */
const SOLICITED_NODE_BASE = 0x3333ff000000;

export const EtherType = { IPV4: 0x0800, ARP: 0x0806, VLAN: 0x8100, IPV6: 0x86dd } as const;

/** A multicast group: a MAC and 32 bits of "additional distinguishing information" (0 except for IPv4 ARP). */
export interface MulticastGroup {
  readonly mac: Mac;
  readonly adi: number;
}

/** 10 bytes: MAC, ADI. */
export function readMulticastGroup(reader: Reader): MulticastGroup {
  const mac = reader.u48();
  return { mac, adi: reader.u32() };
}

export function writeMulticastGroup(writer: Writer, group: MulticastGroup): void {
  writer.u48(group.mac).u32(group.adi);
}

/** Bytes of an Ethernet header without VLAN tag: destination MAC, source MAC, EtherType. */
export const ETHERNET_HEADER_BYTES = 14;
export const SOURCE_MAC_OFFSET = 6;
export const ETHER_TYPE_OFFSET = 12;

const TWO_POW_32 = 0x100000000;

/** Six big-endian bytes; the caller has checked that they are there. */
export function readMac(bytes: Uint8Array, offset: number): Mac {
  const high = (bytes[offset]! << 8) | bytes[offset + 1]!;
  const low = (bytes[offset + 2]! << 24) | (bytes[offset + 3]! << 16) | (bytes[offset + 4]! << 8) | bytes[offset + 5]!;
  return high * TWO_POW_32 + (low >>> 0);
}

export function writeMac(bytes: Uint8Array, offset: number, mac: Mac): void {
  const high = Math.floor(mac / TWO_POW_32);
  const low = mac % TWO_POW_32;
  bytes[offset] = high >> 8;
  bytes[offset + 1] = high;
  bytes[offset + 2] = low >>> 24;
  bytes[offset + 3] = low >>> 16;
  bytes[offset + 4] = low >>> 8;
  bytes[offset + 5] = low;
}

/**
 * A whole Ethernet frame: header, then a copy of `data`. It is made at the beginning of `room` if that is given and large
 * enough.
 */
export function ethernetFrame(
  destination: Mac,
  source: Mac,
  etherType: number,
  data: Uint8Array,
  room?: Uint8Array,
): Uint8Array {
  const bytes = ETHERNET_HEADER_BYTES + data.length;
  const frame = room !== undefined && room.length >= bytes ? room.subarray(0, bytes) : new Uint8Array(bytes);
  writeMac(frame, 0, destination);
  writeMac(frame, SOURCE_MAC_OFFSET, source);
  frame[ETHER_TYPE_OFFSET] = etherType >> 8;
  frame[ETHER_TYPE_OFFSET + 1] = etherType;
  frame.set(data, ETHERNET_HEADER_BYTES);
  return frame;
}

/** True for multicast and broadcast MACs. */
export function isMulticastMac(mac: Mac): boolean {
  return (Math.floor(mac / FIRST_OCTET) & 1) === 1;
}

/**
 * The group in which an address (4 or 16 bytes) is looked for: broadcast with the address as ADI for IPv4 (ARP), the
 * solicited-node MAC of its last three bytes for IPv6 (NDP).
 */
export function addressResolutionGroup(ip: Uint8Array): MulticastGroup {
  const end = ip.length;
  const tail = (ip[end - 3]! << 16) | (ip[end - 2]! << 8) | ip[end - 1]!;
  if (end === 4) return { mac: BROADCAST_MAC, adi: ((ip[0]! << 24) | tail) >>> 0 };
  return { mac: SOLICITED_NODE_BASE + tail, adi: 0 };
}

/** `xx:xx:xx:xx:xx:xx`, lower case. */
export function formatMac(mac: Mac): string {
  return mac
    .toString(16)
    .padStart(12, "0")
    .replace(/..(?!$)/g, "$&:");
}

/** Parses six colon-separated pairs of hex digits (either case); null for anything else. */
export function parseMac(text: string): Mac | null {
  return /^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$/.test(text) ? Number.parseInt(text.replaceAll(":", ""), 16) : null;
}
