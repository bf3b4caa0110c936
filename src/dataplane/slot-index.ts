/**
 * From an address to its slot of the peer table: open addressing over 32-bit cells in shared memory, one writer, any
 * number of readers that never wait. The slots themselves lie side by side, so that a table made for many peers costs
 * few of them no memory and few pages. Hashed with a secret seed, because addresses are chosen by others.
 *
 * A cell holds the slot's number + 1 in its low 24 bits and eight bits of the hash above, so that a wrong slot is hardly
 * ever looked at; 0 is empty. Removal closes the gap: what is moved stands in both places for a moment. A reader in
 * the middle of a search may still miss it then, and takes it for unknown; the node looks again.
 */

/** First words of the peer table's memory: the seed. */
const SEED = 0;
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
  readonly #cells: number;
  readonly #mask: number;
  readonly #slots: number;

  /** `words`: the whole memory; `cells`: where their power of two (`count`) begins; `slots`: where the slots do. */
  constructor(words: Int32Array, cells: number, count: number, slots: number) {
    this.#words = words;
    this.#cells = cells;
    this.#mask = count - 1;
    this.#slots = slots;
  }

  /** The slot of an address (8 high bits, 32 low bits as int32), or NOT_FOUND. */
  find(high: number, low: number): number {
    const words = this.#words;
    const wanted = high | USED;
    const hash = this.#hash(high, low);
    for (let cell = hash & this.#mask; ; cell = (cell + 1) & this.#mask) {
      const named = words[this.#cells + cell]!;
      if (named === 0) return NOT_FOUND;
      if (((named ^ hash) & ~NUMBER_MASK) !== 0) continue;
      const at = this.#slots + ((named & NUMBER_MASK) - 1) * SLOT_WORDS;
      if (words[at + LOW] === low && (words[at]! & IDENTITY_MASK) === wanted) return (named & NUMBER_MASK) - 1;
    }
  }

  /** Reads where a search for the address begins: whoever looks for many does this for all of them first. */
  touchCell(high: number, low: number): number {
    return this.#words[this.#cells + (this.#hash(high, low) & this.#mask)]!;
  }

  /** Reads the slot that a cell names: likewise. */
  touchSlot(cell: number): number {
    return cell === 0 ? 0 : this.#words[this.#slots + ((cell & NUMBER_MASK) - 1) * SLOT_WORDS]!;
  }

  /** Writer: adds a slot whose address is not there yet. The slot must say it already. */
  add(slot: number): void {
    const hash = this.#hashOf(slot);
    let cell = hash & this.#mask;
    while (this.#words[this.#cells + cell] !== 0) cell = (cell + 1) & this.#mask;
    Atomics.store(this.#words, this.#cells + cell, (hash & ~NUMBER_MASK) | (slot + 1));
  }

  /** Writer: forgets a slot; those behind it move up. To be called while the slot still says its address. */
  remove(slot: number): void {
    let gap = this.#hashOf(slot) & this.#mask;
    for (; (this.#words[this.#cells + gap]! & NUMBER_MASK) !== slot + 1; gap = (gap + 1) & this.#mask) {
      if (this.#words[this.#cells + gap] === 0) return;
    }
    for (let cell = (gap + 1) & this.#mask; this.#words[this.#cells + cell] !== 0; cell = (cell + 1) & this.#mask) {
      const named = this.#words[this.#cells + cell]!;
      const home = this.#hashOf((named & NUMBER_MASK) - 1) & this.#mask;
      // What begins its search between the gap and itself is found without the gap being filled.
      if (((cell - home) & this.#mask) < ((cell - gap) & this.#mask)) continue;
      Atomics.store(this.#words, this.#cells + gap, named);
      gap = cell;
    }
    Atomics.store(this.#words, this.#cells + gap, 0);
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
