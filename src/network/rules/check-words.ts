/**
 * Words of a source that the compiler takes and that mean something else than they seem to. Facts: rule-language.md §4
 * to §6 (how words are read), controller.md §4 (what a controller cuts off).
 */
import type { Finding, Severity } from "./check.ts";
import type { RuleOrigin, SourceWord } from "./document.ts";
import type { NamedTable, NamedTag } from "./named-rules.ts";
import { isWholeNumber, MAX_U8, MAX_U16, readMagnitude, readNumber } from "./numbers.ts";
import { quoteWord } from "./source-error.ts";
import { CHARACTERISTICS, MATCHES } from "./vocabulary.ts";

/** A word, and what is to be said of it. */
interface Remark {
  readonly word: SourceWord;
  readonly message: string;
  readonly severity: Severity;
}

/** Findings about the words of one table; none if it has no source. `capability` is its name, null for the network's. */
export function checkWords({ origins }: NamedTable, capability: string | null): Finding[] {
  return origins.flatMap((origin, rule) => {
    if (origin === null) return [];
    const wrong = remarksOn(origin).map((remark) => finding(remark, "read-otherwise", capability, rule));
    const idle = idleModifiers(origin).map((remark) => finding(remark, "without-effect", capability, rule));
    return [...wrong, ...idle];
  });
}

/** A default of a tag that is neither a name nor a number is 0. */
export function checkDefault({ name, enums, flags, defaultWord, default: value }: NamedTag): Finding[] {
  if (defaultWord === null || isWholeNumber(defaultWord.value)) return [];
  if (Object.hasOwn(enums, defaultWord.value) || Object.hasOwn(flags, defaultWord.value)) return [];
  const isNothing = readMagnitude(defaultWord.value) === 0;
  const names = [...Object.keys(enums), ...Object.keys(flags)];
  const advice = names.length === 0 ? "write a number" : `write a number or one of ${names.join(", ")}`;
  const why = isNothing ? `tag ${name} has no such value` : "only its digits count";
  const message = `the default ${quoteWord(defaultWord.text)} is read as ${value}: ${why}; ${advice}`;
  return [finding({ word: defaultWord, message, severity: "warning" }, "read-otherwise", null, null)];
}

function finding(
  { word, message, severity }: Remark,
  kind: "read-otherwise" | "without-effect",
  capability: string | null,
  rule: number | null,
): Finding {
  return { severity, kind, message, place: { line: word.line, column: word.column }, capability, rule };
}

/** Modifiers behind the last match. A single `and` in place of matches is how an `accept` is kept from what follows it. */
function idleModifiers({ ignoredModifiers }: RuleOrigin): Remark[] {
  const [first] = ignoredModifiers;
  if (first === undefined || ignoredModifiers.every(({ value }) => value.toLowerCase() === "and")) return [];
  const message = `${quoteWord(first.text)} stands behind the last match and changes nothing`;
  return [{ word: first, message, severity: "warning" }];
}

function remarksOn({ keyword, args }: RuleOrigin): Remark[] {
  const [first, second] = args;
  if (first === undefined) return [];
  const match = MATCHES.get(keyword);
  switch (match?.form) {
    // An action: `tee LENGTH ADDRESS`, `redirect ADDRESS`.
    case undefined:
      return [...(second === undefined ? [] : number(first, ["-1"])), ...target(second ?? first)];
    case "address":
      return /^[0-9a-fA-F]{10}$/.test(first.value) ? [] : [strange(first, "only its hexadecimal digits count")];
    case "mac":
      return first.value.replace(/[^0-9a-fA-F]/g, "").length === 12 ? [] : [strange(first, "only 12 digits count")];
    case "number":
      return number(first, [], keyword === "vlan" ? MAX_U16 : MAX_U8);
    case "named":
      return match.names!.has(first.value) ? [] : number(first, [], keyword === "ethertype" ? MAX_U16 : MAX_U8);
    case "ip":
      return prefix(first);
    case "tos":
      return [...number(first), ...range(second!)];
    case "icmp":
      return [...number(first), ...icmpCode(second!)];
    case "range":
      return range(first);
    case "bits":
      return first.value.split(",").some((part) => part !== "" && !CHARACTERISTICS.has(part) && !isWholeNumber(part))
        ? [strange(first, "of a bit number only the digits count")]
        : [];
    case "chance":
      return chance(first);
    // A name that has no value of that name would not have compiled.
    case "tag":
      return [...tagWord(first), ...tagWord(second!)];
  }
}

function strange(word: SourceWord, why: string, severity: Severity = "warning"): Remark {
  return { word, message: `${quoteWord(word.value)} is not what it seems: ${why}`, severity };
}

/** A number with something behind it, or with more bits than a controller keeps. */
function number(word: SourceWord, others: readonly string[] = [], max = Number.MAX_SAFE_INTEGER): Remark[] {
  if (others.includes(word.value)) return [];
  const value = readNumber(word.value, Number.MAX_SAFE_INTEGER);
  if (value === null) return [];
  const kept = max === Number.MAX_SAFE_INTEGER ? value : value % (max + 1);
  if (isWholeNumber(word.value) && kept === value) return [];
  return [{ word, message: `${quoteWord(word.value)} is read as ${kept}; ${mend(kept)}`, severity: "warning" }];
}

function mend(value: number): string {
  return `write ${value} if you mean it`;
}

function range(word: SourceWord): Remark[] {
  if (word.value.split("-").every(isWholeNumber)) return [];
  const ends = word.value.split("-").map((end) => readNumber(end, MAX_U16));
  return [{ word, message: `${quoteWord(word.value)} is read as ${ends.join("-")}`, severity: "warning" }];
}

function icmpCode(word: SourceWord): Remark[] {
  if (isWholeNumber(word.value) || word.value === "-1") return [];
  const code = readNumber(word.value, MAX_U8);
  const read = code === null ? "any code; write -1 for that" : `code ${code}`;
  return [{ word, message: `${quoteWord(word.value)} is read as ${read}`, severity: "warning" }];
}

function tagWord(word: SourceWord): Remark[] {
  return /^[0-9]/.test(word.value) ? number(word) : [];
}

/** The compiler lets every ten characters through; a controller takes the hexadecimal digits in front. */
function target(word: SourceWord): Remark[] {
  if (/^[0-9a-fA-F]{10}$/.test(word.value)) return [];
  return [
    strange(word, "an address has ten hexadecimal digits, and a controller reads on to the first other", "error"),
  ];
}

function prefix(word: SourceWord): Remark[] {
  const bits = word.value.slice(word.value.indexOf("/") + 1);
  const most = word.value.includes(":") ? 128 : 32;
  if (/^[0-9]+$/.test(bits) && Number(bits) <= most) return [];
  const message = `/${bits} is no length of a prefix: write a number from 0 to ${most}`;
  return [{ word, message, severity: "error" }];
}

function chance(word: SourceWord): Remark[] {
  if (/^(?:0|1|[01]?\.[0-9]+)$/.test(word.value) && Number(word.value) <= 1) return [];
  const read = Math.min(1, Math.max(0, Number.parseFloat(word.value) || 0));
  return [
    { word, message: `${quoteWord(word.value)} is read as ${read}: write a number from 0 to 1`, severity: "warning" },
  ];
}
