/**
 * Rules together with the names that their source or their controller gives to tags and capabilities: what checking
 * and explaining work with.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../../json/json.ts";
import { actionText, matchText } from "./decompile-match.ts";
import { capabilityNamer, listOf, nameTags, type WrittenTag } from "./decompile-names.ts";
import type { CompiledRules } from "./document.ts";
import { ruleFromJson, ruleToJson } from "./json.ts";
import type { Rule } from "./rule.ts";
import type { SourcePlace } from "./source-error.ts";

/** A table with where each of its rules stands in the source; null where there is no source. */
export interface NamedTable {
  readonly rules: readonly Rule[];
  readonly places: readonly (SourcePlace | null)[];
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
  /** Names of single values. */
  readonly enums: Readonly<Record<string, number>>;
  readonly flags: Readonly<Record<string, number>>;
  readonly place: SourcePlace | null;
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
    base: { rules: named.base.rules, places: origins },
    capabilities: named.capabilities.map((capability, index) => ({
      ...capability,
      places: capabilities[index]!.origins,
      name: capabilities[index]!.definition.name,
      place: capabilities[index]!.definition,
    })),
    tags: named.tags.map((tag, index) => ({ ...tag, name: tags[index]!.name, place: tags[index]! })),
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
    tags: listOf(config["tags"]).flatMap((one) => (isJsonObject(one) ? [namedTag(one, written, value)] : [])),
    textOf: (rule) => ruleText(rule, written),
  };
}

function tableOf(value: JsonValue | undefined): NamedTable {
  const rules = listOf(value).flatMap((one) => ruleFromJson(one) ?? []);
  return { rules, places: rules.map(() => null) };
}

function namedTag(one: JsonObject, written: readonly WrittenTag[], document: JsonObject): NamedTag {
  const id = Number(one["id"]);
  const name = written.find((tag) => tag.id === id)?.name ?? String(id);
  const all = document["tagsByName"];
  const found = isJsonObject(all) ? all[name] : undefined;
  const names = (key: string) => {
    const map = isJsonObject(found) ? found[key] : undefined;
    return isJsonObject(map) ? (map as unknown as Record<string, number>) : {};
  };
  const initial = one["default"];
  return {
    id,
    name,
    default: initial === null || initial === undefined ? null : Number(initial),
    enums: names("enums"),
    flags: names("flags"),
    place: null,
  };
}

function ruleText(rule: Rule, tags: readonly WrittenTag[]): string {
  const json = ruleToJson(rule);
  const words = actionText(json) ?? matchText(json, tags);
  if (words !== null)
    return `${rule.or ? "or " : ""}${rule.not ? "not " : ""}${words.replace(/^(?:or |and )?(?:not )?/, "")}`;
  return JSON.stringify(json);
}
