/**
 * What nodes that no network knows may cost us. Anybody can ask about any network; an identity costs its maker some
 * seconds, so there can be many. Each gets an answer a second, and only some are written down.
 */
import type { Millis } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";
import { keyOf, REQUEST_GATE_MS } from "./sessions.ts";

/** Questions and askers remembered; beyond it the first ones are forgotten, and may ask again. */
const MAX_REMEMBERED = 20_000;
/** Networks that one node may ask about within a second. */
const MAX_NETWORKS_PER_SECOND = 32;

export interface StrangerLimits {
  /** Records of strangers in one network. */
  readonly maxPerNetwork: number;
  /** New records of strangers a second, in all networks; the burst is ten seconds' worth. */
  readonly recordsPerSecond: number;
}

export class StrangerGate {
  readonly maxPerNetwork: number;
  readonly #recordsPerSecond: number;
  /** When a node last asked about a network. */
  readonly #asked = new Map<string, Millis>();
  /** How much a node asked since. */
  readonly #askers = new Map<Address, { since: Millis; count: number }>();
  #tokens: number;
  #refilled: Millis = 0;

  constructor({ maxPerNetwork, recordsPerSecond }: StrangerLimits) {
    this.maxPerNetwork = maxPerNetwork;
    this.#recordsPerSecond = recordsPerSecond;
    this.#tokens = recordsPerSecond * 10;
  }

  /** False if this node asked about this network, or about many, less than a second ago. */
  mayAsk(networkId: bigint, address: Address, now: Millis): boolean {
    const key = keyOf(networkId, address);
    const last = this.#asked.get(key);
    if (last !== undefined && now - last < REQUEST_GATE_MS) return false;
    const asker = this.#askers.get(address);
    const isRecent = asker !== undefined && now - asker.since < REQUEST_GATE_MS;
    if (isRecent && asker.count >= MAX_NETWORKS_PER_SECOND) return false;
    remember(this.#asked, key, now);
    remember(
      this.#askers,
      address,
      isRecent ? { since: asker.since, count: asker.count + 1 } : { since: now, count: 1 },
    );
    return true;
  }

  /** Takes one record out of the budget; false if there is none. */
  mayRecord(now: Millis): boolean {
    const earned = (Math.max(0, now - this.#refilled) * this.#recordsPerSecond) / 1000;
    this.#tokens = Math.min(this.#recordsPerSecond * 10, this.#tokens + earned);
    this.#refilled = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

function remember<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= MAX_REMEMBERED) return;
  for (const first of map.keys()) {
    map.delete(first);
    return;
  }
}
