/**
 * MULTICAST_GATHER (verb 13), to upstreams, controllers and specialists: who listens to this group?
 * And the gather results in OK(MULTICAST_GATHER) and OK(MULTICAST_FRAME).
 * Facts: vl1-packets.md §5.4 and §5.14, vl2-ethernet.md §1.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0  | 8 | network id | |
 * | 8  | 1 | flags | 0x01 certificate attached |
 * | 9  | 6 | MAC | group |
 * | 15 | 4 | ADI | |
 * | 19 | 4 | limit | addresses wanted; 0 asks for no answer |
 * | 23 | … | certificate | of membership, if flagged |
 */
import { ADDRESS_BYTES, type Address } from "../address.ts";
import { Reader, Writer } from "../bytes.ts";
import { readMembershipCertificate } from "../credential-bytes.ts";
import { accept, refuse, type Verdict } from "../errors.ts";
import { type MulticastGroup, readMulticastGroup, writeMulticastGroup } from "../ethernet.ts";

export const GATHER_FLAG_CERTIFICATE = 0x01;
const CERTIFICATE_OFFSET = 23;

export interface MulticastGather {
  readonly networkId: bigint;
  readonly group: MulticastGroup;
  readonly limit: number;
  /** The asker's certificate of membership as bytes, null if not attached. A view when decoded. */
  readonly certificate: Uint8Array | null;
}

export function encodeMulticastGather(gather: MulticastGather): Uint8Array {
  const { networkId, group, limit, certificate } = gather;
  const writer = new Writer(CERTIFICATE_OFFSET + (certificate?.length ?? 0));
  writer.u64(networkId).u8(certificate === null ? 0 : GATHER_FLAG_CERTIFICATE);
  writeMulticastGroup(writer, group);
  writer.u32(limit);
  if (certificate !== null) writer.bytes(certificate);
  return writer.finish();
}

export function decodeMulticastGather(payload: Uint8Array): Verdict<MulticastGather> {
  const reader = new Reader(payload);
  const networkId = reader.u64();
  const flags = reader.u8();
  const group = readMulticastGroup(reader);
  const limit = reader.u32();
  const certificate = (flags & GATHER_FLAG_CERTIFICATE) !== 0 ? readMembershipCertificate(reader) : null;
  if (reader.failed) return reader.refusal();
  if (certificate === undefined) return refuse("bad_value", CERTIFICATE_OFFSET);
  return accept({ networkId, group, limit, certificate });
}

/** Gather results: 4 bytes total known, 2 bytes count n, n × 5 bytes addresses. */
export interface GatherResults {
  /** Members known to the responder, the asker included. */
  readonly total: number;
  readonly members: readonly Address[];
}

/** Appends gather results; throws RangeError for more members than 16 bits count. */
export function writeGatherResults(writer: Writer, results: GatherResults): void {
  if (results.members.length > 0xffff) throw new RangeError(`${results.members.length} members in one answer`);
  writer.u32(results.total).u16(results.members.length);
  for (const member of results.members) writer.address(member);
}

/** Takes gather results; when they are cut off the reader fails and the list is empty. */
export function readGatherResults(reader: Reader): GatherResults {
  const total = reader.u32();
  const count = reader.u16();
  const list = new Reader(reader.bytes(count * ADDRESS_BYTES));
  const members: Address[] = [];
  while (list.remaining > 0) members.push(list.address());
  return { total, members };
}

/** Body of OK(MULTICAST_GATHER): 8 bytes network id, 6 bytes MAC, 4 bytes ADI, gather results. */
export interface OkMulticastGather {
  readonly networkId: bigint;
  readonly group: MulticastGroup;
  readonly results: GatherResults;
}

export function encodeOkMulticastGather(ok: OkMulticastGather): Uint8Array {
  const writer = new Writer(24 + ADDRESS_BYTES * ok.results.members.length).u64(ok.networkId);
  writeMulticastGroup(writer, ok.group);
  writeGatherResults(writer, ok.results);
  return writer.finish();
}

export function decodeOkMulticastGather(body: Uint8Array): Verdict<OkMulticastGather> {
  const reader = new Reader(body);
  const networkId = reader.u64();
  const group = readMulticastGroup(reader);
  const results = readGatherResults(reader);
  return reader.failed ? reader.refusal() : accept({ networkId, group, results });
}
