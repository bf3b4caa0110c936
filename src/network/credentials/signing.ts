/**
 * What all credentials have in common: who may issue them, what exactly is signed, how they end on the wire.
 * Facts: vl2-credentials.md §1.
 *
 * Signed (not for the certificate of membership, which signs its qualifiers alone):
 *
 * | size | what |
 * |---|---|
 * | 8 | `7f` eight times |
 * | … | the body: the credential's fields |
 * | 2 | 0, the length of additional fields |
 * | 8 | `7f` eight times |
 *
 * On the wire:
 *
 * | size | what |
 * |---|---|
 * | … | the body |
 * | 1 | signature type 1 |
 * | 2 | signature length 96 |
 * | 96 | signature |
 * | 2 | length of additional fields, written 0; these are skipped, and no signature covers them |
 */
import { SIGNATURE_BYTES } from "../../crypto/c25519.ts";
import type { Identity } from "../../identity/identity.ts";
import type { Address } from "../../protocol/address.ts";
import { Reader, type Writer } from "../../protocol/bytes.ts";
import { type Refusal, refuse } from "../../protocol/errors.ts";
import { controllerOf, type NetworkId } from "../network-id.ts";

/** Gives the identity at an address, or null if it is not known here (yet). */
export type IdentityLookup = (address: Address) => Identity | null;

/** `unknown_issuer`: it would have to be asked for (WHOIS) before anything can be said. */
export type Validity = "valid" | "invalid" | "unknown_issuer";

const SIGNATURE_TYPE = 1;
const FRAME_BYTE = 0x7f;
const FRAME_BYTES = 8;
const ADDITIONAL_LENGTH_BYTES = 2;

/** The bytes that are signed for a body. */
export function signedMessage(body: Uint8Array): Uint8Array {
  const message = new Uint8Array(FRAME_BYTES + body.length + ADDITIONAL_LENGTH_BYTES + FRAME_BYTES);
  message.fill(FRAME_BYTE, 0, FRAME_BYTES);
  message.set(body, FRAME_BYTES);
  message.fill(FRAME_BYTE, message.length - FRAME_BYTES);
  return message;
}

/**
 * Checks a credential of one signature: its signer must be the network's controller, and have signed `message()`,
 * which is asked for only if it gets that far.
 */
export function verifyIssued(
  networkId: NetworkId,
  signedBy: Address,
  signature: Uint8Array,
  message: () => Uint8Array,
  identityOf: IdentityLookup,
): Validity {
  if (signedBy === 0 || signedBy !== controllerOf(networkId)) return "invalid";
  const issuer = identityOf(signedBy);
  if (issuer === null) return "unknown_issuer";
  return issuer.verify(message(), signature) ? "valid" : "invalid";
}

/** Length of what `writeSignature` writes. */
export const SIGNATURE_BLOCK_BYTES = 3 + SIGNATURE_BYTES;
/** Length of what `writeTail` writes. */
export const TAIL_BYTES = SIGNATURE_BLOCK_BYTES + ADDITIONAL_LENGTH_BYTES;

export function writeSignature(writer: Writer, signature: Uint8Array): void {
  writer.u8(SIGNATURE_TYPE).u16(SIGNATURE_BYTES).bytes(signature);
}

/** Signature and no additional fields: the end of every credential with one signature. */
export function writeTail(writer: Writer, signature: Uint8Array): void {
  writeSignature(writer, signature);
  writer.u16(0);
}

/** A copy of the signature; 96 zeros, which are never valid, for a type that nobody knows. */
export function readSignature(reader: Reader): Uint8Array {
  const type = reader.u8();
  const bytes = reader.bytes(reader.u16());
  return type === SIGNATURE_TYPE ? new Uint8Array(bytes) : new Uint8Array(SIGNATURE_BYTES);
}

/** Why `bytes` are not exactly one credential as `measure` (of `protocol/credential-bytes.ts`) knows it; else null. */
export function refuseUnlessWhole(
  bytes: Uint8Array,
  measure: (reader: Reader) => Uint8Array | undefined,
): Refusal | null {
  const reader = new Reader(bytes);
  const measured = measure(reader);
  if (reader.failed) return reader.refusal();
  if (measured === undefined) return refuse("bad_value", 0);
  return reader.remaining > 0 ? refuse("bad_value", reader.offset) : null;
}
