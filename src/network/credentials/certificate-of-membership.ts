/**
 * Certificate of membership: the controller's word that a member belongs to a private network as of a time. Two
 * members talk while the times of their certificates are close enough; no clock is consulted.
 * Facts: vl2-credentials.md §2 (the layout is drawn in `protocol/credential-bytes.ts`).
 *
 * | id | value | max delta |
 * |---|---|---|
 * | 0 | timestamp | allowed difference of timestamps |
 * | 1 | network id | 0 |
 * | 2 | the member's address | all ones |
 * | 3 … 6 | four words: the first 32 bytes of the member's fingerprint | all ones |
 */
import { SIGNATURE_BYTES } from "../../crypto/c25519.ts";
import { type Identity, identityFingerprint } from "../../identity/identity.ts";
import type { Address } from "../../protocol/address.ts";
import { Reader, Writer } from "../../protocol/bytes.ts";
import { MAX_QUALIFIERS, readMembershipCertificate } from "../../protocol/credential-bytes.ts";
import { accept, type Verdict } from "../../protocol/errors.ts";
import type { NetworkId } from "../network-id.ts";
import { type IdentityLookup, refuseUnlessWhole, type Validity, verifyIssued } from "./signing.ts";

const TYPE = 1;
const HEADER_BYTES = 3;
const QUALIFIER_BYTES = 24;
const SIGNER_BYTES = 5;

const TIMESTAMP_ID = 0n;
const NETWORK_ID = 1n;
const ADDRESS_ID = 2n;
const FIRST_FINGERPRINT_ID = 3n;
const FINGERPRINT_WORDS = 4;
const ANY_DELTA = 0xffffffffffffffffn;

/** A claim: holds between two members whose values differ by at most the delta. Each 0 … 2^64−1. */
export interface Qualifier {
  readonly id: bigint;
  readonly value: bigint;
  readonly maxDelta: bigint;
}

export interface MembershipCertificate {
  /** At most 8, ids not descending. */
  readonly qualifiers: readonly Qualifier[];
  /** 0 if it is not signed. */
  readonly signedBy: Address;
  /** 96 bytes; empty if it is not signed. */
  readonly signature: Uint8Array;
}

/** What a certificate for `member` says. Times in ms since the epoch, `maxDelta` in ms. */
export interface MembershipFields {
  readonly networkId: NetworkId;
  readonly timestamp: bigint;
  readonly maxDelta: bigint;
  readonly member: Identity;
}

/** Signs a certificate of the full seven qualifiers. Throws if `controller` has no secret. */
export function issueMembershipCertificate(fields: MembershipFields, controller: Identity): MembershipCertificate {
  const { networkId, timestamp, maxDelta, member } = fields;
  const qualifiers: Qualifier[] = [
    { id: TIMESTAMP_ID, value: timestamp, maxDelta },
    { id: NETWORK_ID, value: networkId, maxDelta: 0n },
    { id: ADDRESS_ID, value: BigInt(member.address), maxDelta: ANY_DELTA },
  ];
  for (const [index, value] of fingerprintWords(member).entries()) {
    qualifiers.push({ id: FIRST_FINGERPRINT_ID + BigInt(index), value, maxDelta: ANY_DELTA });
  }
  const signature = controller.sign(encodeQualifiers(qualifiers));
  return { qualifiers, signedBy: controller.address, signature };
}

function fingerprintWords(identity: Identity): bigint[] {
  const reader = new Reader(identityFingerprint(identity));
  return Array.from({ length: FINGERPRINT_WORDS }, () => reader.u64());
}

function writeQualifiers(writer: Writer, qualifiers: readonly Qualifier[]): void {
  for (const { id, value, maxDelta } of qualifiers) writer.u64(id).u64(value).u64(maxDelta);
}

/** The bytes that are signed: nothing but the qualifiers. */
function encodeQualifiers(qualifiers: readonly Qualifier[]): Uint8Array {
  const writer = new Writer(QUALIFIER_BYTES * qualifiers.length);
  writeQualifiers(writer, qualifiers);
  return writer.finish();
}

/** Wire form. Throws RangeError for more than 8 qualifiers or a signature that is not 96 bytes. */
export function encodeMembershipCertificate(certificate: MembershipCertificate): Uint8Array {
  const { qualifiers, signedBy, signature } = certificate;
  const signed = signedBy !== 0;
  if (qualifiers.length > MAX_QUALIFIERS) throw new RangeError(`${qualifiers.length} qualifiers in one certificate`);
  if (signed && signature.length !== SIGNATURE_BYTES) throw new RangeError("a signature has 96 bytes");
  const writer = new Writer(HEADER_BYTES + QUALIFIER_BYTES * qualifiers.length + SIGNER_BYTES + SIGNATURE_BYTES);
  writer.u8(TYPE).u16(qualifiers.length);
  writeQualifiers(writer, qualifiers);
  writer.address(signedBy);
  if (signed) writer.bytes(signature);
  return writer.finish();
}

/** Decodes exactly one certificate; nothing of it points into `bytes`. Not verified. */
export function decodeMembershipCertificate(bytes: Uint8Array): Verdict<MembershipCertificate> {
  const refusal = refuseUnlessWhole(bytes, readMembershipCertificate);
  if (refusal !== null) return refusal;
  const reader = new Reader(bytes, 1);
  const qualifiers: Qualifier[] = [];
  for (let left = reader.u16(); left > 0; left--) {
    qualifiers.push({ id: reader.u64(), value: reader.u64(), maxDelta: reader.u64() });
  }
  return accept({ qualifiers, signedBy: reader.address(), signature: new Uint8Array(reader.rest()) });
}

/** The last qualifier of that id, as agreement counts duplicates. */
function qualifierOf(certificate: MembershipCertificate, id: bigint): Qualifier | undefined {
  return certificate.qualifiers.findLast((qualifier) => qualifier.id === id);
}

function claimedValue(certificate: MembershipCertificate, id: bigint): bigint {
  return qualifierOf(certificate, id)?.value ?? 0n;
}

/** ms since the epoch; 0 if it says nothing about it, as the next two. */
export function membershipTimestamp(certificate: MembershipCertificate): bigint {
  return claimedValue(certificate, TIMESTAMP_ID);
}

export function membershipNetwork(certificate: MembershipCertificate): NetworkId {
  return claimedValue(certificate, NETWORK_ID);
}

/** The member it was issued to. */
export function membershipAddress(certificate: MembershipCertificate): Address {
  return Number(BigInt.asUintN(40, claimedValue(certificate, ADDRESS_ID)));
}

/** Whether the controller of the network that it names has signed it. */
export function verifyMembershipCertificate(certificate: MembershipCertificate, identityOf: IdentityLookup): Validity {
  const { qualifiers, signedBy, signature } = certificate;
  const message = () => encodeQualifiers(qualifiers);
  return verifyIssued(membershipNetwork(certificate), signedBy, signature, message, identityOf);
}

/**
 * Whether the holder of `mine` may talk to `otherIdentity`, who holds `other`. Directional: only my deltas count.
 * Signatures are not looked at: verify a certificate before it is kept.
 */
export function membershipAgrees(
  mine: MembershipCertificate,
  other: MembershipCertificate,
  otherIdentity: Identity,
): boolean {
  if (mine.qualifiers.length === 0 || other.qualifiers.length === 0) return false;
  let checksIdentity = false;
  for (const { id, value, maxDelta } of mine.qualifiers) {
    const theirs = qualifierOf(other, id);
    if (theirs === undefined) return false;
    const delta = theirs.value > value ? theirs.value - value : value - theirs.value;
    if (delta > maxDelta) return false;
    if (id >= FIRST_FINGERPRINT_ID && id < FIRST_FINGERPRINT_ID + BigInt(FINGERPRINT_WORDS)) checksIdentity = true;
  }
  if (!checksIdentity) return true;
  return fingerprintWords(otherIdentity).every(
    (word, index) => qualifierOf(other, FIRST_FINGERPRINT_ID + BigInt(index))?.value === word,
  );
}
