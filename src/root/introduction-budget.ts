/**
 * How many pairs may be introduced in a while, over all threads that relay. An introduction costs as much as dozens of
 * relayed packets (two packets to seal, and a key agreement for each peer that was not spoken with yet), and after a
 * restart every pair there is starts to talk in the same second. Who has to wait is introduced with a later packet.
 * The figures are ours.
 */

/** Introductions are counted in windows of 2^7 ms, so that a burst does not use up a whole second. */
const WINDOW_SHIFT = 7;
/** Of one window: 1000 a second. */
export const MAX_INTRODUCTIONS_PER_WINDOW = 128;
/** Of these, for pairs that were introduced before and are relayed all the same: the new ones come first. */
const MAX_REPETITIONS_PER_WINDOW = MAX_INTRODUCTIONS_PER_WINDOW / 2;
/** Threads read the clock once a batch, so that windows may seem to go back by as much; more is a clock that was set. */
const MAX_WINDOWS_BACK = 8;

/** Words of shared memory: number of the window, and what was used of it. */
const WINDOW = 0;
const USED = 1;
export const BUDGET_WORDS = 2;

export class IntroductionBudget {
  readonly #words: Int32Array;

  /** A view of `BUDGET_WORDS` words of shared memory. */
  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** Takes one introduction at `now` (low 32 bits of ms since the epoch). False if there is none left for a while. */
  take(now: number, repetition: boolean): boolean {
    const words = this.#words;
    const window = now >> WINDOW_SHIFT;
    const last = words[WINDOW]!;
    const ahead = (window - last) | 0;
    if (ahead > 0 || ahead < -MAX_WINDOWS_BACK) {
      if (Atomics.compareExchange(words, WINDOW, last, window) === last) Atomics.store(words, USED, 0);
    }
    const limit = repetition ? MAX_REPETITIONS_PER_WINDOW : MAX_INTRODUCTIONS_PER_WINDOW;
    return words[USED]! < limit && Atomics.add(words, USED, 1) < limit;
  }
}
