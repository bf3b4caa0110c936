/** Turns what a schema says about a value into messages that name the field and say what to write there. */
import { z } from "zod";
import type { FieldError } from "./errors.ts";

const ROOT = "body";

/** What wraps a schema without being a part of the path: optional, default, nullable, pipe. */
function* unwrapped(schema: z.core.$ZodType): Generator<z.core.$ZodType> {
  for (let current: z.core.$ZodType | undefined = schema; current !== undefined; ) {
    yield current;
    if (
      current instanceof z.ZodOptional ||
      current instanceof z.ZodNullable ||
      current instanceof z.ZodDefault ||
      current instanceof z.ZodNonOptional
    ) {
      current = current.unwrap();
    } else if (current instanceof z.ZodPipe) current = current.in;
    else current = undefined;
  }
}

function child(schema: z.core.$ZodType, part: PropertyKey): z.core.$ZodType | undefined {
  for (const current of unwrapped(schema)) {
    if (current instanceof z.ZodObject) return current.shape[String(part)];
    if (current instanceof z.ZodArray) return current.element;
  }
  return undefined;
}

function describe(schema: z.core.$ZodType): string | null {
  for (const current of unwrapped(schema)) {
    const description = z.globalRegistry.get(current as z.ZodType)?.description;
    if (description !== undefined) return description;
  }
  return null;
}

/** The description of the deepest schema on the way to `path` that has one. */
function expectedAt(schema: z.ZodType, path: readonly PropertyKey[]): string {
  let current: z.core.$ZodType | undefined = schema;
  let found = "a JSON object";
  for (let at = 0; current !== undefined; at++) {
    found = describe(current) ?? found;
    if (at === path.length) break;
    current = child(current, path[at]!);
  }
  return found;
}

function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let current: z.core.$ZodType | undefined = schema;
  for (const part of path) current = current && child(current, part);
  for (const inner of current === undefined ? [] : unwrapped(current)) {
    if (inner instanceof z.ZodObject) return Object.keys(inner.shape);
  }
  return [];
}

function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value;
  for (const part of path) {
    if (typeof current !== "object" || current === null) return undefined;
    current = (current as Record<PropertyKey, unknown>)[part];
  }
  return current;
}

/**
 * One entry for each thing that `issues` says about `value`. `prefix` stands before paths ("query", "path"); "" for the
 * body. A refinement speaks for itself: its message is kept.
 */
export function fieldErrors(
  schema: z.ZodType,
  value: unknown,
  issues: readonly z.core.$ZodIssue[],
  prefix: string,
): FieldError[] {
  const named = (path: readonly PropertyKey[]) =>
    [...(prefix === "" ? [] : [prefix]), ...path.map(String)].join(".") || ROOT;
  return issues.flatMap((issue): FieldError[] => {
    if (issue.code === "unrecognized_keys") {
      const keys = keysAt(schema, issue.path);
      const expected = keys.length === 0 ? "nothing" : `one of ${keys.join(", ")}`;
      return issue.keys.map((key) => ({
        path: named([...issue.path, key]),
        message: "there is no such field",
        expected,
      }));
    }
    const expected = expectedAt(schema, issue.path);
    const given = valueAt(value, issue.path);
    const message =
      issue.code === "custom" && issue.message !== "Invalid input"
        ? issue.message
        : given === undefined
          ? `is missing: write ${expected}`
          : `${shown(given)} does not fit: write ${expected}`;
    return [{ path: named(issue.path), message, expected }];
  });
}
