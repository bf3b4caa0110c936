/**
 * Statements: actions with their matches, and includes. They become a flat table in which every action stands behind
 * its matches. Facts: rule-language.md sections 3, 4 and 6.
 */
import type { RuleJson, RuleOrigin, SourceWord } from "./document.ts";
import { MAX_U16, readNumber } from "./numbers.ts";
import { type MacroDefinition, splitCall, type TagDefinition } from "./parse-definitions.ts";
import { readMatch } from "./parse-matches.ts";
import { nearestWord, quoteWord, type SourceErrors } from "./source-error.ts";
import type { Token } from "./tokens.ts";
import { ACTIONS, MATCHES, MODIFIERS } from "./vocabulary.ts";

/** Includes inside includes. Who nests deeper has written a macro that includes itself. */
export const MAX_MACRO_DEPTH = 64;
/**
 * Rules and includes that one source may expand to. A network sends at most 1024 rules and 128 capabilities of 64;
 * this is far beyond, and keeps a few lines of macros from becoming gigabytes.
 */
export const MAX_EXPANDED_RULES = 65_536;

/** What other filters call our actions, for advice. */
const FOREIGN_ACTIONS: ReadonlyMap<string, string> = new Map([
  ...["allow", "permit", "pass"].map((word) => [word, "accept"] as const),
  ...["deny", "block", "reject", "discard"].map((word) => [word, "drop"] as const),
]);

const ADDRESS_CHARS = 10;
const WHOLE_FRAME = -1;

/** A compiled list of statements; `origins` has one element for each rule. */
export interface RuleTable {
  readonly rules: RuleJson[];
  readonly origins: RuleOrigin[];
}

type Includes = RuleOrigin["includes"];

/** Where statements stand: what `$` words mean there, and by which includes they got there. */
interface Place {
  readonly variables: ReadonlyMap<string, string>;
  readonly includes: Includes;
}

/** Compiles the statements of one source. The macros and tags of the whole source have to be known before. */
export class StatementReader {
  readonly #errors: SourceErrors;
  readonly #macros: ReadonlyMap<string, MacroDefinition>;
  readonly #tags: ReadonlyMap<string, TagDefinition>;
  #expanded = 0;

  constructor(
    errors: SourceErrors,
    macros: ReadonlyMap<string, MacroDefinition>,
    tags: ReadonlyMap<string, TagDefinition>,
  ) {
    this.#errors = errors;
    this.#macros = macros;
    this.#tags = tags;
  }

  /** The table of a document or of a capability. Throws RuleSourceError. */
  read(items: readonly Token[]): RuleTable {
    const table: RuleTable = { rules: [], origins: [] };
    this.#statements(items, { variables: new Map(), includes: [] }, table);
    return table;
  }

  #statements(items: readonly Token[], place: Place, table: RuleTable): void {
    for (let at = 0; at < items.length; at++) {
      const token = items[at]!;
      const keyword = token.text.toLowerCase();
      if (keyword === "include") {
        at += 1;
        this.#include(token, items[at], place, table);
        continue;
      }
      const action = ACTIONS.get(keyword);
      if (action === undefined) throw this.#unknownStatement(token, items[at - 1]);
      if (!this.#errors.strict && token.text !== keyword) {
        const message = `${quoteWord(token.text)} is written in capital letters, and so begins no statement`;
        throw this.#errors.of("capital-letters", token, message, `write ${keyword}`);
      }
      this.#statement(token, keyword, action, place, table);
    }
  }

  #statement(token: Token, keyword: string, type: string, place: Place, table: RuleTable): void {
    const items = token.block ?? [];
    const { fields, words } = this.#actionArguments(token, keyword, items);
    const ignoredModifiers = this.#matches(token, items, words, place, table);
    const args = items.slice(0, words).map((word) => sourceWord(word));
    this.#emit(table, { type, ...fields }, originOf(token, keyword, args, token, place, ignoredModifiers));
  }

  /** Reads the matches of a statement from `items[from]` on; returns the modifiers that are left over at its end. */
  #matches(statement: Token, items: readonly Token[], from: number, place: Place, table: RuleTable): SourceWord[] {
    const scope = { errors: this.#errors, tags: this.#tags, variables: place.variables };
    let modifiers: Token[] = [];
    for (let at = from; at < items.length; ) {
      const token = items[at]!;
      if (MODIFIERS.has(token.text.toLowerCase())) {
        modifiers.push(token);
        at += 1;
        continue;
      }
      const has = (modifier: string) => modifiers.some(({ text }) => text.toLowerCase() === modifier);
      const { rule, keyword, args, words } = readMatch(scope, items, at, has("not"), has("or"));
      if (rule !== null) this.#emit(table, rule, originOf(token, keyword, args, statement, place, []));
      modifiers = [];
      at += words;
    }
    return modifiers.map((word) => sourceWord(word));
  }

  #emit(table: RuleTable, rule: RuleJson, origin: RuleOrigin): void {
    this.#expand(origin);
    table.rules.push(rule);
    table.origins.push(origin);
  }

  #expand(place: { readonly line: number; readonly column: number }): void {
    this.#expanded += 1;
    if (this.#expanded <= MAX_EXPANDED_RULES) return;
    const message = `this source expands to more than ${MAX_EXPANDED_RULES} rules`;
    throw this.#errors.of("too-large", place, message, "a network sends 1024: look for macros that include macros");
  }

  #actionArguments(token: Token, keyword: string, items: readonly Token[]) {
    if (keyword === "redirect") return { fields: this.#redirect(token, items[0]), words: 1 };
    if (keyword === "tee" || keyword === "watch") return { fields: this.#tee(token, keyword, items), words: 2 };
    return { fields: {}, words: 0 };
  }

  #redirect(token: Token, target: Token | undefined) {
    const hint = "write the address of the member that shall get the frames, as in redirect deadbeef11";
    if (target === undefined) throw this.#errors.of("missing-redirect", token, "this redirect has no target", hint);
    if (target.text.length !== ADDRESS_CHARS) throw this.#badTarget("bad-redirect-target", target, hint);
    return { address: target.text };
  }

  #tee(token: Token, keyword: string, [length, target]: readonly Token[]) {
    const hint = `write how many bytes (-1 for all) and to whom, as in ${keyword} -1 deadbeef11`;
    if (length === undefined) {
      throw this.#errors.of("missing-tee", token, `this ${keyword} has neither length nor target`, hint);
    }
    if (target === undefined) {
      throw this.#errors.of("missing-tee-target", length, `this ${keyword} has no target`, hint);
    }
    const bytes = /^-1(?![0-9])/.test(length.text) ? WHOLE_FRAME : readNumber(length.text, MAX_U16);
    if (bytes === null) {
      const message = `${quoteWord(length.text)} is no length for ${keyword}`;
      const place = this.#errors.strict ? target : length;
      throw this.#errors.of("bad-tee-length", place, message, `${hint}; the length is -1 to ${MAX_U16}`);
    }
    if (target.text.length !== ADDRESS_CHARS) throw this.#badTarget("bad-tee-target", target, hint);
    return { address: target.text, length: bytes };
  }

  #badTarget(reason: "bad-redirect-target" | "bad-tee-target", target: Token, hint: string) {
    const advice = target.text.startsWith("$")
      ? "parameters of macros do not work here: write the address itself"
      : hint;
    return this.#errors.of(reason, target, `${quoteWord(target.text)} is no ZeroTier address of ten digits`, advice);
  }

  #include(token: Token, call: Token | undefined, place: Place, table: RuleTable): void {
    if (call === undefined) {
      const hint = "write the name of a macro behind include, and no space before its parentheses";
      throw this.#errors.of("missing-include", token, "this include names no macro", hint);
    }
    const { name, args } = splitCall(call.text);
    const macro = this.#macros.get(name);
    if (macro === undefined) throw this.#unknownMacro(call, name);
    const missing = macro.parameters.find((_, index) => (args[index] ?? "") === "");
    if (missing !== undefined) {
      const list = macro.parameters.join(",");
      const message = `the parameter ${missing} of the macro ${quoteWord(name)} is missing`;
      throw this.#errors.of("missing-parameter", call, message, `write include ${name}(${list}), without spaces`);
    }
    if (place.includes.length >= MAX_MACRO_DEPTH) {
      const chain = [...new Set(place.includes.map((one) => one.macro))].slice(-3).join(", ");
      const message = `macros include each other more than ${MAX_MACRO_DEPTH} deep (${chain})`;
      throw this.#errors.of(
        "endless-macro",
        token,
        message,
        "a macro must not include itself, directly or through others",
      );
    }
    this.#expand(token);
    const variables = new Map(macro.parameters.map((parameter, index) => [parameter, args[index]!]));
    const includes = [...place.includes, { macro: name, line: token.line, column: token.column }];
    this.#statements(macro.body, { variables, includes }, table);
  }

  #unknownMacro(call: Token, name: string) {
    const near = nearestWord(name, this.#macros.keys());
    const list = [...this.#macros.keys()].join(", ");
    const hint =
      name === ""
        ? "write the name and its arguments without spaces, as in include allow(22,tcp)"
        : near !== null
          ? `did you mean ${near}? Names are stored in lower case`
          : list === ""
            ? `define it at top level: macro ${name.toLowerCase()} … ;`
            : `this source has ${list}`;
    return this.#errors.of("unknown-macro", call, `there is no macro ${quoteWord(name)}`, hint);
  }

  #unknownStatement(token: Token, before: Token | undefined) {
    const keyword = token.text.toLowerCase();
    const message = `${quoteWord(token.text)} begins no statement`;
    const words = [...ACTIONS.keys(), "include", "macro", "tag", "cap"];
    const near = FOREIGN_ACTIONS.get(keyword) ?? nearestWord(keyword, words);
    let hint = `a statement begins with ${[...ACTIONS.keys()].join(", ")} or include`;
    if (token.afterComment) {
      hint = `if ${quoteWord(token.text)} belongs to the comment in the line before, begin this line with # as well`;
    } else if (token.text.startsWith("(") && before !== undefined) {
      hint = "write the arguments of a macro without a space before them";
    } else if (keyword === "priority") hint = `the reference's compiler knows the word but not the action; ${hint}`;
    else if (keyword === "macro" || keyword === "tag" || keyword === "cap") {
      hint = `${keyword} stands at top level only: end what is around it with a ; before`;
    } else if (MATCHES.has(keyword) || MODIFIERS.has(keyword)) {
      hint = `matches stand behind an action, as in drop ${keyword} …; if they do, a ; ended it too early`;
    } else if (near !== null) hint = `did you mean ${near}?`;
    return this.#errors.of("unknown-statement", token, message, hint);
  }
}

function sourceWord(token: Token): SourceWord {
  return { text: token.text, value: token.text, line: token.line, column: token.column };
}

function originOf(
  token: Token,
  keyword: string,
  args: readonly SourceWord[],
  statement: Token,
  { includes }: Place,
  ignoredModifiers: readonly SourceWord[],
): RuleOrigin {
  const { line, column } = token;
  return {
    keyword,
    args,
    line,
    column,
    statement: { line: statement.line, column: statement.column },
    includes,
    ignoredModifiers,
  };
}
