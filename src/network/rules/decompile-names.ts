/**
 * The names that a decompiled source gives to tags and capabilities: those of the document where it has them and they
 * can be written, made-up ones otherwise (a controller stores no names). Facts: rule-language.md sections 1, 3 and 6.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../../json/json.ts";
import { MAX_U32 } from "./numbers.ts";
import { hasNameForm, isReservedWord } from "./vocabulary.ts";

/** A tag as it will be written. */
export interface WrittenTag {
  readonly name: string;
  readonly id: number;
  readonly default: number | null;
  readonly enums: ReadonlyMap<string, number>;
  readonly flags: ReadonlyMap<string, number>;
}

/** The elements of an array; none for anything else. */
export function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]) : [];
}

/** A whole number from 0 to `max`, or null for anything else. */
export function integerOf(value: JsonValue | undefined, max: number): number | null {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max ? value : null;
}

/** Gives out names, each once. */
class Names {
  readonly #taken = new Set<string>();

  /** The name itself if it can be written and is free, else `otherwise` with a number behind it if need be. */
  claim(name: string | undefined, otherwise: string): string {
    let result = otherwise;
    if (name !== undefined && isWritable(name) && !this.#taken.has(name)) result = name;
    for (let count = 2; this.#taken.has(result); count++) result = `${otherwise}_${count}`;
    this.#taken.add(result);
    return result;
  }
}

/** True for a name that the compiler takes and stores as it is. */
function isWritable(name: string): boolean {
  return name === name.toLowerCase() && hasNameForm(name) && !isReservedWord(name);
}

/** The named values of a tag that can be written; a flag has at least one bit. */
function valuesOf(value: JsonValue | undefined, least: number): Map<string, number> {
  const values = new Map<string, number>();
  if (!isJsonObject(value)) return values;
  for (const [name, given] of Object.entries(value)) {
    // The reference's compiler gives bit 31 as a negative number.
    const number = typeof given === "number" && given < 0 && given >= -0x8000_0000 ? given >>> 0 : given;
    const checked = integerOf(number, MAX_U32);
    if (checked !== null && checked >= least && isWritable(name)) values.set(name, checked);
  }
  return values;
}

/**
 * The tags of a list `[{id, default}]`, in its order. Names, enums and flags come from `byName` (`tagsByName` of the
 * compiler's document); every tag there is used once. Entries that no source can express go to `omit`.
 */
export function nameTags(
  list: readonly JsonValue[],
  byName: JsonValue | undefined,
  omit: (entry: JsonValue, why: string) => void,
): WrittenTag[] {
  const known = isJsonObject(byName) ? Object.entries(byName) : [];
  const names = new Names();
  const tags: WrittenTag[] = [];
  for (const entry of list) {
    const id = isJsonObject(entry) ? integerOf(entry["id"], MAX_U32) : null;
    const given = isJsonObject(entry) ? (entry["default"] ?? null) : null;
    const value = given === null ? null : integerOf(given, Number.MAX_SAFE_INTEGER);
    if (id === null || (given !== null && value === null)) {
      omit(entry, `a tag needs an id from 0 to ${MAX_U32} and a default that is a whole number or null`);
      continue;
    }
    const at = known.findIndex(([, tag]) => isJsonObject(tag) && tag["id"] === id);
    const [name, definition] = at < 0 ? [] : (known.splice(at, 1)[0] as [string, JsonObject]);
    tags.push({
      name: names.claim(name, `tag_${id}`),
      id,
      default: value,
      enums: valuesOf(definition?.["enums"], 0),
      flags: valuesOf(definition?.["flags"], 1),
    });
  }
  return tags;
}

/** Names for capability ids, from `capabilitiesByName` where it has them. Every id is asked about once. */
export function capabilityNamer(byName: JsonValue | undefined): (id: number) => string {
  const known = isJsonObject(byName) ? Object.entries(byName) : [];
  const names = new Names();
  return (id) => names.claim(known.find(([, other]) => other === id)?.[0], `cap_${id}`);
}

/**
 * A name that the compiler reads as `value`, or null. It looks into `first` and then into `second`, so a name that is in
 * both means what `first` says. Of several names, one from `preferred` is taken.
 */
export function nameOfValue(
  value: number,
  first: ReadonlyMap<string, number>,
  second: ReadonlyMap<string, number>,
  preferred: ReadonlyMap<string, number>,
): string | null {
  const fits = (name: string) => (first.get(name) ?? second.get(name)) === value;
  return [...preferred.keys()].find(fits) ?? [...first.keys(), ...second.keys()].find(fits) ?? null;
}
