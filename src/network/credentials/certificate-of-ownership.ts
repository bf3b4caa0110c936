/**
 * Certificate of ownership: the addresses that a member may use as source.
 * Facts: vl2-credentials.md §5.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 8 | network id | |
 * | 8 | 8 | timestamp | |
 * | 16 | 8 | flags | 0 |
 * | 24 | 4 | certificate id | |
 * | 28 | 2 | count T | of things, at most 16 |
 * | 30 | 17·T | things | type (1), value (16, zero padded) |
 * | 30+17T | 5 | issued to | |
 * | 35+17T | 5 | signer | |
 * | 40+17T | 101 | | signature and tail (`signing.ts`) |
 */
import type { Identity } from "../../identity/identity.ts";
import type { Address } from "../../protocol/address.ts";
import { Reader, Writer } from "../../protocol/bytes.ts";
import { MAX_OWNED_THINGS, readOwnershipCertificate } from "../../protocol/credential-bytes.ts";
import { accept, type Verdict } from "../../protocol/errors.ts";
import type { Mac } from "../../protocol/ethernet.ts";
import type { NetworkId } from "../network-id.ts";
import {
  type IdentityLookup,
  readSignature,
  refuseUnlessWhole,
  signedMessage,
  TAIL_BYTES,
  type Validity,
  verifyIssued,
  writeTail,
} from "./signing.ts";

/** A body without things. */
const FIXED_BODY_BYTES = 40;
const THING_BYTES = 17;
const VALUE_BYTES = 16;

export const OwnedThingType = { MAC: 1, IPV4: 2, IPV6: 3 } as const;

export interface OwnedThing {
  /** One of `OwnedThingType`, or a number that nobody knows yet. */
  readonly type: number;
  /** 16 bytes: 6 of a MAC, 4 or 16 of an IP, then zeros. */
  readonly value: Uint8Array;
}

export interface OwnershipFields {
  readonly networkId: NetworkId;
  /** ms since the epoch. */
  readonly timestamp: bigint;
  /** 32 bits. */
  readonly id: number;
  readonly things: readonly OwnedThing[];
  readonly issuedTo: Address;
}

export interface OwnershipCertificate extends OwnershipFields {
  /** 64 bits, none of which means anything. */
  readonly flags: bigint;
  readonly signedBy: Address;
  /** 96 bytes. */
  readonly signature: Uint8Array;
}

/** An IP (4 or 16 bytes) as a thing. */
export function ownedIp(ip: Uint8Array): OwnedThing {
  const value = new Uint8Array(VALUE_BYTES);
  value.set(ip);
  return { type: ip.length === 4 ? OwnedThingType.IPV4 : OwnedThingType.IPV6, value };
}

/** A MAC as a thing. */
export function ownedMac(mac: Mac): OwnedThing {
  const writer = new Writer(VALUE_BYTES).u48(mac).bytes(new Uint8Array(VALUE_BYTES - 6));
  return { type: OwnedThingType.MAC, value: writer.finish() };
}

function writeBody(writer: Writer, fields: OwnershipFields, flags: bigint, signedBy: Address): Writer {
  const { networkId, timestamp, id, things, issuedTo } = fields;
  writer.u64(networkId).u64(timestamp).u64(flags).u32(id).u16(things.length);
  for (const { type, value } of things) writer.u8(type).bytes(value);
  return writer.address(issuedTo).address(signedBy);
}

function messageOf(fields: OwnershipFields, flags: bigint, signedBy: Address): Uint8Array {
  const writer = new Writer(FIXED_BODY_BYTES + THING_BYTES * fields.things.length);
  return signedMessage(writeBody(writer, fields, flags, signedBy).finish());
}

/** Signs a certificate of the first 16 things. Throws if `controller` has no secret. */
export function issueOwnershipCertificate(fields: OwnershipFields, controller: Identity): OwnershipCertificate {
  const kept = { ...fields, things: fields.things.slice(0, MAX_OWNED_THINGS) };
  const signature = controller.sign(messageOf(kept, 0n, controller.address));
  return { ...kept, flags: 0n, signedBy: controller.address, signature };
}

/** Wire form. Throws RangeError for more than 16 things. */
export function encodeOwnershipCertificate(certificate: OwnershipCertificate): Uint8Array {
  const { things, flags, signedBy, signature } = certificate;
  if (things.length > MAX_OWNED_THINGS) throw new RangeError(`${things.length} things in one certificate`);
  const writer = new Writer(FIXED_BODY_BYTES + THING_BYTES * things.length + TAIL_BYTES);
  writeBody(writer, certificate, flags, signedBy);
  writeTail(writer, signature);
  return writer.finish();
}

/** Decodes exactly one certificate; nothing of it points into `bytes`. Not verified. */
export function decodeOwnershipCertificate(bytes: Uint8Array): Verdict<OwnershipCertificate> {
  const refusal = refuseUnlessWhole(bytes, readOwnershipCertificate);
  if (refusal !== null) return refusal;
  const reader = new Reader(bytes);
  const networkId = reader.u64();
  const timestamp = reader.u64();
  const flags = reader.u64();
  const id = reader.u32();
  const things: OwnedThing[] = [];
  for (let left = reader.u16(); left > 0; left--) {
    things.push({ type: reader.u8(), value: new Uint8Array(reader.bytes(VALUE_BYTES)) });
  }
  const issuedTo = reader.address();
  const signedBy = reader.address();
  return accept({ networkId, timestamp, flags, id, things, issuedTo, signedBy, signature: readSignature(reader) });
}

/** Whether the network's controller has signed it. */
export function verifyOwnershipCertificate(certificate: OwnershipCertificate, identityOf: IdentityLookup): Validity {
  const { networkId, flags, signedBy, signature } = certificate;
  return verifyIssued(networkId, signedBy, signature, () => messageOf(certificate, flags, signedBy), identityOf);
}

/** Whether it lists this IP (4 or 16 bytes). Padding behind an address is not compared. */
export function ownsIp(certificate: OwnershipCertificate, ip: Uint8Array): boolean {
  const wanted = ip.length === 4 ? OwnedThingType.IPV4 : OwnedThingType.IPV6;
  return certificate.things.some(({ type, value }) => type === wanted && startsWith(value, ip));
}

function startsWith(value: Uint8Array, beginning: Uint8Array): boolean {
  for (let i = 0; i < beginning.length; i++) if (value[i] !== beginning[i]) return false;
  return true;
}

/** Whether it lists this MAC. */
export function ownsMac(certificate: OwnershipCertificate, mac: Mac): boolean {
  return certificate.things.some(({ type, value }) => type === OwnedThingType.MAC && new Reader(value).u48() === mac);
}
