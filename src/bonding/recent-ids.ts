/** Which packets of a peer came lately, so that one that was sent on several links is taken once. Fixed size. */

const SLOTS = 1024;
const LOW_BITS = BigInt(SLOTS - 1);

export class RecentIds {
  readonly #ids = new BigUint64Array(SLOTS);

  /** Remembers an id; false if it was remembered. (Of two ids in one slot the later one is.) */
  add(id: bigint): boolean {
    const slot = Number((id >> 8n) & LOW_BITS);
    if (this.#ids[slot] === id) return false;
    this.#ids[slot] = id;
    return true;
  }
}
