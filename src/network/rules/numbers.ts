/**
 * Numbers as the rule language has them: `0x` and hexadecimal digits, or decimal digits, and whatever follows is ignored
 * (`80abc` is 80). Facts: rule-language.md section 5.
 */

export const MAX_U8 = 0xff;
export const MAX_U16 = 0xffff;
export const MAX_U32 = 0xffff_ffff;

const NUMBER = /^\+?(?:0[xX]([0-9a-fA-F]+)|(?!0[xX])([0-9]+))/;
const WHOLE_NUMBER = /^(?:0[xX][0-9a-fA-F]+|[0-9]+)$/;

/** Digits beyond these make no number that is within any limit here. */
const MAX_DIGITS = 32;

/** The number that a word begins with, if it is 0 to `max`; null otherwise, so also for every negative one. */
export function readNumber(word: string, max: number): number | null {
  const match = NUMBER.exec(word);
  if (match === null) return null;
  const [, hex, decimal] = match;
  const digits = (hex ?? decimal)!.replace(/^0+/, "");
  const long = digits.length > MAX_DIGITS;
  const value = long ? Number.POSITIVE_INFINITY : Number.parseInt(`0${digits}`, hex === undefined ? 10 : 16);
  return value <= max ? value : null;
}

/** True for a word that is a number and nothing else. */
export function isWholeNumber(word: string): boolean {
  return WHOLE_NUMBER.test(word);
}

/** A number of which only the size counts, as a tag's default is read: `-3` is 3; what is no number is 0. */
export function readMagnitude(word: string): number {
  return readNumber(word.replace(/^-/, ""), Number.MAX_SAFE_INTEGER) ?? 0;
}

/** A range `LO-HI`, or a single number for both ends; null unless both are 0 to `max` and in order. */
export function readRange(word: string, max: number): { readonly start: number; readonly end: number } | null {
  const ends = word.split("-", 3);
  if (ends.length > 2) return null;
  const start = readNumber(ends[0]!, max);
  const end = ends.length === 1 ? start : readNumber(ends[1]!, max);
  return start === null || end === null || start > end ? null : { start, end };
}
