/**
 * The packet: what a datagram is, where the header's fields are, and how a fresh packet is laid out.
 * Facts: vl1-packets.md §1 (classification) and §2 (header).
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0  | 8 | packet id | random; nonce of the cipher; with suite 3 replaced by armouring |
 * | 8  | 5 | destination | ZeroTier address |
 * | 13 | 5 | source | ZeroTier address; first byte 0xff would mean "fragment" |
 * | 18 | 1 | flags | 0x80 legacy-encrypted, 0x40 fragmented, 0x38 cipher suite, 0x07 hops |
 * | 19 | 8 | MAC | suite 2: trusted path id |
 * | 27 | 1 | verb | 0x80 compressed, 0x60 unused, 0x1f verb |
 * | 28 | … | payload | per verb |
 *
 * The readers take bytes that `classifyDatagram` called a packet; they do not check the length again, because
 * they run for every packet of a relay.
 */
import { type Address, readAddress, writeAddress } from "./address.ts";
import { PACKET_HEADER_BYTES } from "./constants.ts";
import type { Verb } from "./verbs.ts";

export const PACKET_ID_OFFSET = 0;
export const PACKET_ID_BYTES = 8;
export const DESTINATION_OFFSET = 8;
export const SOURCE_OFFSET = 13;
export const FLAGS_OFFSET = 18;
export const MAC_OFFSET = 19;
export const MAC_BYTES = 8;
export const VERB_OFFSET = 27;
export const PAYLOAD_OFFSET = PACKET_HEADER_BYTES;

export const FLAG_LEGACY_ENCRYPTED = 0x80;
export const FLAG_FRAGMENTED = 0x40;
export const SUITE_MASK = 0x38;
export const SUITE_SHIFT = 3;
export const HOPS_MASK = 0x07;
export const VERB_MASK = 0x1f;
export const VERB_FLAG_COMPRESSED = 0x80;

/** The byte that stands where a source address begins when the datagram is a fragment. */
export const FRAGMENT_INDICATOR = 0xff;

const BEACON_BYTES = 13;
const MAX_IGNORED_BYTES = 16;

/** What a datagram is. `beacon` is the legacy LAN announcement; `ignored` includes hole punches. */
export type DatagramKind = "beacon" | "ignored" | "fragment" | "packet";

/** Classifies a datagram by length and byte 13, in the order of vl1-packets.md §1. */
export function classifyDatagram(bytes: Uint8Array): DatagramKind {
  if (bytes.length === BEACON_BYTES) return "beacon";
  if (bytes.length <= MAX_IGNORED_BYTES) return "ignored";
  if (bytes[SOURCE_OFFSET] === FRAGMENT_INDICATOR) return "fragment";
  return bytes.length >= PACKET_HEADER_BYTES ? "packet" : "ignored";
}

/** Who sent a beacon (bytes 8 … 12). The claim is not authenticated. */
export function beaconSender(bytes: Uint8Array): Address {
  return readAddress(bytes, DESTINATION_OFFSET);
}

/** Reads eight big-endian bytes: packet ids and trusted path ids. The caller has checked that they are there. */
export function readU64(bytes: Uint8Array, offset: number): bigint {
  const high =
    ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>> 0;
  const low =
    ((bytes[offset + 4]! << 24) | (bytes[offset + 5]! << 16) | (bytes[offset + 6]! << 8) | bytes[offset + 7]!) >>> 0;
  return (BigInt(high) << 32n) | BigInt(low);
}

/** The packet id as it is on the wire, which is what OK, ERROR and fragments refer to. */
export function packetIdOf(bytes: Uint8Array): bigint {
  return readU64(bytes, PACKET_ID_OFFSET);
}

export function destinationOf(bytes: Uint8Array): Address {
  return readAddress(bytes, DESTINATION_OFFSET);
}

export function sourceOf(bytes: Uint8Array): Address {
  return readAddress(bytes, SOURCE_OFFSET);
}

/** Times a relay forwarded this packet, 0 … 7. Never authenticated. */
export function hopsOf(bytes: Uint8Array): number {
  return bytes[FLAGS_OFFSET]! & HOPS_MASK;
}

/** Writes the hop count of a packet and leaves the rest of the byte alone (vl1-behaviour.md §4.1). */
export function setHops(bytes: Uint8Array, hops: number): void {
  bytes[FLAGS_OFFSET] = (bytes[FLAGS_OFFSET]! & ~HOPS_MASK) | (hops & HOPS_MASK);
}

/** Cipher suite number 0 … 7; the meaning is armor.ts's business. */
export function cipherSuiteOf(bytes: Uint8Array): number {
  return (bytes[FLAGS_OFFSET]! & SUITE_MASK) >> SUITE_SHIFT;
}

/** True for the head of a packet of which fragments follow (or precede) as datagrams of their own. */
export function isFragmented(bytes: Uint8Array): boolean {
  return (bytes[FLAGS_OFFSET]! & FLAG_FRAGMENTED) !== 0;
}

/** Sets the fragmented flag. It is authenticated, so this comes before armouring (vl1-packets.md §3). */
export function markFragmented(bytes: Uint8Array): void {
  bytes[FLAGS_OFFSET] = bytes[FLAGS_OFFSET]! | FLAG_FRAGMENTED;
}

/** The verb number 0 … 31, assigned or not. Meaningful only in the clear, i.e. after dearmouring or with suite 0. */
export function verbOf(bytes: Uint8Array): number {
  return bytes[VERB_OFFSET]! & VERB_MASK;
}

/** True if the payload is an LZ4 block. Meaningful only in the clear. */
export function isCompressed(bytes: Uint8Array): boolean {
  return (bytes[VERB_OFFSET]! & VERB_FLAG_COMPRESSED) !== 0;
}

/** The payload as a view: everything behind the header. */
export function payloadOf(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(PAYLOAD_OFFSET);
}

/**
 * A new plaintext packet: flags and MAC are zero until it is armoured. `id` is eight random bytes, fresh for each
 * destination copy; `payload` is copied.
 */
export function newPacket(
  id: Uint8Array,
  destination: Address,
  source: Address,
  verb: Verb,
  payload: Uint8Array,
): Uint8Array {
  const packet = new Uint8Array(PACKET_HEADER_BYTES + payload.length);
  packet.set(id.subarray(0, PACKET_ID_BYTES), PACKET_ID_OFFSET);
  writeAddress(packet, DESTINATION_OFFSET, destination);
  writeAddress(packet, SOURCE_OFFSET, source);
  packet[VERB_OFFSET] = verb;
  packet.set(payload, PAYLOAD_OFFSET);
  return packet;
}
