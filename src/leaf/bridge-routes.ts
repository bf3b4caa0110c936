/**
 * Behind which bridge a MAC was last seen. Facts: vl2-ethernet.md §6 (last part). The reference keeps up to 2^26 of
 * them and gives up a whole bridge's when full; here the one not seen for longest makes room.
 */
import type { Address } from "../protocol/address.ts";
import type { Mac } from "../protocol/ethernet.ts";

/** About 100 bytes each. */
const MAX_ROUTES = 65_536;

export class BridgeRoutes {
  /** In order of when each was last learned. */
  readonly #routes = new Map<Mac, Address>();

  get size(): number {
    return this.#routes.size;
  }

  /** A frame with this source MAC came from that bridge. */
  learn(mac: Mac, bridge: Address): void {
    // Deleting first moves it to the end; most frames come from the MAC that sent the last one.
    this.#routes.delete(mac);
    if (this.#routes.size >= MAX_ROUTES) {
      const oldest = this.#routes.keys().next();
      if (oldest.done !== true) this.#routes.delete(oldest.value);
    }
    this.#routes.set(mac, bridge);
  }

  find(mac: Mac): Address | undefined {
    return this.#routes.get(mac);
  }
}
