/**
 * OK (verb 3): the frame around every positive answer. The bodies are in the files of the verbs they answer.
 * Facts: vl1-packets.md §5.4.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 1 | in-re verb | the verb answered |
 * | 1 | 8 | in-re packet id | the packet answered, by its id on the wire |
 * | 9 | … | body | per verb |
 */
import { Reader, Writer } from "../bytes.ts";
import { accept, type Verdict } from "../errors.ts";

/** Where the body begins in the payload. */
export const OK_BODY_OFFSET = 9;

export interface Ok {
  /** The whole byte: an unassigned number is possible and harmless. */
  readonly inReVerb: number;
  readonly inRePacketId: bigint;
  /** A view when decoded. */
  readonly body: Uint8Array;
}

export function encodeOk(inReVerb: number, inRePacketId: bigint, body: Uint8Array): Uint8Array {
  return new Writer(OK_BODY_OFFSET + body.length).u8(inReVerb).u64(inRePacketId).bytes(body).finish();
}

export function decodeOk(payload: Uint8Array): Verdict<Ok> {
  const reader = new Reader(payload);
  const inReVerb = reader.u8();
  const inRePacketId = reader.u64();
  const body = reader.rest();
  return reader.failed ? reader.refusal() : accept({ inReVerb, inRePacketId, body });
}
