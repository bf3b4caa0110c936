/**
 * The kernel's socket addresses, laid out by hand. Port and IP are in network order, the family in the machine's.
 *
 * | offset | size | IPv4 (16 bytes) | offset | size | IPv6 (28 bytes) |
 * |---|---|---|---|---|---|
 * | 0 | 2 | family 2 | 0 | 2 | family 10 |
 * | 2 | 2 | port | 2 | 2 | port |
 * | 4 | 4 | IP | 4 | 4 | flow label (ignored when sending) |
 * | 8 | 8 | ignored | 8 | 16 | IP |
 * | | | | 24 | 4 | scope (may be left out) |
 */
import type { Endpoint } from "../../protocol/inet-address.ts";

export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCKADDR_IN_BYTES = 16;
/** Without the scope: enough for the kernel, and all that a global address needs. */
export const SOCKADDR_IN6_SHORT_BYTES = 24;
export const SOCKADDR_IN6_BYTES = 28;
const PORT = 2;
const IP4 = 4;
const IP6 = 8;

/** Writes an address and gives its length. Bytes that the kernel ignores are left alone. */
export function writeSockaddr(bytes: Uint8Array, at: number, { family, ip, port }: Endpoint): number {
  bytes[at] = family === 4 ? AF_INET : AF_INET6;
  bytes[at + 1] = 0;
  bytes[at + PORT] = port >> 8;
  bytes[at + PORT + 1] = port;
  bytes.set(ip, at + (family === 4 ? IP4 : IP6));
  return family === 4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_SHORT_BYTES;
}

/** A copy of the endpoint that is written at `at`; null if it is of no family we know. */
export function readSockaddr(bytes: Uint8Array, at: number): Endpoint | null {
  const port = (bytes[at + PORT]! << 8) | bytes[at + PORT + 1]!;
  if (bytes[at] === AF_INET) return { family: 4, ip: copy(bytes, at + IP4, 4), port };
  if (bytes[at] === AF_INET6) return { family: 6, ip: copy(bytes, at + IP6, 16), port };
  return null;
}

/** Where the IP of a written address begins, and how long it is. */
export function ipOffset(family: number): number {
  return family === AF_INET ? IP4 : IP6;
}

/** A copy in memory of its own, also of shared memory. */
function copy(bytes: Uint8Array, at: number, length: number): Uint8Array {
  const result = new Uint8Array(length);
  for (let i = 0; i < length; i++) result[i] = bytes[at + i]!;
  return result;
}
