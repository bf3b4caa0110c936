/** How the reference reads numbers and truths out of JSON. Facts: controller.md §2. */
import { ExactNumber, type JsonValue } from "../json/json.ts";

const MAX_U64 = 0xffff_ffff_ffff_ffffn;

function numberAsUnsigned(text: string): bigint {
  const whole = /^-?\d+$/.test(text) ? BigInt(text) : BigInt(Math.trunc(Number(text)) || 0);
  return BigInt.asUintN(64, whole);
}

/** The loose integer: unsigned 64 bits, `fallback` for null, arrays, objects and missing values. */
export function looseInteger(value: JsonValue | undefined, fallback: bigint): bigint {
  if (typeof value === "boolean") return value ? 1n : 0n;
  if (typeof value === "number" || typeof value === "bigint") return numberAsUnsigned(String(value));
  if (value instanceof ExactNumber) return numberAsUnsigned(value.text);
  if (typeof value !== "string") return fallback;
  const [, sign, digits] = /^\s*([+-]?)(\d+)/.exec(value) ?? [];
  if (digits === undefined) return 0n;
  const magnitude = BigInt(digits);
  if (magnitude > MAX_U64) return MAX_U64;
  return BigInt.asUintN(64, sign === "-" ? -magnitude : magnitude);
}

/** The loose truth: positive numbers, texts that begin with t, T or 1. */
export function looseBoolean(value: JsonValue | undefined, fallback: boolean): boolean {
  if (typeof value === "boolean") return value;
  if (typeof value === "string") return /^[tT1]/.test(value);
  return looseInteger(value, fallback ? 1n : 0n) > 0n;
}
