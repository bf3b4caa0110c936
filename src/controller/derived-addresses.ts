/** What follows from a network id and a node address: the member's MAC and its two IPv6 addresses (vl2-networks.md §1). */
import type { Address } from "../protocol/address.ts";
import type { Mac } from "../protocol/ethernet.ts";

const RESERVED_FIRST_OCTET = 0x52;
const FIRST_OCTET_INSTEAD = 0x32;

function networkByte(networkId: bigint, index: number): bigint {
  return (networkId >> BigInt(8 * index)) & 0xffn;
}

/** The MAC of a member (§1.2). */
export function memberMac(networkId: bigint, address: Address): Mac {
  let first = (networkByte(networkId, 0) & 0xfen) | 0x02n;
  if (first === BigInt(RESERVED_FIRST_OCTET)) first = BigInt(FIRST_OCTET_INSTEAD);
  let mask = 0n;
  for (let index = 1; index <= 5; index++) mask = (mask << 8n) | networkByte(networkId, index);
  return Number((first << 40n) | (BigInt(address) ^ mask));
}

function bytesOf(value: bigint): Uint8Array {
  const bytes = new Uint8Array(16);
  for (let at = 15, rest = value; at >= 0; at--, rest >>= 8n) bytes[at] = Number(rest & 0xffn);
  return bytes;
}

/** The 16 bytes of a member's RFC4193 address, of a /88 (§1.3). */
export function rfc4193Address(networkId: bigint, address: Address): Uint8Array {
  return bytesOf((0xfdn << 120n) | (networkId << 56n) | (0x9993n << 40n) | BigInt(address));
}

/** The 16 bytes of a member's first 6PLANE address, of a /40 (§1.3). */
export function sixPlaneAddress(networkId: bigint, address: Address): Uint8Array {
  const folded = (networkId ^ (networkId >> 32n)) & 0xffff_ffffn;
  return bytesOf((0xfcn << 120n) | (folded << 88n) | (BigInt(address) << 48n) | 1n);
}
