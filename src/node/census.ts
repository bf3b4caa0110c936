/**
 * How many peers are there, active, reachable, and what they told of their worlds: counted a few slots at a time,
 * because a count of a million at once would hold up the packets. While there are few, they are counted when asked.
 */
import type { Address } from "../protocol/address.ts";
import { PATH_EXPIRATION_MS, PEER_ACTIVITY_TIMEOUT_MS } from "../protocol/constants.ts";
import type { PeerMemory } from "./peer-memory.ts";
import type { Millis } from "./ports.ts";
import { type ToldWorlds, toldKey } from "./told-worlds.ts";

/** Up to so many slots are counted when asked. */
const COUNTED_AT_ONCE = 4096;

/** One complete count. */
export interface CensusResult {
  /** Peers in memory. */
  known: number;
  /** Heard within 500 s. */
  active: number;
  /** With an unexpired path. */
  reachable: number;
  /** Of the active ones: how many told what of their worlds. */
  readonly told: Map<string, { readonly worlds: ToldWorlds; count: number }>;
}

export class Census {
  /** In no count. */
  hidden: ReadonlySet<Address> = new Set();
  readonly #memory: PeerMemory;
  #latest = empty();
  #growing = empty();

  constructor(memory: PeerMemory) {
    this.#memory = memory;
  }

  /** The latest complete count; an exact one while there are few peers. */
  result(now: Millis): CensusResult {
    if (this.#memory.records.end <= COUNTED_AT_ONCE) return this.countAll(now);
    return this.#latest;
  }

  /** Counts everybody now. Not for the packet path: takes a tenth of a second for a million. */
  countAll(now: Millis): CensusResult {
    const all = empty();
    const { records } = this.#memory;
    for (let slot = 0; slot < records.end; slot++) this.#count(all, slot, now);
    this.#latest = all;
    return all;
  }

  /** Takes one slot into the count that is under way. */
  count(slot: number, now: Millis): void {
    this.#count(this.#growing, slot, now);
  }

  /** Every slot was counted: a new count begins. */
  finish(): void {
    this.#latest = this.#growing;
    this.#growing = empty();
  }

  #count(result: CensusResult, slot: number, now: Millis): void {
    const { records, storedPaths } = this.#memory;
    if (!records.isUsed(slot) || this.hidden.has(records.address(slot))) return;
    result.known++;
    if (records.isAwake(slot)) {
      const peer = this.#memory.glimpse(slot);
      if (peer.bestPath(now) !== null) result.reachable++;
      if (!peer.isActive(now)) return;
      result.active++;
      if (peer.lastHello !== undefined) tally(result, toldKey(peer.lastHello), peer.lastHello);
      return;
    }
    if (now - storedPaths.newest(records.paths(slot)) < PATH_EXPIRATION_MS) result.reachable++;
    if (now - records.lastReceive(slot) >= PEER_ACTIVITY_TIMEOUT_MS) return;
    result.active++;
    const told = records.told(slot);
    if (told !== undefined) tally(result, told.key, told.worlds);
  }
}

function empty(): CensusResult {
  return { known: 0, active: 0, reachable: 0, told: new Map() };
}

function tally({ told }: CensusResult, key: string, worlds: ToldWorlds): void {
  const entry = told.get(key);
  if (entry === undefined) told.set(key, { worlds, count: 1 });
  else entry.count++;
}
