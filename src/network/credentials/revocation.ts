/**
 * Revocation: the controller's word that credentials of a member up to a time are void. Members pass it on.
 * Facts: vl2-credentials.md §6.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 4 | 0 | reserved: ignored, and taken for 0 when verified |
 * | 4 | 4 | revocation id | arbitrary |
 * | 8 | 8 | network id | |
 * | 16 | 4 | 0 | reserved, as above |
 * | 20 | 4 | credential id | 0 for certificates of membership |
 * | 24 | 8 | threshold | ms; credentials with this timestamp or an earlier one are void |
 * | 32 | 8 | flags | 0x1 propagate fast |
 * | 40 | 5 | target | the member |
 * | 45 | 5 | signer | |
 * | 50 | 1 | type | of the credentials |
 * | 51 | 101 | | signature and tail (`signing.ts`) |
 */
import type { Identity } from "../../identity/identity.ts";
import type { Address } from "../../protocol/address.ts";
import { Reader, Writer } from "../../protocol/bytes.ts";
import { readRevocation } from "../../protocol/credential-bytes.ts";
import { accept, type Verdict } from "../../protocol/errors.ts";
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

const BODY_BYTES = 51;
const RESERVED_BYTES = 4;

/** Codes of the credentials that can be revoked (§ introduction). */
export const CredentialType = { MEMBERSHIP: 1, CAPABILITY: 2, TAG: 3, OWNERSHIP: 4 } as const;

export const REVOCATION_FLAG_PROPAGATE = 0x1n;

export interface RevocationFields {
  /** 32 bits, random. */
  readonly id: number;
  readonly networkId: NetworkId;
  /** 32 bits; an ordinary id even if it is 0. */
  readonly credentialId: number;
  /** ms since the epoch. */
  readonly threshold: bigint;
  /** 64 bits. */
  readonly flags: bigint;
  readonly target: Address;
  /** One of `CredentialType`, or a number that nobody knows. */
  readonly type: number;
}

export interface Revocation extends RevocationFields {
  readonly signedBy: Address;
  /** 96 bytes. */
  readonly signature: Uint8Array;
}

function writeBody(writer: Writer, fields: RevocationFields, signedBy: Address): Writer {
  const { id, networkId, credentialId, threshold, flags, target, type } = fields;
  writer.u32(0).u32(id).u64(networkId).u32(0).u32(credentialId).u64(threshold).u64(flags);
  return writer.address(target).address(signedBy).u8(type);
}

function messageOf(fields: RevocationFields, signedBy: Address): Uint8Array {
  return signedMessage(writeBody(new Writer(BODY_BYTES), fields, signedBy).finish());
}

/** Signs a revocation. Throws if `controller` has no secret. */
export function issueRevocation(fields: RevocationFields, controller: Identity): Revocation {
  const signature = controller.sign(messageOf(fields, controller.address));
  return { ...fields, signedBy: controller.address, signature };
}

/** Wire form, 152 bytes. */
export function encodeRevocation(revocation: Revocation): Uint8Array {
  const writer = writeBody(new Writer(BODY_BYTES + TAIL_BYTES), revocation, revocation.signedBy);
  writeTail(writer, revocation.signature);
  return writer.finish();
}

/** Decodes exactly one revocation; nothing of it points into `bytes`. Not verified. */
export function decodeRevocation(bytes: Uint8Array): Verdict<Revocation> {
  const refusal = refuseUnlessWhole(bytes, readRevocation);
  if (refusal !== null) return refusal;
  const reader = new Reader(bytes, RESERVED_BYTES);
  const id = reader.u32();
  const networkId = reader.u64();
  reader.skip(RESERVED_BYTES);
  return accept({
    id,
    networkId,
    credentialId: reader.u32(),
    threshold: reader.u64(),
    flags: reader.u64(),
    target: reader.address(),
    signedBy: reader.address(),
    type: reader.u8(),
    signature: readSignature(reader),
  });
}

/** Whether the network's controller has signed it. */
export function verifyRevocation(revocation: Revocation, identityOf: IdentityLookup): Validity {
  const { networkId, signedBy, signature } = revocation;
  return verifyIssued(networkId, signedBy, signature, () => messageOf(revocation, signedBy), identityOf);
}
