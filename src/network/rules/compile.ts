/**
 * The compiler of the flow-rule language. It takes what the reference's compiler takes and gives the same document,
 * with these differences (rule-language.md section 9); in strict mode there are none:
 *
 * - `;` also ends a block that has nothing in it, so `accept;` and `accept ;` are whole statements wherever they stand.
 *   The reference loses such a block at the end of the text, or takes what follows for its matches.
 * - A macro or capability that is not ended by its own `;` is refused. The reference lets the `;` of an `accept;` end
 *   it, and then reads what follows as part of the network's rules.
 * - `chr` with several bits of one half, one of them 31 or 63, has exactly these bits; flag 31 of a tag can be used.
 * - `ipprotocol icmp` works.
 * - An action in capital letters is refused; the reference takes it for an action without matches. `constructor` and
 *   `__proto__` are no matches.
 * - Macros that include themselves are found out, and how much a source may expand to is bounded (in strict mode too).
 * - Lines and columns count from 1 everywhere, and a carriage return and line feed are one end of line. A byte order
 *   mark is skipped.
 * - Errors say what was expected, and the word that was probably meant.
 */
import type { CompiledRules, DefinitionOrigin, NamedTagJson } from "./document.ts";
import {
  type CapabilityDefinition,
  type MacroDefinition,
  readCapability,
  readMacro,
  readTag,
  type TagDefinition,
} from "./parse-definitions.ts";
import { StatementReader } from "./parse-statements.ts";
import { RuleSourceError, SourceErrors } from "./source-error.ts";
import { readBlocks, type Token } from "./tokens.ts";

/** A source that is longer is refused unread: the largest network that a controller can send takes a third of it. */
export const MAX_SOURCE_CHARS = 1024 * 1024;

/** The result of compiling: a document, or the first thing that is wrong with the source. */
export type CompileResult =
  | { readonly ok: true; readonly value: CompiledRules }
  | { readonly ok: false; readonly error: RuleSourceError };

export interface CompileOptions {
  /** True for exactly what the reference's compiler does, its errors and mistakes included. */
  readonly strict?: boolean;
}

/**
 * Compiles a rule source of at most 1 Mi characters. An empty source is accepted and gives an empty table, by which
 * nothing is accepted. The output is bounded by `MAX_EXPANDED_RULES`.
 */
export function compileRules(source: string, options: CompileOptions = {}): CompileResult {
  try {
    return { ok: true, value: compile(source, new SourceErrors(options.strict ?? false)) };
  } catch (error) {
    if (error instanceof RuleSourceError) return { ok: false, error };
    throw error;
  }
}

function compile(source: string, errors: SourceErrors): CompiledRules {
  if (source.length > MAX_SOURCE_CHARS) {
    const message = `this source has ${source.length} characters; ${MAX_SOURCE_CHARS} are the most`;
    throw errors.of("too-large", { line: 1, column: 1 }, message, "a network can hold far fewer rules than that");
  }
  const macros = new Map<string, MacroDefinition>();
  const tags = new Map<string, TagDefinition>();
  const capabilities = new Map<string, CapabilityDefinition>();
  const statements: Token[] = [];
  for (const token of readBlocks(source, errors.strict)) {
    if (token.text === "macro") add(macros, readMacro(errors, token, macros));
    else if (token.text === "tag") add(tags, readTag(errors, token, tags));
    else if (token.text === "cap") add(capabilities, readCapability(errors, token, capabilities));
    else statements.push(token);
  }
  const reader = new StatementReader(errors, macros, tags);
  const { rules, origins } = reader.read(statements);
  const compiled = [...capabilities.values()].map((capability) => ({
    capability,
    table: reader.read(capability.body),
  }));
  return {
    document: {
      config: {
        rules,
        capabilities: compiled.map(({ capability, table }) => ({
          id: capability.id,
          default: capability.default,
          rules: table.rules,
        })),
        tags: [...tags.values()].map((tag) => ({ id: tag.id, default: tag.default })),
      },
      capabilitiesByName: Object.fromEntries([...capabilities.values()].map(({ name, id }) => [name, id])),
      tagsByName: Object.fromEntries([...tags.values()].map((tag) => [tag.name, namedTag(tag)])),
    },
    origins,
    capabilities: compiled.map(({ capability, table }) => ({ definition: capability.origin, origins: table.origins })),
    tags: [...tags.values()].map((tag): DefinitionOrigin => tag.origin),
  };
}

function add<T extends { readonly name: string }>(all: Map<string, T>, definition: T): void {
  all.set(definition.name, definition);
}

function namedTag(tag: TagDefinition): NamedTagJson {
  return {
    id: tag.id,
    default: tag.default,
    enums: Object.fromEntries(tag.enums),
    flags: Object.fromEntries(tag.flags),
  };
}
