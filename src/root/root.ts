/**
 * THE ROOT ROLE: what a node does because it is listed in a world. Introduces the pairs that it relays, passes on
 * what it cannot deliver to another root, keeps the multicast tables. Adds its verbs to the node.
 * Facts: vl1-behaviour.md §4.
 */
import type { Node } from "../node/node.ts";
import { pathKey } from "../node/path.ts";
import type { Peer } from "../node/peer.ts";
import type { Datagram, Millis } from "../node/ports.ts";
import { seenElsewhere } from "../node/received.ts";
import type { RoleGauges } from "../node/views.ts";
import type { Address } from "../protocol/address.ts";
import { type Endpoint, ipsEqual } from "../protocol/inet-address.ts";
import { sourceOf } from "../protocol/packet.ts";
import { Verb } from "../protocol/verbs.ts";
import { introduce } from "./introduce.ts";
import { AGREEMENT_UNITS } from "./introduction-budget.ts";
import { MulticastTable } from "./multicast.ts";
import { PairMemory } from "./pair-memory.ts";
import { SecondLook } from "./second-look.ts";

/** Where a relayed packet came from. */
export interface RelayedFrom {
  readonly from: Endpoint;
  readonly socket: number;
  /** Length of the datagram. */
  readonly bytes: number;
}

export interface RootOptions {
  readonly maxPairs: number;
  readonly maxMulticastMembers: number;
}

const SWEEP_INTERVAL_MS = 5000;
/** The pair memory is swept in so many steps within that time: a million pairs at once would hold up the others. */
const SWEEP_STEPS = 16;
/**
 * A peer that moved leaves those it talks to directly with a dead path, and clients give up a dead path after 243 s
 * only. So they are introduced again. Bounded per move, and moves per second, as each looks through the pair memory.
 */
const MAX_PARTNERS = 32;
const MAX_MOVES_FOLLOWED_PER_SECOND = 20;
/** Peers that may be asked in one second whether they are where a relayed packet came from. */
const MAX_MOVES_ASKED_PER_SECOND = 200;

export class Root implements RoleGauges {
  readonly limits: { readonly pairs: number; readonly multicastMembers: number };
  readonly pairs: PairMemory;
  readonly multicast: MulticastTable;
  readonly #node: Node;
  #nextSweep: Millis = 0;
  #sweepStep = 0;
  readonly #secondLook = new SecondLook();
  readonly #movesAsked = new PerSecond(MAX_MOVES_ASKED_PER_SECOND);
  readonly #movesFollowed = new PerSecond(MAX_MOVES_FOLLOWED_PER_SECOND);

  /** `pairs` may be given by whoever shares it with other threads. */
  constructor(node: Node, options: RootOptions, pairs = PairMemory.create(options.maxPairs, node.ports.random)) {
    this.#node = node;
    this.pairs = pairs;
    this.multicast = new MulticastTable(node, options.maxMulticastMembers);
    this.limits = { pairs: this.pairs.capacity, multicastMembers: options.maxMulticastMembers };
    node.handlers[Verb.MULTICAST_LIKE] = this.multicast.handleLike;
    node.handlers[Verb.MULTICAST_GATHER] = this.multicast.handleGather;
    node.peerMoved = (peer, now) => this.#introduceAgain(peer, now);
  }

  /**
   * A packet (not a fragment) from `source` was relayed to `destination`. The source field is not authenticated, so
   * it counts only if the packet came from where that peer is, or through another root; from elsewhere it is taken
   * as a hint that the peer has moved.
   */
  relayed(source: Address, destination: Address, sighting: RelayedFrom, now: Millis): void {
    this.#node.topology.settle(now);
    const sender = this.#node.topology.peer(source);
    const receiver = this.#node.topology.peer(destination);
    if (sender === undefined || receiver === undefined) return;
    const { from, socket, bytes } = sighting;
    if (!sender.paths.some(({ path }) => ipsEqual(path.endpoint, from)) && !this.#isUpstreamAt(from)) {
      this.#mayHaveMoved(sender, socket, from, bytes, now);
      return;
    }
    if (this.pairs.relayed(source, destination, now)) this.introduce(source, destination, now);
  }

  /** The pair's introduction is due. */
  introduce(source: Address, destination: Address, now: Millis): void {
    const sender = this.#node.topology.peer(source);
    const receiver = this.#node.topology.peer(destination);
    if (sender === undefined || receiver === undefined) return;
    const agreements = (sender.key === undefined ? 1 : 0) + (receiver.key === undefined ? 1 : 0);
    if (!introduce(this.#node, sender, receiver, now)) {
      this.pairs.notIntroduced(source, destination);
      return;
    }
    if (agreements > 0) this.pairs.budget.charge(agreements * AGREEMENT_UNITS);
    this.#node.statistics.pairs.introduced++;
    if (this.pairs.isFirstIntroduction(source, destination)) this.#secondLook.introduced(source, destination, now);
  }

  /** The way to the root that may know a destination we do not; null if there is none, or the packet came from it. */
  upstreamFor(datagram: Datagram, fragment: boolean, now: Millis): { socket: number; endpoint: Endpoint } | null {
    const upstream = this.#node.topology.bestUpstream(now);
    if (upstream === null || (!fragment && sourceOf(datagram.bytes) === upstream.address)) return null;
    const path = (upstream.bestPath(now) ?? upstream.bestPath(now, true))?.path;
    if (path === undefined || path.key === pathKey(datagram.socket, datagram.from)) return null;
    return path;
  }

  relayPairsActive(now: Millis): number {
    return this.pairs.active(now);
  }

  get multicastGroups(): number {
    return this.multicast.groups;
  }

  get multicastMembers(): number {
    return this.multicast.members;
  }

  tick(now: Millis): void {
    this.#secondLook.tick(
      now,
      (a, b) => this.pairs.quietFor(a, b, now),
      (a, b) => this.#introducePair(a, b, now),
    );
    if (now < this.#nextSweep) return;
    this.#nextSweep = now + SWEEP_INTERVAL_MS / SWEEP_STEPS;
    if (this.#sweepStep++ % SWEEP_STEPS === 0) this.multicast.expire(now);
    const { pairs } = this.#node.statistics;
    pairs.postponed = this.pairs.postponed;
    pairs.evicted = this.pairs.evicted;
    this.pairs.sweep(now, SWEEP_STEPS, ({ a, b, direct, afterMs }) => {
      if (direct) {
        pairs.direct++;
        this.#node.ports.events({ type: "pair-direct", a, b, afterMs });
      } else {
        pairs.relayed++;
        this.#node.ports.events({ type: "pair-relayed", a, b });
      }
    });
  }

  nextDeadline(): Millis {
    return Math.min(this.#nextSweep, this.#secondLook.deadline);
  }

  #introducePair(a: Address, b: Address, now: Millis): void {
    const first = this.#node.topology.peer(a);
    const second = this.#node.topology.peer(b);
    if (first === undefined || second === undefined) return;
    introduce(this.#node, first, second, now);
    this.pairs.budget.charge(1);
  }

  /** Asks the new place, within a budget: what a relayed packet says of its source may be a lie. */
  #mayHaveMoved(peer: Peer, socket: number, from: Endpoint, bytes: number, now: Millis): void {
    if (!this.#movesAsked.allow(now)) return;
    seenElsewhere(this.#node, { peer, pathKey: pathKey(socket, from), socket, from, now }, bytes);
  }

  #introduceAgain(peer: Peer, now: Millis): void {
    if (!this.#node.topology.isUpstream || !this.#movesFollowed.allow(now)) return;
    for (const partner of this.pairs.partnersOf(peer.address, MAX_PARTNERS)) {
      this.#introducePair(peer.address, partner, now);
    }
  }

  #isUpstreamAt(from: Endpoint): boolean {
    for (const { stableEndpoints } of this.#node.topology.upstreams()) {
      if (stableEndpoints.some((endpoint) => ipsEqual(endpoint, from))) return true;
    }
    return false;
  }
}

/** A budget that is full again every second. */
class PerSecond {
  readonly #limit: number;
  #since: Millis = 0;
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  allow(now: Millis): boolean {
    if (now - this.#since >= 1000) {
      this.#since = now;
      this.#used = 0;
    }
    return this.#used++ < this.#limit;
  }
}
