/**
 * ACK (verb 18): disabled since long; never sent, ignored on receipt. Decoded for tools.
 * Facts: vl1-packets.md §5.17.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 4 | bytes | received since the last ACK |
 */
import { Reader, Writer } from "../bytes.ts";
import { accept, type Verdict } from "../errors.ts";

export interface Ack {
  readonly bytes: number;
}

export function encodeAck(ack: Ack): Uint8Array {
  return new Writer(4).u32(ack.bytes).finish();
}

export function decodeAck(payload: Uint8Array): Verdict<Ack> {
  const reader = new Reader(payload);
  const bytes = reader.u32();
  return reader.failed ? reader.refusal() : accept({ bytes });
}
