/**
 * Tag: a number that the controller attached to a member, for rules to look at.
 * Facts: vl2-credentials.md §4.
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | 8 | network id |
 * | 8 | 8 | timestamp |
 * | 16 | 4 | tag id |
 * | 20 | 4 | value |
 * | 24 | 5 | issued to |
 * | 29 | 5 | signer |
 * | 34 | 101 | signature and tail (`signing.ts`) |
 */
import type { Identity } from "../../identity/identity.ts";
import type { Address } from "../../protocol/address.ts";
import { Reader, Writer } from "../../protocol/bytes.ts";
import { readTag } from "../../protocol/credential-bytes.ts";
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

const BODY_BYTES = 34;

export interface TagFields {
  readonly networkId: NetworkId;
  /** ms since the epoch. */
  readonly timestamp: bigint;
  /** 32 bits, as the value. */
  readonly id: number;
  readonly value: number;
  readonly issuedTo: Address;
}

export interface Tag extends TagFields {
  readonly signedBy: Address;
  /** 96 bytes. */
  readonly signature: Uint8Array;
}

function writeBody(writer: Writer, fields: TagFields, signedBy: Address): Writer {
  writer.u64(fields.networkId).u64(fields.timestamp).u32(fields.id).u32(fields.value);
  return writer.address(fields.issuedTo).address(signedBy);
}

function messageOf(fields: TagFields, signedBy: Address): Uint8Array {
  return signedMessage(writeBody(new Writer(BODY_BYTES), fields, signedBy).finish());
}

/** Signs a tag. Throws if `controller` has no secret. */
export function issueTag(fields: TagFields, controller: Identity): Tag {
  const signature = controller.sign(messageOf(fields, controller.address));
  return { ...fields, signedBy: controller.address, signature };
}

/** Wire form, 135 bytes. */
export function encodeTag(tag: Tag): Uint8Array {
  const writer = writeBody(new Writer(BODY_BYTES + TAIL_BYTES), tag, tag.signedBy);
  writeTail(writer, tag.signature);
  return writer.finish();
}

/** Decodes exactly one tag; nothing of it points into `bytes`. Not verified. */
export function decodeTag(bytes: Uint8Array): Verdict<Tag> {
  const refusal = refuseUnlessWhole(bytes, readTag);
  if (refusal !== null) return refusal;
  const reader = new Reader(bytes);
  return accept({
    networkId: reader.u64(),
    timestamp: reader.u64(),
    id: reader.u32(),
    value: reader.u32(),
    issuedTo: reader.address(),
    signedBy: reader.address(),
    signature: readSignature(reader),
  });
}

/** Whether the network's controller has signed it. */
export function verifyTag(tag: Tag, identityOf: IdentityLookup): Validity {
  const message = () => messageOf(tag, tag.signedBy);
  return verifyIssued(tag.networkId, tag.signedBy, tag.signature, message, identityOf);
}
