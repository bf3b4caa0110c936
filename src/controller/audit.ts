/** What a line of the audit log says about a change: the keys that differ, without secrets and without bulk. */
import { equalJson, formatJson, type JsonObject, type JsonValue } from "../json/json.ts";

/** Longer values (rule tables) are told by their length. */
const MAX_VALUE_CHARACTERS = 400;
/** Keys whose values are secrets: tokens that let members in. */
const SECRET_KEYS = new Set(["authTokens"]);
/** Keys that change with every change. */
const IMPLIED_KEYS = new Set(["revision"]);

interface Recorded {
  readonly json: JsonObject;
  readonly own: object;
}

/**
 * The keys in which two records differ, each as [before, after]; null for a key that one of them lacks. Of a new record
 * every key with a value is told, of a deleted one only its name.
 */
export function describeChanges(before: Recorded | null, after: Recorded | null): JsonObject {
  const old = before === null ? {} : flat(before);
  const next = after === null ? { name: null } : flat(after);
  const changes: Record<string, JsonValue> = {};
  const keys = after === null ? ["name"] : new Set([...Object.keys(old), ...Object.keys(next)]);
  for (const key of keys) {
    if (IMPLIED_KEYS.has(key)) continue;
    const [was, is] = [old[key] ?? null, next[key] ?? null];
    if (!equalJson(was, is)) changes[key] = [told(key, was), told(key, is)];
  }
  return changes;
}

function flat({ json, own }: Recorded): Record<string, JsonValue> {
  return { ...json, ...own } as Record<string, JsonValue>;
}

function told(key: string, value: JsonValue): JsonValue {
  if (value === null) return null;
  if (SECRET_KEYS.has(key)) return "(secret)";
  const text = formatJson(value);
  return text.length > MAX_VALUE_CHARACTERS ? `(${text.length} characters)` : value;
}
