/**
 * Collects the body of one request within a limit. What an engine hands in are views of its own receive buffers:
 * they are copied here, and what comes out owns its memory and nothing else's.
 */

/** Of a body that is too large, this much is still read and thrown away, so that the client sees the 413. */
export const LINGER_BYTES = 4 * 1024 * 1024;
const FIRST_CAPACITY_BYTES = 1024;

/** "more": go on; "hopeless": the client ignores every limit, close the connection. */
export type BodyState = "more" | "hopeless";

/** One request body. */
export class BodyCollector {
  readonly #maxBytes: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #length = 0;
  #total = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** True once more than the limit came in; `take()` is then meaningless. */
  get tooLarge(): boolean {
    return this.#total > this.#maxBytes;
  }

  /** Copies `chunk`. */
  push(chunk: Uint8Array): BodyState {
    this.#total += chunk.length;
    if (this.tooLarge) {
      this.#bytes = new Uint8Array(0);
      return this.#total > this.#maxBytes + LINGER_BYTES ? "hopeless" : "more";
    }
    const need = this.#length + chunk.length;
    if (need > this.#bytes.length) {
      const doubled = Math.max(need, this.#bytes.length * 2, FIRST_CAPACITY_BYTES);
      const larger = new Uint8Array(Math.min(doubled, this.#maxBytes));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(chunk, this.#length);
    this.#length = need;
    return "more";
  }

  /** The whole body, in a buffer of exactly its length. */
  take(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}
