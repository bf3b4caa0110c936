/**
 * REMOTE_TRACE (verb 21): diagnostics, one dictionary per event. No reply.
 * Facts: vl1-packets.md §5.20, vl2-networks.md §8.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0 | … | dictionary | at most 10000 bytes, then a NUL; repeated to the end |
 */
import { Reader, Writer } from "../bytes.ts";
import { accept, refuse, type Verdict } from "../errors.ts";

export const MAX_TRACE_BYTES = 10_000;

export interface RemoteTrace {
  /** Dictionaries without their NUL; views when decoded. */
  readonly traces: readonly Uint8Array[];
}

export function encodeRemoteTrace(trace: RemoteTrace): Uint8Array {
  const writer = new Writer();
  for (const dictionary of trace.traces) writer.bytes(dictionary).u8(0);
  return writer.finish();
}

/** An unterminated end is left out; a longer dictionary than allowed is refused. */
export function decodeRemoteTrace(payload: Uint8Array): Verdict<RemoteTrace> {
  const reader = new Reader(payload);
  const traces: Uint8Array[] = [];
  for (;;) {
    const start = reader.offset;
    const end = payload.indexOf(0, start);
    if (end < 0) return accept({ traces });
    if (end - start > MAX_TRACE_BYTES) return refuse("too_long", start);
    traces.push(reader.bytes(end - start));
    reader.skip(1);
  }
}
