/**
 * Payload compression: bit 0x80 of the verb byte says that everything after it is one raw LZ4 block.
 * Facts: vl1-identity-crypto.md §9. Done before armouring and undone after authentication.
 */
import { lz4Compress, lz4Decompress } from "../crypto/lz4.ts";
import { MAX_PACKET_BYTES, PACKET_HEADER_BYTES } from "./constants.ts";

const VERB_AT = 27;
const COMPRESSED_BIT = 0x80;
/** Payloads up to this long are left alone. */
const MIN_COMPRESSED_PAYLOAD_BYTES = 64;
const MAX_PAYLOAD_BYTES = MAX_PACKET_BYTES - PACKET_HEADER_BYTES;

/** A packet with the header of `packet`, another payload and the compressed bit set or cleared. */
function withPayload(packet: Uint8Array, payload: Uint8Array, compressed: boolean): Uint8Array {
  const result = new Uint8Array(PACKET_HEADER_BYTES + payload.length);
  result.set(packet.subarray(0, PACKET_HEADER_BYTES), 0);
  result.set(payload, PACKET_HEADER_BYTES);
  const verb = packet[VERB_AT]!;
  result[VERB_AT] = compressed ? verb | COMPRESSED_BIT : verb & ~COMPRESSED_BIT;
  return result;
}

/**
 * Compresses the payload of an unarmoured packet. Gives a new, smaller packet with the bit set, or `packet` itself if
 * compression does not pay.
 */
export function compressPayload(packet: Uint8Array): Uint8Array {
  if (packet.length - PACKET_HEADER_BYTES <= MIN_COMPRESSED_PAYLOAD_BYTES) return packet;
  const compressed = lz4Compress(packet.subarray(PACKET_HEADER_BYTES));
  return compressed === null ? packet : withPayload(packet, compressed, true);
}

/**
 * Undoes `compressPayload` on an authenticated packet of at least 28 bytes. Gives `packet` itself if it is not
 * compressed (or has the bit but no payload: the bit is then cleared in place), a new packet with the bit cleared
 * otherwise, and null if the block is malformed, empty, or larger than a packet may be.
 */
export function decompressPayload(packet: Uint8Array): Uint8Array | null {
  if ((packet[VERB_AT]! & COMPRESSED_BIT) === 0) return packet;
  if (packet.length <= PACKET_HEADER_BYTES) {
    packet[VERB_AT]! &= ~COMPRESSED_BIT;
    return packet;
  }
  const payload = lz4Decompress(packet.subarray(PACKET_HEADER_BYTES), MAX_PAYLOAD_BYTES);
  return payload === null || payload.length === 0 ? null : withPayload(packet, payload, false);
}
