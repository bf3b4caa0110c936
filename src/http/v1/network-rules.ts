/** `/networks/{networkId}/rules`: the rules of a network as source, and compiled. Facts: controller.md §4, §11. */
import { z } from "zod";
import type { NetworkDraft } from "../../controller/management.ts";
import type { NetworkRecord } from "../../controller/records.ts";
import { formatJson, type JsonObject, type JsonValue } from "../../json/json.ts";
import type { CompiledRules, RuleLanguage, RulesProblem, V1Context } from "./context.ts";
import { type FieldError, invalid } from "./errors.ts";
import { checkPrecondition, recordTag } from "./etag.ts";
import { existingNetwork, mustExist } from "./lookups.ts";
import { MAX_RULES_SOURCE_LENGTH } from "./network-schema.ts";
import { type Answer, type Operation, operation, shown } from "./operation.ts";
import { flagField, listField, objectsField, textField, wholeField } from "./record-fields.ts";
import { flag, queryFlag, u32 } from "./value-schema.ts";

/** What a member's configuration holds (controller.md §4); the reference cuts off the rest without a word. */
const MAX_RULES = 1024;
const MAX_CAPABILITIES = 128;
const MAX_CAPABILITY_RULES = 64;
const MAX_TAGS = 128;
const MAX_SHOWN_PROBLEMS = 50;

const rule = z.record(z.string(), z.unknown()).meta({ description: "a rule as the reference's API has it" });
const problem = z.strictObject({ line: z.number().int(), column: z.number().int(), message: z.string() });
const numbers = z.record(z.string(), z.number().int());

const rulesView = z
  .strictObject({
    source: z.string().nullable().meta({ description: "null if there is none and none could be made from the rules" }),
    origin: z.enum(["stored", "decompiled"]).meta({
      description: "stored: as it was written; decompiled: made from the rules, because a tool without source set them",
    }),
    rules: z.array(rule),
    capabilities: z.array(
      z.strictObject({ id: u32, name: z.string().nullable(), default: flag, rules: z.array(rule) }),
    ),
    tags: z.array(
      z.strictObject({
        id: u32,
        name: z.string().nullable(),
        default: u32.nullable(),
        enums: numbers,
        flags: numbers,
      }),
    ),
    warnings: z.array(problem),
  })
  .meta({ id: "Rules" });

const rulesPut = z
  .strictObject({
    source: z
      .string()
      .max(MAX_RULES_SOURCE_LENGTH)
      .meta({ description: `rules of at most ${MAX_RULES_SOURCE_LENGTH} characters`, example: "accept;" }),
  })
  .meta({ id: "RulesPut" });

const rulesQuery = z.strictObject({ dryRun: queryFlag });

function located({ line, column, message }: RulesProblem, path: string): FieldError {
  return { path, message: `line ${line}, column ${column}: ${message}`, expected: "rules without this mistake" };
}

function limitErrors(compiled: CompiledRules & { ok: true }, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const check = (what: string, count: number, most: number) => {
    if (count <= most) return;
    const expected = `at most ${most}`;
    errors.push({ path, message: `${count} ${what} are too many: write ${expected}`, expected });
  };
  check("rules", compiled.rules.length, MAX_RULES);
  check("capabilities", compiled.capabilities.length, MAX_CAPABILITIES);
  check("tags", compiled.tags.length, MAX_TAGS);
  for (const { name, rules } of compiled.capabilities) {
    check(`rules of capability ${name}`, rules.length, MAX_CAPABILITY_RULES);
  }
  return errors;
}

/** Compiles; throws `ApiError` 400 with line and column of each mistake. `path`: where the source stands in the body. */
function compiledOrThrow(source: string, language: RuleLanguage, path: string): CompiledRules & { ok: true } {
  const compiled = language.compile(source);
  if (!compiled.ok) throw invalid(compiled.errors.slice(0, MAX_SHOWN_PROBLEMS).map((one) => located(one, path)));
  const errors = limitErrors(compiled, path);
  if (errors.length > 0) throw invalid(errors);
  return compiled;
}

function storedForm({ rules, capabilities, tags }: CompiledRules & { ok: true }): {
  rules: JsonValue[];
  capabilities: JsonObject[];
  tags: JsonObject[];
} {
  const byId = <T extends { readonly id: number }>(a: T, b: T) => a.id - b.id;
  return {
    rules: [...rules],
    capabilities: [...capabilities].sort(byId).map(({ id, default: isDefault, rules: own }) => ({
      default: isDefault,
      id,
      rules: [...own],
    })),
    tags: [...tags].sort(byId).map(({ id, default: value }) => ({ default: value, id })),
  };
}

/** The network with the rules, capabilities and tags of `source`. Throws `ApiError` if it does not compile. */
export function withRules(draft: NetworkDraft, source: string, language: RuleLanguage, path: string): NetworkDraft {
  const compiled = compiledOrThrow(source, language, path);
  return { ...draft, json: { ...draft.json, ...storedForm(compiled), rulesSource: source } };
}

function namesOf(compiled: CompiledRules | null): {
  capabilities: ReadonlyMap<number, string>;
  tags: ReadonlyMap<number, (CompiledRules & { ok: true })["tags"][number]>;
} {
  if (compiled === null || !compiled.ok) return { capabilities: new Map(), tags: new Map() };
  return {
    capabilities: new Map(compiled.capabilities.map(({ id, name }) => [id, name])),
    tags: new Map(compiled.tags.map((tag) => [tag.id, tag])),
  };
}

/**
 * What is shown for a record. The stored source counts only while it still compiles to the stored rules: a tool that
 * sets rules without source leaves an old source behind.
 */
function rulesOf(json: JsonObject, language: RuleLanguage): JsonObject {
  const stored = {
    rules: listField(json, "rules"),
    capabilities: objectsField(json, "capabilities"),
    tags: objectsField(json, "tags"),
  };
  const source = textField(json, "rulesSource");
  const compiled = language.compile(source);
  const isCurrent = compiled.ok && formatJson(storedForm(compiled)) === formatJson(stored);
  const shownSource = isCurrent ? source : language.decompile(stored);
  const named = namesOf(isCurrent ? compiled : null);
  return {
    source: shownSource,
    origin: isCurrent ? "stored" : "decompiled",
    rules: stored.rules,
    capabilities: stored.capabilities.map((capability) => {
      const id = wholeField(capability, "id");
      const rules = listField(capability, "rules");
      return { id, name: named.capabilities.get(id) ?? null, default: flagField(capability, "default"), rules };
    }),
    tags: stored.tags.map((tag) => {
      const id = wholeField(tag, "id");
      const known = named.tags.get(id);
      const value = tag["default"];
      return {
        id,
        name: known?.name ?? null,
        default: typeof value === "number" ? value : null,
        enums: { ...known?.enums },
        flags: { ...known?.flags },
      };
    }),
    warnings: isCurrent ? compiled.warnings.map((one) => ({ ...one })) : [],
  };
}

export function rulesOperations(context: V1Context): Operation[] {
  const { controller, rules: language } = context;
  const answer = (record: NetworkRecord): Answer => shown(rulesOf(record.json, language), recordTag(record));
  return [
    operation({
      method: "GET",
      path: "/networks/{networkId}/rules",
      id: "getRules",
      routeClass: "rules",
      summary: "The rules of a network, as source and compiled",
      scope: "read",
      responses: { 200: { description: "the rules", schema: rulesView } },
      errors: ["notFound"],
      handle: async ({ networkId }) => answer(await existingNetwork(controller.reader, networkId)),
    }),
    operation({
      method: "PUT",
      path: "/networks/{networkId}/rules",
      id: "setRules",
      routeClass: "rules",
      summary: "Set the rules of a network",
      description:
        "Compiles the source and replaces rules, capabilities and tags. Each mistake comes with line and column. " +
        "With dryRun=true nothing is changed, and the answer is what the rules would be.",
      scope: "write",
      query: rulesQuery,
      body: rulesPut,
      responses: { 200: { description: "the rules as they are now", schema: rulesView } },
      errors: ["notFound", "preconditionFailed"],
      async handle({ networkId, query, body, caller, precondition, now }) {
        const change = (current: NetworkRecord | null): NetworkDraft => {
          const held = mustExist(networkId, current);
          checkPrecondition(precondition, recordTag(held));
          return withRules(held, body.source, language, "source");
        };
        if (query.dryRun === true) {
          const draft = change(await controller.reader.network(networkId));
          return shown(rulesOf(draft.json, language));
        }
        return answer(await controller.changeNetwork(networkId, caller.actor, now, change));
      },
    }),
  ];
}
