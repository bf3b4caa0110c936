/** From what zod finds wrong to what an operator reads: the key, what was expected, what was there, what to write. */
import type { z } from "zod";
import { ConfigError, type ConfigPlace } from "./errors.ts";
import { keysAt, metaAt } from "./key.ts";
import { KEY_NAMES, SCHEMA } from "./schema.ts";

type Path = readonly PropertyKey[];

/** Where values come from, and how a correct one is written there. */
export interface ProblemSource {
  readonly value: unknown;
  place(path: Path, of?: "key" | "value"): ConfigPlace;
}

const MAX_SHOWN = 60;

/** `listen.bind[1]`, `physical["10.0.0.0/8"].mtu`. */
export function formatPath(path: Path): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (/^[A-Za-z]\w*$/.test(String(part))) text += text === "" ? String(part) : `.${String(part)}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

function showGiven(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a map";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const part of path) value = (value as Record<PropertyKey, unknown> | null | undefined)?.[part];
  return value;
}

/** Edits that turn one word into the other (insert, delete, replace, swap neighbours), letter case ignored. */
function distance(left: string, right: string): number {
  const a = left.toLowerCase();
  const b = right.toLowerCase();
  const rows = [Array.from({ length: b.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, rows[i - 1]![j]! + 1, row[j - 1]! + 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j]!, rows[i - 2]![j - 2]! + 1);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}

/** The candidate most like `word`, if any is like it at all. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(Math.min(word.length, MAX_SHOWN) / 3)) + 1;
  for (const candidate of candidates) {
    const edits = distance(word.slice(0, MAX_SHOWN), candidate);
    if (edits < bestDistance) {
      best = candidate;
      bestDistance = edits;
    }
  }
  return best;
}

function unknownKeyAdvice(parent: Path, name: string): string {
  const siblings = keysAt(SCHEMA, parent);
  const similar = nearest(name, siblings);
  if (similar !== null) return `did you mean "${similar}"?`;
  const lastParts = new Map(KEY_NAMES.map((key) => [key.slice(key.lastIndexOf(".") + 1), key]));
  const elsewhere = lastParts.get(nearest(name, [...lastParts.keys()]) ?? "");
  if (elsewhere !== undefined) return `did you mean "${elsewhere}"?`;
  return `known here: ${siblings.join(", ")}`;
}

function describeIssue(issue: z.core.$ZodIssue, source: ProblemSource): ConfigError[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((name) => {
      const path = [...issue.path, name];
      const place = source.place(path, "key");
      return new ConfigError(`${formatPath(path)}: unknown key`, {
        ...place,
        advice: unknownKeyAdvice(issue.path, name),
      });
    });
  }
  const badKey = issue.code === "invalid_key";
  const { meta, depth } = metaAt(SCHEMA, badKey ? issue.path.slice(0, -1) : issue.path);
  const key = issue.path.slice(0, depth);
  const name = String(key.at(-1) ?? "listen");
  const place = source.place(issue.path, badKey ? "key" : "value");
  const inList = issue.path.length > depth && !badKey;
  const expected = badKey ? `${meta?.mapKey} as key` : ((inList ? meta?.item : undefined) ?? meta?.expected);
  const given = badKey ? JSON.stringify(issue.path.at(-1)) : showGiven(valueAt(source.value, issue.path));
  const subject = issue.path.length === 0 ? "" : `${formatPath(badKey ? key : issue.path)}: `;
  const example = `${name}: ${meta?.example}`;
  const advice = `write for example ${example.includes('"') ? example : `"${example}"`}`;
  return [new ConfigError(`${subject}expected ${expected}, got ${given}`, { ...place, advice })];
}

/** One ConfigError per problem, in the order of the file. */
export function describeIssues(issues: readonly z.core.$ZodIssue[], source: ProblemSource): ConfigError[] {
  return issues
    .flatMap((issue) => describeIssue(issue, source))
    .sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}
