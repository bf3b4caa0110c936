/** The rule language as `/api/v1` uses it: over the compiler and decompiler of network/rules. */
import type { JsonObject } from "../../json/json.ts";
import { checkRules } from "../../network/rules/check.ts";
import { compileRules } from "../../network/rules/compile.ts";
import { decompileRules } from "../../network/rules/decompile.ts";
import { ruleFromJson, ruleToJson } from "../../network/rules/json.ts";
import { namedFromSource } from "../../network/rules/named-rules.ts";
import type { CompiledRules, RuleLanguage } from "./context.ts";

/** Rules as a controller keeps them, which is how the compiler's come out of the reference's API too. */
function kept(rules: readonly object[]): JsonObject[] {
  return rules.flatMap((rule) => {
    const read = ruleFromJson(rule as JsonObject);
    return read === null ? [] : [ruleToJson(read)];
  });
}

function compile(source: string): CompiledRules {
  const result = compileRules(source);
  if (!result.ok) {
    const { line, column, message, hint } = result.error;
    return { ok: false, errors: [{ line, column, message: hint === "" ? message : `${message} (${hint})` }] };
  }
  const { config, capabilitiesByName, tagsByName } = result.value.document;
  const nameOf = (id: number) => Object.entries(capabilitiesByName).find(([, known]) => known === id)?.[0] ?? "";
  return {
    ok: true,
    rules: kept(config.rules),
    capabilities: config.capabilities.map(({ id, default: isDefault, rules }) => ({
      id,
      name: nameOf(id),
      default: isDefault,
      rules: kept(rules),
    })),
    tags: Object.entries(tagsByName).map(([name, tag]) => ({ name, ...tag })),
    warnings: checkRules(namedFromSource(result.value), null).map(({ message, place, capability }) => ({
      ...(place ?? SOURCE_START),
      message: capability === null ? message : `${message} (capability ${capability})`,
    })),
  };
}

/** Where a warning stands that is about the source as a whole. */
const SOURCE_START = { line: 1, column: 1 };

export const RULE_LANGUAGE: RuleLanguage = {
  compile,
  decompile: (stored) => {
    const decompiled = decompileRules({ ...stored });
    return decompiled === null || decompiled.omissions.length > 0 ? null : decompiled.source;
  },
};
