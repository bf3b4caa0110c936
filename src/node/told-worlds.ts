/**
 * What peers have told of their worlds, each combination kept once: of a million peers nearly all say the same.
 * Records hold a number instead; a combination goes with the last record that refers to it.
 */

/** The worlds that a HELLO named, as far as we hold them. */
export interface ToldWorlds {
  readonly planetId: bigint;
  readonly planetTimestamp: bigint;
  readonly moons: readonly { readonly id: bigint; readonly timestamp: bigint }[];
}

/** One combination. */
export interface Told {
  readonly key: string;
  readonly worlds: ToldWorlds;
}

interface Entry extends Told {
  readonly id: number;
  users: number;
}

/** Equal for equal combinations. */
export function toldKey({ planetId, planetTimestamp, moons }: ToldWorlds): string {
  let key = `${planetId} ${planetTimestamp}`;
  for (const { id, timestamp } of moons) key += ` ${id} ${timestamp}`;
  return key;
}

export class ToldTable {
  readonly #byKey = new Map<string, Entry>();
  readonly #byId: (Entry | undefined)[] = [undefined];
  readonly #free: number[] = [];

  /** Combinations held. */
  get size(): number {
    return this.#byKey.size;
  }

  /** The number of a combination, 1 or more, with one more user. */
  take(worlds: ToldWorlds): number {
    const key = toldKey(worlds);
    let entry = this.#byKey.get(key);
    if (entry === undefined) {
      const { planetId, planetTimestamp, moons } = worlds;
      const id = this.#free.pop() ?? this.#byId.length;
      entry = { key, worlds: { planetId, planetTimestamp, moons }, id, users: 0 };
      this.#byKey.set(key, entry);
      this.#byId[id] = entry;
    }
    entry.users++;
    return entry.id;
  }

  get(id: number): Told | undefined {
    return this.#byId[id];
  }

  /** One user less. */
  drop(id: number): void {
    const entry = this.#byId[id];
    if (entry === undefined || --entry.users > 0) return;
    this.#byKey.delete(entry.key);
    this.#byId[id] = undefined;
    this.#free.push(id);
  }
}
