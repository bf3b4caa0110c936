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
