/**
 * Packets that wait for something to become known about their sender: its certificates, or its controller's identity.
 * Facts: vl2-credentials.md §1, §7.2 (5000 ms, retried every 500 ms). Ours: retried as soon as credentials of the
 * sender arrive, too.
 */
import type { Millis } from "../node/ports.ts";
import type { Request } from "../node/request.ts";
import type { Address } from "../protocol/address.ts";
import { QUEUE_LIFETIME_MS } from "../protocol/constants.ts";

const MAX_PARKED = 256;
/** No sender may fill it. */
const MAX_PARKED_PER_SENDER = 32;
export const RETRY_INTERVAL_MS = 500;

export class ParkedPackets {
  #parked: Request[] = [];
  /** Packets that made room for others. */
  evicted = 0;

  get size(): number {
    return this.#parked.length;
  }

  /** Keeps a copy. The sender's oldest, or else the oldest of all, makes room. */
  add(request: Request): void {
    const mine = this.#parked.filter(({ peer }) => peer.address === request.peer.address);
    const victim = mine.length >= MAX_PARKED_PER_SENDER ? mine[0] : this.#parked[0];
    if (victim !== undefined && (mine.length >= MAX_PARKED_PER_SENDER || this.#parked.length >= MAX_PARKED)) {
      this.#parked.splice(this.#parked.indexOf(victim), 1);
      this.evicted++;
    }
    this.#parked.push({ ...request, payload: new Uint8Array(request.payload) });
  }

  /** Takes what is still fresh, of one sender or of all; who still cannot use a packet parks it again. */
  take(now: Millis, sender?: Address): Request[] {
    const taken = this.#parked.filter(({ peer }) => sender === undefined || peer.address === sender);
    if (taken.length === 0) return [];
    this.#parked = this.#parked.filter((request) => !taken.includes(request));
    return taken.filter((request) => now - request.now < QUEUE_LIFETIME_MS);
  }
}
