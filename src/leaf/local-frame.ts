/** An Ethernet frame on its way between the interface and the network: its header as numbers, its data as a view. */
import {
  ETHER_TYPE_OFFSET,
  ETHERNET_HEADER_BYTES,
  EtherType,
  type Mac,
  readMac,
  SOURCE_MAC_OFFSET,
} from "../protocol/ethernet.ts";

export interface LocalFrame {
  readonly destination: Mac;
  readonly source: Mac;
  readonly etherType: number;
  /** Behind the 14-byte header; 802.1Q tags are part of it. A view. */
  readonly data: Uint8Array;
}

/** Takes a frame apart; null if it is shorter than a header and one byte. */
export function readLocalFrame(frame: Uint8Array): LocalFrame | null {
  if (frame.length <= ETHERNET_HEADER_BYTES) return null;
  return {
    destination: readMac(frame, 0),
    source: readMac(frame, SOURCE_MAC_OFFSET),
    etherType: (frame[ETHER_TYPE_OFFSET]! << 8) | frame[ETHER_TYPE_OFFSET + 1]!,
    data: frame.subarray(ETHERNET_HEADER_BYTES),
  };
}

const ARP_BYTES = 28;
const ARP_REQUEST = 1;
const IP_PROTOCOL_HIGH = 0x08;
const ETHERNET_ADDRESS_BYTES = 6;
const IPV4_ADDRESS_BYTES = 4;
const ARP_TARGET_OFFSET = 24;

/** The IPv4 address (32 bits) that an ARP request looks for; null for anything else. Facts: vl2-ethernet.md §3. */
export function arpTarget(etherType: number, data: Uint8Array): number | null {
  if (etherType !== EtherType.ARP || data.length < ARP_BYTES) return null;
  const isRequest =
    data[2] === IP_PROTOCOL_HIGH &&
    data[3] === 0 &&
    data[4] === ETHERNET_ADDRESS_BYTES &&
    data[5] === IPV4_ADDRESS_BYTES &&
    data[7] === ARP_REQUEST;
  if (!isRequest) return null;
  const at = ARP_TARGET_OFFSET;
  return ((data[at]! << 24) | (data[at + 1]! << 16) | (data[at + 2]! << 8) | data[at + 3]!) >>> 0;
}
