/** Randomness from the operating system. Everything below the edge gets it as a parameter. */
import { randomFillSync } from "node:crypto";
import type { Random } from "../node/ports.ts";

/** Fills `into` with bytes of the system's cryptographic generator. */
export const randomFill: Random = (into) => {
  randomFillSync(into);
};

/**
 * An integer in `low … high` (both included, at most 2^32 values), evenly distributed: draws that would favour
 * the low values are thrown away.
 */
export function randomInteger(random: Random, low: number, high: number): number {
  const span = high - low + 1;
  const limit = 0x100000000 - (0x100000000 % span);
  const draw = new Uint32Array(1);
  do random(new Uint8Array(draw.buffer));
  while (draw[0]! >= limit);
  return low + (draw[0]! % span);
}
