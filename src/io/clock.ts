/** The wall clock. Everything below the edge gets its time as a parameter; this is where it comes from. */
import type { Millis } from "../node/ports.ts";

/** Milliseconds since the epoch. */
export function now(): Millis {
  return Date.now();
}
