/**
 * Which packets we sent, so that an OK can be believed to be an answer: a small lossy table of the upper halves of
 * packet ids. Fixed size, no expiry.
 * Facts: vl1-identity-crypto.md §10.
 */
const BUCKETS = 256;
const ENTRIES_PER_BUCKET = 32;

export class ExpectedReplies {
  readonly #ids = new Uint32Array(BUCKETS * ENTRIES_PER_BUCKET);
  readonly #next = new Uint8Array(BUCKETS);

  /** Remembers a packet by its id as it went over the wire. */
  add(packetId: bigint): void {
    const high = Number(packetId >> 32n);
    const bucket = high & (BUCKETS - 1);
    const slot = this.#next[bucket]!;
    this.#ids[bucket * ENTRIES_PER_BUCKET + slot] = high;
    this.#next[bucket] = (slot + 1) % ENTRIES_PER_BUCKET;
  }

  has(packetId: bigint): boolean {
    const high = Number(packetId >> 32n);
    const start = (high & (BUCKETS - 1)) * ENTRIES_PER_BUCKET;
    for (let i = start; i < start + ENTRIES_PER_BUCKET; i++) if (this.#ids[i] === high) return true;
    return false;
  }
}
