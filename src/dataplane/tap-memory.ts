/**
 * What main tells the thread that reads TAP devices: which there are, and when to stop. Main changes the list; the
 * generation is odd while it does, and the reader says which generation it works with. Ids are never used again, so
 * that a frame that waits in the ring can only go to the network it came for.
 *
 * | word | what | writer |
 * |---|---|---|
 * | 0 | 1 = stop | main |
 * | 1 | generation of the list | main |
 * | 2 | generation that the reader works with | reader |
 * | 3 | how often the reader had to wait because main was behind | reader |
 * | 4 | devices in the list | main |
 * | 5 … | for each: id, descriptor | main |
 */

/** Networks that can be joined with an interface. */
export const MAX_TAPS = 256;

const STOP = 0;
const GENERATION = 1;
const ACKNOWLEDGED = 2;
const STALLS = 3;
const COUNT = 4;
const LIST = 5;
const WORDS = LIST + 2 * MAX_TAPS;

/** A device as the reader needs it. */
export interface ReadableTap {
  readonly id: number;
  readonly fd: number;
}

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

  /** Main: the devices from now on, at most MAX_TAPS. Gives the generation to wait for. */
  setTaps(taps: readonly ReadableTap[]): number {
    Atomics.add(this.#words, GENERATION, 1);
    taps.forEach(({ id, fd }, i) => {
      Atomics.store(this.#words, LIST + 2 * i, id);
      Atomics.store(this.#words, LIST + 2 * i + 1, fd);
    });
    Atomics.store(this.#words, COUNT, taps.length);
    return Atomics.add(this.#words, GENERATION, 1) + 1;
  }

  get generation(): number {
    return Atomics.load(this.#words, GENERATION);
  }

  /** Reader: the devices to read. Waits out a change; `acknowledge` then tells main. */
  taps(): { readonly generation: number; readonly taps: ReadableTap[] } {
    for (;;) {
      const generation = this.generation;
      const taps = Array.from({ length: Atomics.load(this.#words, COUNT) }, (_, i) => ({
        id: Atomics.load(this.#words, LIST + 2 * i),
        fd: Atomics.load(this.#words, LIST + 2 * i + 1),
      }));
      if (generation % 2 === 0 && generation === this.generation) return { generation, taps };
    }
  }

  acknowledge(generation: number): void {
    Atomics.store(this.#words, ACKNOWLEDGED, generation);
  }

  /** Main: the generation that the reader works with: what only earlier ones had can be closed. */
  get acknowledged(): number {
    return Atomics.load(this.#words, ACKNOWLEDGED);
  }

  get stalls(): number {
    return Atomics.load(this.#words, STALLS);
  }

  countStall(): void {
    Atomics.add(this.#words, STALLS, 1);
  }
}
