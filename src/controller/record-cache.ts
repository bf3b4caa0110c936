/**
 * Records in memory, so that a request of a known member costs no query. Bounded: whatever was not asked for longest
 * goes. Everything that is written goes through `set` or `forget` after it is committed; a load that was under way
 * meanwhile is answered but not kept, since it may be older than what was written.
 */

export class RecordCache<V> {
  readonly #capacity: number;
  readonly #kept = new Map<string, V>();
  readonly #loading = new Map<string, Promise<V>>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** What is kept, or what `load` gives. Loads of one key under way at the same time are one. */
  async get(key: string, load: () => Promise<V>): Promise<V> {
    const kept = this.peek(key);
    if (kept !== undefined) return kept;
    const underWay = this.#loading.get(key);
    if (underWay !== undefined) return underWay;
    const loading = load();
    this.#loading.set(key, loading);
    try {
      const value = await loading;
      if (this.#loading.get(key) === loading) this.#keep(key, value);
      return value;
    } finally {
      if (this.#loading.get(key) === loading) this.#loading.delete(key);
    }
  }

  /** What is kept, without loading. */
  peek(key: string): V | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    // The order of a Map is the order of use.
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept;
  }

  /** Takes what was just committed. */
  set(key: string, value: V): void {
    this.#loading.delete(key);
    this.#keep(key, value);
  }

  forget(key: string): void {
    this.#loading.delete(key);
    this.#kept.delete(key);
  }

  clear(): void {
    this.#loading.clear();
    this.#kept.clear();
  }

  #keep(key: string, value: V): void {
    this.#kept.delete(key);
    this.#kept.set(key, value);
    if (this.#kept.size <= this.#capacity) return;
    for (const oldest of this.#kept.keys()) {
      this.#kept.delete(oldest);
      return;
    }
  }
}
