/**
 * A turn: some datagrams or frames that are handed on one after the other. What they make this program send or write is
 * gathered meanwhile, and leaves at the end of the turn in few system calls. Outside of turns everything leaves at once.
 */
export class Turn {
  readonly #ends: (() => void)[] = [];
  #depth = 0;

  /** True while something may be gathered. */
  get isOpen(): boolean {
    return this.#depth > 0;
  }

  /** `end` is called at the end of every turn, for the program's life. */
  atEnd(end: () => void): void {
    this.#ends.push(end);
  }

  /** Runs one turn; one inside another is part of it. Throws what `work` throws, when everything gathered has left. */
  run<T>(work: () => T): T {
    this.#depth++;
    try {
      return work();
    } finally {
      if (--this.#depth === 0) for (const end of this.#ends) end();
    }
  }
}
