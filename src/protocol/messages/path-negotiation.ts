/**
 * PATH_NEGOTIATION_REQUEST (verb 22), bonded peers only, suite 0: how much I would like to use this path. No reply.
 * Facts: vl1-packets.md §5.21, vl1-behaviour.md §8.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 2 | utility | signed |
 */
import { Reader, Writer } from "../bytes.ts";
import { accept, refuse, type Verdict } from "../errors.ts";

const UTILITY_BYTES = 2;

export interface PathNegotiation {
  /** −32768 … 32767. */
  readonly utility: number;
}

export function encodePathNegotiation(negotiation: PathNegotiation): Uint8Array {
  return new Writer(UTILITY_BYTES).u16(negotiation.utility & 0xffff).finish();
}

/** Refuses anything but exactly two bytes. */
export function decodePathNegotiation(payload: Uint8Array): Verdict<PathNegotiation> {
  if (payload.length > UTILITY_BYTES) return refuse("too_long", UTILITY_BYTES);
  const reader = new Reader(payload);
  const utility = (reader.u16() << 16) >> 16;
  return reader.failed ? reader.refusal() : accept({ utility });
}
