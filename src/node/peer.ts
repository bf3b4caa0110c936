/**
 * A remote node: its identity and key, what it told about itself, and the proven paths to it.
 * Facts: vl1-behaviour.md §3.1–§3.3.
 */
import type { Identity } from "../identity/identity.ts";
import type { Address } from "../protocol/address.ts";
import type { PeerKey } from "../protocol/armor.ts";
import {
  MAX_PATHS_PER_PEER,
  PATH_EXPIRATION_MS,
  PEER_ACTIVITY_TIMEOUT_MS,
  PROTOCOL_VERSION_AES,
  PROTOCOL_VERSION_ECHO,
} from "../protocol/constants.ts";
import { ipsEqual } from "../protocol/inet-address.ts";
import type { Path, PathTable } from "./path.ts";
import { UNKNOWN_LATENCY_MS } from "./path.ts";
import type { PeerBond } from "./peer-bond.ts";
import type { Millis } from "./ports.ts";
import type { UnprovenPath } from "./unproven.ts";

/** Probes that one peer may have in flight: a push of direct paths makes many at once. */
const MAX_PROBES = 48;

/** A question (ECHO, HELLO) sent to a place to see whether the peer answers from there. */
interface Probe {
  readonly packetId: bigint;
  /** `endpointKey` of the place. */
  readonly to: string;
  readonly at: Millis;
}

/** See `currentPath`. */
const CURRENT_PATH_MS = 2000;

/** One proven path as one peer uses it. */
export interface PeerPath {
  readonly path: Path;
  /** Last valid packet of this peer on it, 0 after a surface change (unused until it answers). */
  lastReceive: Millis;
  /** ≥ 1; cluster redirects raise it. */
  priority: number;
}

/** The last HELLO of a peer: what a later OK for it needs, and which worlds it has. */
export interface LastHello {
  readonly packetId: bigint;
  readonly timestamp: bigint;
  readonly receivedAt: Millis;
  readonly socket: number;
  readonly planetId: bigint;
  readonly planetTimestamp: bigint;
  readonly moons: readonly { readonly id: bigint; readonly timestamp: bigint }[];
}

/**
 * A known node that talks, or did lately; what has to outlive its silence is in its record too (peer-records.ts).
 * Fields that few peers need are undefined until used.
 */
export class Peer {
  readonly identity: Identity;
  readonly address: Address;
  /** Of its record. */
  readonly slot: number;
  /** Asked for since the memory looked last (peer-memory.ts). */
  wanted = true;
  /** It has traffic of its own (keepalive.ts). */
  keptAlive = false;
  /** The agreed key, made when first needed: one X25519 for each peer that really talks. */
  key: PeerKey | undefined;
  protocolVersion = 0;
  version: readonly [number, number, number] | null = null;
  lastReceive: Millis = 0;
  /** Last FRAME, EXT_FRAME, NETWORK_CONFIG(_REQUEST) or MULTICAST_FRAME: such peers are kept alive. */
  lastNontrivialReceive: Millis = 0;
  lastFullHello: Millis = 0;
  /** Until when it counts as somebody that we are in a network with; 0 = it does not. */
  trustedUntil: Millis = 0;
  lastWhoisAnswered: Millis = 0;
  lastCredentials: Millis = 0;
  lastPush: Millis = 0;
  pushCount = 0;
  /** When it was last told of our own addresses. */
  lastPushSent: Millis = 0;
  /** When a memorized address was last tried. */
  lastMemorizedTry: Millis = 0;
  /** What the peer cache last wrote down of it. */
  cachedAt: Millis = 0;
  lastHello: LastHello | undefined;
  /** A newer world waits for a proven path. */
  worldsOwed = false;
  unproven: UnprovenPath[] | undefined;
  /** Probes whose answer proves the place they were sent to, newest last. */
  probes: Probe[] | undefined;
  paths: PeerPath[] = [];
  /** Its paths are used as one, by a policy (bonding/). */
  bond: PeerBond | undefined;

  constructor(identity: Identity, slot: number) {
    this.identity = identity;
    this.address = identity.address;
    this.slot = slot;
  }

  isActive(now: Millis): boolean {
    return now - this.lastReceive < PEER_ACTIVITY_TIMEOUT_MS;
  }

  /** Suite 3 once it said that it can. */
  get speaksAes(): boolean {
    return this.protocolVersion >= PROTOCOL_VERSION_AES;
  }

  /** ECHO is known to every peer from protocol 5 on, except that release 1.1.0 answers it wrongly. */
  get answersEcho(): boolean {
    const [major, minor, revision] = this.version ?? [0, 0, 0];
    return this.protocolVersion >= PROTOCOL_VERSION_ECHO && !(major === 1 && minor === 1 && revision === 0);
  }

  /** Remembers a probe to a place (`endpointKey`): only its answer, from there, proves the place. */
  probed(packetId: bigint, to: string, at: Millis): void {
    this.probes ??= [];
    if (this.probes.length >= MAX_PROBES) this.probes.shift();
    this.probes.push({ packetId, to, at });
  }

  /** The probe with that id that was sent to that place, if any. */
  findProbe(packetId: bigint, from: string): Probe | undefined {
    return this.probes?.find((probe) => probe.packetId === packetId && probe.to === from);
  }

  findPath(key: string): PeerPath | undefined {
    for (const entry of this.paths) if (entry.path.key === key) return entry;
    return undefined;
  }

  /** The best path: unexpired ones only, unless `orExpired`. The later entry wins a tie. */
  bestPath(now: Millis, orExpired = false): PeerPath | null {
    let best: PeerPath | null = null;
    let bestQuality = Number.POSITIVE_INFINITY;
    for (const entry of this.paths) {
      if (!orExpired && now - entry.lastReceive >= PATH_EXPIRATION_MS) continue;
      const quality = entry.path.quality(now) / entry.priority;
      if (quality <= bestQuality) {
        best = entry;
        bestQuality = quality;
      }
    }
    return best;
  }

  /**
   * The path a root uses: the best of those heard within 2 s of the one heard last. A client speaks to its root on
   * the path that it uses itself, every 5 s at least; one that has moved would otherwise be sent to its old place
   * until that counts as dead, 19 s later.
   */
  currentPath(now: Millis): PeerPath | null {
    let heardLast = 0;
    for (const { path } of this.paths) heardLast = Math.max(heardLast, path.lastIn);
    let best: PeerPath | null = null;
    for (const entry of this.paths) {
      if (now - entry.lastReceive >= PATH_EXPIRATION_MS || heardLast - entry.path.lastIn > CURRENT_PATH_MS) continue;
      if (best === null || entry.path.quality(now) <= best.path.quality(now)) best = entry;
    }
    return best ?? this.bestPath(now);
  }

  /**
   * The path that the peer uses, if it seems to have left `best`: that one was silent for 2 s, and another was heard
   * since. So a peer with several uplinks is followed from one to another.
   */
  pathHeardInstead(best: PeerPath, now: Millis): PeerPath | null {
    if (this.paths.length === 1 || now - best.path.lastIn < CURRENT_PATH_MS) return null;
    let heard: PeerPath | null = null;
    for (const entry of this.paths) {
      if (now - entry.path.lastIn >= CURRENT_PATH_MS || now - entry.lastReceive >= PATH_EXPIRATION_MS) continue;
      if (heard === null || entry.path.quality(now) <= heard.path.quality(now)) heard = entry;
    }
    return heard;
  }

  /** Smallest measured latency of the unexpired paths, or −1. */
  latencyMs(now: Millis): number {
    const best = this.bestPath(now);
    return best === null || best.path.latencyMs === UNKNOWN_LATENCY_MS ? -1 : best.path.latencyMs;
  }

  /**
   * Takes a proven path: in place of a dead one with the same IP and socket (a changed port), else in a free
   * slot, else in place of the one heard least recently.
   */
  learnPath(table: PathTable, path: Path, now: Millis, priority = 1): PeerPath {
    const entry: PeerPath = { path, lastReceive: now, priority };
    const replaced = this.#slotFor(path, now);
    if (replaced < 0) this.paths.push(entry);
    else {
      table.release(this.paths[replaced]!.path);
      this.paths[replaced] = entry;
    }
    return entry;
  }

  #slotFor(path: Path, now: Millis): number {
    const same = this.paths.findIndex(
      ({ path: other }) =>
        other.socket === path.socket && ipsEqual(other.endpoint, path.endpoint) && !other.isAlive(now),
    );
    if (same >= 0 || this.paths.length < MAX_PATHS_PER_PEER) return same;
    let oldest = 0;
    for (let i = 1; i < this.paths.length; i++) {
      if (this.paths[i]!.path.lastIn < this.paths[oldest]!.path.lastIn) oldest = i;
    }
    return oldest;
  }

  /** Drops the paths for which `gone` holds. */
  dropPaths(table: PathTable, gone: (entry: PeerPath) => boolean): void {
    let kept = 0;
    for (const entry of this.paths) {
      if (gone(entry)) table.release(entry.path);
      else this.paths[kept++] = entry;
    }
    this.paths.length = kept;
  }
}
