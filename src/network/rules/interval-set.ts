/** A set of integers as intervals: what is left of a field's values when several matches have to hold at once. */

/** Both ends are included. */
export type Interval = readonly [first: bigint, last: bigint];

export class IntervalSet {
  /** Ascending, disjoint. */
  #intervals: readonly Interval[];

  constructor(...intervals: readonly Interval[]) {
    this.#intervals = intervals;
  }

  get isEmpty(): boolean {
    return this.#intervals.length === 0;
  }

  has(value: bigint): boolean {
    return this.#intervals.some(([first, last]) => first <= value && value <= last);
  }

  /** Keeps what is in one of `others`, which are ascending and disjoint. */
  keep(others: readonly Interval[]): void {
    this.#intervals = this.#intervals.flatMap(([first, last]) =>
      others.flatMap(([from, to]): Interval[] => {
        const [low, high] = [first > from ? first : from, last < to ? last : to];
        return low <= high ? [[low, high]] : [];
      }),
    );
  }

  /** Takes out what is in one of `others`. */
  remove(others: readonly Interval[]): void {
    for (const [from, to] of others) {
      if (from > to) continue;
      this.#intervals = this.#intervals.flatMap(([first, last]): Interval[] => {
        if (to < first || last < from) return [[first, last]];
        const left: Interval[] = first < from ? [[first, from - 1n]] : [];
        return to < last ? [...left, [to + 1n, last]] : left;
      });
    }
  }
}
