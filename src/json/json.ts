/**
 * JSON as the service API and the command line write it: keys sorted by their bytes, compact or with a 1-space
 * indentation, 64-bit integers in full. Facts: local-api.md §1, cli.md §2.
 */

/** A number kept as it was written, because a JavaScript number would print differently (0.0, 2^64−1). */
export class ExactNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Any JSON value. A bigint is written as an integer. */
export type JsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | ExactNumber
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue | undefined };

/** A JSON object. Keys whose value is undefined are left out when it is written. */
export type JsonObject = { readonly [key: string]: JsonValue | undefined };

/** True for a JSON object, as opposed to arrays, null and scalars. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber);
}

/** An object without inherited properties, so that a key named `__proto__` is a key like any other. */
export function newJsonObject(): { [key: string]: JsonValue } {
  return Object.create(null) as { [key: string]: JsonValue };
}

/** Below the surrogates, UTF-16 units and bytes of UTF-8 order the same. */
const MAY_ORDER_OTHERWISE = /[\ud800-\uffff]/;

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** By their bytes in UTF-8, in place. */
function sortKeys(keys: string[]): string[] {
  return keys.some((key) => MAY_ORDER_OTHERWISE.test(key)) ? keys.sort(compareBytes) : keys.sort();
}

function writeNumber(value: number): string {
  // NaN and infinities have no JSON form; null is what every other writer makes of them.
  return Number.isFinite(value) ? String(value) : "null";
}

function write(value: JsonValue, indent: number, margin: string): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "number":
      return writeNumber(value);
    case "bigint":
    case "boolean":
      return String(value);
  }
  if (value === null) return "null";
  if (value instanceof ExactNumber) return value.text;
  const inner = margin + " ".repeat(indent);
  const open = indent > 0 ? `\n${inner}` : "";
  const close = indent > 0 ? `\n${margin}` : "";
  if (Array.isArray(value)) {
    const items = value.map((item: JsonValue) => write(item, indent, inner));
    return items.length === 0 ? "[]" : `[${open}${items.join(`,${open}`)}${close}]`;
  }
  const object = value as JsonObject;
  const colon = indent > 0 ? ": " : ":";
  const members = sortKeys(Object.keys(object).filter((key) => object[key] !== undefined)).map(
    (key) => `${JSON.stringify(key)}${colon}${write(object[key] as JsonValue, indent, inner)}`,
  );
  return members.length === 0 ? "{}" : `{${open}${members.join(`,${open}`)}${close}}`;
}

/**
 * JSON text of `value` with sorted keys and no final newline. `indent` is the number of spaces per level;
 * 0 (the default) writes it compactly, as the API does.
 */
export function formatJson(value: JsonValue, indent = 0): string {
  return write(value, indent, "");
}

/** True if both have the same text: `formatJson(a) === formatJson(b)`, without writing it where they are alike in form. */
export function equalJson(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) {
    if (a === undefined || b === undefined || typeof a === "string" || typeof b === "string") return false;
    return formatJson(a) === formatJson(b);
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((value: JsonValue, index) => equalJson(value, b[index]));
  }
  if (!isJsonObject(a) || !isJsonObject(b)) return formatJson(a) === formatJson(b);
  const present = (object: JsonObject) => Object.keys(object).filter((key) => object[key] !== undefined);
  const keys = present(a);
  return keys.length === present(b).length && keys.every((key) => Object.hasOwn(b, key) && equalJson(a[key], b[key]));
}
