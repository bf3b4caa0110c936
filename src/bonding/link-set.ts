/** The links of one bond, and those of them that may be used. */
import type { Millis } from "../node/ports.ts";
import type { Link } from "./link.ts";
import type { BondPolicy } from "./policy.ts";

export class LinkSet {
  readonly policy: BondPolicy;
  readonly #byKey = new Map<string, Link>();
  /** By key of each of their paths (node/path.ts). */
  #byPath = new Map<string, Link>();
  /** As of the last `review`, always in the same order. */
  eligible: readonly Link[] = [];
  #best: Link | null = null;

  constructor(policy: BondPolicy) {
    this.policy = policy;
  }

  get size(): number {
    return this.#byKey.size;
  }

  all(): IterableIterator<Link> {
    return this.#byKey.values();
  }

  /** By its own key (`linkKey`). */
  get(key: string): Link | undefined {
    return this.#byKey.get(key);
  }

  /** By the key of any of its paths (node/path.ts). */
  ofPath(pathKey: string): Link | undefined {
    return this.#byPath.get(pathKey);
  }

  add(link: Link): void {
    this.#byKey.set(link.key, link);
    this.eligible = ordered([...this.eligible, link]);
  }

  /** A path belongs to a link, used or not. */
  assign(pathKey: string, link: Link): void {
    this.#byPath.set(pathKey, link);
  }

  /** Forgets which paths there are. */
  forgetPaths(): void {
    this.#byPath = new Map();
  }

  remove(link: Link): void {
    this.#byKey.delete(link.key);
    for (const [pathKey, its] of this.#byPath) if (its === link) this.#byPath.delete(pathKey);
    this.eligible = this.eligible.filter((other) => other !== link);
    if (this.#best === link) this.#best = null;
  }

  /** Looks at every link by the clock. */
  review(now: Millis): void {
    const links = [...this.#byKey.values()];
    const reporting = this.policy.base !== "active-backup" && links.some(({ measured }) => measured.lastReportIn > 0);
    for (const link of links) link.observe(now, this.policy, reporting);
    this.eligible = ordered(links.filter((link) => link.eligible && !this.#yields(link, links)));
  }

  /** The interface should rather use its other address family, and can. */
  #yields(link: Link, links: readonly Link[]): boolean {
    if (link.settings.ipvPref === 0 || link.hasPreferredFamily) return false;
    return links.some((other) => other.device === link.device && other.eligible && other.hasPreferredFamily);
  }

  aliveCount(now: Millis): number {
    let alive = 0;
    for (const link of this.#byKey.values()) if (link.isAlive(now, this.policy.failoverMs)) alive++;
    return alive;
  }

  /** A link for what may go on any: the quickest, and the same one as long as it works. Null if none works. */
  best(now: Millis): Link | null {
    const held = this.#best;
    if (held?.eligible && held.carries(now, this.policy)) return held;
    this.#best = quickest(this.eligible, now, this.policy) ?? quickest(this.#byKey.values(), now, this.policy);
    return this.#best;
  }
}

function quickest(links: Iterable<Link>, now: Millis, policy: BondPolicy): Link | null {
  let best: Link | null = null;
  for (const link of links) {
    if (!link.carries(now, policy)) continue;
    if (best === null || link.path.latencyMs < best.path.latencyMs) best = link;
  }
  return best;
}

function ordered(links: readonly Link[]): Link[] {
  return [...links].sort((a, b) => (a.key < b.key ? -1 : 1));
}
