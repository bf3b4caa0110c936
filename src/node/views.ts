/** The node as the edge sees it: the views of queries.ts, made when asked. */
import type { Identity } from "../identity/identity.ts";
import type { Address } from "../protocol/address.ts";
import { PATH_EXPIRATION_MS, PEER_ACTIVITY_TIMEOUT_MS } from "../protocol/constants.ts";
import type { Endpoint } from "../protocol/inet-address.ts";
import { kindOf, type World } from "../world/world.ts";
import { isOnline } from "./keepalive.ts";
import type { Node } from "./node.ts";
import type { Peer } from "./peer.ts";
import type { Millis } from "./ports.ts";
import type { LinkView, NodeCommands, NodeQueries, PathView, PeerView, WantedMoon } from "./queries.ts";
import type { NodeGauges, NodeStatistics, WorldAdoption } from "./statistics.ts";
import type { ToldWorlds } from "./told-worlds.ts";

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
    node.rounds.census.hidden = hidden;
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
    const { memory } = this.#node.topology;
    const { records } = memory;
    const listed: PeerView[] = [];
    for (let slot = 0; slot < records.end; slot++) {
      if (records.isUsed(slot) && this.#isListed(slot, now)) listed.push(this.#view(memory.glimpse(slot), now));
    }
    return listed.sort((a, b) => a.address - b.address);
  }

  #isListed(slot: number, now: Millis): boolean {
    const { topology } = this.#node;
    const address = topology.memory.records.address(slot);
    if (this.#hidden.has(address)) return false;
    const active = now - topology.memory.lastReceive(slot) < PEER_ACTIVITY_TIMEOUT_MS;
    return active || topology.upstream(address) !== undefined;
  }

  peer(address: Address, now: Millis): PeerView | null {
    const peer = this.#node.topology.glimpse(address);
    return peer === null ? null : this.#view(peer, now);
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
    const { known, active, reachable, told } = node.rounds.census.result(now);
    const adoption = node.worlds.all().map((world) => new Tally(world));
    for (const { worlds, count } of told.values()) for (const tally of adoption) tally.count(worlds, count);
    return {
      peersKnown: known,
      peersActive: active,
      peersReachable: reachable,
      peersIdle: known - active,
      paths: node.paths.size + node.topology.memory.storedPaths.size,
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
    const { bond } = peer;
    const best = peer.bestPath(now);
    const links = new Map(peer.paths.map((entry) => [entry, bond?.linkView(entry.path, now) ?? null]));
    const used = [...links].find(([, link]) => link?.used)?.[0] ?? best;
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
          preferred: entry === used,
          lastSend: entry.path.lastOut,
          lastReceive: entry.path.lastIn,
          trustedPathId: this.#node.topology.physical.trustedPathId(entry.path.endpoint),
          ...linkOf(links.get(entry)),
        }),
      ),
      ...(bond === undefined ? {} : { bond: bond.view(now) }),
    };
  }
}

function linkOf(link: LinkView | null | undefined): { link?: LinkView } {
  return link == null ? {} : { link };
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

  count({ planetId, planetTimestamp, moons }: ToldWorlds, peers: number): void {
    const { id, timestamp } = this.#world;
    const told = planetId === id ? planetTimestamp : moons.find((moon) => moon.id === id)?.timestamp;
    if (told === undefined) this.#without += peers;
    else if (told === timestamp) this.#current += peers;
    else if (told < timestamp) this.#older += peers;
    else this.#newer += peers;
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
