/**
 * One match of a statement: its keyword and its arguments become a rule. Facts: rule-language.md section 5; 8.4 for the
 * masks that the reference gets wrong, 8.8 for the word that is a match only to the reference.
 */
import type { JsonValue } from "../../json/json.ts";
import { parseIp } from "../../protocol/inet-address.ts";
import type { RuleJson, SourceWord } from "./document.ts";
import { MAX_U8, MAX_U16, MAX_U32, readNumber, readRange } from "./numbers.ts";
import type { TagDefinition } from "./parse-definitions.ts";
import { nearestWord, quoteWord, type RuleSourceReason, type SourceErrors } from "./source-error.ts";
import type { Token } from "./tokens.ts";
import {
  CHARACTERISTICS,
  FORM_ADVICE,
  FORM_ARGUMENTS,
  hasNameForm,
  isReservedWord,
  MATCHES,
  type MatchWord,
} from "./vocabulary.ts";

/** What a match may refer to. */
export interface MatchScope {
  readonly errors: SourceErrors;
  readonly tags: ReadonlyMap<string, TagDefinition>;
  /** Parameters of the macro that the match stands in, with their `$`. */
  readonly variables: ReadonlyMap<string, string>;
}

/** A match that was read, and how many words it took. */
export interface ReadMatch {
  /** Null for a word that is a match to the reference and yields nothing (section 8.8, strict mode only). */
  readonly rule: RuleJson | null;
  readonly keyword: string;
  readonly args: readonly SourceWord[];
  readonly words: number;
}

type Fields = Readonly<Record<string, JsonValue>>;

const ADDRESS_DIGITS = 10;
const MAC_DIGITS = 12;
const MAX_BIT = 63;

/** Words that the reference finds in its tables because every object has them, and how many arguments it takes for them. */
const PHANTOM_MATCHES: ReadonlyMap<string, number> = new Map([
  ["constructor", 1],
  ["__proto__", 0],
]);

/** Reads the match at `items[at]`. Throws RuleSourceError. */
export function readMatch(
  scope: MatchScope,
  items: readonly Token[],
  at: number,
  not: boolean,
  or: boolean,
): ReadMatch {
  const token = items[at]!;
  const keyword = token.text.toLowerCase();
  const word = MATCHES.get(keyword);
  if (word === undefined) {
    const phantom = scope.errors.strict ? PHANTOM_MATCHES.get(keyword) : undefined;
    if (phantom === undefined) throw unknownMatch(scope, token);
    const args = readArguments(scope, items, at, phantom, "");
    return { rule: null, keyword, args, words: 1 + phantom };
  }
  const args = readArguments(scope, items, at, FORM_ARGUMENTS[word.form], FORM_ADVICE[word.form]);
  const fields = readFields(scope, keyword, word, args);
  return { rule: { type: word.type, not, or, ...fields }, keyword, args, words: 1 + args.length };
}

function unknownMatch(scope: MatchScope, token: Token) {
  const keyword = token.text.toLowerCase();
  const near = nearestWord(keyword, MATCHES.keys());
  let hint = `write one of ${[...MATCHES.keys()].join(", ")}`;
  if (token.block !== null || keyword === "include") {
    hint = `the statement before is not ended: write ; before ${quoteWord(token.text)}`;
  } else if (/^;+$/.test(keyword)) hint = "write one ; only";
  else if (/[\p{Z}\p{Cf}]/u.test(keyword)) hint = "it has a space in it that is no plain space: type the spaces anew";
  else if (near !== null) hint = `did you mean ${near}?`;
  return scope.errors.of("unknown-match", token, `${quoteWord(token.text)} is no match`, hint, keyword);
}

function readArguments(scope: MatchScope, items: readonly Token[], at: number, count: number, advice: string) {
  const args: SourceWord[] = [];
  for (let i = 1; i <= count; i++) {
    const token = items[at + i];
    const before = items[at + i - 1]!;
    const keyword = items[at]!.text;
    const says = `${quoteWord(keyword)} needs ${count === 1 ? "an argument" : `${count} arguments`}`;
    if (token === undefined) throw scope.errors.of("missing-argument", before, says, `write ${advice} behind it`);
    if (isReservedWord(token.text) && !isProtocolName(scope, keyword, token.text)) {
      const message = `${says}, and ${quoteWord(token.text)} is a word of the language`;
      throw scope.errors.of("reserved-argument", before, message, `write ${advice} behind it`);
    }
    args.push({ text: token.text, line: token.line, column: token.column, value: substituted(scope, token) });
  }
  return args;
}

/** `icmp` is both a match and a protocol. The reference lists the protocol and cannot read it. */
function isProtocolName(scope: MatchScope, keyword: string, word: string): boolean {
  return !scope.errors.strict && keyword.toLowerCase() === "ipprotocol" && word === "icmp";
}

function substituted(scope: MatchScope, token: Token): string {
  if (!token.text.startsWith("$")) return token.text;
  const value = scope.variables.get(token.text);
  if (value !== undefined) return value;
  const near = nearestWord(token.text, scope.variables.keys());
  const known = [...scope.variables.keys()].join(", ");
  const hint =
    near !== null
      ? `did you mean ${near}? Parameters are written in lower case where they are used`
      : known === ""
        ? "only a macro with parameters has variables, as in macro allow($port)"
        : `this macro has ${known}`;
  throw scope.errors.of("unknown-variable", token, `there is no parameter ${quoteWord(token.text)} here`, hint);
}

/** Where a value comes from a macro's parameter, the message has to say which value that was. */
function told(arg: SourceWord): string {
  return arg.text === arg.value ? quoteWord(arg.value) : `${arg.text}, which is ${quoteWord(arg.value)} here,`;
}

/** An argument that is not what it has to be. */
function wrong(scope: MatchScope, reason: RuleSourceReason, arg: SourceWord, what: string, hint: string) {
  return scope.errors.of(reason, arg, `${told(arg)} is no ${what}`, hint);
}

function readFields(scope: MatchScope, keyword: string, word: MatchWord, args: readonly SourceWord[]): Fields {
  const first = args[0]!;
  const second = args[1] ?? first;
  const advice = `write ${FORM_ADVICE[word.form]}`;
  const field = word.field ?? "";
  switch (word.form) {
    case "address": {
      const digits = first.value.toLowerCase().replace(/[^0-9a-f]/g, "");
      if (digits.length !== ADDRESS_DIGITS) throw wrong(scope, "bad-address", first, "ZeroTier address", advice);
      return { [field]: digits };
    }
    case "number": {
      const value = readNumber(first.value, MAX_U32);
      if (value === null) throw wrong(scope, "bad-number", first, "number", advice);
      return { [field]: value };
    }
    case "named":
      return { [field]: readNamed(scope, keyword, word.names!, first) };
    case "mac": {
      const digits = first.value.toLowerCase().replace(/[^0-9a-f]/g, "");
      if (digits.length < MAC_DIGITS) throw wrong(scope, "bad-mac", first, "MAC address", advice);
      return { [field]: digits.slice(0, MAC_DIGITS).replace(/(?<=^(?:..)+)(?=.)/g, ":") };
    }
    case "tos": {
      const mask = readNumber(first.value, MAX_U8);
      if (mask === null) throw wrong(scope, "bad-mask", first, "mask", advice);
      const range = readRange(second.value, MAX_U8);
      if (range === null) throw wrong(scope, "bad-value-range", second, "value or range", advice);
      return { mask, ...range };
    }
    case "icmp": {
      const icmpType = readNumber(first.value, MAX_U8);
      if (icmpType === null) throw wrong(scope, "bad-icmp-type", first, "ICMP type", advice);
      const code = readNumber(second.value, Number.POSITIVE_INFINITY);
      if (code !== null && code > MAX_U8) throw wrong(scope, "bad-icmp-code", second, "ICMP code", advice);
      return { icmpType, icmpCode: code };
    }
    case "range": {
      const range = readRange(first.value, MAX_U16);
      if (range === null) throw wrong(scope, "bad-range", first, "number or range", advice);
      return { ...range };
    }
    case "bits":
      return { [field]: readMask(scope, first) };
    case "chance": {
      const chance = Number.parseFloat(first.value);
      return { [field]: Math.floor(MAX_U32 * Math.min(1, Math.max(0, Number.isNaN(chance) ? 0 : chance))) };
    }
    case "tag":
      return readTagAndValue(scope, first, second);
    case "ip":
      return readIp(scope, word.type, first);
  }
}

/** `ipsrc` and `ipdest`: the family decides the type, and the text goes on as it is. */
function readIp(scope: MatchScope, type: string, arg: SourceWord): Fields {
  const slash = arg.value.indexOf("/");
  const ip = parseIp(slash < 0 ? arg.value : arg.value.slice(0, slash));
  if (slash < 0) {
    const single = ip === null ? "" : `, or /${ip.length * 8} for this one address`;
    const hint = `write the length of the prefix behind it, as in /24${single}`;
    throw scope.errors.of("missing-prefix-length", arg, `${told(arg)} has no prefix length`, hint);
  }
  if (ip === null) throw wrong(scope, "bad-ip", arg, "IPv4 or IPv6 prefix", `write ${FORM_ADVICE.ip}`);
  return { type: ip.length === 4 ? type : type.replace("IPV4", "IPV6"), ip: arg.value };
}

function readNamed(scope: MatchScope, keyword: string, names: ReadonlyMap<string, number>, arg: SourceWord): number {
  const value = names.get(arg.value) ?? readNumber(arg.value, MAX_U32);
  if (value !== null) return value;
  const near = nearestWord(arg.value, names.keys());
  const what = keyword === "ethertype" ? "ethertype" : "IP protocol";
  const list = `write a number (decimal, or hexadecimal with 0x) or one of ${[...names.keys()].join(", ")}`;
  throw wrong(scope, "bad-number", arg, what, near === null ? list : `did you mean ${near}? Names are in lower case`);
}

function readMask(scope: MatchScope, arg: SourceWord): string {
  const bits: number[] = [];
  for (const part of arg.value.split(",")) {
    if (part === "") continue;
    const bit = CHARACTERISTICS.get(part) ?? readNumber(part, MAX_BIT);
    if (bit === null) {
      const near = nearestWord(part, CHARACTERISTICS.keys());
      const list = `write bit numbers (0 to 63) or names, separated by commas: ${[...CHARACTERISTICS.keys()].join(", ")}`;
      const hint = near === null ? list : `did you mean ${near}? Names are in lower case`;
      throw scope.errors.of("bad-bit", arg, `${quoteWord(part)} is no characteristic`, hint);
    }
    bits.push(bit);
  }
  return scope.errors.strict ? referenceMask(bits) : maskOf(bits).toString(16).padStart(16, "0");
}

function maskOf(bits: readonly number[]): bigint {
  return bits.reduce((mask, bit) => mask | (1n << BigInt(bit)), 0n);
}

/** The reference works on signed halves and drops the sign at the end (section 8.4). */
function referenceMask(bits: readonly number[]): string {
  const half = (from: number) => {
    const signed = bits
      .filter((bit) => bit >= from && bit < from + 32)
      .reduce((mask, bit) => mask | (1 << (bit - from)), 0);
    return Math.abs(signed).toString(16).padStart(8, "0");
  };
  return half(32) + half(0);
}

function readTagAndValue(scope: MatchScope, tagArg: SourceWord, valueArg: SourceWord): Fields {
  const tag = scope.tags.get(tagArg.value);
  const id = tag?.id ?? readNumber(tagArg.value, MAX_U32);
  if (id === null) {
    const near = nearestWord(tagArg.value, scope.tags.keys());
    const hint =
      near !== null
        ? `did you mean ${near}? Names are stored in lower case`
        : `define it: tag ${hasNameForm(tagArg.value) ? tagArg.value.toLowerCase() : "name"} id 1 ;`;
    throw wrong(scope, "unknown-tag", tagArg, "tag", hint);
  }
  const value = tag?.flags.get(valueArg.value) ?? tag?.enums.get(valueArg.value) ?? readNumber(valueArg.value, MAX_U32);
  // The reference makes a negative number of a flag with bit 31, and then does not take it (section 8.5).
  if (value === null || value < 0) throw wrongTagValue(scope, tag, tagArg, valueArg);
  return { id, value };
}

function wrongTagValue(scope: MatchScope, tag: TagDefinition | undefined, tagArg: SourceWord, valueArg: SourceWord) {
  if (tag === undefined) {
    const hint = `write a number from 0 to ${MAX_U32}; only a tag that is used by its name has named values`;
    return wrong(scope, "bad-tag-value", valueArg, "value of a tag", hint);
  }
  const names = [...tag.flags.keys(), ...tag.enums.keys()];
  const near = nearestWord(valueArg.value, names);
  const known = names.length === 0 ? "" : ` or one of ${names.join(", ")}`;
  const list = `write a number from 0 to ${MAX_U32}${known}`;
  const hint = near === null ? list : `did you mean ${near}? Names are stored in lower case`;
  return wrong(scope, "bad-tag-value", valueArg, `value of the tag ${quoteWord(tagArg.value)}`, hint);
}
