/**
 * ZeroTier addresses: 40-bit integers, five bytes big-endian on the wire, ten lower-case hex digits in text.
 * Facts: vl1-identity-crypto.md §2. A number holds 40 bits exactly, so no bigint and no object per address.
 */

/** A 40-bit node address as an exact integer, 0 … 2^40−1. */
export type Address = number;

export const ADDRESS_BYTES = 5;
const MAX_ADDRESS = 0xffffffffff;
const TWO_POW_32 = 0x100000000;

/** Reads five big-endian bytes at `offset`; the caller has checked that they are there. */
export function readAddress(bytes: Uint8Array, offset: number): Address {
  return (
    bytes[offset]! * TWO_POW_32 +
    ((bytes[offset + 1]! << 24) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 8) | bytes[offset + 4]!) +
    (bytes[offset + 1]! & 0x80 ? TWO_POW_32 : 0)
  );
}

/** Writes five big-endian bytes at `offset`. */
export function writeAddress(bytes: Uint8Array, offset: number, address: Address): void {
  bytes[offset] = address / TWO_POW_32;
  bytes[offset + 1] = address >>> 24;
  bytes[offset + 2] = address >>> 16;
  bytes[offset + 3] = address >>> 8;
  bytes[offset + 4] = address;
}

/** Ten lower-case hex digits. */
export function formatAddress(address: Address): string {
  return address.toString(16).padStart(10, "0");
}

/** Parses exactly ten hex digits (either case); null for anything else. Does not refuse reserved addresses. */
export function parseAddress(text: string): Address | null {
  return /^[0-9a-fA-F]{10}$/.test(text) ? Number.parseInt(text, 16) : null;
}

/** True for 0 and for every address whose first byte is 0xff: these mark "nobody" and fragments, never a node. */
export function isReservedAddress(address: Address): boolean {
  return address <= 0 || address > MAX_ADDRESS || Math.floor(address / TWO_POW_32) === 0xff;
}
