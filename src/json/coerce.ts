/**
 * How the reference's controller reads a JSON value where it wants an integer, a boolean or a text: a value of another
 * type is converted as far as that goes, and only null, arrays, objects and missing values give the fallback of the
 * field. Facts: controller.md §2; `vectors/api/controller-network.json`.
 *
 * This is for input that has to be taken as the reference takes it: nothing is refused, except by `requireText`.
 */
import { ExactNumber, type JsonValue } from "./json.ts";

const MAX_U64 = 0xffff_ffff_ffff_ffffn;
const MIN_I64 = -0x8000_0000_0000_0000n;

/** 2^64−1 has this many decimal digits. More digits are never turned into a bigint, which would cost time for nothing. */
const MAX_U64_DIGITS = 20;

/** Decimal digits after white space, a sign and zeros, as C's strtoull reads them; what follows is ignored. */
const DECIMAL_PREFIX = /^[ \t\n\v\f\r]*([+-]?)0*([0-9]*)/;
const INTEGER_TEXT = /^-?[0-9]+$/;

/** True for a JSON number, however it is kept. */
export function isNumber(value: JsonValue | undefined): value is number | bigint | ExactNumber {
  return typeof value === "number" || typeof value === "bigint" || value instanceof ExactNumber;
}

/** A whole number as unsigned 64 bits. What is beyond 64 bits gives 0 (the reference's conversion is undefined there). */
function wrap(value: bigint): bigint {
  return value < MIN_I64 || value > MAX_U64 ? 0n : BigInt.asUintN(64, value);
}

function numberAsInteger(value: number | bigint | ExactNumber): bigint {
  if (typeof value === "bigint") return wrap(value);
  // An integer written in full is exact, however large; any other number is a double to the reference too.
  if (value instanceof ExactNumber && INTEGER_TEXT.test(value.text)) {
    return value.text.length > MAX_U64_DIGITS ? 0n : wrap(BigInt(value.text));
  }
  const double = value instanceof ExactNumber ? Number(value.text) : value;
  return Number.isFinite(double) ? wrap(BigInt(Math.trunc(double))) : 0n;
}

function textAsInteger(text: string): bigint {
  const [, sign, digits] = DECIMAL_PREFIX.exec(text)!;
  // Too large a number stops at the maximum, whatever its sign; a negative one wraps around.
  if (digits!.length > MAX_U64_DIGITS) return MAX_U64;
  const magnitude = BigInt(digits!);
  if (magnitude > MAX_U64) return MAX_U64;
  return sign === "-" ? BigInt.asUintN(64, -magnitude) : magnitude;
}

/**
 * The value as an unsigned 64-bit integer, 0 … 2^64−1 (`I(x, d)` of controller.md §2). Numbers are cut towards zero and
 * negative ones wrap (−1 gives 2^64−1); texts give their decimal prefix or 0; booleans give 1 or 0; anything else `fallback`.
 */
export function asInteger(value: JsonValue | undefined, fallback: bigint): bigint {
  if (isNumber(value)) return numberAsInteger(value);
  if (typeof value === "string") return textAsInteger(value);
  if (typeof value === "boolean") return value ? 1n : 0n;
  return fallback;
}

/**
 * The value as a boolean (`B(x, d)` of controller.md §2). A number is true unless `asInteger` of it is 0 (so −1 is true
 * and 0.5 is not), a text is true if it begins with `t`, `T` or `1`; null, arrays, objects and undefined give `fallback`.
 */
export function asBoolean(value: JsonValue | undefined, fallback: boolean): boolean {
  if (typeof value === "boolean") return value;
  if (isNumber(value)) return numberAsInteger(value) > 0n;
  if (typeof value === "string") return /^[tT1]/.test(value);
  return fallback;
}

/**
 * The value as a text (`S(x, d)` of controller.md §2). Numbers give the decimal digits of `asInteger`, booleans `"1"` or
 * `"0"`; null, arrays, objects and undefined give `fallback`.
 */
export function asText(value: JsonValue | undefined, fallback: string): string {
  if (typeof value === "string") return value;
  if (isNumber(value)) return numberAsInteger(value).toString();
  if (typeof value === "boolean") return value ? "1" : "0";
  return fallback;
}

/** A value that the reference wants to be a text and that is none: its controller answers with status 500 and this message. */
export class JsonTypeError extends Error {
  override readonly name = "JsonTypeError";
}

function typeName(value: JsonValue): string {
  if (value === null) return "null";
  if (isNumber(value)) return "number";
  if (Array.isArray(value)) return "array";
  return typeof value;
}

/**
 * The value itself if it is a text. Throws `JsonTypeError`, whose message is the body's `description` in the recorded
 * answer, if it is anything else (`vectors/api/controller-rules.json`, "characteristics mask null").
 */
export function requireText(value: JsonValue): string {
  if (typeof value === "string") return value;
  throw new JsonTypeError(`[json.exception.type_error.302] type must be string, but is ${typeName(value)}`);
}
