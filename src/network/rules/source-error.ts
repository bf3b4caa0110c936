/**
 * What is wrong with a rule source, where, and what to write instead. Every refusal has two texts: ours, and the one
 * that the reference's compiler was recorded with, for the strict mode. Facts: rule-language.md section 7.
 */

/** Longer words are cut in messages: they are somebody's input, and no message needs more to be understood. */
const MAX_QUOTED_CHARS = 40;

/** What the reference's compiler says, by the reason for it. `%` stands for the word in question. */
const REFERENCE_TEXTS = {
  "unknown-statement": "Unrecognized action or directive in rule set.",
  "unknown-match": 'Unrecognized match type "%".',
  "missing-argument": "Missing argument(s) to match.",
  "reserved-argument": "Missing argument(s) to match (invalid argument or argument is reserved word).",
  "unknown-variable": "Undefined variable name.",
  "bad-address": "Invalid ZeroTier address.",
  "bad-mac": "Invalid MAC address.",
  "bad-number": "Invalid numeric value.",
  "bad-range": "Invalid numeric range.",
  "bad-mask": "Invalid mask.",
  "bad-value-range": "Invalid value range.",
  "missing-prefix-length": "Missing /bits netmask length designation in IP.",
  "bad-ip": "Invalid IP address (not valid IPv4 or IPv6).",
  "bad-icmp-type": "Missing or invalid ICMP type.",
  "bad-icmp-code": "Invalid ICMP code (use -1 for none).",
  "bad-bit": "Invalid bit index (range 0-63) or unrecognized name.",
  "unknown-tag": "Undefined tag name and invalid tag value.",
  "bad-tag-value": "Invalid tag value or unrecognized flag/enum name.",
  "missing-tee": "The tee and watch actions require two paremters (max length or 0 for all, target).",
  "missing-tee-target": "Unexpected exception: TypeError: Cannot read properties of undefined (reading '0')",
  "bad-tee-length": "Tee/watch max packet length to forward invalid or out of range.",
  "bad-tee-target": "Missing or invalid ZeroTier address target for tee/watch.",
  "missing-redirect": "The redirect action requires a target parameter.",
  "bad-redirect-target": "Missing or invalid ZeroTier address target for redirect.",
  "missing-include": "Include directive is missing a macro name.",
  "unknown-macro": "Macro name not found.",
  "missing-parameter": "Missing one or more required macro parameter.",
  "endless-macro": "Unexpected exception: RangeError: Maximum call stack size exceeded",
  "missing-macro-name": "Macro definition is missing name.",
  "bad-macro-name": "Invalid macro name.",
  "reserved-macro-name": "Macro name is a reserved word.",
  "duplicate-macro-name": "Multiple definition of macro name.",
  "missing-tag-name": "Tag definition is missing name.",
  "bad-tag-name": "Invalid tag name.",
  "reserved-tag-name": "Tag name is a reserved word.",
  "duplicate-tag-name": "Multiple definition of tag name.",
  "missing-tag-id": "Tag definition is missing a numeric ID.",
  "duplicate-tag-id": "Duplicate tag id definition.",
  "missing-tag-id-value": "Missing numeric value for ID.",
  "bad-tag-id": "Invalid or out of range tag ID.",
  "duplicate-default": "Duplicate tag default directive.",
  "missing-default": "Missing value for default.",
  "missing-flag": "Missing tag flag name or bit index.",
  "bad-flag-bit": "Bit index invalid, out of range, or references an undefined flag name.",
  "bad-flag-name": "Invalid or reserved flag name.",
  "duplicate-flag": "Duplicate flag name in tag definition.",
  "missing-enum": "Missing tag enum name or value.",
  "bad-enum-value": "Tag enum value invalid or out of range.",
  "bad-enum-name": "Invalid or reserved tag enum name.",
  "duplicate-enum": "Duplicate enum name in tag definition.",
  "unknown-tag-keyword": "Unrecognized keyword in tag definition.",
  "missing-cap-name": "Capability definition is missing name.",
  "bad-cap-name": "Invalid capability name.",
  "reserved-cap-name": "Capability name is a reserved word.",
  "duplicate-cap-name": "Multiple definition of capability name.",
  "missing-cap-id": "Capability definition is missing a numeric ID.",
  "duplicate-cap-id-word": "Duplicate id directive in capability definition.",
  "missing-cap-id-value": "Missing value for ID.",
  "bad-cap-id": "Invalid or out of range capability ID.",
  "duplicate-cap-id": "Duplicate capability ID.",
} as const;

/** Reasons that the reference's compiler does not know: it goes on, or reads the source in another way. */
type OwnReason = "capital-letters" | "not-closed" | "too-large";

/** Why a source was refused. */
export type RuleSourceReason = keyof typeof REFERENCE_TEXTS | OwnReason;

/** A place in a source. */
export interface SourcePlace {
  /** From 1. */
  readonly line: number;
  /** UTF-16 units from 1; a tab is one. In strict mode as the reference counts, which begins line 1 with column 0. */
  readonly column: number;
}

/** A rule source that cannot be compiled: the first thing that is wrong with it. */
export class RuleSourceError extends Error {
  override readonly name = "RuleSourceError";
  readonly reason: RuleSourceReason;
  /** From 1; 0 in strict mode where the reference's compiler itself fails. */
  readonly line: number;
  readonly column: number;
  /** What to write instead; never empty outside strict mode. */
  readonly hint: string;

  constructor(reason: RuleSourceReason, place: SourcePlace, message: string, hint: string) {
    super(message);
    this.reason = reason;
    this.line = place.line;
    this.column = place.column;
    this.hint = hint;
  }
}

/** Reasons for which the reference's compiler itself fails, and so knows no place. */
const WITHOUT_PLACE: ReadonlySet<RuleSourceReason> = new Set(["missing-tee-target", "endless-macro"]);

/** Makes the errors of one mode. */
export class SourceErrors {
  readonly strict: boolean;

  constructor(strict: boolean) {
    this.strict = strict;
  }

  /**
   * An error to throw: `message` and `hint` are for people; in strict mode the reference's text takes their place, if
   * it has one, with `word` put in.
   */
  of(reason: RuleSourceReason, place: SourcePlace, message: string, hint: string, word = ""): RuleSourceError {
    const recorded = (REFERENCE_TEXTS as Readonly<Record<string, string>>)[reason];
    if (!this.strict || recorded === undefined) return new RuleSourceError(reason, place, message, hint);
    const where = WITHOUT_PLACE.has(reason) ? { line: 0, column: 0 } : place;
    return new RuleSourceError(
      reason,
      where,
      recorded.replace("%", () => word),
      "",
    );
  }
}

/** A word of the source for a message: in quotation marks, cut if it is long, without control characters. */
export function quoteWord(word: string): string {
  const shown = word.length > MAX_QUOTED_CHARS ? `${word.slice(0, MAX_QUOTED_CHARS)}…` : word;
  return `"${shown.replace(/\p{C}/gu, "?")}"`;
}

/** Fewest single-character insertions, deletions, changes and swaps of neighbours that make `b` of `a`. */
function editDistance(a: string, b: string): number {
  let older: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(change, previous[j]! + 1, row[j - 1]! + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        row[j] = Math.min(row[j]!, older[j - 2]! + 1);
    }
    older = previous;
    previous = row;
  }
  return previous[b.length]!;
}

/** The candidate that `word` most likely was meant to be, or null if none is near. Upper case counts as lower case. */
export function nearestWord(word: string, candidates: Iterable<string>): string | null {
  if (word.length > MAX_QUOTED_CHARS) return null;
  const written = word.toLowerCase();
  let best: string | null = null;
  let least = 1 + Math.max(1, Math.floor(written.length / 3));
  for (const candidate of candidates) {
    // More than this many characters too long or too short cannot be nearer than the best so far.
    if (Math.abs(candidate.length - written.length) >= least) continue;
    const distance = editDistance(written, candidate.toLowerCase());
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}
