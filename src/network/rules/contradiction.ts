/**
 * Finds chains of matches that cannot hold. Facts: vl2-rules.md §2: matches fold strictly from left to right, so a chain
 * holds in one way more than it has ORs: `a, b, or c, d` is `a b d` or `c d`.
 */
import { IntervalSet } from "./interval-set.ts";
import { FIELD_VALUES, type Field, type Restriction, requirementOf } from "./requirement.ts";
import { type CharacteristicsMatch, MAX_NETWORK_RULES, type Rule } from "./rule.ts";

/** Matches looked at in one chain, all of its ways together. What people write has fewer; of the rest nothing is said. */
const MAX_EXAMINED_MATCHES = 8192;

/** A match that cannot hold together with those before it. */
export interface Contradiction {
  /** Its index in the chain. */
  readonly at: number;
  /** Index of the match before it that it cannot hold together with; null if it never holds by itself. */
  readonly with: number | null;
}

/** What can be said of a chain without a frame. */
export interface ChainVerdict {
  /** It holds for every frame. */
  readonly isAlways: boolean;
  /** One for each way in which it would have to hold and cannot. */
  readonly contradictions: readonly Contradiction[];
  /** It holds for no frame: no way is left. */
  readonly isNever: boolean;
}

/** Looks at a chain: matches in front of one action. Nothing is said of one that is longer than a network's rules. */
export function examineChain(chain: readonly Rule[]): ChainVerdict {
  if (chain.length > MAX_NETWORK_RULES) return { isAlways: false, contradictions: [], isNever: false };
  const most = Math.max(1, Math.floor(MAX_EXAMINED_MATCHES / Math.max(1, chain.length)));
  const { ways, isWhole } = waysOf(chain, most);
  const found = ways.map((way) => contradictionIn(chain, way));
  return {
    isAlways: ways.some((way) => way.every((at) => isTautology(chain[at]!))),
    contradictions: found.filter((one) => one !== null),
    isNever: isWhole && found.every((one) => one !== null),
  };
}

/** The ways in which a chain can hold, each as the indexes of the matches that then have to; the first `most` of them. */
function waysOf(chain: readonly Rule[], most: number): { readonly ways: number[][]; readonly isWhole: boolean } {
  // The set is true before the first match, and so a chain that begins with OR always holds.
  const ways: number[][] = [[]];
  let isWhole = true;
  for (const [at, { or }] of chain.entries()) {
    if (!or) for (const way of ways) way.push(at);
    else if (ways.length < most) ways.push([at]);
    else isWhole = false;
  }
  return { ways, isWhole };
}

function contradictionIn(chain: readonly Rule[], way: readonly number[]): Contradiction | null {
  const frame = new PossibleFrame();
  for (const at of way) {
    const before = frame.add(chain[at]!, at);
    if (before !== undefined) return { at, with: before };
  }
  return null;
}

/** A match that is true of every frame, such as `framesize 0-65535` or `not vlan 5`. */
function isTautology(rule: Rule): boolean {
  const { always, soft } = requirementOf(rule);
  if (always.length > 0 || soft === null) return false;
  const left = new IntervalSet(FIELD_VALUES[soft.field]);
  if (rule.not) left.keep(soft.values);
  else left.remove(soft.values);
  return left.isEmpty;
}

/** What is left of each field's values. */
class PossibleFrame {
  readonly #fields = new Map<Field, { readonly values: IntervalSet; last: number | null }>();
  /** Masks of characteristics: it must have one bit of each of these, and none of those. */
  readonly #wanted: Mask[] = [];
  readonly #forbidden: Mask[] = [];

  /** Undefined if the match can hold too; else which one before it is in its way, null for none but itself. */
  add(rule: Rule, at: number): number | null | undefined {
    const { always, soft } = requirementOf(rule);
    for (const restriction of always) {
      const before = this.#restrict(restriction, false, at);
      if (before !== undefined) return before;
    }
    if (soft !== null) {
      const before = this.#restrict(soft, rule.not, at);
      if (before !== undefined) return before;
    }
    return rule.type === "MATCH_CHARACTERISTICS" ? this.#characteristics(rule, at) : undefined;
  }

  #restrict({ field, values }: Restriction, not: boolean, at: number): number | null | undefined {
    let entry = this.#fields.get(field);
    if (entry === undefined) {
      entry = { values: new IntervalSet(FIELD_VALUES[field]), last: null };
      this.#fields.set(field, entry);
    }
    if (not) entry.values.remove(values);
    else entry.values.keep(values);
    if (entry.values.isEmpty) return entry.last === at ? null : entry.last;
    entry.last = at;
    return undefined;
  }

  #characteristics({ maskHigh, maskLow, not }: CharacteristicsMatch, at: number): number | null | undefined {
    const bits = ((BigInt(maskHigh) << 32n) | BigInt(maskLow)) & KNOWN_CHARACTERISTICS;
    (not ? this.#forbidden : this.#wanted).push({ bits, at });
    const forbidden = this.#forbidden.reduce((all, mask) => all | mask.bits, 0n);
    const impossible = this.#wanted.find((wanted) => (wanted.bits & ~forbidden) === 0n);
    if (impossible === undefined) return undefined;
    if (impossible.at !== at) return impossible.at;
    return this.#forbidden.findLast((mask) => (mask.bits & bits) !== 0n)?.at ?? null;
  }
}

interface Mask {
  readonly bits: bigint;
  readonly at: number;
}

/** Bits that any frame can have: 63 … 59 and 11 … 0. */
const KNOWN_CHARACTERISTICS = 0xf800_0000_0000_0fffn;
