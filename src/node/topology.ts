/**
 * Who is there: peers by address, which of them are upstream (roots of our worlds), and the best of these.
 * Bounded: a full memory gives up whoever of a sample was silent longest.
 * Facts: vl1-behaviour.md §3.1, §4.1 (relay quality), §6.2.
 */
import type { Identity } from "../identity/identity.ts";
import type { Address } from "../protocol/address.ts";
import { PEER_ACTIVITY_TIMEOUT_MS } from "../protocol/constants.ts";
import { type Endpoint, IpScope, ipScope, ipsEqual } from "../protocol/inet-address.ts";
import { NO_SLOT } from "./address-index.ts";
import type { PathTable } from "./path.ts";
import { UNKNOWN_LATENCY_MS } from "./path.ts";
import type { Peer } from "./peer.ts";
import { PeerMemory } from "./peer-memory.ts";
import type { PhysicalRules } from "./physical.ts";
import type { Millis, Random } from "./ports.ts";
import type { PeerRole } from "./queries.ts";
import type { Worlds } from "./worlds.ts";

/** A root of a held world, other than ourselves. */
export interface Upstream {
  readonly identity: Identity;
  readonly role: PeerRole;
  readonly stableEndpoints: readonly Endpoint[];
}

const RELAY_SILENCE_STEP_MS = 61_000;
const EVICTION_SAMPLE = 16;

export class Topology {
  readonly self: Identity;
  readonly worlds: Worlds;
  readonly paths: PathTable;
  readonly memory: PeerMemory;
  physical: PhysicalRules;
  /** Whether an IP is inside a network that we have joined: a path to it would run through itself. */
  isInsideNetwork: (ip: Uint8Array) => boolean = () => false;
  /** Asked to forget a peer's relay route and memory when it is evicted. */
  onEvicted: (address: Address, reason: "silent" | "table-full") => void = () => {};
  readonly #maxPeers: number;
  #upstreams = new Map<Address, Upstream>();
  #isUpstream = false;
  /** Where the next sample for an eviction begins. */
  #hand = 0;
  readonly #mustStay = (peer: Peer) => this.#upstreams.has(peer.address);

  constructor(
    self: Identity,
    worlds: Worlds,
    paths: PathTable,
    physical: PhysicalRules,
    maxPeers: number,
    random: Random,
    maxAwakePeers?: number,
  ) {
    this.self = self;
    this.worlds = worlds;
    this.paths = paths;
    this.physical = physical;
    this.#maxPeers = maxPeers;
    this.memory = new PeerMemory(paths, maxPeers, random, maxAwakePeers);
    this.refreshUpstreams();
  }

  get size(): number {
    return this.memory.size;
  }

  get maxPeers(): number {
    return this.#maxPeers;
  }

  /** True when our full identity is listed as a root of a held world. */
  get isUpstream(): boolean {
    return this.#isUpstream;
  }

  /** A peer to talk to. Valid until the next `settle`. */
  peer(address: Address): Peer | undefined {
    return this.memory.get(address);
  }

  /** A peer to look at, without waking it if it was put away; null if it is not known. Changes to it are lost. */
  glimpse(address: Address): Peer | null {
    const slot = this.memory.records.find(address);
    return slot === NO_SLOT ? null : this.memory.glimpse(slot);
  }

  /** The identity of a peer, for somebody else. */
  identityOf(address: Address): Identity | undefined {
    const slot = this.memory.records.find(address);
    return slot === NO_SLOT ? undefined : this.memory.records.identity(slot);
  }

  /** To be called between inputs: peers that are silent are put away. */
  settle(now: Millis): void {
    this.memory.settle(now, this.#mustStay);
  }

  upstreams(): IterableIterator<Upstream> {
    return this.#upstreams.values();
  }

  upstream(address: Address): Upstream | undefined {
    return this.#upstreams.get(address);
  }

  roleOf(address: Address): PeerRole {
    return this.#upstreams.get(address)?.role ?? "LEAF";
  }

  /** Adds an identity that was validated, or vouched for by a world or an upstream. */
  addPeer(identity: Identity): Peer {
    const known = this.memory.get(identity.address);
    if (known !== undefined) return known;
    if (this.size >= this.#maxPeers) this.#evictOne();
    return this.memory.add(identity.publicOnly());
  }

  /** Forgets the peer in a slot. */
  removePeer(slot: number, reason: "silent" | "table-full"): void {
    const address = this.memory.records.address(slot);
    this.memory.remove(slot);
    this.onEvicted(address, reason);
  }

  /** Of the next few in order of their slots, the one silent longest goes; upstreams stay. */
  #evictOne(): void {
    const { records } = this.memory;
    let victim = NO_SLOT;
    let victimHeard = Number.POSITIVE_INFINITY;
    for (let seen = 0; seen < EVICTION_SAMPLE; seen++) {
      const slot = this.#hand++ % records.end;
      if (!records.isUsed(slot) || this.#upstreams.has(records.address(slot))) continue;
      const heard = this.memory.lastReceive(slot);
      if (heard >= victimHeard) continue;
      victim = slot;
      victimHeard = heard;
    }
    if (victim !== NO_SLOT) this.removePeer(victim, "table-full");
  }

  /** To be called after each change of worlds. Unknown roots become peers at once: the world vouches for them. */
  refreshUpstreams(): void {
    const next = new Map<Address, Upstream>();
    let selfListed = false;
    for (const world of this.worlds.all()) {
      const role: PeerRole = world.type === 1 ? "PLANET" : "MOON";
      for (const root of world.roots) {
        if (root.identity.equals(this.self)) {
          selfListed = true;
          continue;
        }
        const { address } = root.identity;
        if (address === this.self.address) continue;
        const known = next.get(address);
        next.set(address, {
          identity: root.identity,
          role: known?.role ?? role,
          stableEndpoints: [...(known?.stableEndpoints ?? []), ...root.stableEndpoints],
        });
      }
    }
    this.#upstreams = next;
    this.#isUpstream = selfListed;
    for (const { identity } of next.values()) this.addPeer(identity);
  }

  /** The upstream through which packets go whose destination we cannot reach; null if there is none. */
  bestUpstream(now: Millis): Peer | null {
    let best: Peer | null = null;
    let bestQuality = Number.POSITIVE_INFINITY;
    for (const address of this.#upstreams.keys()) {
      const peer = this.memory.get(address);
      if (peer === undefined) continue;
      const quality = relayQuality(peer, now);
      if (best === null || quality < bestQuality || (quality === bestQuality && address > best.address)) {
        best = peer;
        bestQuality = quality;
      }
    }
    return best;
  }

  /** True if we may take `endpoint` as a path to `peer` (vl1-behaviour.md §3.4). */
  mayUse(peer: Address, endpoint: Endpoint): boolean {
    switch (ipScope(endpoint.ip)) {
      case IpScope.PRIVATE:
      case IpScope.PSEUDO_PRIVATE:
      case IpScope.SHARED:
      case IpScope.GLOBAL:
        break;
      default:
        return false;
    }
    const { ip } = endpoint;
    // A well-known tunnel broker's range: its addresses reach back into the virtual networks that run over it.
    if (ip.length === 16 && ip[0] === 0x20 && ip[1] === 0x01 && ip[2] === 0x04 && ip[3] === 0x70) return false;
    const stable = this.#upstreams.get(peer)?.stableEndpoints ?? [];
    if (stable.length > 0 && !stable.some((known) => ipsEqual(known, endpoint))) return false;
    if (this.isInsideNetwork(ip)) return false;
    return !this.physical.isBlacklisted(endpoint) && !this.physical.isBlacklistedFor(peer, endpoint);
  }
}

function relayQuality(peer: Peer, now: Millis): number {
  const silence = now - peer.lastReceive;
  if (silence >= PEER_ACTIVITY_TIMEOUT_MS) return Number.MAX_SAFE_INTEGER;
  const measured = peer.latencyMs(now);
  const latency = measured <= 0 ? UNKNOWN_LATENCY_MS : measured;
  return latency * (Math.floor(silence / RELAY_SILENCE_STEP_MS) + 1);
}
