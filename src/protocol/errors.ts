/**
 * What a decoder says about bytes it refuses. Decoders never throw: they return a verdict, and whoever asked
 * counts the code (telemetry turns it into a label of the drop counter).
 */

/** Why bytes were refused. The list is closed: it is also the label set of the metric. */
export type RefusalCode =
  | "too_short" // ended inside a field
  | "bad_value" // a field holds a value the layout does not allow
  | "too_long" // a count or length exceeds the protocol's limit
  | "bad_compression"; // the LZ4 block does not decompress within the packet limit

/** A refused input: what was wrong and at which byte of the decoder's input. */
export interface Refusal {
  readonly ok: false;
  readonly code: RefusalCode;
  readonly offset: number;
}

export interface Accepted<T> {
  readonly ok: true;
  readonly value: T;
}

/** The result of every decoder of hostile bytes. */
export type Verdict<T> = Accepted<T> | Refusal;

export function accept<T>(value: T): Accepted<T> {
  return { ok: true, value };
}

export function refuse(code: RefusalCode, offset: number): Refusal {
  return { ok: false, code, offset };
}
