/**
 * NETWORK_CONFIG_REQUEST (verb 11), member to controller (the upper 40 bits of the network id).
 * Facts: vl1-packets.md §5.12, vl2-networks.md §3. The answer is a chunk (network-config.ts) or an ERROR.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 8 | network id | |
 * | 8 | 2 | length n | at most 1024 |
 * | 10 | n | metadata | dictionary about the member's software |
 * | 10+n | 8 | revision | of the configuration held, 0 for none; may be missing |
 * | 18+n | 8 | timestamp | of the configuration held, 0 for none; may be missing |
 */
import { Reader, Writer } from "../bytes.ts";
import { accept, refuse, type Verdict } from "../errors.ts";

export const MAX_REQUEST_METADATA_BYTES = 1024;
const LENGTH_OFFSET = 8;
const HELD_BYTES = 16;

export interface NetworkConfigRequest {
  readonly networkId: bigint;
  /** A dictionary; a view when decoded. */
  readonly metadata: Uint8Array;
  readonly revision: bigint;
  readonly timestamp: bigint;
}

export function encodeNetworkConfigRequest(request: NetworkConfigRequest): Uint8Array {
  const { networkId, metadata, revision, timestamp } = request;
  const writer = new Writer(26 + metadata.length);
  return writer.u64(networkId).u16(metadata.length).bytes(metadata).u64(revision).u64(timestamp).finish();
}

/** The last two fields count as 0 unless both are there. */
export function decodeNetworkConfigRequest(payload: Uint8Array): Verdict<NetworkConfigRequest> {
  const reader = new Reader(payload);
  const networkId = reader.u64();
  const length = reader.u16();
  if (length > MAX_REQUEST_METADATA_BYTES) return refuse("too_long", LENGTH_OFFSET);
  const metadata = reader.bytes(length);
  const holds = reader.remaining >= HELD_BYTES;
  const revision = holds ? reader.u64() : 0n;
  const timestamp = holds ? reader.u64() : 0n;
  return reader.failed ? reader.refusal() : accept({ networkId, metadata, revision, timestamp });
}
