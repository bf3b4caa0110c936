/**
 * Dictionaries: `key=value` lines, in which network configurations, request metadata, authentication data and
 * traces are written. Facts: vl2-networks.md §2.
 *
 * Lines are joined by LF, with none at the end. In a value NUL, CR, LF, `\` and `=` are written as `\0`, `\r`,
 * `\n`, `\\` and `\e`; every other byte is raw. Reading is lenient: CR ends a line, too, the first NUL ends the
 * dictionary, `\x` for any other x is x, the first of equal keys counts, unknown keys are nobody's business.
 */
import { type Address, formatAddress } from "./address.ts";

const NUL = 0x00;
const LF = 0x0a;
const CR = 0x0d;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;
const LETTER_E = 0x65;
const LETTER_N = 0x6e;
const LETTER_R = 0x72;
const DIGIT_0 = 0x30;

const MAX_U64 = 0xffffffffffffffffn;
const MAX_I64 = 0x7fffffffffffffffn;
const MIN_I64 = -0x8000000000000000n;
/** What an ordinary configuration needs. */
const INITIAL_BYTES = 2048;
const KEY_FORM = /^[ -<>-~]+$/;
/** More digits than these overflow whatever they are, so no longer number is ever converted. */
const MAX_HEX_DIGITS = 17;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function escapeLetter(byte: number): number {
  switch (byte) {
    case NUL:
      return DIGIT_0;
    case CR:
      return LETTER_R;
    case LF:
      return LETTER_N;
    case BACKSLASH:
      return BACKSLASH;
    case EQUALS:
      return LETTER_E;
    default:
      return -1;
  }
}

function unescapeLetter(byte: number): number {
  switch (byte) {
    case DIGIT_0:
      return NUL;
    case LETTER_R:
      return CR;
    case LETTER_N:
      return LF;
    case LETTER_E:
      return EQUALS;
    default:
      return byte;
  }
}

/**
 * Writes a dictionary entry by entry, in the order of the calls. Controllers write one per request: keys and numbers
 * are put down character by character, because encoding many short texts costs more than signing the result.
 */
export class DictionaryWriter {
  #bytes = new Uint8Array(INITIAL_BYTES);
  #length = 0;

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** Begins an entry whose value will not be longer than `most` bytes. */
  #begin(key: string, most: number): void {
    if (!KEY_FORM.test(key)) throw new RangeError(`not a dictionary key: ${JSON.stringify(key)}`);
    const need = this.#length + 1 + key.length + 1 + most;
    if (need > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(need, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    if (this.#length > 0) this.#bytes[this.#length++] = LF;
    this.#ascii(key);
    this.#bytes[this.#length++] = EQUALS;
  }

  #ascii(text: string): void {
    for (let i = 0; i < text.length; i++) this.#bytes[this.#length++] = text.charCodeAt(i);
  }

  /** Raw bytes. Throws RangeError for a key that is not printable ASCII without `=`. */
  bytes(key: string, value: Uint8Array): this {
    this.#begin(key, 2 * value.length);
    const bytes = this.#bytes;
    let at = this.#length;
    for (let i = 0; i < value.length; i++) {
      const byte = value[i]!;
      const letter = escapeLetter(byte);
      if (letter >= 0) bytes[at++] = BACKSLASH;
      bytes[at++] = letter >= 0 ? letter : byte;
    }
    this.#length = at;
    return this;
  }

  /** Digits, which need no escapes. */
  #digits(key: string, digits: string): this {
    this.#begin(key, digits.length);
    this.#ascii(digits);
    return this;
  }

  /** Text, as UTF-8. */
  text(key: string, value: string): this {
    return this.bytes(key, encoder.encode(value));
  }

  /** Exactly 16 lower-case hex digits. */
  u64(key: string, value: bigint): this {
    return this.#digits(key, (value & MAX_U64).toString(16).padStart(16, "0"));
  }

  /** As `u64` of the absolute value: the format loses the sign, and so do we, to be read alike. */
  i64(key: string, value: bigint): this {
    return this.u64(key, value < 0n ? -value : value);
  }

  /** `1` or `0`. */
  bool(key: string, value: boolean): this {
    return this.#digits(key, value ? "1" : "0");
  }

  /** Ten lower-case hex digits. */
  address(key: string, value: Address): this {
    return this.#digits(key, formatAddress(value));
  }

  /** The dictionary so far, as a view: neither LF nor NUL at the end. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** A dictionary read from hostile bytes. Never throws; what is not there or not a number is the given default. */
export class Dictionary {
  readonly #bytes: Uint8Array;
  /** Where each key's escaped value begins and ends. */
  readonly #values = new Map<string, readonly [start: number, end: number]>();

  /** Finds the lines; nothing is copied, so `bytes` must not change while the dictionary is in use. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    const nul = bytes.indexOf(NUL);
    const end = nul < 0 ? bytes.length : nul;
    for (let start = 0; start < end; ) {
      let equals = -1;
      let at = start;
      for (; at < end && bytes[at] !== LF && bytes[at] !== CR; at++) {
        if (equals < 0 && bytes[at] === EQUALS) equals = at;
      }
      if (equals > start) {
        const key = decoder.decode(bytes.subarray(start, equals));
        if (!this.#values.has(key)) this.#values.set(key, [equals + 1, at]);
      }
      start = at + 1;
    }
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  keys(): Iterable<string> {
    return this.#values.keys();
  }

  /** The value unescaped, cut to `maxBytes`; null if the key is not there. An empty value is an empty array. */
  bytes(key: string, maxBytes = Number.POSITIVE_INFINITY): Uint8Array | null {
    const range = this.#values.get(key);
    if (range === undefined) return null;
    const [start, end] = range;
    const value = new Uint8Array(Math.min(end - start, maxBytes));
    let length = 0;
    for (let at = start; at < end && length < value.length; at++) {
      let byte = this.#bytes[at]!;
      if (byte === BACKSLASH) {
        at++;
        if (at >= end) break;
        byte = unescapeLetter(this.#bytes[at]!);
      }
      value[length++] = byte;
    }
    return value.subarray(0, length);
  }

  /** The value as text; bytes that are not UTF-8 become replacement characters. */
  text(key: string, maxBytes?: number): string | null {
    const value = this.bytes(key, maxBytes);
    return value === null ? null : decoder.decode(value);
  }

  /** Unsigned: a minus sign wraps around, overflow saturates, as C's `strtoull` does. */
  u64(key: string, otherwise: bigint): bigint {
    const number = this.#number(key);
    if (number === null) return otherwise;
    if (number.magnitude > MAX_U64) return MAX_U64;
    return number.negative ? BigInt.asUintN(64, -number.magnitude) : number.magnitude;
  }

  /** Signed: overflow saturates, as C's `strtoll` does. */
  i64(key: string, otherwise: bigint): bigint {
    const number = this.#number(key);
    if (number === null) return otherwise;
    const value = number.negative ? -number.magnitude : number.magnitude;
    return value > MAX_I64 ? MAX_I64 : value < MIN_I64 ? MIN_I64 : value;
  }

  /** True if the value begins with 1, t or T; a present but empty value is false. */
  bool(key: string, otherwise: boolean): boolean {
    const value = this.text(key, 1);
    return value === null ? otherwise : value === "1" || value === "t" || value === "T";
  }

  /** Hex as C reads it: blanks, sign and `0x` may lead, the first other character ends it. Null if absent or empty. */
  #number(key: string): { magnitude: bigint; negative: boolean } | null {
    const text = this.text(key);
    if (text === null || text === "") return null;
    const match = /^[ \t\n\v\f\r]*([+-]?)(?:0[xX](?=[0-9a-fA-F]))?0*([0-9a-fA-F]*)/.exec(text);
    const digits = (match?.[2] ?? "").slice(0, MAX_HEX_DIGITS);
    return { magnitude: digits === "" ? 0n : BigInt(`0x${digits}`), negative: match?.[1] === "-" };
  }
}
