/**
 * A link: one path of a bond, with what is set for its interface, whether it works, and how well.
 * Facts: vl1-behaviour.md §8.
 */
import type { Path } from "../node/path.ts";
import type { LocalSocket, Millis } from "../node/ports.ts";
import { Measurements } from "./measurements.ts";
import { type BondPolicy, DEFAULT_LINK, type LinkSettings } from "./policy.ts";

/** A new link is taken without proof for so long. */
const TRIAL_MS = 15_000;
/** After this long without a report, a peer that reports on other links does not hear us on this one. */
const REPORT_MEMORY_MS = 600_000;
/** A link that fails again this soon after it came back is kept off, longer each time. */
const FLAP_MS = 60_000;
const MIN_REFRACTORY_MS = 8000;
const MAX_REFRACTORY_MS = 600_000;

export class Link {
  readonly path: Path;
  /** Interface of the local socket, "" if that is not known. */
  readonly device: string;
  readonly localPort: number;
  readonly settings: LinkSettings;
  readonly measured: Measurements;
  readonly addedAt: Millis;
  /** False when the local address is gone. */
  socketIsOpen = true;
  /** Flows that are on it. */
  flows = 0;
  /** When we last asked whether it works. */
  lastProbe: Millis = 0;
  /** May be used, as of the last look. */
  eligible = true;
  #isUp = true;
  #upSince: Millis;
  #refractoryMs = 0;
  #refractoryUntil: Millis = 0;

  constructor(path: Path, socket: LocalSocket, policy: BondPolicy, now: Millis) {
    this.path = path;
    this.device = socket.device ?? "";
    this.localPort = socket.local.port;
    this.settings = policy.links.get(this.device) ?? DEFAULT_LINK;
    this.measured = new Measurements(now);
    this.addedAt = now;
    this.#upSince = now;
  }

  /** Heard within the failover interval. */
  isAlive(now: Millis, failoverMs: number): boolean {
    return this.socketIsOpen && now - this.path.lastIn < failoverMs;
  }

  /** Works well enough to be used now: alive, or dead for less than the delay that the policy allows. */
  carries(now: Millis, policy: BondPolicy): boolean {
    return this.socketIsOpen && now - this.path.lastIn < policy.failoverMs + policy.downDelayMs;
  }

  /** The address family is the one that its interface should rather use. */
  get hasPreferredFamily(): boolean {
    const { ipvPref } = this.settings;
    const { family } = this.path.endpoint;
    return (family === 4 && (ipvPref === 4 || ipvPref === 46)) || (family === 6 && (ipvPref === 6 || ipvPref === 64));
  }

  /**
   * Looks at the link by the clock: has it failed, has it come back, may it be used? `reporting`: the peer tells what
   * it hears on its links, so one that it never tells of carries nothing.
   */
  observe(now: Millis, policy: BondPolicy, reporting: boolean): void {
    const alive = this.isAlive(now, policy.failoverMs);
    if (alive && !this.#isUp) {
      this.#upSince = now;
      this.#refractoryUntil = now + this.#refractoryMs;
    }
    if (!alive && this.#isUp) this.#failed(now);
    this.#isUp = alive;
    const proven =
      now - this.#upSince >= policy.upDelayMs &&
      now >= this.#refractoryUntil &&
      (!reporting || now - this.measured.lastReportIn < REPORT_MEMORY_MS);
    const onTrial = now - this.addedAt < TRIAL_MS;
    this.eligible = this.carries(now, policy) && (onTrial || proven);
  }

  #failed(now: Millis): void {
    const flaps = this.#upSince > this.addedAt && now - this.#upSince < Math.max(FLAP_MS, 2 * this.#refractoryMs);
    this.#refractoryMs = flaps ? Math.min(Math.max(2 * this.#refractoryMs, MIN_REFRACTORY_MS), MAX_REFRACTORY_MS) : 0;
  }
}

/** True if the settings of the interface let a path of that family be a link. */
export function mayBeLink(settings: LinkSettings, family: 4 | 6): boolean {
  const { enabled, ipvPref } = settings;
  return enabled && (ipvPref === 4 ? family === 4 : ipvPref === 6 ? family === 6 : true);
}
