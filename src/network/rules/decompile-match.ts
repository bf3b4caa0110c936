/**
 * One match, or the arguments of one action, as the rule language writes them. Null where it has no words for them.
 * Facts: rule-language.md sections 4, 5 and 11; controller.md section 4 for what a controller may hold.
 */
import type { JsonObject, JsonValue } from "../../json/json.ts";
import { parseIp } from "../../protocol/inet-address.ts";
import { integerOf, nameOfValue, type WrittenTag } from "./decompile-names.ts";
import { MAX_U8, MAX_U16, MAX_U32 } from "./numbers.ts";
import { ACTIONS, CHARACTERISTICS, MATCHES, type MatchWord } from "./vocabulary.ts";

const ADDRESS_DIGITS = 10;
const MAC_DIGITS = 12;
const BITS = 64;
/** Enough to tell one of 2^32 probabilities from the next. */
const MAX_DECIMALS = 12;
/** A length that means the whole frame; the controller stores -1 as this. */
const WHOLE_FRAME = 65535;

const ACTION_WORDS: ReadonlyMap<string, string> = new Map([...ACTIONS].map(([word, type]) => [type, word]));
const MATCH_WORDS: ReadonlyMap<string, readonly [string, MatchWord]> = new Map(
  [...MATCHES].flatMap(([keyword, word]): [string, [string, MatchWord]][] => [
    [word.type, [keyword, word]],
    // Both families have one keyword.
    ...(word.form === "ip"
      ? [[word.type.replace("IPV4", "IPV6"), [keyword, word]] as [string, [string, MatchWord]]]
      : []),
  ]),
);
const BIT_NAMES: ReadonlyMap<number, string> = new Map([...CHARACTERISTICS].map(([name, bit]) => [bit, name]));

/** The words of an action, as in `tee -1 deadbeef11`; null if it has none. */
export function actionText(rule: JsonObject): string | null {
  const word = ACTION_WORDS.get(String(rule["type"]));
  if (word === undefined) return null;
  if (word !== "tee" && word !== "watch" && word !== "redirect") return word;
  const address = hexDigits(rule["address"], ADDRESS_DIGITS);
  if (address === null) return null;
  if (word === "redirect") return `${word} ${address}`;
  const given = rule["length"];
  const length = given === -1 ? WHOLE_FRAME : integerOf(given, MAX_U16);
  if (length === null) return null;
  return `${word} ${length === WHOLE_FRAME ? -1 : length} ${address}`;
}

/** The words of a match without its modifiers, as in `dport 22-80`; null if it has none. */
export function matchText(rule: JsonObject, tags: readonly WrittenTag[]): string | null {
  const found = MATCH_WORDS.get(String(rule["type"]));
  if (found === undefined) return null;
  const [keyword, word] = found;
  const args = argumentsText(rule, keyword, word, tags);
  return args === null ? null : `${keyword} ${args}`;
}

function argumentsText(rule: JsonObject, keyword: string, word: MatchWord, tags: readonly WrittenTag[]): string | null {
  const value = word.field === undefined ? undefined : rule[word.field];
  switch (word.form) {
    case "address":
      return hexDigits(value, ADDRESS_DIGITS);
    case "number":
      return textOf(integerOf(value, MAX_U32));
    case "named":
      return namedText(integerOf(value, MAX_U32), keyword, word.names!);
    case "mac":
      return macText(value);
    case "ip":
      return ipText(value, String(rule["type"]).includes("IPV6") ? 16 : 4);
    case "tos": {
      const mask = integerOf(rule["mask"], MAX_U8);
      const range = rangeText(rule, MAX_U8);
      return mask === null || range === null ? null : `0x${mask.toString(16).padStart(2, "0")} ${range}`;
    }
    case "icmp": {
      const type = integerOf(rule["icmpType"], MAX_U8);
      const given = rule["icmpCode"] ?? null;
      const code = given === null ? -1 : integerOf(given, MAX_U8);
      return type === null || code === null ? null : `${type} ${code}`;
    }
    case "range":
      return rangeText(rule, MAX_U16);
    case "bits":
      return maskText(value);
    case "chance":
      return chanceText(integerOf(value, MAX_U32));
    case "tag":
      return tagText(rule, keyword, tags);
  }
}

function textOf(value: number | null): string | null {
  return value === null ? null : String(value);
}

/** Hexadecimal digits in lower case, filled up with zeros at the left. */
function hexDigits(value: JsonValue | undefined, digits: number): string | null {
  if (typeof value !== "string" || !/^[0-9a-fA-F]+$/.test(value) || value.length > digits) return null;
  return value.toLowerCase().padStart(digits, "0");
}

function namedText(value: number | null, keyword: string, names: ReadonlyMap<string, number>): string | null {
  if (value === null) return null;
  const name = [...names].find(([, number]) => number === value)?.[0];
  return name ?? (keyword === "ethertype" ? `0x${value.toString(16).padStart(4, "0")}` : String(value));
}

/** A controller reads a MAC from the left and takes what is missing for zeros. */
function macText(value: JsonValue | undefined): string | null {
  if (typeof value !== "string") return null;
  const digits = value.toLowerCase().replace(/[:-]/g, "");
  if (!/^[0-9a-f]{1,12}$/.test(digits)) return null;
  return digits.padEnd(MAC_DIGITS, "0").match(/../g)!.join(":");
}

/** A controller takes a missing prefix length for 0. */
function ipText(value: JsonValue | undefined, bytes: number): string | null {
  if (typeof value !== "string") return null;
  const [ip, bits] = [value.split("/", 1)[0]!, value.includes("/") ? value.slice(value.indexOf("/") + 1) : "0"];
  return parseIp(ip)?.length === bytes && /^[0-9A-Za-z]*$/.test(bits) ? `${ip}/${bits}` : null;
}

/** A range with its ends in the wrong order, which a controller keeps, has no form in the language. */
function rangeText(rule: JsonObject, max: number): string | null {
  const start = integerOf(rule["start"], max);
  const end = rule["end"] === undefined ? start : integerOf(rule["end"], max);
  if (start === null || end === null || start > end) return null;
  return start === end ? String(start) : `${start}-${end}`;
}

function maskText(value: JsonValue | undefined): string | null {
  const number = integerOf(value, Number.MAX_SAFE_INTEGER);
  const digits = number === null ? hexDigits(value, BITS / 4) : number.toString(16);
  if (digits === null) return null;
  const mask = BigInt(`0x${digits}`);
  const bits = Array.from({ length: BITS }, (_, index) => BITS - 1 - index).filter((bit) => (mask >> BigInt(bit)) & 1n);
  // No bit at all is an empty list.
  return bits.length === 0 ? "," : bits.map((bit) => BIT_NAMES.get(bit) ?? String(bit)).join(",");
}

/** The shortest decimal fraction that the compiler turns into this number again: it rounds down, so aim at the middle. */
function chanceText(probability: number | null): string | null {
  if (probability === null) return null;
  for (let decimals = 0; decimals <= MAX_DECIMALS; decimals++) {
    for (const aim of [probability, probability + 0.5]) {
      const text = (aim / MAX_U32).toFixed(decimals);
      if (Math.floor(MAX_U32 * Math.min(1, Number(text))) === probability) return text;
    }
  }
  return null;
}

function tagText(rule: JsonObject, keyword: string, tags: readonly WrittenTag[]): string | null {
  const id = integerOf(rule["id"], MAX_U32);
  const value = integerOf(rule["value"], MAX_U32);
  if (id === null || value === null) return null;
  const tag = tags.find((one) => one.id === id);
  if (tag === undefined) return `${id} ${value}`;
  // The value of tdiff is a distance, which no name of a value stands for.
  const preferred = keyword === "tand" || keyword === "tor" || keyword === "txor" ? tag.flags : tag.enums;
  const name = keyword === "tdiff" ? null : nameOfValue(value, tag.flags, tag.enums, preferred);
  return `${tag.name} ${name ?? value}`;
}
