/** What is known about a configuration key, kept beside its zod schema; and how to find it from a path. */
import { z } from "zod";

/** Told to the operator when a value does not fit, and used to make the documentation. */
export interface KeyMeta {
  /** True if a reload is enough; false if it takes a restart. */
  readonly hot?: boolean;
  readonly help?: string;
  /** Completes "expected …". */
  readonly expected: string;
  /** A value that would be right, as it is written in YAML. */
  readonly example: string;
  /** Completes "expected …" for one item of a list, if the key holds a list. */
  readonly item?: string;
  /** Completes "expected … as key", if the key holds a map with free keys. */
  readonly mapKey?: string;
}

const KNOWN = z.registry<KeyMeta>();

/** A copy of `schema` about which `meta` is known. */
export function described<S extends z.ZodType>(schema: S, meta: KeyMeta): S {
  const copy = schema.clone() as S;
  KNOWN.add(copy, meta);
  return copy;
}

/** The schemas inside `schema` that wrap no path segment: what optional, pipe and the like stand for. */
function* unwrapped(schema: z.core.$ZodType): Generator<z.core.$ZodType> {
  for (let current: z.core.$ZodType | undefined = schema; current !== undefined; ) {
    yield current;
    if (current instanceof z.ZodOptional) current = current.unwrap();
    else if (current instanceof z.ZodPipe) current = current.in;
    else current = undefined;
  }
}

function child(schema: z.core.$ZodType, part: PropertyKey): z.core.$ZodType | undefined {
  for (const current of unwrapped(schema)) {
    if (current instanceof z.ZodObject) return current.shape[String(part)];
    if (current instanceof z.ZodRecord) return current.valueType;
    if (current instanceof z.ZodArray) return current.element;
  }
  return undefined;
}

/** What is known about the place `path` below `schema`: of the deepest part that says anything, and where that is. */
export function metaAt(schema: z.ZodType, path: readonly PropertyKey[]): { meta: KeyMeta | null; depth: number } {
  let meta: KeyMeta | null = null;
  let depth = 0;
  let current: z.core.$ZodType | undefined = schema;
  for (let i = 0; current !== undefined; i++) {
    for (const inner of unwrapped(current)) {
      const known = KNOWN.get(inner as z.ZodType);
      if (known !== undefined) {
        meta = known;
        depth = i;
      }
    }
    current = i < path.length ? child(current, path[i]!) : undefined;
  }
  return { meta, depth };
}

/** The keys that `schema` has at `path`; empty where keys are free or there are none. */
export function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let current: z.core.$ZodType | undefined = schema;
  for (const part of path) current = current && child(current, part);
  for (const inner of current === undefined ? [] : unwrapped(current)) {
    if (inner instanceof z.ZodObject) return Object.keys(inner.shape);
  }
  return [];
}
