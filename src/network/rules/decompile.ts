/**
 * From rules back to a source: the text that compiles to what a controller holds. Facts: rule-language.md section 11.
 *
 * The source is written so that the reference's compiler reads it in the same way (but for its mistake with some `chr`
 * masks): definitions first, `accept;` only at the end, and `accept and ;` elsewhere, because there an `and` without a
 * match is what keeps it from taking the next statement for matches.
 */
import { formatJson, isJsonObject, type JsonObject, type JsonValue } from "../../json/json.ts";
import { actionText, matchText } from "./decompile-match.ts";
import { capabilityNamer, integerOf, listOf, nameOfValue, nameTags, type WrittenTag } from "./decompile-names.ts";
import { MAX_U32 } from "./numbers.ts";

const FLAG_BITS = 32;

/** A source, and what of the input is in it only as a comment. */
export interface Decompiled {
  /** Ends with a line feed unless it is empty. */
  readonly source: string;
  /** One sentence for each thing that the language has no words for; empty if the source says everything. */
  readonly omissions: readonly string[];
}

/**
 * The source for the compiler's document (`config`, `capabilitiesByName`, `tagsByName`) or for a controller's network
 * object (`rules`, `capabilities`, `tags`). Null if the value is neither. Compiling the source gives the same rules,
 * capabilities and tags as a controller would make of the input, except for the omissions. A statement with one part
 * that cannot be written is omitted as a whole: with a match less it would mean something else.
 */
export function decompileRules(value: JsonValue): Decompiled | null {
  if (!isJsonObject(value)) return null;
  const config = isJsonObject(value["config"]) ? value["config"] : value;
  if (!Array.isArray(config["rules"])) return null;
  return new Writer(config, value).document();
}

class Writer {
  readonly #config: JsonObject;
  readonly #names: JsonObject;
  readonly #omissions: string[] = [];
  #tags: readonly WrittenTag[] = [];

  constructor(config: JsonObject, names: JsonObject) {
    this.#config = config;
    this.#names = names;
  }

  document(): Decompiled {
    const parts: string[] = [];
    this.#tags = nameTags(listOf(this.#config["tags"]), this.#names["tagsByName"], (entry, why) => {
      parts.push(this.#omit(`a tag: ${why}`, [entry], ""));
    });
    for (const tag of this.#tags) parts.push(tagDefinition(tag));
    parts.push(...this.#capabilities(), ...this.#statements(listOf(this.#config["rules"]), "", "the rules"));
    return { source: parts.map((part) => `${part}\n`).join("\n"), omissions: this.#omissions };
  }

  /** Notes that something is left out, and gives the comment that stands in its place. */
  #omit(why: string, entries: readonly JsonValue[], margin: string): string {
    this.#omissions.push(why);
    return [`# Left out, ${why}`, ...entries.map((entry) => `#   ${formatJson(entry)}`)]
      .map((line) => `${margin}${line}`)
      .join("\n");
  }

  #capabilities(): string[] {
    const list = listOf(this.#config["capabilities"]);
    const nameOf = capabilityNamer(this.#names["capabilitiesByName"]);
    const idOf = (entry: JsonValue | undefined) => (isJsonObject(entry) ? integerOf(entry["id"], MAX_U32) : null);
    return list.map((entry, index) => {
      const id = idOf(entry);
      if (id === null || !isJsonObject(entry)) {
        return this.#omit(`a capability: it needs an id from 0 to ${MAX_U32}`, [entry], "");
      }
      if (list.slice(index + 1).some((later) => idOf(later) === id)) {
        return this.#omit(
          `a capability: a later one has the id ${id} too, and a controller keeps only that`,
          [entry],
          "",
        );
      }
      const name = nameOf(id);
      const lines = [`cap ${name}`, `\tid ${id}`];
      if (entry["default"] === true) lines.push("\tdefault");
      lines.push(...this.#statements(listOf(entry["rules"]), "\t", `the capability ${name}`), ";");
      return lines.join("\n");
    });
  }

  /** The statements of one table, each with `margin` in front of its lines. */
  #statements(rules: readonly JsonValue[], margin: string, where: string): string[] {
    const statements: string[] = [];
    let first = 0;
    for (const [index, rule] of rules.entries()) {
      if (isMatch(rule)) continue;
      const entries = rules.slice(first, index + 1);
      first = index + 1;
      statements.push(this.#statement(entries, margin, where, first, first === rules.length));
    }
    const rest = rules.slice(first);
    if (rest.length === 0) return statements;
    return [...statements, this.#omit(`in ${where}: matches at the end that belong to no action`, rest, margin)];
  }

  /** `entries` are matches and, last, what is no match. `number` counts the last one from 1. */
  #statement(entries: readonly JsonValue[], margin: string, where: string, number: number, isLast: boolean): string {
    const last = entries.at(-1)!;
    const action = isJsonObject(last) ? actionText(last) : null;
    const matches = entries.slice(0, -1) as readonly JsonObject[];
    const texts = matches.map((match) => matchText(match, this.#tags));
    const lost = action === null ? last : matches[texts.indexOf(null)];
    if (action === null || lost !== undefined) {
      const type = isJsonObject(lost) && typeof lost["type"] === "string" ? `this ${lost["type"]}` : "this";
      return this.#omit(`in ${where}, rule ${number}: the language has no words for ${type}`, entries, margin);
    }
    if (isJsonObject(last) && (last["flags"] ?? 0) !== 0) {
      this.#omissions.push(`in ${where}, rule ${number}: the flags of this ${last["type"]}, which no node reads`);
    }
    const [head, ...lines] = [action, ...texts.map((text, index) => `\t${modifiers(matches[index]!, index)}${text}`)];
    if (lines.length > 0) return [head, ...lines, ";"].map((line) => `${margin}${line}`).join("\n");
    return `${margin}${head}${isLast || head!.includes(" ") ? ";" : " and ;"}`;
  }
}

function isMatch(rule: JsonValue): boolean {
  return isJsonObject(rule) && /^MATCH_|^INTEGER_RANGE$/.test(String(rule["type"]));
}

function modifiers(match: JsonObject, index: number): string {
  const link = match["or"] === true ? "or " : index === 0 ? "" : "and ";
  return match["not"] === true ? `${link}not ` : link;
}

function tagDefinition(tag: WrittenTag): string {
  const lines = [`tag ${tag.name}`, `\tid ${tag.id}`];
  for (const [name, value] of tag.enums) lines.push(`\tenum ${value} ${name}`);
  for (const [name, value] of tag.flags) lines.push(`\tflag ${bitsOf(value).join(",")} ${name}`);
  if (tag.default !== null) {
    // Unlike in a match, the enums are looked at before the flags.
    lines.push(`\tdefault ${nameOfValue(tag.default, tag.enums, tag.flags, tag.enums) ?? tag.default}`);
  }
  return [...lines, ";"].join("\n");
}

function bitsOf(value: number): number[] {
  return Array.from({ length: FLAG_BITS }, (_, bit) => bit).filter((bit) => (value >>> bit) & 1);
}
