/**
 * Records of one fixed size, in chunks of plain memory: what a root keeps a million of costs its bytes and nothing
 * else, and the garbage collector never looks at it. A record is named by its slot, which stays the same for its
 * life; freed slots are used again. Chunks are allocated when needed.
 */

const CHUNK_BITS = 12;
/** Records per chunk. */
const CHUNK_RECORDS = 1 << CHUNK_BITS;
const CHUNK_MASK = CHUNK_RECORDS - 1;

export class Slab {
  readonly #recordBytes: number;
  readonly #chunks: DataView[] = [];
  /** First free slot + 1; each free record begins with the next one's. */
  #free = 0;
  #end = 0;
  #used = 0;

  /** `recordBytes` is a multiple of 8 and at least 8. */
  constructor(recordBytes: number) {
    this.#recordBytes = recordBytes;
  }

  /** Records in use. */
  get used(): number {
    return this.#used;
  }

  /** Every slot ever used is below this. */
  get end(): number {
    return this.#end;
  }

  /** The memory that holds a slot; `at(slot)` is where in it the record begins. */
  view(slot: number): DataView {
    return this.#chunks[slot >>> CHUNK_BITS]!;
  }

  at(slot: number): number {
    return (slot & CHUNK_MASK) * this.#recordBytes;
  }

  /** A view of `length` bytes of a record. */
  bytes(slot: number, offset: number, length: number): Uint8Array {
    return new Uint8Array(this.view(slot).buffer, this.at(slot) + offset, length);
  }

  /** The slot of a new record, all zeros. */
  allocate(): number {
    this.#used++;
    if (this.#free > 0) {
      const slot = this.#free - 1;
      this.#free = this.view(slot).getUint32(this.at(slot), true);
      this.view(slot).setUint32(this.at(slot), 0, true);
      return slot;
    }
    if (this.#end === this.#chunks.length * CHUNK_RECORDS) {
      this.#chunks.push(new DataView(new ArrayBuffer(CHUNK_RECORDS * this.#recordBytes)));
    }
    return this.#end++;
  }

  /** Gives a record back; its bytes are wiped. */
  release(slot: number): void {
    this.#used--;
    this.bytes(slot, 0, this.#recordBytes).fill(0);
    this.view(slot).setUint32(this.at(slot), this.#free, true);
    this.#free = slot + 1;
  }
}
