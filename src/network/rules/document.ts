/**
 * What the rule compiler gives: the document that can be sent to a controller, in the form of the reference's compiler,
 * and beside it where in the source everything came from. Facts: rule-language.md section 1.
 */
import type { JsonObject } from "../../json/json.ts";
import type { SourcePlace } from "./source-error.ts";

/** A rule as the controller takes it: `type` first; of matches then `not`, `or` and their own keys. */
export type RuleJson = JsonObject & { readonly type: string };

export interface CapabilityJson {
  readonly id: number;
  /** True if new members get it. */
  readonly default: boolean;
  readonly rules: readonly RuleJson[];
}

export interface TagJson {
  readonly id: number;
  /** The value that new members get; null for none. */
  readonly default: number | null;
}

/** A tag with the names of its values. */
export interface NamedTagJson extends TagJson {
  readonly enums: Readonly<Record<string, number>>;
  readonly flags: Readonly<Record<string, number>>;
}

/** The compiler's output; `config` can be posted to a controller's network as it is. Keys in the order they are printed. */
export interface RulesDocument {
  readonly config: {
    readonly rules: readonly RuleJson[];
    readonly capabilities: readonly CapabilityJson[];
    readonly tags: readonly TagJson[];
  };
  readonly capabilitiesByName: Readonly<Record<string, number>>;
  readonly tagsByName: Readonly<Record<string, NamedTagJson>>;
}

/** A word of the source. `value` differs from `text` where a macro's parameter stands. */
export interface SourceWord extends SourcePlace {
  readonly text: string;
  readonly value: string;
}

/** Where one rule comes from. */
export interface RuleOrigin extends SourcePlace {
  /** The keyword, in lower case. */
  readonly keyword: string;
  /** The words behind it. */
  readonly args: readonly SourceWord[];
  /** Where the action stands that this rule belongs to; for an action its own place. */
  readonly statement: SourcePlace;
  /** The includes through which the rule came, outermost first; empty if it stands where it is used. */
  readonly includes: readonly (SourcePlace & { readonly macro: string })[];
  /** Modifiers behind the last match, which change nothing; only of actions. */
  readonly ignoredModifiers: readonly SourceWord[];
}

/** A tag or capability definition in the source. */
export interface DefinitionOrigin extends SourcePlace {
  readonly name: string;
  readonly id: number;
  /** The word behind `default` of a tag; null if there is none. */
  readonly defaultWord: SourceWord | null;
}

/** A compiled source. */
export interface CompiledRules {
  readonly document: RulesDocument;
  /** One for each of `document.config.rules`. */
  readonly origins: readonly RuleOrigin[];
  /** For each capability, in the order of `document.config.capabilities`: its definition and one origin for each rule. */
  readonly capabilities: readonly { readonly definition: DefinitionOrigin; readonly origins: readonly RuleOrigin[] }[];
  /** In the order of `document.config.tags`. */
  readonly tags: readonly DefinitionOrigin[];
}

/** The text that the reference's compiler prints for a document: one space a level, keys as they come, no final newline. */
export function formatRulesDocument(document: RulesDocument): string {
  return JSON.stringify(document, null, 1);
}
