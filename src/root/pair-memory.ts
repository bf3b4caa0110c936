/**
 * Which pairs of peers are relayed: when each was introduced, and when its last packet passed. Decides when a pair
 * is introduced (again) and tells direct pairs from relayed ones: an introduced pair whose relayed traffic stops
 * has found its way. A fixed table of typed arrays, because it is looked at for every relayed packet.
 * Facts: vl1-behaviour.md §1 (30 s between introductions). The reference forgets a pair after 240 s; ours is kept for
 * an hour, so that a pair that went direct can be introduced again when one of the two moves.
 */
import type { Millis, Random } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";
import { UNITE_INTERVAL_MS } from "../protocol/constants.ts";

/** A pair without a relayed packet for this long is not relayed any more. */
export const PAIR_QUIET_MS = 15_000;
/** A pair still relayed this long after its introduction counts as relayed. */
export const PAIR_VERDICT_MS = 60_000;
/** A pair not relayed for this long is forgotten. */
const PAIR_MEMORY_MS = 3_600_000;
const MAX_REPEATS = 2;
const WAYS = 4;
const TWO_POW_32 = 0x100000000;

/** What became of an introduced pair. */
export interface PairVerdict {
  readonly a: Address;
  readonly b: Address;
  readonly direct: boolean;
  /** From the introduction to the last relayed packet, ms. */
  readonly afterMs: number;
}

/** Set-associative: 4 ways, the least recently seen of a full set makes room. The pair (a, b) is unordered. */
export class PairMemory {
  readonly #sets: number;
  readonly #seed: number;
  /** The smaller address (0 = free) and the larger one. */
  readonly #a: Float64Array;
  readonly #b: Float64Array;
  /** First and latest introduction of this episode, and the latest packet; ms since the epoch. */
  readonly #first: Float64Array;
  readonly #introduced: Float64Array;
  readonly #seen: Float64Array;
  /** 1 when this episode has had its verdict. */
  readonly #judged: Uint8Array;
  /** Repetitions of the latest introduction. */
  readonly #repeats: Uint8Array;
  #evicted = 0;

  constructor(maxPairs: number, random: Random) {
    let sets = 16;
    while (sets * WAYS < maxPairs) sets *= 2;
    this.#sets = sets;
    const seed = new Uint8Array(4);
    random(seed);
    this.#seed = new Int32Array(seed.buffer)[0]!;
    const entries = sets * WAYS;
    this.#a = new Float64Array(entries);
    this.#b = new Float64Array(entries);
    this.#first = new Float64Array(entries);
    this.#introduced = new Float64Array(entries);
    this.#seen = new Float64Array(entries);
    this.#judged = new Uint8Array(entries);
    this.#repeats = new Uint8Array(entries);
  }

  get capacity(): number {
    return this.#sets * WAYS;
  }

  /** Pairs that were thrown out while they were still relayed. */
  get evicted(): number {
    return this.#evicted;
  }

  /** A packet between two peers was relayed. True if they should be introduced now; the caller then does so. */
  relayed(from: Address, to: Address, now: Millis): boolean {
    const entry = this.#entry(from, to, now);
    const quietFor = now - this.#seen[entry]!;
    this.#seen[entry] = now;
    if (now - this.#introduced[entry]! < UNITE_INTERVAL_MS) return false;
    if (this.#first[entry] === 0 || (this.#judged[entry] === 1 && quietFor >= PAIR_QUIET_MS)) {
      this.#first[entry] = now;
      this.#judged[entry] = 0;
    }
    this.#introduced[entry] = now;
    this.#repeats[entry] = 0;
    return true;
  }

  /**
   * True if the pair was introduced within the last `withinMs` and that may be repeated; twice at most, since whoever
   * asks for it decides when.
   */
  repeatIntroduction(from: Address, to: Address, withinMs: number, now: Millis): boolean {
    const entry = this.#find(Math.min(from, to), Math.max(from, to));
    if (entry < 0 || now - this.#introduced[entry]! >= withinMs || this.#repeats[entry]! >= MAX_REPEATS) return false;
    this.#repeats[entry]!++;
    return true;
  }

  /**
   * Whom an address was introduced to and may still talk to directly, at most `limit` of them. Looks through the whole
   * table: for rare occasions.
   */
  partnersOf(address: Address, limit: number): Address[] {
    const partners: Address[] = [];
    for (let i = 0; i < this.#a.length && partners.length < limit; i++) {
      if (this.#first[i] === 0 || this.#a[i] === 0) continue;
      if (this.#a[i] === address) partners.push(this.#b[i]!);
      else if (this.#b[i] === address) partners.push(this.#a[i]!);
    }
    return partners;
  }

  /** Pairs with a relayed packet within the last 15 s. */
  active(now: Millis): number {
    let count = 0;
    for (let i = 0; i < this.#a.length; i++) if (this.#a[i] !== 0 && now - this.#seen[i]! < PAIR_QUIET_MS) count++;
    return count;
  }

  /** Gives each introduced pair its verdict when it is due, and forgets the old ones. */
  sweep(now: Millis, judge: (verdict: PairVerdict) => void): void {
    for (let i = 0; i < this.#a.length; i++) {
      if (this.#a[i] === 0) continue;
      const quiet = now - this.#seen[i]! >= PAIR_QUIET_MS;
      const lasted = this.#seen[i]! - this.#first[i]!;
      if (this.#judged[i] === 0 && (quiet || lasted >= PAIR_VERDICT_MS)) {
        this.#judged[i] = 1;
        judge({ a: this.#a[i]!, b: this.#b[i]!, direct: lasted < PAIR_VERDICT_MS, afterMs: lasted });
      }
      if (now - this.#seen[i]! >= PAIR_MEMORY_MS) this.#a[i] = 0;
    }
  }

  #set(a: Address, b: Address): number {
    let hash = Math.imul((a % TWO_POW_32) ^ this.#seed, 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 15) ^ (b % TWO_POW_32), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return (((hash ^ (hash >>> 16)) >>> 0) % this.#sets) * WAYS;
  }

  #find(a: Address, b: Address): number {
    const start = this.#set(a, b);
    for (let i = start; i < start + WAYS; i++) if (this.#a[i] === a && this.#b[i] === b) return i;
    return -1;
  }

  #entry(from: Address, to: Address, now: Millis): number {
    const a = Math.min(from, to);
    const b = Math.max(from, to);
    const found = this.#find(a, b);
    if (found >= 0) return found;
    const start = this.#set(a, b);
    let victim = start;
    for (let i = start; i < start + WAYS; i++) {
      if (this.#a[i] === 0) {
        victim = i;
        break;
      }
      if (this.#seen[i]! < this.#seen[victim]!) victim = i;
    }
    if (this.#a[victim] !== 0 && now - this.#seen[victim]! < PAIR_QUIET_MS) this.#evicted++;
    this.#a[victim] = a;
    this.#b[victim] = b;
    this.#first[victim] = 0;
    this.#introduced[victim] = 0;
    this.#seen[victim] = now;
    this.#judged[victim] = 0;
    return victim;
  }
}
