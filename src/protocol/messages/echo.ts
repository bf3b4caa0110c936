/**
 * ECHO (verb 8) and OK(ECHO): whatever is sent comes back. Path checks send nothing.
 * Facts: vl1-packets.md §5.9.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0 | … | data | arbitrary; the body of OK(ECHO) is a copy |
 *
 * OK with in-re verb ECHO also acknowledges NETWORK_CONFIG: see network-config.ts.
 */
import { accept, type Verdict } from "../errors.ts";

export interface Echo {
  /** A view when decoded. */
  readonly data: Uint8Array;
}

export function encodeEcho(echo: Echo): Uint8Array {
  return echo.data;
}

/** Never refuses. */
export function decodeEcho(payload: Uint8Array): Verdict<Echo> {
  return accept({ data: payload });
}
