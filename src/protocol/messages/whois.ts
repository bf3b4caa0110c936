/**
 * WHOIS (verb 4), to an upstream or any peer: whose identities belong to these addresses? And OK(WHOIS).
 * Facts: vl1-packets.md §5.5.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 5·n | addresses | to the end; a remainder below 5 bytes is ignored |
 *
 * OK(WHOIS) body: one or more identities of 71 bytes, in the order of the request. Addresses not found are left
 * out; if none is found there is no answer at all.
 */
import { ADDRESS_BYTES, type Address } from "../address.ts";
import { Reader, Writer } from "../bytes.ts";
import { accept, refuse, type Verdict } from "../errors.ts";
import { IDENTITY_WIRE_BYTES, readIdentityBytes } from "../identity-bytes.ts";

export interface Whois {
  readonly addresses: readonly Address[];
}

export function encodeWhois(whois: Whois): Uint8Array {
  const writer = new Writer(whois.addresses.length * ADDRESS_BYTES);
  for (const address of whois.addresses) writer.address(address);
  return writer.finish();
}

/** Refuses a payload without a single address. */
export function decodeWhois(payload: Uint8Array): Verdict<Whois> {
  const reader = new Reader(payload);
  const addresses = [reader.address()];
  if (reader.failed) return reader.refusal();
  while (reader.remaining >= ADDRESS_BYTES) addresses.push(reader.address());
  return accept({ addresses });
}

/** `identities`: 71 bytes each, without secret. */
export function encodeOkWhois(identities: readonly Uint8Array[]): Uint8Array {
  const writer = new Writer(identities.length * IDENTITY_WIRE_BYTES);
  for (const identity of identities) writer.bytes(identity);
  return writer.finish();
}

/** The identities as 71-byte views. Refuses an empty body and a malformed or cut off identity. */
export function decodeOkWhois(body: Uint8Array): Verdict<Uint8Array[]> {
  const reader = new Reader(body);
  const identities: Uint8Array[] = [];
  do {
    const offset = reader.offset;
    const identity = readIdentityBytes(reader);
    if (reader.failed) return reader.refusal();
    if (identity === undefined) return refuse("bad_value", offset);
    identities.push(identity);
  } while (reader.remaining > 0);
  return accept(identities);
}
