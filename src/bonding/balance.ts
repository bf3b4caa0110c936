/**
 * The policies that use all links: broadcast (every frame on each), balance-rr (in turn), balance-xor and balance-aware
 * (by flow). Facts: vl1-behaviour.md §8.
 */
import type { Path } from "../node/path.ts";
import type { Millis } from "../node/ports.ts";
import { carriesFrame, FlowTable, flowOf, NO_FLOW } from "./flow.ts";
import type { Link } from "./link.ts";
import type { LinkSet } from "./link-set.ts";
import { NO_COPIES, type Selector } from "./selector.ts";
import type { BondStatistics } from "./statistics.ts";

/** 0 ≤ x < 1. */
export type Draw = () => number;

/** Everything but frames goes once, on the quickest link. */
export class Broadcast implements Selector {
  readonly flows = 0;
  copies: readonly Path[] = NO_COPIES;
  readonly #links: LinkSet;
  readonly #statistics: BondStatistics;

  constructor(links: LinkSet, statistics: BondStatistics) {
    this.#links = links;
    this.#statistics = statistics;
  }

  pick(verb: number, _payload: Uint8Array, now: Millis): Link | null {
    this.copies = NO_COPIES;
    const first = this.#links.best(now);
    if (first === null || !carriesFrame(verb)) return first;
    const others: Path[] = [];
    for (const link of this.#links.eligible) {
      if (link !== first && link.carries(now, this.#links.policy)) others.push(link.path);
    }
    this.copies = others;
    this.#statistics.copies += others.length;
    return first;
  }

  frameCame(): void {}

  review(): void {}

  rotate(): boolean {
    return false;
  }

  uses(link: Link): boolean {
    return this.#links.eligible.includes(link);
  }
}

export class RoundRobin implements Selector {
  readonly flows = 0;
  readonly copies = NO_COPIES;
  readonly #links: LinkSet;
  readonly #draw: Draw;
  #at = 0;
  #sent = 0;

  constructor(links: LinkSet, draw: Draw) {
    this.#links = links;
    this.#draw = draw;
  }

  pick(_verb: number, _payload: Uint8Array, now: Millis): Link | null {
    const { eligible, policy } = this.#links;
    const { packetsPerLink } = policy;
    if (packetsPerLink === 0) this.#at = Math.floor(this.#draw() * eligible.length);
    else if (this.#sent >= packetsPerLink) this.#advance();
    for (let tries = 0; tries < eligible.length; tries++) {
      const link = eligible[this.#at % eligible.length]!;
      if (link.carries(now, policy)) {
        this.#sent++;
        return link;
      }
      this.#advance();
    }
    return this.#links.best(now);
  }

  #advance(): void {
    this.#at = (this.#at + 1) % Math.max(this.#links.eligible.length, 1);
    this.#sent = 0;
  }

  frameCame(): void {}

  review(): void {}

  rotate(): boolean {
    return false;
  }

  uses(link: Link): boolean {
    return this.#links.eligible.includes(link);
  }
}

/**
 * By flow: a flow stays on its link as long as that works, and one that the peer began is answered on the link it came
 * on. What belongs to no flow takes the quickest link.
 */
abstract class ByFlow implements Selector {
  readonly copies = NO_COPIES;
  protected readonly links: LinkSet;
  protected readonly table = new FlowTable();

  constructor(links: LinkSet) {
    this.links = links;
  }

  get flows(): number {
    return this.table.size;
  }

  pick(verb: number, payload: Uint8Array, now: Millis): Link | null {
    const flow = flowOf(verb, payload);
    if (flow === NO_FLOW) return this.links.best(now);
    const known = this.table.find(flow, now);
    if (known !== null && this.#works(known, now)) return known;
    const working = this.links.eligible.filter((link) => link.carries(now, this.links.policy));
    if (working.length === 0) return this.links.best(now);
    const chosen = this.choose(flow, working);
    this.table.assign(flow, chosen, now);
    return chosen;
  }

  #works(link: Link, now: Millis): boolean {
    return link.eligible && link.carries(now, this.links.policy);
  }

  frameCame(link: Link, verb: number, payload: Uint8Array, now: Millis): void {
    const flow = flowOf(verb, payload);
    if (flow === NO_FLOW || !link.eligible) return;
    const known = this.table.find(flow, now);
    if (known === link || (known !== null && this.#works(known, now))) return;
    this.table.assign(flow, link, now);
  }

  review(now: Millis): void {
    this.table.tidy(now, (link) => this.links.get(link.key) !== link);
  }

  rotate(): boolean {
    return false;
  }

  uses(link: Link): boolean {
    return this.links.eligible.includes(link);
  }

  /** One of `working`, which is not empty, for a new flow. */
  protected abstract choose(flow: number, working: readonly Link[]): Link;
}

/**
 * The reference takes the flow itself (§8). But Linux gives a program's connections ports of one parity, so with two
 * links all of them would be on the same one.
 */
function mixed(flow: number): number {
  return Math.imul(flow, 0x9e3779b1) >>> 16;
}

export class BalanceXor extends ByFlow {
  protected override choose(flow: number, working: readonly Link[]): Link {
    return working[mixed(flow) % working.length]!;
  }
}

export class BalanceAware extends ByFlow {
  readonly #draw: Draw;
  readonly #statistics: BondStatistics;

  constructor(links: LinkSet, draw: Draw, statistics: BondStatistics) {
    super(links);
    this.#draw = draw;
    this.#statistics = statistics;
  }

  /** At random, by capacity, among those that are good enough; among all if none is. */
  protected override choose(_flow: number, working: readonly Link[]): Link {
    const good = working.filter((link) => this.#isGood(link));
    const candidates = good.length > 0 ? good : working;
    let rest = this.#draw() * candidates.reduce((sum, link) => sum + weightOf(link), 0);
    for (const link of candidates) {
      rest -= weightOf(link);
      if (rest < 0) return link;
    }
    return candidates[candidates.length - 1]!;
  }

  /** Flows leave links that have become worse than allowed, if there is a better one. */
  override review(now: Millis): void {
    super.review(now);
    if (!this.links.eligible.some((link) => this.#isGood(link))) return;
    this.table.tidy(now, (link) => {
      const leaves = !this.#isGood(link);
      if (leaves) this.#statistics.flowsMoved++;
      return leaves;
    });
  }

  #isGood(link: Link): boolean {
    return link.measured.isWithin(this.links.policy.quality);
  }
}

function weightOf({ settings }: Link): number {
  return settings.capacity > 0 ? settings.capacity : 1;
}
