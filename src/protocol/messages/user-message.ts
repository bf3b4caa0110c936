/**
 * USER_MESSAGE (verb 20): an application's own data. No reply.
 * Facts: vl1-packets.md §5.19.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 8 | kind | type id, chosen by applications |
 * | 8 | … | data | arbitrary |
 */
import { Reader, Writer } from "../bytes.ts";
import { accept, type Verdict } from "../errors.ts";

export interface UserMessage {
  readonly kind: bigint;
  /** A view when decoded. */
  readonly data: Uint8Array;
}

export function encodeUserMessage(message: UserMessage): Uint8Array {
  return new Writer(8 + message.data.length).u64(message.kind).bytes(message.data).finish();
}

export function decodeUserMessage(payload: Uint8Array): Verdict<UserMessage> {
  const reader = new Reader(payload);
  const kind = reader.u64();
  const data = reader.rest();
  return reader.failed ? reader.refusal() : accept({ kind, data });
}
