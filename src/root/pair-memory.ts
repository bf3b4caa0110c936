/**
 * Which pairs of peers are relayed: when each was introduced, and when its last packet passed. Decides when a pair
 * is introduced (again) and tells direct pairs from relayed ones: an introduced pair whose relayed traffic stops
 * has found its way. A fixed table in shared memory, because every thread that relays looks at it for every packet.
 * Facts: vl1-behaviour.md §1 (30 s between introductions). The reference forgets a pair after 240 s; ours is kept for
 * an hour, so that a pair that went direct can be introduced again when one of the two moves. The reference introduces a
 * pair that it relays every 30 s as long as it does; ours after 30, 60 and then every 120 s, since what did not help
 * thrice will seldom help. A pair that was silent meanwhile begins anew.
 *
 * Sets of four pairs, two cache lines each. Times are the low 32 bits of milliseconds: only differences matter, and
 * what is older than an hour is forgotten. The pair (a, b) is unordered, a is the smaller address.
 *
 * | offset | size | field, one for each of the four |
 * |---|---|---|
 * | 0   | 16 | low 32 bits of a |
 * | 16  | 16 | low 32 bits of b |
 * | 32  | 16 | high 8 bits of a, then of b; 0x10000 = in use |
 * | 48  | 16 | latest packet |
 * | 64  | 16 | latest introduction |
 * | 80  | 16 | first introduction of this episode |
 * | 96  | 16 | state, see below |
 * | 112 | 4  | who writes into this set (thread + 1; 0 = nobody) |
 */
import type { Millis, Random } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";
import { UNITE_INTERVAL_MS } from "../protocol/constants.ts";
import { BUDGET_WORDS, IntroductionBudget } from "./introduction-budget.ts";

/** A pair without a relayed packet for this long is not relayed any more. */
export const PAIR_QUIET_MS = 15_000;
/** A pair still relayed this long after its introduction counts as relayed. */
export const PAIR_VERDICT_MS = 60_000;
/** So long after its introduction it matters when exactly a pair falls silent (second-look.ts). */
const PAIR_YOUNG_MS = 4000;
/** A pair not relayed for this long is forgotten. */
const PAIR_MEMORY_MS = 3_600_000;
const WAYS = 4;
const TWO_POW_32 = 0x100000000;

const SET_WORDS = 32;
const SET_BYTES = SET_WORDS * 4;
const HEADER_WORDS = 32;
/** Header: the seed, the first set's word, how many sets; in a cache line of their own how many pairs were thrown out, how many had to wait, the budget. */
const SEED = 0;
const FIRST_SET = 1;
const SETS = 2;
const EVICTED = 16;
const POSTPONED = 17;
const BUDGET = 18;

const A = 0;
const B = 4;
const HIGHS = 8;
const SEEN = 12;
const INTRODUCED = 16;
const FIRST = 20;
const STATE = 24;
const WRITER = 28;

const IN_USE = 0x10000;
/** State: introduced at all. Of this episode: has had its verdict, more than one packet. Waits for the budget. */
const WAS_INTRODUCED = 1;
const JUDGED = 2;
const CONVERSED = 4;
const WAITS = 8;
/** How often the pause between two introductions was doubled. */
const DOUBLED_SHIFT = 8;
const DOUBLED = 3 << DOUBLED_SHIFT;
const MAX_DOUBLED = 2;

/** What a relayed packet means for its pair. */
export const Passed = {
  /** It should be introduced now. */
  DUE: 1,
  /** It was introduced so recently that every packet tells whether that has helped. */
  YOUNG: 2,
  /** One packet in a second or so tells all there is to know. */
  SETTLED: 3,
} as const;
export type Passed = (typeof Passed)[keyof typeof Passed];

/** What became of an introduced pair. */
export interface PairVerdict {
  readonly a: Address;
  readonly b: Address;
  readonly direct: boolean;
  /** From the introduction to the last relayed packet, ms. */
  readonly afterMs: number;
}

/** One thread's view. The least recently seen pair of a full set makes room. */
export class PairMemory {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #sets: number;
  /** Where they begin and end. */
  readonly #first: number;
  readonly #end: number;
  readonly #me: number;
  readonly #budget: IntroductionBudget;
  /** Where the next sweep begins. */
  #sweepAt = 0;

  /** A view of memory that `PairMemory.create` made; `thread` tells those apart that may write at once. */
  constructor(memory: SharedArrayBuffer, thread = 0) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
    this.#sets = this.#words[SETS]!;
    this.#first = this.#words[FIRST_SET]!;
    this.#end = this.#first + this.#sets * SET_WORDS;
    this.#me = thread + 1;
    this.#budget = new IntroductionBudget(this.#words.subarray(BUDGET, BUDGET + BUDGET_WORDS));
  }

  /** Room for `maxPairs`. `addressOf` tells where memory lies, so that a set is two cache lines and not parts of three. */
  static create(maxPairs: number, random: Random, addressOf: (view: Uint8Array) => number = () => 0): PairMemory {
    let sets = 16;
    while (sets * WAYS < maxPairs) sets *= 2;
    const memory = new SharedArrayBuffer(HEADER_WORDS * 4 + (sets + 1) * SET_BYTES);
    const words = new Int32Array(memory);
    const seed = new Uint8Array(4);
    random(seed);
    words[SEED] = new Int32Array(seed.buffer)[0]!;
    const misplaced = addressOf(new Uint8Array(memory)) % SET_BYTES;
    words[FIRST_SET] = HEADER_WORDS + (misplaced === 0 ? 0 : (SET_BYTES - misplaced) >> 2);
    words[SETS] = sets;
    return new PairMemory(memory);
  }

  get capacity(): number {
    return this.#sets * WAYS;
  }

  /** Pairs that were thrown out while they were still relayed. */
  get evicted(): number {
    return this.#words[EVICTED]!;
  }

  /** Introductions that had to wait because too many were due at once. */
  get postponed(): number {
    return this.#words[POSTPONED]!;
  }

  /** What introductions cost is measured by this. */
  get budget(): IntroductionBudget {
    return this.#budget;
  }

  /** A packet between two peers was relayed. True if they should be introduced now; the caller then does so. */
  relayed(from: Address, to: Address, now: Millis): boolean {
    return this.relayedHalves(highOf(from), lowOf(from), highOf(to), lowOf(to), lowOf(now)) === Passed.DUE;
  }

  /**
   * As `relayed`; addresses in two parts and the low 32 bits of the time, so that nothing is allocated. Says besides
   * whether it has to be told of every packet of the pair.
   */
  relayedHalves(fromHigh: number, fromLow: number, toHigh: number, toLow: number, now: number): Passed {
    const swap = isGreater(fromHigh, fromLow, toHigh, toLow);
    const aLow = swap ? toLow : fromLow;
    const bLow = swap ? fromLow : toLow;
    const highs = IN_USE | (swap ? toHigh | (fromHigh << 8) : fromHigh | (toHigh << 8));
    const set = this.#set(aLow, bLow);
    let entry = this.#find(set, aLow, bLow, highs);
    if (entry < 0) {
      entry = this.#insert(set, aLow, bLow, highs, now);
      if (entry < 0) return Passed.SETTLED;
    }
    return this.#passed(entry, now);
  }

  /** Reads the set of a pair, so that it is at hand when `relayedHalves` needs it. The value means nothing. */
  touch(fromHigh: number, fromLow: number, toHigh: number, toLow: number): number {
    const swap = isGreater(fromHigh, fromLow, toHigh, toLow);
    const set = this.#set(swap ? toLow : fromLow, swap ? fromLow : toLow);
    return this.#words[set]! ^ this.#words[set + STATE]!;
  }

  #passed(entry: number, now: number): Passed {
    const words = this.#words;
    const quietFor = (now - words[entry + SEEN]!) | 0;
    if (quietFor > 0) words[entry + SEEN] = now;
    const state = words[entry + STATE]!;
    const introduced = (state & WAS_INTRODUCED) !== 0;
    const since = (now - words[entry + INTRODUCED]!) | 0;
    if (introduced && since < pauseOf(state, quietFor)) {
      if (!(state & CONVERSED)) Atomics.or(words, entry + STATE, CONVERSED);
      return since < PAIR_YOUNG_MS ? Passed.YOUNG : Passed.SETTLED;
    }
    if (!this.#budget.take(now, introduced && quietFor < PAIR_QUIET_MS)) {
      this.#postpone(entry, state, quietFor);
      return Passed.SETTLED;
    }
    // Of several threads that see this at once, one introduces.
    if (Atomics.compareExchange(words, entry + STATE, state, nextState(state, quietFor)) !== state) return Passed.YOUNG;
    if (!introduced || isNewEpisode(state, quietFor)) words[entry + FIRST] = now;
    words[entry + INTRODUCED] = now;
    return Passed.DUE;
  }

  /** The pair stays due; that it was quiet before must not be forgotten by then. */
  #postpone(entry: number, state: number, quietFor: number): void {
    const begun = isNewEpisode(state, quietFor) ? state & TURN : state;
    const next = (quietFor >= PAIR_QUIET_MS ? begun & ~DOUBLED : begun) | WAITS;
    if (next === state || Atomics.compareExchange(this.#words, entry + STATE, state, next) !== state) return;
    if (!(state & WAITS)) Atomics.add(this.#words, POSTPONED, 1);
  }

  /** How long ago the pair's last packet was relayed, ms; Infinity if none is remembered. */
  quietFor(from: Address, to: Address, now: Millis): Millis {
    const entry = this.#entryOf(from, to);
    return entry < 0 ? Number.POSITIVE_INFINITY : this.#since(entry + SEEN, now);
  }

  /** True if the latest introduction of the pair was the first of this episode. */
  isFirstIntroduction(from: Address, to: Address): boolean {
    const entry = this.#entryOf(from, to);
    return entry >= 0 && this.#words[entry + FIRST] === this.#words[entry + INTRODUCED];
  }

  /** The pair could not be introduced (they have no family and scope in common): it gets no verdict. */
  notIntroduced(from: Address, to: Address): void {
    const entry = this.#entryOf(from, to);
    if (entry >= 0) Atomics.or(this.#words, entry + STATE, JUDGED);
  }

  #entryOf(from: Address, to: Address): number {
    const [a, b] = [Math.min(from, to), Math.max(from, to)];
    const highs = IN_USE | highOf(a) | (highOf(b) << 8);
    return this.#find(this.#set(lowOf(a), lowOf(b)), lowOf(a), lowOf(b), highs);
  }

  /**
   * Whom an address was introduced to and may still talk to directly, at most `limit` of them. Looks through the whole
   * table: for rare occasions.
   */
  partnersOf(address: Address, limit: number): Address[] {
    const partners: Address[] = [];
    const low = lowOf(address);
    for (let entry = this.#first; entry < this.#end && partners.length < limit; entry = this.#next(entry)) {
      if (this.#words[entry + A] !== low && this.#words[entry + B] !== low) continue;
      if (!this.#inUse(entry) || !(this.#words[entry + STATE]! & WAS_INTRODUCED)) continue;
      if (this.#a(entry) === address) partners.push(this.#b(entry));
      else if (this.#b(entry) === address) partners.push(this.#a(entry));
    }
    return partners;
  }

  /** Pairs with a relayed packet within the last 15 s. */
  active(now: Millis): number {
    let count = 0;
    for (let entry = this.#first; entry < this.#end; entry = this.#next(entry)) {
      if (this.#inUse(entry) && this.#since(entry + SEEN, now) < PAIR_QUIET_MS) count++;
    }
    return count;
  }

  /**
   * Gives each introduced pair its verdict when it is due, and forgets the old ones. Looks at a part of the table, one
   * of `parts`, and the next time at the next one.
   */
  sweep(now: Millis, parts: number, judge: (verdict: PairVerdict) => void): void {
    const sets = Math.ceil(this.#sets / parts);
    const first = this.#sweepAt < this.#sets ? this.#sweepAt : 0;
    this.#sweepAt = first + sets;
    const end = this.#first + Math.min(this.#sweepAt, this.#sets) * SET_WORDS;
    for (let entry = this.#first + first * SET_WORDS; entry < end; entry = this.#next(entry)) {
      if (!this.#inUse(entry)) continue;
      const quietFor = this.#since(entry + SEEN, now);
      const state = this.#words[entry + STATE]!;
      const lasted = (this.#words[entry + SEEN]! - this.#words[entry + FIRST]!) | 0;
      const due = quietFor >= PAIR_QUIET_MS || lasted >= PAIR_VERDICT_MS;
      if (state & WAS_INTRODUCED && !(state & JUDGED) && due) {
        Atomics.or(this.#words, entry + STATE, JUDGED);
        // One packet and then silence says nothing about how they would talk.
        if (state & CONVERSED) {
          judge({ a: this.#a(entry), b: this.#b(entry), direct: lasted < PAIR_VERDICT_MS, afterMs: lasted });
        }
      }
      if (quietFor >= PAIR_MEMORY_MS) this.#words[entry + HIGHS] = 0;
    }
  }

  /** A thread has died: sets that it was writing to are free for others again. */
  release(thread: number): void {
    for (let set = this.#first; set < this.#end; set += SET_WORDS) {
      Atomics.compareExchange(this.#words, set + WRITER, thread + 1, 0);
    }
  }

  #set(aLow: number, bLow: number): number {
    let hash = Math.imul(aLow ^ this.#words[SEED]!, 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 15) ^ bLow, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return this.#first + ((hash ^ (hash >>> 16)) & (this.#sets - 1)) * SET_WORDS;
  }

  #find(set: number, aLow: number, bLow: number, highs: number): number {
    const words = this.#words;
    for (let entry = set; entry < set + WAYS; entry++) {
      if (words[entry + A] === aLow && words[entry + B] === bLow && words[entry + HIGHS] === highs) return entry;
    }
    return -1;
  }

  /** A fresh entry, or −1 while another thread writes to the set: then the pair's next packet makes it. */
  #insert(set: number, aLow: number, bLow: number, highs: number, now: number): number {
    const words = this.#words;
    if (Atomics.compareExchange(words, set + WRITER, 0, this.#me) !== 0) return -1;
    let entry = this.#find(set, aLow, bLow, highs);
    if (entry < 0) {
      entry = this.#victim(set, now);
      words[entry + HIGHS] = 0;
      words[entry + A] = aLow;
      words[entry + B] = bLow;
      words[entry + STATE] = 0;
      words[entry + SEEN] = now;
      Atomics.store(words, entry + HIGHS, highs);
    }
    Atomics.store(words, set + WRITER, 0);
    return entry;
  }

  #victim(set: number, now: number): number {
    const words = this.#words;
    let victim = set;
    for (let entry = set; entry < set + WAYS; entry++) {
      if (!this.#inUse(entry)) return entry;
      if (((now - words[entry + SEEN]!) | 0) > ((now - words[victim + SEEN]!) | 0)) victim = entry;
    }
    if (((now - words[victim + SEEN]!) | 0) < PAIR_QUIET_MS) Atomics.add(words, EVICTED, 1);
    return victim;
  }

  #inUse(entry: number): boolean {
    return (this.#words[entry + HIGHS]! & IN_USE) !== 0;
  }

  #since(index: number, now: Millis): number {
    return (lowOf(now) - this.#words[index]!) | 0;
  }

  /** The entry behind `entry`: the next of its set, or the first of the next set. */
  #next(entry: number): number {
    const way = (entry - this.#first) % SET_WORDS;
    return way < WAYS - 1 ? entry + 1 : entry - way + SET_WORDS;
  }

  #a(entry: number): Address {
    return (this.#words[entry + HIGHS]! & 0xff) * TWO_POW_32 + (this.#words[entry + A]! >>> 0);
  }

  #b(entry: number): Address {
    return ((this.#words[entry + HIGHS]! >> 8) & 0xff) * TWO_POW_32 + (this.#words[entry + B]! >>> 0);
  }
}

/** Changes with every introduction, so that of several threads only one can make the exchange. */
const TURN = 0x10000000;

/** The state of a pair that is introduced now. */
function nextState(state: number, quietFor: number): number {
  const turn = (state ^ TURN) & TURN;
  if (isNewEpisode(state, quietFor) || !(state & WAS_INTRODUCED)) return WAS_INTRODUCED | turn;
  const doubled = quietFor >= PAIR_QUIET_MS ? 0 : Math.min(doubledOf(state) + 1, MAX_DOUBLED);
  return WAS_INTRODUCED | (state & (JUDGED | CONVERSED)) | (doubled << DOUBLED_SHIFT) | turn;
}

/** How long after its last introduction a pair is due again, ms. */
function pauseOf(state: number, quietFor: number): number {
  return quietFor >= PAIR_QUIET_MS ? UNITE_INTERVAL_MS : UNITE_INTERVAL_MS << doubledOf(state);
}

function doubledOf(state: number): number {
  return (state & DOUBLED) >> DOUBLED_SHIFT;
}

function isNewEpisode(state: number, quietFor: number): boolean {
  return (state & JUDGED) !== 0 && quietFor >= PAIR_QUIET_MS;
}

function isGreater(aHigh: number, aLow: number, bHigh: number, bLow: number): boolean {
  return aHigh === bHigh ? aLow >>> 0 > bLow >>> 0 : aHigh > bHigh;
}

function highOf(address: Address): number {
  return Math.floor(address / TWO_POW_32);
}

/** The low 32 bits, as an int32. */
function lowOf(value: number): number {
  return (value % TWO_POW_32) | 0;
}
