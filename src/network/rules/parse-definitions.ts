/**
 * Definitions: `macro`, `tag` and `cap`. Facts: rule-language.md sections 3 and 6; 8.5 for the sign of flag 31.
 */
import type { DefinitionOrigin, SourceWord } from "./document.ts";
import { MAX_U32, readMagnitude, readNumber } from "./numbers.ts";
import { nearestWord, quoteWord, type RuleSourceReason, type SourceErrors } from "./source-error.ts";
import type { Token } from "./tokens.ts";
import { hasNameForm, isReservedWord } from "./vocabulary.ts";

/** A macro: its parameters with their `$`, and the statements that an include stands for. */
export interface MacroDefinition {
  readonly name: string;
  readonly parameters: readonly string[];
  readonly body: readonly Token[];
}

/** A tag with the names of its values, in the order they were given. */
export interface TagDefinition {
  readonly name: string;
  readonly id: number;
  readonly default: number | null;
  readonly enums: ReadonlyMap<string, number>;
  readonly flags: ReadonlyMap<string, number>;
  readonly origin: DefinitionOrigin;
}

/** A capability whose rules are not compiled yet. */
export interface CapabilityDefinition {
  readonly name: string;
  readonly id: number;
  readonly default: boolean;
  readonly body: readonly Token[];
  readonly origin: DefinitionOrigin;
}

type Kind = "macro" | "tag" | "cap";

const KIND_TEXT: Readonly<Record<Kind, string>> = { macro: "macro", tag: "tag", cap: "capability" };
const TAG_KEYWORDS = ["id", "default", "enum", "flag"];
const MAX_FLAG_BIT = 31;

/** The name behind `macro`, `tag` or `cap`, lower-cased. Throws unless it is a new and proper name. */
function readName(
  errors: SourceErrors,
  kind: Kind,
  opener: Token,
  written: string | undefined,
  taken: ReadonlyMap<string, unknown>,
): string {
  const text = KIND_TEXT[kind];
  const token = opener.block?.[0];
  if (token === undefined || written === undefined) {
    throw errors.of(`missing-${kind}-name`, opener, `this ${text} has no name`, `write it behind ${kind}`);
  }
  const name = written.toLowerCase();
  if (isReservedWord(name)) {
    const message = `${quoteWord(written)} is a word of the language and cannot name a ${text}`;
    const hint = opener.afterComment
      ? `if ${quoteWord(opener.text)} belongs to the comment in the line before, begin this line with # as well`
      : "choose another name";
    throw errors.of(`reserved-${kind}-name`, token, message, hint);
  }
  if (!hasNameForm(name)) {
    const message = `${quoteWord(written)} cannot name a ${text}`;
    const hint = "names are letters, digits and underscores, and do not begin with a digit";
    throw errors.of(`bad-${kind}-name`, token, message, hint);
  }
  if (taken.has(name)) {
    const hint = "give each its own name; upper and lower case are the same";
    throw errors.of(`duplicate-${kind}-name`, token, `there is another ${text} ${quoteWord(name)} already`, hint);
  }
  return name;
}

/**
 * Outside strict mode a macro or capability has to be ended by its own `;`. The reference lets the `;` of an `accept;`
 * inside end it (section 8.1), so what follows would silently mean something else here than there.
 */
function requireEnd(errors: SourceErrors, kind: Kind, opener: Token, name: string): void {
  if (errors.strict || opener.closed) return;
  const hint = "write a ; of its own behind its last statement: the one of accept; ends only the accept";
  throw errors.of("not-closed", opener, `the ${KIND_TEXT[kind]} ${quoteWord(name)} is never ended`, hint);
}

/** Reads `macro NAME($a,$b) statements ;`. */
export function readMacro(
  errors: SourceErrors,
  opener: Token,
  macros: ReadonlyMap<string, MacroDefinition>,
): MacroDefinition {
  const head = opener.block?.[0]?.text;
  const call = head === undefined ? undefined : splitCall(head);
  const name = readName(errors, "macro", opener, call?.name, macros);
  const parameters = (call?.args ?? []).map((parameter) => parameter.toLowerCase());
  const odd = parameters.find((parameter) => !/^\$./.test(parameter));
  if (odd !== undefined) {
    const message = `${quoteWord(odd)} cannot be a parameter`;
    throw errors.of("bad-macro-name", opener.block![0]!, message, "write parameters as in macro allow($port,$proto)");
  }
  requireEnd(errors, "macro", opener, name);
  return { name, parameters, body: opener.block!.slice(1) };
}

/** Takes `name(a,b)` apart; without parentheses, and with empty ones, there are no arguments. */
export function splitCall(word: string): { readonly name: string; readonly args: readonly string[] } {
  const open = word.indexOf("(");
  if (open < 0) return { name: word, args: [] };
  const inside = word.slice(open + 1, word.endsWith(")") ? -1 : undefined);
  return { name: word.slice(0, open), args: inside === "" ? [] : inside.split(",") };
}

/** Reads `cap NAME id NUM [default] statements ;`. Its rules stay words, because they may use what comes later. */
export function readCapability(
  errors: SourceErrors,
  opener: Token,
  capabilities: ReadonlyMap<string, CapabilityDefinition>,
): CapabilityDefinition {
  const name = readName(errors, "cap", opener, opener.block?.[0]?.text, capabilities);
  const items = opener.block!;
  const body: Token[] = [];
  let id: number | null = null;
  let isDefault = false;
  for (let at = 1; at < items.length; at++) {
    const token = items[at]!;
    const keyword = token.text.toLowerCase();
    if (keyword === "id") {
      if (id !== null) throw errors.of("duplicate-cap-id-word", token, "this capability has an id already", "keep one");
      id = readId(errors, "cap", token, token, items[++at]);
      for (const other of capabilities.values()) {
        if (other.id !== id) continue;
        const message = `the capability ${quoteWord(other.name)} in line ${other.origin.line} has the id ${id} too`;
        throw errors.of("duplicate-cap-id", token, message, "give each capability an id of its own");
      }
    } else if (keyword === "default") isDefault = true;
    else body.push(token);
  }
  if (id === null) throw missingId(errors, "cap", items[0]!, name);
  requireEnd(errors, "cap", opener, name);
  const origin = { name, id, line: items[0]!.line, column: items[0]!.column, defaultWord: null };
  return { name, id, default: isDefault, body, origin };
}

function missingId(errors: SourceErrors, kind: "tag" | "cap", token: Token, name: string) {
  const message = `the ${KIND_TEXT[kind]} ${quoteWord(name)} has no id`;
  return errors.of(`missing-${kind}-id`, token, message, "write id and a number, as in id 1000");
}

/** `place` is where the reference sees a bad id. */
function readId(
  errors: SourceErrors,
  kind: "tag" | "cap",
  token: Token,
  place: Token,
  value: Token | undefined,
): number {
  const hint = `write a number from 0 to ${MAX_U32}, as in id 1000`;
  if (value === undefined) throw errors.of(`missing-${kind}-id-value`, token, "the number of the id is missing", hint);
  const id = readNumber(value.text, MAX_U32);
  if (id === null) throw errors.of(`bad-${kind}-id`, place, `${quoteWord(value.text)} is no id`, hint);
  return id;
}

/** Reads `tag NAME id NUM [default VALUE] [enum NUM NAME] [flag BITS NAME] ;`. */
export function readTag(errors: SourceErrors, opener: Token, tags: ReadonlyMap<string, TagDefinition>): TagDefinition {
  const name = readName(errors, "tag", opener, opener.block?.[0]?.text, tags);
  const items = opener.block!;
  const enums = new Map<string, number>();
  const flags = new Map<string, number>();
  let id: number | null = null;
  let defaultWord: SourceWord | null = null;
  for (let at = 1; at < items.length; at++) {
    const token = items[at]!;
    const first = items[at + 1];
    switch (token.text.toLowerCase()) {
      case "id":
        if (id !== null) throw errors.of("duplicate-tag-id", token, "this tag has an id already", "keep one");
        id = readId(errors, "tag", token, first ?? token, first);
        at += 1;
        break;
      case "default": {
        if (defaultWord !== null) {
          throw errors.of("duplicate-default", token, "this tag has a default already", "keep one");
        }
        const hint = "write an enum, a flag or a number behind it, or leave it out";
        if (first === undefined) throw errors.of("missing-default", token, "the value of the default is missing", hint);
        defaultWord = { text: first.text, value: first.text, line: first.line, column: first.column };
        at += 1;
        break;
      }
      case "enum":
        readEnum(errors, token, first, items[at + 2], enums);
        at += 2;
        break;
      case "flag":
        readFlag(errors, token, first, items[at + 2], flags);
        at += 2;
        break;
      default:
        throw unknownTagKeyword(errors, token, opener);
    }
  }
  if (id === null) throw missingId(errors, "tag", items[0]!, name);
  const origin = { name, id, line: items[0]!.line, column: items[0]!.column, defaultWord };
  const word = defaultWord?.text;
  const value = word === undefined ? null : (enums.get(word) ?? flags.get(word) ?? readMagnitude(word));
  return { name, id, default: value, enums, flags, origin };
}

function unknownTagKeyword(errors: SourceErrors, token: Token, opener: Token) {
  const near = nearestWord(token.text, TAG_KEYWORDS);
  const hint =
    token.block !== null
      ? `the tag before is not ended: write ; behind its last word${opener.closed ? "" : ", and one behind this statement"}`
      : near !== null && near !== token.text
        ? `did you mean ${near}?`
        : `a tag has ${TAG_KEYWORDS.join(", ")}`;
  return errors.of("unknown-tag-keyword", token, `${quoteWord(token.text)} has no meaning in a tag`, hint);
}

/** The name of an enum or a flag, lower-cased. */
function readValueName(errors: SourceErrors, kind: "enum" | "flag", token: Token, taken: ReadonlyMap<string, number>) {
  const name = token.text.toLowerCase();
  const reason: RuleSourceReason = kind === "enum" ? "bad-enum-name" : "bad-flag-name";
  if (isReservedWord(name) || !hasNameForm(name)) {
    const why = isReservedWord(name) ? " is a word of the language and" : "";
    const hint = "names are letters, digits and underscores, and do not begin with a digit; the number comes first";
    throw errors.of(
      reason,
      token,
      `${quoteWord(token.text)}${why} cannot name ${kind === "enum" ? "an enum" : "a flag"}`,
      hint,
    );
  }
  if (taken.has(name)) {
    const message = `this tag has ${kind === "enum" ? "an enum" : "a flag"} ${quoteWord(name)} already`;
    throw errors.of(`duplicate-${kind}`, token, message, "give each its own name; upper and lower case are the same");
  }
  return name;
}

function readEnum(
  errors: SourceErrors,
  token: Token,
  value: Token | undefined,
  name: Token | undefined,
  enums: Map<string, number>,
): void {
  const advice = "write a number and a name, as in enum 100 sales";
  if (value === undefined || name === undefined) {
    throw errors.of("missing-enum", token, "this enum is not complete", advice);
  }
  const number = readNumber(value.text, MAX_U32);
  if (number === null) throw errors.of("bad-enum-value", value, `${quoteWord(value.text)} is no value`, advice);
  enums.set(readValueName(errors, "enum", name, enums), number);
}

function readFlag(
  errors: SourceErrors,
  token: Token,
  bits: Token | undefined,
  name: Token | undefined,
  flags: Map<string, number>,
): void {
  const advice =
    "write bit numbers (0 to 31) or flags from above, separated by commas, and a name, as in flag 0 secret";
  if (bits === undefined || name === undefined) {
    throw errors.of("missing-flag", token, "this flag is not complete", advice);
  }
  let mask = 0;
  for (const part of bits.text.split(",")) {
    const bit = readNumber(part, MAX_FLAG_BIT);
    const value = flags.get(part) ?? (bit === null ? null : 1 << bit);
    if (value === null) {
      throw errors.of("bad-flag-bit", bits, `${quoteWord(part)} is neither a bit nor a flag of this tag`, advice);
    }
    mask |= value;
  }
  flags.set(readValueName(errors, "flag", name, flags), errors.strict ? mask : mask >>> 0);
}
