/**
 * EXT_FRAME (verb 7): an Ethernet frame with its MACs, for bridges and for copies made by rules; and OK(EXT_FRAME).
 * Facts: vl1-packets.md §5.8, vl2-ethernet.md §1, vl2-rules.md §6.3 (sub-types).
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0  | 8 | network id | |
 * | 8  | 1 | flags | 0x01 certificate follows (deprecated), 0x0e sub-type, 0x10 acknowledgement wanted |
 * | 9  | 0/… | certificate | of membership, if flagged; moves what follows |
 * | 9  | 6 | destination MAC | |
 * | 15 | 6 | source MAC | |
 * | 21 | 2 | EtherType | |
 * | 23 | … | data | of the frame, behind its 14-byte header |
 */
import { Reader, Writer } from "../bytes.ts";
import { readMembershipCertificate } from "../credential-bytes.ts";
import { accept, refuse, type Verdict } from "../errors.ts";
import type { Mac } from "../ethernet.ts";

export const EXT_FRAME_FLAG_CERTIFICATE = 0x01;
export const EXT_FRAME_SUBTYPE_MASK = 0x0e;
export const EXT_FRAME_FLAG_ACK = 0x10;
const CERTIFICATE_OFFSET = 9;

export interface ExtFrame {
  readonly networkId: bigint;
  /** All bits but "certificate follows", which `certificate` tells. */
  readonly flags: number;
  /** Certificate of membership as bytes, null if not attached. A view when decoded. */
  readonly certificate: Uint8Array | null;
  readonly destination: Mac;
  readonly source: Mac;
  readonly etherType: number;
  /** A view when decoded. */
  readonly data: Uint8Array;
}

export function encodeExtFrame(frame: ExtFrame): Uint8Array {
  const { certificate, data } = frame;
  const flags = frame.flags & ~EXT_FRAME_FLAG_CERTIFICATE;
  const writer = new Writer(23 + (certificate?.length ?? 0) + data.length).u64(frame.networkId);
  if (certificate === null) writer.u8(flags);
  else writer.u8(flags | EXT_FRAME_FLAG_CERTIFICATE).bytes(certificate);
  return writer.u48(frame.destination).u48(frame.source).u16(frame.etherType).bytes(data).finish();
}

export function decodeExtFrame(payload: Uint8Array): Verdict<ExtFrame> {
  const reader = new Reader(payload);
  const networkId = reader.u64();
  const bits = reader.u8();
  const certificate = (bits & EXT_FRAME_FLAG_CERTIFICATE) !== 0 ? readMembershipCertificate(reader) : null;
  if (reader.failed) return reader.refusal();
  if (certificate === undefined) return refuse("bad_value", CERTIFICATE_OFFSET);
  const destination = reader.u48();
  const source = reader.u48();
  const etherType = reader.u16();
  const data = reader.rest();
  if (reader.failed) return reader.refusal();
  const flags = bits & ~EXT_FRAME_FLAG_CERTIFICATE;
  return accept({ networkId, flags, certificate, destination, source, etherType, data });
}

/** Body of OK(EXT_FRAME): 8 bytes network id. Sent only if the frame asked for it. */
export interface OkExtFrame {
  readonly networkId: bigint;
}

export function encodeOkExtFrame(ok: OkExtFrame): Uint8Array {
  return new Writer(8).u64(ok.networkId).finish();
}

export function decodeOkExtFrame(body: Uint8Array): Verdict<OkExtFrame> {
  const reader = new Reader(body);
  const networkId = reader.u64();
  return reader.failed ? reader.refusal() : accept({ networkId });
}
