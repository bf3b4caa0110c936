/**
 * An identity inside a message, as bytes: the wire layer knows how long it is, `identity/` knows what it means.
 * Facts: vl1-identity-crypto.md §3.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0  | 5 | address | not checked here |
 * | 5  | 1 | type | 0; anything else is malformed |
 * | 6  | 64 | public key | X25519, then Ed25519 |
 * | 70 | 1 | secret length | 0 or 64; network messages write 0 |
 * | 71 | 0/64 | secret | consumed, never reported |
 */
import { type Address, readAddress } from "./address.ts";
import type { Reader } from "./bytes.ts";

export const IDENTITY_WIRE_BYTES = 71;
const TYPE_OFFSET = 5;
const SECRET_LENGTH_OFFSET = 70;
const SECRET_BYTES = 64;

/**
 * Takes one identity and returns its 71 public bytes: a view, or a copy with secret length 0 if a secret
 * followed. Undefined for a malformed one; a short one makes the reader fail.
 */
export function readIdentityBytes(reader: Reader): Uint8Array | undefined {
  const bytes = reader.bytes(IDENTITY_WIRE_BYTES);
  if (reader.failed || bytes[TYPE_OFFSET] !== 0) return undefined;
  const secretLength = bytes[SECRET_LENGTH_OFFSET]!;
  if (secretLength === 0) return bytes;
  if (secretLength !== SECRET_BYTES) return undefined;
  reader.skip(SECRET_BYTES);
  const withoutSecret = new Uint8Array(bytes);
  withoutSecret[SECRET_LENGTH_OFFSET] = 0;
  return withoutSecret;
}

/** The address an identity's bytes claim. */
export function identityBytesAddress(identity: Uint8Array): Address {
  return readAddress(identity, 0);
}
