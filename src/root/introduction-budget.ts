/**
 * How many pairs may be introduced in a while, over all threads that relay. An introduction costs the node as much as
 * dozens of relayed packets, and a key agreement with a peer that it has not spoken with since it started as much as
 * hundreds; after a restart every pair there is starts to talk in the same second. Who has to wait is introduced with a
 * later packet. The figures are ours; all of it together is about a tenth of a core.
 *
 * Counted in units of one introduction between peers whose keys are known. What was used in excess is paid back.
 */

/** Budgets are for windows of 2^5 ms, so that a burst does not use up a whole second. */
const WINDOW_SHIFT = 5;
/** Units of one window: 2000 a second. */
export const UNITS_PER_WINDOW = 64;
/** Of these, for pairs that were introduced before and are relayed all the same: the new ones come first. */
const UNITS_FOR_REPETITIONS = UNITS_PER_WINDOW / 2;
/** What a key agreement costs. */
export const AGREEMENT_UNITS = 4;
/** More debt than this is forgiven: two seconds. */
const MAX_USED = 64 * UNITS_PER_WINDOW;
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
      if (Atomics.compareExchange(words, WINDOW, last, window) === last) {
        const paid = ahead > 0 ? ahead * UNITS_PER_WINDOW : MAX_USED;
        Atomics.store(words, USED, Math.max(0, words[USED]! - paid));
      }
    }
    const limit = repetition ? UNITS_FOR_REPETITIONS : UNITS_PER_WINDOW;
    return words[USED]! < limit && Atomics.add(words, USED, 1) < limit;
  }

  /** Takes note of what an introduction cost besides. */
  charge(units: number): void {
    if (this.#words[USED]! < MAX_USED) Atomics.add(this.#words, USED, units);
  }
}
