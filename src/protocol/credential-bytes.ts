/**
 * How long each credential is on the wire, so that messages can be taken apart without understanding them.
 * What they mean, and whether they are valid, is `network/credentials/`'s business.
 * Facts: vl2-credentials.md §1–§6; vl2-rules.md §1 (length of a rule).
 *
 * Every function takes one credential from the reader and returns its bytes as a view; undefined if a field holds
 * what the layout does not allow. A short one makes the reader fail.
 */
import type { Reader } from "./bytes.ts";

const COM_TYPE = 1;
export const MAX_QUALIFIERS = 8;
const QUALIFIER_BYTES = 24;
const QUALIFIER_ID_BYTES = 8;
const SIGNATURE_TYPE = 1;
const SIGNATURE_BYTES = 96;
export const MAX_CAPABILITY_RULES = 64;
export const MAX_CUSTODY_CHAIN = 7;
export const MAX_OWNED_THINGS = 16;
const OWNED_THING_BYTES = 17;

/** Reads with `body` what lies behind `start` and returns all of it as one view. */
function span(reader: Reader, start: number, valid: boolean): Uint8Array | undefined {
  return valid && !reader.failed ? reader.since(start) : undefined;
}

/**
 * Certificate of membership.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 1 | 1 | |
 * | 1 | 2 | count N | of qualifiers, 0 … 8 |
 * | 3 | 24·N | qualifiers | id, value, max delta (8 each); ids do not descend |
 * | 3+24N | 5 | signer | 0 = unsigned |
 * | 8+24N | 96 | signature | only if there is a signer |
 */
export function readMembershipCertificate(reader: Reader): Uint8Array | undefined {
  const start = reader.offset;
  if (reader.u8() !== COM_TYPE) return undefined;
  const count = reader.u16();
  if (count > MAX_QUALIFIERS) return undefined;
  let previous = 0n;
  let ascending = true;
  for (let i = 0; i < count; i++) {
    const id = reader.u64();
    reader.skip(QUALIFIER_BYTES - QUALIFIER_ID_BYTES);
    if (id < previous) ascending = false;
    previous = id;
  }
  if (reader.address() !== 0) reader.skip(SIGNATURE_BYTES);
  return span(reader, start, ascending);
}

/** 1 byte type, 2 bytes length, the signature; type 1 must have 96 bytes, other types are skipped by length. */
function skipSignature(reader: Reader): boolean {
  const type = reader.u8();
  const length = reader.u16();
  if (type === SIGNATURE_TYPE && length !== SIGNATURE_BYTES) return false;
  reader.skip(length);
  return true;
}

/** Signature block and the 2-byte length of additional fields with these, as every credential but the COM ends. */
function skipTail(reader: Reader): boolean {
  if (!skipSignature(reader)) return false;
  reader.skip(reader.u16());
  return true;
}

/**
 * Capability.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 8 | network id | |
 * | 8 | 8 | timestamp | |
 * | 16 | 4 | capability id | |
 * | 20 | 2 | count R | of rules, at most 64 |
 * | 22 | … | rules | 1 byte type, 1 byte length F, F bytes |
 * | … | 1 | maximum | custody chain length, 1 … 7 |
 * | … | 5 | recipient | custody entry; 0 ends the chain |
 * | … | 5+99 | sender, signature | of a custody entry; then the next |
 * | … | 2 | length | of additional fields, skipped |
 */
export function readCapability(reader: Reader): Uint8Array | undefined {
  const start = reader.offset;
  reader.skip(20);
  const rules = reader.u16();
  if (rules > MAX_CAPABILITY_RULES) return undefined;
  for (let i = 0; i < rules; i++) {
    reader.skip(1);
    reader.skip(reader.u8());
  }
  const maximum = reader.u8();
  if (maximum < 1 || maximum > MAX_CUSTODY_CHAIN) return undefined;
  for (let links = 0; reader.address() !== 0; links++) {
    if (links >= maximum) return undefined;
    reader.skip(5);
    if (!skipSignature(reader)) return undefined;
  }
  reader.skip(reader.u16());
  return span(reader, start, true);
}

/** Tag: 34 bytes of fields (network id, timestamp, tag id, value, issued to, signer), then the tail. */
export function readTag(reader: Reader): Uint8Array | undefined {
  const start = reader.offset;
  reader.skip(34);
  return span(reader, start, skipTail(reader));
}

/** Revocation: 51 bytes of fields (vl2-credentials.md §6), then the tail. */
export function readRevocation(reader: Reader): Uint8Array | undefined {
  const start = reader.offset;
  reader.skip(51);
  return span(reader, start, skipTail(reader));
}

/** Certificate of ownership: 28 bytes of fields, 2-byte count of things (at most 16) of 17 bytes, two addresses, the tail. */
export function readOwnershipCertificate(reader: Reader): Uint8Array | undefined {
  const start = reader.offset;
  reader.skip(28);
  const things = reader.u16();
  if (things > MAX_OWNED_THINGS) return undefined;
  reader.skip(things * OWNED_THING_BYTES + 10);
  return span(reader, start, skipTail(reader));
}
