/** Evenly spaced actions at a rate, for a loop that is called now and then. Pure. */

/** Longest stall that is caught up with; what was owed before it is given up and shows as a lower rate. */
const MAX_CATCH_UP_MS = 50;

/** Tells how many actions are due. */
export class Pacer {
  readonly #perMs: number;
  readonly #start: number;
  #given = 0;
  #skipped = 0;

  /** `ratePerSecond` actions, counted from `start` (ms). */
  constructor(ratePerSecond: number, start: number) {
    this.#perMs = ratePerSecond / 1000;
    this.#start = start;
  }

  /** Actions due at `now` (ms) that were not handed out before. The first is due at once. */
  due(now: number): number {
    const owed = Math.floor((now - this.#start) * this.#perMs) + 1 - this.#given - this.#skipped;
    const most = Math.max(1, Math.ceil(this.#perMs * MAX_CATCH_UP_MS));
    const due = Math.max(0, Math.min(owed, most));
    if (owed > due) this.#skipped += owed - due;
    this.#given += due;
    return due;
  }
}
