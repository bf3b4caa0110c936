/**
 * From an address to the slot of its record: open addressing over 32-bit slot numbers, about 8 bytes per entry. The
 * addresses themselves are in the records. Hashed with a secret seed, because addresses are chosen by others;
 * removal closes the gap, so that nothing is left behind to be skipped.
 */
import type { Address } from "../protocol/address.ts";
import type { Random } from "./ports.ts";

const MIN_CELLS = 64;
const TWO_POW_32 = 0x100000000;

/** `find` found nothing. */
export const NO_SLOT = -1;

export class AddressIndex {
  /** Slot + 1; 0 = empty. */
  #cells: Int32Array;
  #size = 0;
  readonly #seed: number;
  readonly #addressOf: (slot: number) => Address;

  /** Made for `expected` entries: up to these it never grows, which would take a while. */
  constructor(expected: number, random: Random, addressOf: (slot: number) => Address) {
    let cells = MIN_CELLS;
    while (cells * 3 < expected * 4) cells *= 2;
    this.#cells = new Int32Array(cells);
    const seed = new Uint8Array(4);
    random(seed);
    this.#seed = new DataView(seed.buffer).getInt32(0);
    this.#addressOf = addressOf;
  }

  get size(): number {
    return this.#size;
  }

  #home(address: Address): number {
    const low = (address % TWO_POW_32) | 0;
    const high = Math.floor(address / TWO_POW_32);
    let hash = Math.imul(low ^ this.#seed, 0x9e3779b1) ^ Math.imul(high + 1, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
    return (hash ^ (hash >>> 13)) & (this.#cells.length - 1);
  }

  /** The slot of an address, or NO_SLOT. */
  find(address: Address): number {
    const cell = this.#cellOf(address);
    return this.#cells[cell]! - 1;
  }

  /** The cell that names the address, or the empty one where it would be. */
  #cellOf(address: Address): number {
    const mask = this.#cells.length - 1;
    let cell = this.#home(address);
    for (;;) {
      const named = this.#cells[cell]!;
      if (named === 0 || this.#addressOf(named - 1) === address) return cell;
      cell = (cell + 1) & mask;
    }
  }

  /** Adds the slot of an address that is not there yet. Its record must say the address already. */
  add(slot: number): void {
    if ((this.#size + 1) * 4 > this.#cells.length * 3) this.#grow();
    this.#cells[this.#cellOf(this.#addressOf(slot))] = slot + 1;
    this.#size++;
  }

  /** Forgets an address; those behind it move up. To be called while its record still says it. */
  remove(address: Address): void {
    const mask = this.#cells.length - 1;
    let gap = this.#cellOf(address);
    if (this.#cells[gap] === 0) return;
    this.#size--;
    for (let cell = (gap + 1) & mask; this.#cells[cell] !== 0; cell = (cell + 1) & mask) {
      const home = this.#home(this.#addressOf(this.#cells[cell]! - 1));
      // Entries whose home lies between the gap and themselves are found without the gap being filled.
      if (((cell - home) & mask) < ((cell - gap) & mask)) continue;
      this.#cells[gap] = this.#cells[cell]!;
      gap = cell;
    }
    this.#cells[gap] = 0;
  }

  #grow(): void {
    const old = this.#cells;
    this.#cells = new Int32Array(old.length * 2);
    for (const named of old) if (named !== 0) this.#cells[this.#cellOf(this.#addressOf(named - 1))] = named;
  }
}
