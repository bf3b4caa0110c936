/**
 * ERROR (verb 2): the frame around every negative answer, and the two bodies in use.
 * Facts: vl1-packets.md §5.3, vl2-networks.md §4.3.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 1 | in-re verb | the verb answered |
 * | 1 | 8 | in-re packet id | the packet answered, by its id on the wire |
 * | 9 | 1 | code | `ErrorCode` |
 * | 10 | … | body | per code: nothing, a network error, or an unwanted multicast |
 */
import { Reader, Writer } from "../bytes.ts";
import { accept, type Verdict } from "../errors.ts";
import { type MulticastGroup, readMulticastGroup, writeMulticastGroup } from "../ethernet.ts";

const ERROR_BODY_OFFSET = 10;

export interface ErrorReply {
  readonly inReVerb: number;
  readonly inRePacketId: bigint;
  /** The whole byte: an unassigned code is possible and to be ignored. */
  readonly code: number;
  /** A view when decoded. */
  readonly body: Uint8Array;
}

export function encodeError(error: ErrorReply): Uint8Array {
  const writer = new Writer(ERROR_BODY_OFFSET + error.body.length);
  return writer.u8(error.inReVerb).u64(error.inRePacketId).u8(error.code).bytes(error.body).finish();
}

export function decodeError(payload: Uint8Array): Verdict<ErrorReply> {
  const reader = new Reader(payload);
  const inReVerb = reader.u8();
  const inRePacketId = reader.u64();
  const code = reader.u8();
  const body = reader.rest();
  return reader.failed ? reader.refusal() : accept({ inReVerb, inRePacketId, code, body });
}

/**
 * Body of codes 3, 5, 6, 7 and 9: the network it is about.
 *
 * | offset in body | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 8 | network id | |
 * | 8 | 2 | length n | optional, with the next |
 * | 10 | n | data | a dictionary (code 9: where to authenticate) |
 */
export interface NetworkError {
  readonly networkId: bigint;
  /** Null if the body ends behind the network id. A view when decoded. */
  readonly data: Uint8Array | null;
}

export function encodeNetworkError(error: NetworkError): Uint8Array {
  const writer = new Writer(10 + (error.data?.length ?? 0)).u64(error.networkId);
  if (error.data !== null) writer.u16(error.data.length).bytes(error.data);
  return writer.finish();
}

export function decodeNetworkError(body: Uint8Array): Verdict<NetworkError> {
  const reader = new Reader(body);
  const networkId = reader.u64();
  const data = reader.remaining > 0 ? reader.bytes(reader.u16()) : null;
  return reader.failed ? reader.refusal() : accept({ networkId, data });
}

/** Body of code 8 (UNWANTED_MULTICAST): 8 bytes network id, 6 bytes MAC, 4 bytes ADI. */
export interface UnwantedMulticast {
  readonly networkId: bigint;
  readonly group: MulticastGroup;
}

export function encodeUnwantedMulticast(unwanted: UnwantedMulticast): Uint8Array {
  const writer = new Writer(18).u64(unwanted.networkId);
  writeMulticastGroup(writer, unwanted.group);
  return writer.finish();
}

export function decodeUnwantedMulticast(body: Uint8Array): Verdict<UnwantedMulticast> {
  const reader = new Reader(body);
  const networkId = reader.u64();
  const group = readMulticastGroup(reader);
  return reader.failed ? reader.refusal() : accept({ networkId, group });
}
