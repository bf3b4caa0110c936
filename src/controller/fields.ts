/**
 * What the writable fields of networks and of members have in common. Facts: controller.md §2, §3, §6.
 */
import { asInteger, asText } from "../json/coerce.ts";
import { ExactNumber, isJsonObject, type JsonValue } from "../json/json.ts";

/** A remote trace target is a node's address; only its length is looked at. */
const TRACE_TARGET_CHARS = 10;

/** From the value sent to the value stored; undefined leaves the field as it is. */
export type Field = (value: JsonValue) => JsonValue | undefined;
export type Fields = Readonly<Record<string, Field>>;

/** Sets in `json` what `body` has of `fields`. A body that is no object has nothing. Throws what a field throws. */
export function applyFields(json: { [key: string]: JsonValue }, fields: Fields, body: JsonValue): void {
  if (!isJsonObject(body)) return;
  for (const [key, read] of Object.entries(fields)) {
    const value = Object.hasOwn(body, key) ? body[key] : undefined;
    const stored = value === undefined ? undefined : read(value);
    if (stored !== undefined) json[key] = stored;
  }
}

/** A field that only takes arrays. */
export function arraysOnly(render: (items: readonly JsonValue[]) => JsonValue): Field {
  return (value) => (Array.isArray(value) ? render(value as readonly JsonValue[]) : undefined);
}

/** An integer as JSON: a plain number where that is exact. */
export function integerJson(value: bigint): number | bigint {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/** The value of a JSON number; the nearest double where it has no exact one. */
export function numberOf(value: number | bigint | ExactNumber): number {
  return Number(value instanceof ExactNumber ? value.text : value);
}

/** Ten characters, or null. */
export function traceTarget(value: JsonValue): JsonValue {
  const target = asText(value, "");
  return target.length === TRACE_TARGET_CHARS ? target : null;
}

export function traceLevel(value: JsonValue): JsonValue {
  return integerJson(asInteger(value, 0n));
}
