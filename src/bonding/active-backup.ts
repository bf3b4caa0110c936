/**
 * active-backup: one link carries everything, and when it falls silent another one does, within the failover interval.
 * Facts: vl1-behaviour.md §8. Ours: a peer that was moved to another link by its own bond is followed, so that both
 * sides need not each wait for their interval.
 */
import type { Millis } from "../node/ports.ts";
import type { Link } from "./link.ts";
import type { LinkSet } from "./link-set.ts";
import { NO_COPIES, type Selector } from "./selector.ts";
import type { BondStatistics } from "./statistics.ts";

const PREFERRED_FAMILY_SCORE = 500;
const PRIMARY_SCORE = 1000;
const SPARE_SCORE = -250;
const QUALITY_SCORE = 100;
/** A link heard this recently, in shares of the failover interval, is not about to fail. */
const FRESH_SHARE = 2 / 3;
const OPTIMIZE_INTERVAL_MS = 15_000;
/** A link that is better by less is not: figures waver. */
const BETTER_MARGIN = 10;
const OPTIMIZE_GAIN = 1.1;

export class ActiveBackup implements Selector {
  readonly copies = NO_COPIES;
  readonly flows = 0;
  readonly #links: LinkSet;
  readonly #statistics: BondStatistics;
  #active: Link | null = null;
  #nextOptimize: Millis = 0;

  constructor(links: LinkSet, statistics: BondStatistics) {
    this.#links = links;
    this.#statistics = statistics;
  }

  pick(_verb: number, _payload: Uint8Array, now: Millis): Link | null {
    const active = this.#active;
    if (active?.eligible && active.carries(now, this.#links.policy)) return active;
    return this.#failOver(now);
  }

  uses(link: Link): boolean {
    return link === this.#active;
  }

  frameCame(link: Link, _verb: number, _payload: Uint8Array, now: Millis): void {
    const active = this.#active;
    if (active === null || link === active || !link.eligible || this.#isFresh(active, now)) return;
    this.#activate(link);
  }

  /**
   * A link that works is left: with "always" for a primary one; with "better" for one of a higher score; with "optimize"
   * for one whose score is a tenth higher, every 15 s at most; with "failure" never.
   */
  review(now: Millis): void {
    const active = this.#active;
    if (active === null || !active.eligible || !active.carries(now, this.#links.policy)) {
      this.#failOver(now);
      return;
    }
    const candidate = this.#next(now, null);
    if (candidate === null || candidate === active || !this.#isFresh(candidate, now)) return;
    const [score, held] = [this.#score(candidate), this.#score(active)];
    switch (this.#links.policy.reselect) {
      case "always":
        if (candidate.settings.mode === "primary" && active.settings.mode !== "primary") this.#activate(candidate);
        break;
      case "better":
        if (score > held + BETTER_MARGIN) this.#activate(candidate);
        break;
      case "optimize":
        if (now < this.#nextOptimize || score <= held * OPTIMIZE_GAIN) break;
        this.#nextOptimize = now + OPTIMIZE_INTERVAL_MS;
        this.#activate(candidate);
        break;
      case "failure":
        break;
    }
  }

  rotate(now: Millis): boolean {
    const links = this.#links.eligible.filter((link) => link.carries(now, this.#links.policy));
    const at = this.#active === null ? -1 : links.indexOf(this.#active);
    const next = links[(at + 1) % Math.max(links.length, 1)];
    if (next === undefined || next === this.#active) return false;
    this.#activate(next);
    return true;
  }

  #failOver(now: Millis): Link | null {
    const failed = this.#active;
    const next = this.#next(now, failed);
    if (next !== null && next !== failed) this.#activate(next);
    return next;
  }

  #activate(link: Link): void {
    if (this.#active !== null) this.#statistics.failovers++;
    this.#active = link;
  }

  /** The link to use instead of `failed`; links of the same interface have probably failed with it. */
  #next(now: Millis, failed: Link | null): Link | null {
    let best: Link | null = null;
    let bestRank = Number.NEGATIVE_INFINITY;
    for (const link of this.#links.eligible) {
      if (link === failed || !link.carries(now, this.#links.policy)) continue;
      let rank = this.#score(link);
      if (!this.#isFresh(link, now)) rank -= 1_000_000;
      if (failed !== null && link.device === failed.device) rank -= 100_000;
      if (failed !== null && failed.settings.failoverTo !== "" && failed.settings.failoverTo === link.device)
        rank += 10_000;
      if (rank <= bestRank) continue;
      best = link;
      bestRank = rank;
    }
    return best ?? this.#links.best(now);
  }

  #isFresh(link: Link, now: Millis): boolean {
    return link.isAlive(now, this.#links.policy.failoverMs * FRESH_SHARE);
  }

  #score({ settings, hasPreferredFamily, measured }: Link): number {
    const mode = settings.mode === "primary" ? PRIMARY_SCORE : settings.mode === "spare" ? SPARE_SCORE : 0;
    const family = hasPreferredFamily ? PREFERRED_FAMILY_SCORE : 0;
    return mode + family + QUALITY_SCORE * measured.quality(this.#links.policy.quality);
  }
}
