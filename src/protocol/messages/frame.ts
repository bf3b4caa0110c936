/**
 * FRAME (verb 6): an Ethernet frame whose MACs follow from the two ZeroTier addresses.
 * Facts: vl1-packets.md §5.7, vl2-ethernet.md §1.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0  | 8 | network id | |
 * | 8  | 2 | EtherType | |
 * | 10 | … | data | of the frame, behind its 14-byte header |
 */
import { Reader, Writer } from "../bytes.ts";
import { accept, type Verdict } from "../errors.ts";

export interface Frame {
  readonly networkId: bigint;
  readonly etherType: number;
  /** A view when decoded. */
  readonly data: Uint8Array;
}

export function encodeFrame(frame: Frame): Uint8Array {
  return new Writer(10 + frame.data.length).u64(frame.networkId).u16(frame.etherType).bytes(frame.data).finish();
}

export function decodeFrame(payload: Uint8Array): Verdict<Frame> {
  const reader = new Reader(payload);
  const networkId = reader.u64();
  const etherType = reader.u16();
  const data = reader.rest();
  return reader.failed ? reader.refusal() : accept({ networkId, etherType, data });
}
