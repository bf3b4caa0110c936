/**
 * NOP (verb 0): an empty packet that proves its sender is alive. vl1-packets.md §5.1.
 * Whatever follows the header is ignored.
 */
import { accept, type Verdict } from "../errors.ts";

export type Nop = Readonly<Record<never, never>>;

export function encodeNop(): Uint8Array {
  return new Uint8Array(0);
}

/** Never refuses. */
export function decodeNop(): Verdict<Nop> {
  return accept({});
}
