/**
 * MULTICAST_FRAME (verb 14): a frame to a multicast group; and OK(MULTICAST_FRAME).
 * Facts: vl1-packets.md §5.4 and §5.15, vl2-ethernet.md §1.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0  | 8 | network id | |
 * | 8  | 1 | flags | 0x01 certificate, 0x02 gather limit, 0x04 source MAC present; 0x08 please replicate |
 * | +0 | 0/… | certificate | of membership (deprecated), if flagged |
 * | +0 | 0/4 | gather limit | if flagged: members wanted in OK(MULTICAST_FRAME) |
 * | +0 | 0/6 | source MAC | if flagged; else it follows from the sender's address |
 * | +0 | 6 | destination MAC | group |
 * | +6 | 4 | ADI | |
 * | +10 | 2 | EtherType | |
 * | +12 | … | data | of the frame, behind its 14-byte header |
 */
import { Reader, Writer } from "../bytes.ts";
import { readMembershipCertificate } from "../credential-bytes.ts";
import { accept, refuse, type Verdict } from "../errors.ts";
import { type Mac, type MulticastGroup, readMulticastGroup, writeMulticastGroup } from "../ethernet.ts";
import { type GatherResults, readGatherResults, writeGatherResults } from "./multicast-gather.ts";

const FLAG_CERTIFICATE = 0x01;
const FLAG_GATHER_LIMIT = 0x02;
const FLAG_SOURCE_MAC = 0x04;
const FLAG_REPLICATE = 0x08;
const CERTIFICATE_OFFSET = 9;

export interface MulticastFrame {
  readonly networkId: bigint;
  /** Certificate of membership as bytes, null if not attached. A view when decoded. */
  readonly certificate: Uint8Array | null;
  /** Null if no members are asked for. */
  readonly gatherLimit: number | null;
  /** Null if it is the sender's own MAC. */
  readonly source: Mac | null;
  /** The sender asks this node to pass the frame on to the group. */
  readonly replicate: boolean;
  readonly group: MulticastGroup;
  readonly etherType: number;
  /** A view when decoded. */
  readonly data: Uint8Array;
}

export function encodeMulticastFrame(frame: MulticastFrame): Uint8Array {
  const { certificate, gatherLimit, source, data } = frame;
  const writer = new Writer(31 + (certificate?.length ?? 0) + data.length).u64(frame.networkId);
  writer.u8(
    (certificate !== null ? FLAG_CERTIFICATE : 0) |
      (gatherLimit !== null ? FLAG_GATHER_LIMIT : 0) |
      (source !== null ? FLAG_SOURCE_MAC : 0) |
      (frame.replicate ? FLAG_REPLICATE : 0),
  );
  if (certificate !== null) writer.bytes(certificate);
  if (gatherLimit !== null) writer.u32(gatherLimit);
  if (source !== null) writer.u48(source);
  writeMulticastGroup(writer, frame.group);
  return writer.u16(frame.etherType).bytes(data).finish();
}

export function decodeMulticastFrame(payload: Uint8Array): Verdict<MulticastFrame> {
  const reader = new Reader(payload);
  const networkId = reader.u64();
  const flags = reader.u8();
  const certificate = (flags & FLAG_CERTIFICATE) !== 0 ? readMembershipCertificate(reader) : null;
  if (reader.failed) return reader.refusal();
  if (certificate === undefined) return refuse("bad_value", CERTIFICATE_OFFSET);
  const gatherLimit = (flags & FLAG_GATHER_LIMIT) !== 0 ? reader.u32() : null;
  const source = (flags & FLAG_SOURCE_MAC) !== 0 ? reader.u48() : null;
  const replicate = (flags & FLAG_REPLICATE) !== 0;
  const group = readMulticastGroup(reader);
  const etherType = reader.u16();
  const data = reader.rest();
  if (reader.failed) return reader.refusal();
  return accept({ networkId, certificate, gatherLimit, source, replicate, group, etherType, data });
}

/**
 * Body of OK(MULTICAST_FRAME).
 *
 * | offset in body | size | field | meaning |
 * |---|---|---|---|
 * | 0  | 8 | network id | |
 * | 8  | 6 | MAC | group |
 * | 14 | 4 | ADI | |
 * | 18 | 1 | flags | 0x01 certificate follows (deprecated), 0x02 gather results follow |
 * | 19 | 0/… | certificate | of membership |
 * | … | 0/… | results | as in multicast-gather.ts |
 */
export interface OkMulticastFrame {
  readonly networkId: bigint;
  readonly group: MulticastGroup;
  /** Certificate of membership as bytes, null if not attached. A view when decoded. */
  readonly certificate: Uint8Array | null;
  readonly results: GatherResults | null;
}

const OK_FLAG_CERTIFICATE = 0x01;
const OK_FLAG_RESULTS = 0x02;
const OK_CERTIFICATE_OFFSET = 19;

export function encodeOkMulticastFrame(ok: OkMulticastFrame): Uint8Array {
  const { certificate, results } = ok;
  const writer = new Writer(64).u64(ok.networkId);
  writeMulticastGroup(writer, ok.group);
  writer.u8((certificate !== null ? OK_FLAG_CERTIFICATE : 0) | (results !== null ? OK_FLAG_RESULTS : 0));
  if (certificate !== null) writer.bytes(certificate);
  if (results !== null) writeGatherResults(writer, results);
  return writer.finish();
}

export function decodeOkMulticastFrame(body: Uint8Array): Verdict<OkMulticastFrame> {
  const reader = new Reader(body);
  const networkId = reader.u64();
  const group = readMulticastGroup(reader);
  const flags = reader.u8();
  const certificate = (flags & OK_FLAG_CERTIFICATE) !== 0 ? readMembershipCertificate(reader) : null;
  if (reader.failed) return reader.refusal();
  if (certificate === undefined) return refuse("bad_value", OK_CERTIFICATE_OFFSET);
  const results = (flags & OK_FLAG_RESULTS) !== 0 ? readGatherResults(reader) : null;
  return reader.failed ? reader.refusal() : accept({ networkId, group, certificate, results });
}
