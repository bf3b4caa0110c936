/**
 * PUSH_DIRECT_PATHS (verb 16): here are physical addresses under which I may be reached directly.
 * Facts: vl1-packets.md §5.16.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 2 | count | of records |
 * | per record: +0 | 1 | flags | 0x01 forget, 0x02 cluster redirect |
 * | +1 | 2 | length n | of extended data |
 * | +3 | n | extended data | skipped |
 * | +3+n | 1 | type | 4 or 6; others are skipped by their length |
 * | +4+n | 1 | length | 6 or 18: IP and port |
 * | +5+n | 4/16 | IP | |
 * | … | 2 | port | |
 */

import { Reader, Writer } from "../bytes.ts";
import { PACKET_HEADER_BYTES } from "../constants.ts";
import { accept, type Verdict } from "../errors.ts";
import { type Endpoint, makeEndpoint } from "../inet-address.ts";

export const PUSH_FLAG_FORGET = 0x01;
export const PUSH_FLAG_CLUSTER_REDIRECT = 0x02;

const COUNT_BYTES = 2;
const RECORD_HEADER_BYTES = 5;
const PORT_BYTES = 2;
/** A push is sent straight to an address, unfragmented, so it is kept well below any MTU. */
const MAX_PUSH_PACKET_BYTES = 1200;

export interface PushedPath {
  readonly flags: number;
  readonly endpoint: Endpoint;
}

export interface PushDirectPaths {
  readonly paths: readonly PushedPath[];
}

/** One packet's payload. `splitDirectPaths` says how many paths one packet takes. */
export function encodePushDirectPaths(push: PushDirectPaths): Uint8Array {
  const writer = new Writer(COUNT_BYTES + 25 * push.paths.length).u16(push.paths.length);
  for (const { flags, endpoint } of push.paths) {
    writer.u8(flags).u16(0).u8(endpoint.family);
    writer
      .u8(endpoint.ip.length + PORT_BYTES)
      .bytes(endpoint.ip)
      .u16(endpoint.port);
  }
  return writer.finish();
}

/** Cuts a list of paths so that each part, as a packet, stays within 1200 bytes. Order is kept; none for none. */
export function splitDirectPaths(paths: readonly PushedPath[]): PushedPath[][] {
  const parts: PushedPath[][] = [];
  let part: PushedPath[] = [];
  let bytes = 0;
  for (const path of paths) {
    const need = RECORD_HEADER_BYTES + path.endpoint.ip.length + PORT_BYTES;
    if (part.length === 0 || bytes + need > MAX_PUSH_PACKET_BYTES) {
      part = [];
      parts.push(part);
      bytes = PACKET_HEADER_BYTES + COUNT_BYTES;
    }
    part.push(path);
    bytes += need;
  }
  return parts;
}

/** Records of an unknown type, or whose length does not fit their type, are left out; flags are only reported. */
export function decodePushDirectPaths(payload: Uint8Array): Verdict<PushDirectPaths> {
  const reader = new Reader(payload);
  const paths: PushedPath[] = [];
  for (let left = reader.u16(); left > 0 && !reader.failed; left--) {
    const flags = reader.u8();
    reader.skip(reader.u16());
    const type = reader.u8();
    const address = reader.bytes(reader.u8());
    const ipBytes = type === 4 ? 4 : type === 6 ? 16 : 0;
    if (reader.failed || ipBytes === 0 || address.length !== ipBytes + PORT_BYTES) continue;
    const port = (address[ipBytes]! << 8) | address[ipBytes + 1]!;
    paths.push({ flags, endpoint: makeEndpoint(address.subarray(0, ipBytes), port) });
  }
  return reader.failed ? reader.refusal() : accept({ paths });
}
