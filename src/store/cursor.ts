/**
 * Where a page ends: the order's value and the id of its last item. It goes out to whoever asked and comes back from
 * anywhere, so nothing in it is believed before it was looked at.
 */
import { QueryError } from "./query-error.ts";

/** Place in an ordered list. `tie` tells items of the same `key` apart. */
export interface Place {
  readonly key: string | number;
  readonly tie: string | number;
}

const MAX_CURSOR_CHARS = 1024;

function refused(): QueryError {
  return new QueryError(
    "cursor",
    "is not one of this list",
    "take `next` of the page before, with the same order and direction, or leave it out to begin anew",
  );
}

/** `list` names the list with its order and direction. Printable, safe in a URL. */
export function encodeCursor(list: string, { key, tie }: Place): string {
  return Buffer.from(JSON.stringify([list, key, tie])).toString("base64url");
}

function isPart(value: unknown, kind: "string" | "number"): boolean {
  return kind === "number" ? Number.isSafeInteger(value) : typeof value === "string" && !value.includes("\0");
}

/**
 * The place in `list` that a cursor stands for; null for the beginning. `key` and `tie` are what the order's value and
 * the id have to be. Throws QueryError that names `cursor`.
 */
export function decodeCursor(
  list: string,
  cursor: string | null,
  key: "string" | "number",
  tie: "string" | "number" = "string",
): Place | null {
  if (cursor === null) return null;
  if (cursor.length > MAX_CURSOR_CHARS || !/^[A-Za-z0-9_-]+$/.test(cursor)) throw refused();
  let parts: unknown;
  try {
    parts = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(cursor, "base64url")));
  } catch {
    throw refused();
  }
  if (!Array.isArray(parts) || parts.length !== 3 || parts[0] !== list) throw refused();
  if (!isPart(parts[1], key) || !isPart(parts[2], tie)) throw refused();
  return { key: parts[1], tie: parts[2] };
}
