/**
 * A link: an uplink of ours and an address of the peer, with the path between them that is used, what is set for the
 * uplink's interface, whether it works, and how well. Several ports at either end (vl1-behaviour.md §7) are several
 * paths, but they fail and get slow together, so they are one link.
 * Facts: vl1-behaviour.md §8.
 */
import type { Path } from "../node/path.ts";
import type { LocalSocket, Millis } from "../node/ports.ts";
import { type Endpoint, endpointKey } from "../protocol/inet-address.ts";
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

/** Which link a path belongs to: text that paths of one uplink to one address of the peer have in common. */
export function linkKey({ device, local }: LocalSocket, { family, ip }: Endpoint): string {
  const uplink = device || endpointKey({ ...local, port: 0 });
  return `${uplink} ${endpointKey({ family, ip, port: 0 })}`;
}

export class Link {
  /** See `linkKey`. */
  readonly key: string;
  /** Interface of the local socket, "" if that is not known. */
  readonly device: string;
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
  /** The path of this link that the peer chose for its last frame. */
  chosenByPeer: Path | null = null;
  #path: Path;
  #socket: LocalSocket;
  #isUp = true;
  #upSince: Millis;
  #refractoryMs = 0;
  #refractoryUntil: Millis = 0;

  constructor(path: Path, socket: LocalSocket, policy: BondPolicy, now: Millis) {
    this.key = linkKey(socket, path.endpoint);
    this.#path = path;
    this.#socket = socket;
    this.device = socket.device ?? "";
    this.settings = policy.links.get(this.device) ?? DEFAULT_LINK;
    this.measured = new Measurements(now);
    this.addedAt = now;
    this.#upSince = now;
  }

  /** The path that is used. */
  get path(): Path {
    return this.#path;
  }

  get localPort(): number {
    return this.#socket.local.port;
  }

  /**
   * Uses the best of its paths: one that works, from the port that we are known by (that is what both sides have in
   * common), that the peer uses too, or else the one in use. `paths` is not empty.
   */
  choosePath(paths: readonly (readonly [Path, LocalSocket])[], now: Millis, failoverMs: number): void {
    const rank = (path: Path, socket: LocalSocket) =>
      (now - path.lastIn < failoverMs ? 8 : 0) +
      (socket.primary ? 4 : 0) +
      (path === this.chosenByPeer ? 2 : 0) +
      (path === this.#path ? 1 : 0);
    let best = Number.NEGATIVE_INFINITY;
    for (const [path, socket] of paths) {
      const its = rank(path, socket);
      if (its < best || (its === best && path.lastIn <= this.#path.lastIn)) continue;
      best = its;
      this.#path = path;
      this.#socket = socket;
    }
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
