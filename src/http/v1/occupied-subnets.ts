/**
 * The prefixes that networks of this controller use, kept in memory so that making a network does not read all others:
 * read once, in pages, then followed by the controller's events. One entry per route.
 */
import type { ControllerManagement } from "../../controller/management.ts";
import type { NetworkRecord } from "../../controller/records.ts";
import type { OccupiedPrefix } from "../../controller/subnets.ts";
import { formatNetworkId } from "../../network/network-id.ts";
import { type IpPrefix, parsePrefix } from "../../protocol/inet-address.ts";
import { routeTargets } from "./network-model.ts";

const PAGE = 1000;

export class OccupiedSubnets {
  readonly #controller: ControllerManagement;
  readonly #networks = new Map<bigint, readonly IpPrefix[]>();
  /** Changed since they were read. */
  readonly #stale = new Set<bigint>();
  readonly #unsubscribe: () => void;
  #loading: Promise<void> | null = null;

  constructor(controller: ControllerManagement) {
    this.#controller = controller;
    this.#unsubscribe = controller.subscribe((event) => {
      if (event.type === "network-changed") this.#stale.add(event.networkId);
      if (event.type === "network-deleted") {
        this.#stale.delete(event.networkId);
        this.#networks.delete(event.networkId);
      }
    });
  }

  /** Everything in use. */
  async all(): Promise<OccupiedPrefix[]> {
    this.#loading ??= this.#load();
    try {
      await this.#loading;
    } catch (error) {
      this.#loading = null;
      throw error;
    }
    for (const id of [...this.#stale]) {
      this.#stale.delete(id);
      this.#keep(id, await this.#controller.reader.network(id));
    }
    return [...this.#networks].flatMap(([id, prefixes]) =>
      prefixes.map((prefix) => ({ prefix, by: `network ${formatNetworkId(id)}` })),
    );
  }

  /** Takes `prefix` for a network that is about to be made, so that two made at once get different ones. */
  reserve(id: bigint, prefix: IpPrefix): void {
    this.#networks.set(id, [prefix]);
  }

  /** Gives back what was reserved for a network that was not made. */
  release(id: bigint): void {
    this.#networks.delete(id);
  }

  close(): void {
    this.#unsubscribe();
  }

  #keep(id: bigint, record: NetworkRecord | null): void {
    if (record === null) this.#networks.delete(id);
    else
      this.#networks.set(
        id,
        routeTargets(record.json).flatMap((target) => parsePrefix(target) ?? []),
      );
  }

  async #load(): Promise<void> {
    const { reader } = this.#controller;
    for (let cursor: string | null = null; ; ) {
      const query = { search: "", order: "id", descending: false, limit: PAGE, cursor } as const;
      const page = await reader.networks(query);
      for (const { record } of page.items) this.#keep(record.id, record);
      if (page.next === null) return;
      cursor = page.next;
    }
  }
}
