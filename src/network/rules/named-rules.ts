/**
 * Rules together with the names that their source or their controller gives to tags and capabilities: what checking
 * and explaining work with.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../../json/json.ts";
import { actionText, matchText } from "./decompile-match.ts";
import { capabilityNamer, listOf, nameTags, type WrittenTag } from "./decompile-names.ts";
import type { CompiledRules, RuleOrigin, SourceWord } from "./document.ts";
import { ruleFromJson, ruleToJson } from "./json.ts";
import type { Rule } from "./rule.ts";
import type { SourcePlace } from "./source-error.ts";

/** A table with where each of its rules comes from; null where there is no source. */
export interface NamedTable {
  readonly rules: readonly Rule[];
  readonly origins: readonly (RuleOrigin | null)[];
}

export interface NamedCapability extends NamedTable {
  readonly id: number;
  readonly name: string;
  readonly default: boolean;
  readonly place: SourcePlace | null;
}

export interface NamedTag {
  readonly id: number;
  readonly name: string;
  readonly default: number | null;
  /** Names of values, and of sets of bits. */
  readonly enums: Readonly<Record<string, number>>;
  readonly flags: Readonly<Record<string, number>>;
  readonly place: SourcePlace | null;
  /** What stands behind `default` in the source; null if nothing does. */
  readonly defaultWord: SourceWord | null;
}

export interface NamedRules {
  readonly base: NamedTable;
  readonly capabilities: readonly NamedCapability[];
  readonly tags: readonly NamedTag[];
  /** One rule as the language writes it; `not` and `or` included. */
  readonly textOf: (rule: Rule) => string;
}

/** What a source compiled to. */
export function namedFromSource({ document, origins, capabilities, tags }: CompiledRules): NamedRules {
  const named = namedFromJson(document as unknown as JsonValue)!;
  return {
    ...named,
    base: { rules: named.base.rules, origins },
    capabilities: named.capabilities.map((capability, index) => ({
      ...capability,
      origins: capabilities[index]!.origins,
      name: capabilities[index]!.definition.name,
      place: placeOf(capabilities[index]!.definition),
    })),
    tags: named.tags.map((tag, index) => {
      const { name, line, column, defaultWord } = tags[index]!;
      return { ...tag, name, place: { line, column }, defaultWord };
    }),
  };
}

/**
 * The compiler's document, or a network as a controller keeps it (`rules`, `capabilities`, `tags`). Null if the value
 * is neither; entries that are no rule are left out, as a controller does.
 */
export function namedFromJson(value: JsonValue): NamedRules | null {
  if (!isJsonObject(value)) return null;
  const config = isJsonObject(value["config"]) ? value["config"] : value;
  if (!Array.isArray(config["rules"])) return null;
  const written = nameTags(listOf(config["tags"]), value["tagsByName"], () => {});
  const nameOf = capabilityNamer(value["capabilitiesByName"]);
  return {
    base: tableOf(config["rules"]),
    capabilities: listOf(config["capabilities"]).flatMap((one) => {
      if (!isJsonObject(one)) return [];
      const id = Number(one["id"]);
      return [{ ...tableOf(one["rules"]), id, name: nameOf(id), default: one["default"] === true, place: null }];
    }),
    tags: listOf(config["tags"]).flatMap((one) => (isJsonObject(one) ? [namedTag(one, written)] : [])),
    textOf: (rule) => ruleText(rule, written),
  };
}

function placeOf({ line, column }: SourcePlace): SourcePlace {
  return { line, column };
}

function tableOf(value: JsonValue | undefined): NamedTable {
  const rules = listOf(value).flatMap((one) => ruleFromJson(one) ?? []);
  return { rules, origins: rules.map(() => null) };
}

function namedTag(one: JsonObject, written: readonly WrittenTag[]): NamedTag {
  const id = Number(one["id"]);
  const found = written.find((tag) => tag.id === id);
  return {
    id,
    name: found?.name ?? String(id),
    default: found?.default ?? null,
    enums: Object.fromEntries(found?.enums ?? []),
    flags: Object.fromEntries(found?.flags ?? []),
    place: null,
    defaultWord: null,
  };
}

function ruleText(rule: Rule, tags: readonly WrittenTag[]): string {
  const json = ruleToJson(rule);
  const action = actionText(json);
  if (action !== null) return action;
  const words = matchText(json, tags) ?? JSON.stringify(json);
  return `${rule.or ? "or " : ""}${rule.not ? "not " : ""}${words}`;
}
