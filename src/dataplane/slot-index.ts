/**
 * From an address to its slot of the peer table: open addressing over 32-bit cells in shared memory, one writer, any
 * number of readers that never wait. Hashed with a secret seed, because addresses are chosen by others.
 *
 * There are twice as many cells as slots in use, up to four times: when they become too many, all are copied to the
 * next region, which is twice as large, and then a word in the header says so. Together with slots that lie side by
 * side, a table made for a million peers costs a thousand of them neither memory nor cache misses. A reader that is
 * still in the old region finds what was there before.
 *
 * A cell holds the slot's number + 1 in its low 24 bits and eight bits of the hash above, so that a wrong slot is hardly
 * ever looked at; 0 is empty. Removal closes the gap: what is moved stands in both places for a moment. A reader in
 * the middle of a search may still miss it then, and takes it for unknown; the node looks again.
 */

/** First words of the peer table's memory: the seed, and the logarithm of the number of cells in use. */
const SEED = 0;
const LOG = 1;
const MIN_LOG = 6;
const NUMBER_MASK = 0xffffff;
export const MAX_SLOTS = NUMBER_MASK;
/** Words of a slot, and of these the first two: high byte and state (below IDENTITY_MASK), low 32 bits. */
export const SLOT_WORDS = 16;
const IDENTITY_MASK = 0xffff;
const LOW = 1;
/** In use, as the state says it. */
export const USED = 0x100;

/** `find` found no slot. */
export const NOT_FOUND = -1;

export class SlotIndex {
  readonly #words: Int32Array;
  /** Where the smallest region of cells begins; the others follow. In words, as all here. */
  readonly #cells: number;
  readonly #slots: number;
  /** Writer: slots that are in the index. */
  #size = 0;

  /** `words`: the whole memory; `cells`, `slots`: where its cells and its slots begin. */
  constructor(words: Int32Array, cells: number, slots: number) {
    this.#words = words;
    this.#cells = cells;
    this.#slots = slots;
  }

  /** Makes fresh memory an empty index. */
  static prepare(words: Int32Array, seed: number): void {
    words[SEED] = seed;
    words[LOG] = MIN_LOG;
  }

  /** Words that the cells for so many slots need, in all regions. */
  static cellWords(slots: number): number {
    let cells = 1 << MIN_LOG;
    let all = cells;
    while (cells < slots * 2) {
      cells *= 2;
      all += cells;
    }
    return all;
  }

  /** The slot of an address (8 high bits, 32 low bits as int32), or NOT_FOUND. */
  find(high: number, low: number): number {
    const words = this.#words;
    const wanted = high | USED;
    const hash = this.#hash(high, low);
    const mask = this.#mask();
    const region = this.#region(mask);
    for (let cell = hash & mask; ; cell = (cell + 1) & mask) {
      const named = words[region + cell]!;
      if (named === 0) return NOT_FOUND;
      if (((named ^ hash) & ~NUMBER_MASK) !== 0) continue;
      const at = this.#slots + ((named & NUMBER_MASK) - 1) * SLOT_WORDS;
      if (words[at + LOW] === low && (words[at]! & IDENTITY_MASK) === wanted) return (named & NUMBER_MASK) - 1;
    }
  }

  /** Reads where a search for the address begins: whoever looks for many does this for all of them first. */
  touchCell(high: number, low: number): number {
    const mask = this.#mask();
    return this.#words[this.#region(mask) + (this.#hash(high, low) & mask)]!;
  }

  /** Reads the slot that a cell names: likewise. */
  touchSlot(cell: number): number {
    return cell === 0 ? 0 : this.#words[this.#slots + ((cell & NUMBER_MASK) - 1) * SLOT_WORDS]!;
  }

  /** Writer: adds a slot whose address is not there yet. The slot must say it already. */
  add(slot: number): void {
    if (++this.#size * 2 > this.#mask() + 1) this.#grow();
    this.#put(slot, this.#mask());
  }

  /** Writer: forgets a slot; those behind it move up. To be called while the slot still says its address. */
  remove(slot: number): void {
    const words = this.#words;
    const mask = this.#mask();
    const region = this.#region(mask);
    let gap = this.#hashOf(slot) & mask;
    for (; (words[region + gap]! & NUMBER_MASK) !== slot + 1; gap = (gap + 1) & mask) {
      if (words[region + gap] === 0) return;
    }
    this.#size--;
    for (let cell = (gap + 1) & mask; words[region + cell] !== 0; cell = (cell + 1) & mask) {
      const named = words[region + cell]!;
      const home = this.#hashOf((named & NUMBER_MASK) - 1) & mask;
      // What begins its search between the gap and itself is found without the gap being filled.
      if (((cell - home) & mask) < ((cell - gap) & mask)) continue;
      Atomics.store(words, region + gap, named);
      gap = cell;
    }
    Atomics.store(words, region + gap, 0);
  }

  #grow(): void {
    const mask = this.#mask();
    const region = this.#region(mask);
    for (let cell = 0; cell <= mask; cell++) {
      const named = this.#words[region + cell]!;
      if (named !== 0) this.#put((named & NUMBER_MASK) - 1, 2 * mask + 1);
    }
    Atomics.add(this.#words, LOG, 1);
  }

  #put(slot: number, mask: number): void {
    const hash = this.#hashOf(slot);
    const region = this.#region(mask);
    let cell = hash & mask;
    while (this.#words[region + cell] !== 0) cell = (cell + 1) & mask;
    Atomics.store(this.#words, region + cell, (hash & ~NUMBER_MASK) | (slot + 1));
  }

  #mask(): number {
    return (1 << this.#words[LOG]!) - 1;
  }

  /** Where the region begins that has `mask` + 1 cells. */
  #region(mask: number): number {
    return this.#cells + mask + 1 - (1 << MIN_LOG);
  }

  #hashOf(slot: number): number {
    const at = this.#slots + slot * SLOT_WORDS;
    return this.#hash(this.#words[at]! & 0xff, this.#words[at + LOW]!);
  }

  #hash(high: number, low: number): number {
    let hash = Math.imul(low ^ this.#words[SEED]!, 0x9e3779b1) ^ Math.imul(high + 1, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
    return hash ^ (hash >>> 13);
  }
}
