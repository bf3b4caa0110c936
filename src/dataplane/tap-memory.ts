/**
 * What main and the thread that reads TAP devices share: which devices there are, and whether one has failed.
 *
 * | word | what |
 * |---|---|
 * | 0 | stop |
 * | 1 | generation of the list; main raises it after each change |
 * | 2 | generation that the reader works with |
 * | 3 | frames that found no room |
 * | 4 … | for each slot: descriptor + 1 (0: free) |
 * | … | for each slot: 0, or 1 + the error it failed with |
 */
export const MAX_TAPS = 128;

const STOP = 0;
const GENERATION = 1;
const ACKNOWLEDGED = 2;
const DROPPED = 3;
const FDS = 4;
const FAILURES = FDS + MAX_TAPS;
const WORDS = FAILURES + MAX_TAPS;

export class TapMemory {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(memory = new SharedArrayBuffer(4 * WORDS)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  get isStopped(): boolean {
    return Atomics.load(this.#words, STOP) !== 0;
  }

  stop(): void {
    Atomics.store(this.#words, STOP, 1);
  }

  get generation(): number {
    return Atomics.load(this.#words, GENERATION);
  }

  acknowledge(generation: number): void {
    Atomics.store(this.#words, ACKNOWLEDGED, generation);
    Atomics.notify(this.#words, ACKNOWLEDGED);
  }

  /** True once the reader has seen the latest change: a descriptor that was taken out can be closed. */
  get isSeen(): boolean {
    return Atomics.load(this.#words, ACKNOWLEDGED) === this.generation;
  }

  get dropped(): number {
    return Atomics.load(this.#words, DROPPED);
  }

  countDropped(): void {
    Atomics.add(this.#words, DROPPED, 1);
  }

  /** Gives the slot, or −1 if there are too many devices. */
  add(fd: number): number {
    for (let slot = 0; slot < MAX_TAPS; slot++) {
      if (this.#words[FDS + slot] !== 0) continue;
      Atomics.store(this.#words, FAILURES + slot, 0);
      Atomics.store(this.#words, FDS + slot, fd + 1);
      Atomics.add(this.#words, GENERATION, 1);
      return slot;
    }
    return -1;
  }

  remove(slot: number): void {
    Atomics.store(this.#words, FDS + slot, 0);
    Atomics.add(this.#words, GENERATION, 1);
  }

  openSlots(): number[] {
    const open: number[] = [];
    for (let slot = 0; slot < MAX_TAPS; slot++) {
      const isOpen = Atomics.load(this.#words, FDS + slot) !== 0 && Atomics.load(this.#words, FAILURES + slot) === 0;
      if (isOpen) open.push(slot);
    }
    return open;
  }

  fdOf(slot: number): number {
    return Atomics.load(this.#words, FDS + slot) - 1;
  }

  /** Reader: the device is of no use any more, and is left out from now on. */
  fail(slot: number, errno: number): void {
    Atomics.store(this.#words, FAILURES + slot, 1 + errno);
    Atomics.add(this.#words, GENERATION, 1);
  }

  /** The error a device failed with, or null. */
  failureOf(slot: number): number | null {
    const failure = Atomics.load(this.#words, FAILURES + slot);
    return failure === 0 ? null : failure - 1;
  }
}
