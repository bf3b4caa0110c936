/** The node as the edge sees it: the views of queries.ts, made when asked. */
import type { Identity } from "../identity/identity.ts";
import type { Address } from "../protocol/address.ts";
import { PATH_EXPIRATION_MS } from "../protocol/constants.ts";
import type { Endpoint } from "../protocol/inet-address.ts";
import { kindOf, type World } from "../world/world.ts";
import { isOnline } from "./keepalive.ts";
import type { Node } from "./node.ts";
import type { Peer } from "./peer.ts";
import type { Millis } from "./ports.ts";
import type { NodeCommands, NodeQueries, PathView, PeerView, WantedMoon } from "./queries.ts";
import type { NodeGauges, NodeStatistics, WorldAdoption } from "./statistics.ts";

/** What a role adds to the gauges. */
export interface RoleGauges {
  relayPairsActive(now: Millis): number;
  readonly multicastGroups: number;
  readonly multicastMembers: number;
  readonly limits: { readonly pairs: number; readonly multicastMembers: number };
}

export class NodeViews implements NodeQueries, NodeCommands {
  readonly #node: Node;
  readonly #role: RoleGauges;
  readonly #hidden: ReadonlySet<Address>;

  /** Peers in `hidden` (our own prober) are in no list and no count. */
  constructor(node: Node, role: RoleGauges, hidden: ReadonlySet<Address>) {
    this.#node = node;
    this.#role = role;
    this.#hidden = hidden;
  }

  get identity(): Identity {
    return this.#node.identity;
  }

  get statistics(): NodeStatistics {
    return this.#node.statistics;
  }

  online(now: Millis): boolean {
    return isOnline(this.#node, now);
  }

  isUpstream(): boolean {
    return this.#node.topology.isUpstream;
  }

  planet(): World {
    return this.#node.worlds.planet;
  }

  moons(): readonly World[] {
    return this.#node.worlds.moons();
  }

  wantedMoons(): readonly WantedMoon[] {
    return this.#node.worlds.wanted();
  }

  peers(now: Millis): PeerView[] {
    const { topology } = this.#node;
    const listed: Peer[] = [];
    for (const peer of topology.peers()) {
      if (this.#hidden.has(peer.address)) continue;
      if (peer.isActive(now) || topology.upstream(peer.address) !== undefined) listed.push(peer);
    }
    return listed.sort((a, b) => a.address - b.address).map((peer) => this.#view(peer, now));
  }

  peer(address: Address, now: Millis): PeerView | null {
    const peer = this.#node.topology.peer(address);
    return peer === undefined ? null : this.#view(peer, now);
  }

  surfaceAddresses(): readonly Endpoint[] {
    return this.#node.selfAwareness.surfaces();
  }

  orbit(id: bigint, seed: Address, now: Millis): boolean {
    const wanted = this.#node.worlds.want(id, seed);
    if (wanted) this.#node.keepalive.soon(now);
    return wanted;
  }

  deorbit(id: bigint, now: Millis): boolean {
    const forgotten = this.#node.worlds.forget(id);
    this.#node.topology.refreshUpstreams();
    this.#node.keepalive.soon(now);
    return forgotten;
  }

  adoptWorld(world: World, now: Millis): "adopted" | "unchanged" | "refused" {
    const result = this.#node.worlds.offerOwn(world);
    if (result === "adopted") this.#node.worldAdopted(world, now);
    return result;
  }

  gauges(now: Millis): NodeGauges {
    const node = this.#node;
    let active = 0;
    let reachable = 0;
    let known = 0;
    const adoption = node.worlds.all().map((world) => new Tally(world));
    for (const peer of node.topology.peers()) {
      if (this.#hidden.has(peer.address)) continue;
      known++;
      if (peer.bestPath(now) !== null) reachable++;
      if (!peer.isActive(now)) continue;
      active++;
      for (const tally of adoption) tally.count(peer);
    }
    return {
      peersKnown: known,
      peersActive: active,
      peersReachable: reachable,
      peersIdle: known - active,
      paths: node.paths.size,
      upstreams: [...node.topology.upstreams()].length,
      online: this.online(now),
      relayPairsActive: this.#role.relayPairsActive(now),
      validationsPending: node.hello.pending,
      reassemblies: node.reassembly.size,
      packetsWaiting: node.unopened.size + node.unsent.size,
      whoisPending: node.whois.pending,
      multicastGroups: this.#role.multicastGroups,
      multicastMembers: this.#role.multicastMembers,
      adoption: adoption.map((tally) => tally.result()),
      limits: {
        peers: node.topology.maxPeers,
        pairs: this.#role.limits.pairs,
        validations: node.maxValidations,
        reassemblies: node.reassembly.capacity,
        multicastMembers: this.#role.limits.multicastMembers,
      },
    };
  }

  #view(peer: Peer, now: Millis): PeerView {
    const best = peer.bestPath(now);
    return {
      address: peer.address,
      identity: peer.identity,
      role: this.#node.topology.roleOf(peer.address),
      version: peer.version,
      protocolVersion: peer.protocolVersion,
      latencyMs: peer.latencyMs(now),
      lastReceive: peer.lastReceive,
      paths: peer.paths.map(
        (entry): PathView => ({
          endpoint: entry.path.endpoint,
          socket: entry.path.socket,
          expired: now - entry.lastReceive >= PATH_EXPIRATION_MS,
          preferred: entry === best,
          lastSend: entry.path.lastOut,
          lastReceive: entry.path.lastIn,
          trustedPathId: this.#node.topology.physical.trustedPathId(entry.path.endpoint),
        }),
      ),
    };
  }
}

/** Counts who has which version of one world, as their HELLOs said. */
class Tally {
  readonly #world: World;
  #current = 0;
  #older = 0;
  #newer = 0;
  #without = 0;

  constructor(world: World) {
    this.#world = world;
  }

  count({ lastHello }: Peer): void {
    if (lastHello === undefined) return;
    const { id, timestamp } = this.#world;
    const told =
      lastHello.planetId === id ? lastHello.planetTimestamp : lastHello.moons.find((moon) => moon.id === id)?.timestamp;
    if (told === undefined) this.#without++;
    else if (told === timestamp) this.#current++;
    else if (told < timestamp) this.#older++;
    else this.#newer++;
  }

  result(): WorldAdoption {
    return {
      id: this.#world.id,
      kind: kindOf(this.#world),
      timestamp: this.#world.timestamp,
      current: this.#current,
      older: this.#older,
      newer: this.#newer,
      without: this.#without,
    };
  }
}
