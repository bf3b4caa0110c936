/** What happened lately, for those who watch: a bounded ring, numbered, that can be read again from a number on. */
import type { ControllerEvent } from "../controller/ports.ts";
import type { JsonObject } from "../json/json.ts";
import { formatNetworkId } from "../network/network-id.ts";
import { formatAddress } from "../protocol/address.ts";

/** About 300 bytes each. */
const CAPACITY = 10_000;

/** One event as watchers get it. */
export interface WatchedEvent {
  /** Ascending by one within a run of the program; the first of a run follows the time it started. */
  readonly id: number;
  /** ms since the epoch. */
  readonly at: number;
  readonly type: ControllerEvent["type"];
  readonly network: string;
  /** Null if it is about the network. */
  readonly member: string | null;
  /** What else there is to tell. */
  readonly details: JsonObject;
}

export type Watcher = (event: WatchedEvent) => void;

export const EVENT_TYPES: readonly ControllerEvent["type"][] = [
  "network-changed",
  "network-deleted",
  "member-seen",
  "member-changed",
  "member-deleted",
  "member-authorized",
  "member-deauthorized",
  "address-assigned",
  "config-pushed",
  "member-trace",
];

export class EventLog {
  readonly #events: WatchedEvent[] = [];
  readonly #watchers = new Set<Watcher>();
  readonly #now: () => number;
  #nextId: number;

  /** `now`: ms since the epoch. */
  constructor(now: () => number) {
    this.#now = now;
    // Ids go on rising across restarts without being written down.
    this.#nextId = Math.floor(now()) * 1000;
  }

  /** Number of the latest event; one less than the first if there is none yet. */
  get latest(): number {
    return this.#nextId - 1;
  }

  get published(): number {
    return this.#nextId;
  }

  publish(event: ControllerEvent): void {
    const { type, networkId, ...rest } = event;
    const { address, ...details } = rest as typeof rest & { address?: number };
    const told = Object.fromEntries(
      Object.entries(details).map(([key, value]) => [key, typeof value === "bigint" ? Number(value) : value]),
    ) as JsonObject;
    const watched: WatchedEvent = {
      id: this.#nextId++,
      at: this.#now(),
      type,
      network: formatNetworkId(networkId),
      member: address === undefined ? null : formatAddress(address),
      details: told,
    };
    this.#events.push(watched);
    if (this.#events.length > CAPACITY) this.#events.shift();
    for (const watcher of this.#watchers) watcher(watched);
  }

  /** Events behind number `id`; `gap` if some of them are gone. */
  since(id: number): { readonly events: readonly WatchedEvent[]; readonly gap: boolean } {
    const oldest = this.#events[0]?.id ?? this.#nextId;
    return { events: this.#events.filter((event) => event.id > id), gap: id < oldest - 1 };
  }

  /** Gives every further event; the returned function ends it. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}
