/**
 * A second look at pairs that were introduced: is their traffic still relayed? The first RENDEZVOUS comes with the first
 * relayed packet, before its receiver knows who the other one is, and is then ignored by it. The repetition must not
 * come at once: while a client punches its NAT it sends with a short TTL, and what else it sends at that moment is lost
 * with it. So the pair is looked at a quarter of a second later, when those that found their way have left the relay,
 * and twice again, for pairs that talk seldom.
 * Facts: vl1-packets.md §5.6 (RENDEZVOUS is ignored while the other peer is unknown). The times are ours.
 */
import type { Millis } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";

/** When a pair is looked at, ms after its introduction. */
const LOOKS_MS = [250, 1250, 2500] as const;
/** A packet relayed this long after the introduction shows that the pair needs it still. */
const SETTLING_MS = 150;
/** Repetitions of one introduction. */
const MAX_REPEATS = 2;
/** Pairs under observation; more are not looked at again. */
const MAX_PAIRS = 8192;

interface Observed {
  readonly a: Address;
  readonly b: Address;
  readonly introducedAt: Millis;
  look: number;
  repeats: number;
  /** Latest introduction, repetitions included. */
  lastAt: Millis;
}

/** Which pairs to introduce again, and when. */
export class SecondLook {
  #observed: Observed[] = [];
  #deadline: Millis = Number.POSITIVE_INFINITY;

  get deadline(): Millis {
    return this.#deadline;
  }

  /** A pair was introduced for the first time in a while. */
  introduced(a: Address, b: Address, now: Millis): void {
    if (this.#observed.length >= MAX_PAIRS) return;
    this.#observed.push({ a, b, introducedAt: now, look: 0, repeats: 0, lastAt: now });
    this.#deadline = Math.min(this.#deadline, now + LOOKS_MS[0]);
  }

  /**
   * Calls `again` for each pair that is due and still relayed. `quietFor` tells how long ago the pair's last packet was
   * relayed, ms.
   */
  tick(now: Millis, quietFor: (a: Address, b: Address) => Millis, again: (a: Address, b: Address) => void): void {
    if (now < this.#deadline) return;
    this.#deadline = Number.POSITIVE_INFINITY;
    const left: Observed[] = [];
    for (const pair of this.#observed) {
      if (now >= pair.introducedAt + LOOKS_MS[pair.look]!) {
        pair.look++;
        if (now - quietFor(pair.a, pair.b) >= pair.lastAt + SETTLING_MS) {
          pair.repeats++;
          pair.lastAt = now;
          again(pair.a, pair.b);
        }
        if (pair.look >= LOOKS_MS.length || pair.repeats >= MAX_REPEATS) continue;
      }
      left.push(pair);
      this.#deadline = Math.min(this.#deadline, pair.introducedAt + LOOKS_MS[pair.look]!);
    }
    this.#observed = left;
  }
}
