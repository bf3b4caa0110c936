/**
 * How long rules are, so that tables can be carried without understanding them; what they mean is `rules/`.
 * Facts: vl2-rules.md §1.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 1 | type | low 6 bits; 0x80 NOT, 0x40 OR |
 * | 1 | 1 | length F | of the fields: the next rule begins behind them |
 * | 2 | F | fields | |
 */
import { Reader } from "../protocol/bytes.ts";
import { accept, refuse, type Verdict } from "../protocol/errors.ts";

const TYPE_MASK = 0x3f;

/** Bytes that are read of a type's fields, whatever F says. Types that are not here have none. */
const FIELD_BYTES: Readonly<Record<number, number>> = {
  2: 14,
  3: 14,
  4: 14,
  24: 5,
  25: 5,
  26: 2,
  27: 1,
  28: 1,
  29: 6,
  30: 6,
  31: 5,
  32: 5,
  33: 17,
  34: 17,
  35: 3,
  36: 1,
  37: 2,
  38: 3,
  39: 4,
  40: 4,
  41: 8,
  42: 4,
  43: 4,
  44: 8,
  45: 8,
  46: 8,
  47: 8,
  48: 8,
  49: 8,
  50: 8,
  51: 19,
};

/**
 * A view of the first `max` rules of a table (all of it if there are fewer). Refuses a rule whose fields lie outside;
 * a length that leads outside is let pass for the last one, as the reference does.
 */
export function takeRules(table: Uint8Array, max: number): Verdict<Uint8Array> {
  let offset = 0;
  for (let count = 0; offset < table.length && count < max; count++) {
    const reader = new Reader(table, offset);
    const type = reader.u8() & TYPE_MASK;
    const length = reader.u8();
    const fields = reader.offset;
    reader.skip(FIELD_BYTES[type] ?? 0);
    if (reader.failed) return refuse("too_short", offset);
    offset = fields + length;
  }
  return accept(table.subarray(0, offset));
}
