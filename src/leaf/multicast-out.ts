/**
 * Sending to a multicast group: to everybody known in it up to the network's limit, to active bridges always, to one
 * replicator instead where there are some; and asking who else is there. Facts: vl2-ethernet.md §5.3.
 */
import type { Node } from "../node/node.ts";
import { UNKNOWN_LATENCY_MS } from "../node/path.ts";
import type { Millis, Random } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";
import type { Mac, MulticastGroup } from "../protocol/ethernet.ts";
import { encodeMulticastFrame } from "../protocol/messages/multicast-frame.ts";
import { encodeMulticastGather } from "../protocol/messages/multicast-gather.ts";
import { Verb } from "../protocol/verbs.ts";
import type { Courier } from "./courier.ts";
import type { Group } from "./group-table.ts";
import type { Network } from "./network.ts";
import type { Subscribers } from "./ports.ts";
import type { LeafStatistics } from "./statistics.ts";

/** Who is asked at most (vl2-ethernet.md §5.3). */
const MAX_GATHER_TARGETS = 16;
/** How often a group with too few members is asked for again. */
const EXPLICIT_GATHER_INTERVAL_MS = 60_000;
/** Longer frames are cut (vl2-ethernet.md §5.3). */
const MAX_FRAME_BYTES = 10_000;

/** One multicast frame. */
export interface Multicast {
  readonly group: MulticastGroup;
  /** The Ethernet source if that is not the sender's own MAC: a bridged host, or who asked a replicator. */
  readonly source: Mac | null;
  readonly etherType: number;
  readonly data: Uint8Array;
  /** Who sent it to us, when we replicate; it gets no copy. 0 for a frame of our own interface. */
  readonly origin: Address;
}

export class MulticastSender {
  readonly #node: Node;
  readonly #courier: Courier;
  readonly #subscribers: Subscribers | null;
  readonly #statistics: LeafStatistics;
  readonly #random: Random;
  readonly #drawn = new Uint8Array(4);

  constructor(node: Node, courier: Courier, subscribers: Subscribers | null, statistics: LeafStatistics) {
    this.#node = node;
    this.#courier = courier;
    this.#subscribers = subscribers;
    this.#statistics = statistics;
    this.#random = node.ports.random;
  }

  /** The network has a configuration whose multicast limit is not 0. */
  send(network: Network, multicast: Multicast, now: Millis): void {
    const data = multicast.data.subarray(0, MAX_FRAME_BYTES);
    const frame = { ...multicast, data };
    if (this.#throughReplicator(network, frame, now)) return;
    const group = network.groups.open(frame.group);
    if (group === null) return;
    const limit = network.config?.multicastLimit ?? 0;
    for (const address of this.#subscribers?.find(network.id, frame.group, limit) ?? []) {
      network.groups.learn(frame.group, address, now);
    }
    if (group.members.size >= limit) this.#toKnown(network, frame, group, limit, now);
    else this.#toKnownAndFound(network, frame, group, limit, now);
  }

  /** Hands the frame to the best replicator; false if there is none, or we are one ourselves. */
  #throughReplicator(network: Network, frame: Multicast, now: Millis): boolean {
    if (network.isBridge || network.isReplicator || network.replicators.length === 0) return false;
    let best: Address | null = null;
    let bestLatency = UNKNOWN_LATENCY_MS;
    for (const address of network.replicators) {
      const path = this.#node.topology.peer(address)?.bestPath(now)?.path;
      if (path === undefined || !path.isAlive(now) || path.latencyMs >= bestLatency) continue;
      best = address;
      bestLatency = path.latencyMs;
    }
    if (best === null) return false;
    const source = frame.source ?? network.mac;
    this.#transmit(network, best, this.#payload(network, { ...frame, source }, null, true), now);
    return true;
  }

  #toKnown(network: Network, frame: Multicast, group: Group, limit: number, now: Millis): void {
    const payload = this.#payload(network, frame, 1, false);
    const sentTo = new Set<Address>([this.#node.identity.address]);
    if (frame.origin !== 0) sentTo.add(frame.origin);
    const excluded = sentTo.size;
    for (const address of [...network.bridges, ...this.#shuffled([...group.members.keys()])]) {
      if (sentTo.size - excluded >= limit) return;
      if (sentTo.has(address)) continue;
      sentTo.add(address);
      this.#copy(network, frame, address, payload, now);
    }
  }

  #toKnownAndFound(network: Network, frame: Multicast, group: Group, limit: number, now: Millis): void {
    const gatherLimit = limit - group.members.size + 1;
    if (group.members.size === 0 || now - group.lastGather >= EXPLICIT_GATHER_INTERVAL_MS) {
      group.lastGather = now;
      this.#gather(network, frame.group, gatherLimit, now);
    }
    const payload = this.#payload(network, frame, gatherLimit, false);
    // Only a replicator has an origin, and it gives its own copies to everybody else.
    const sentTo = new Set<Address>();
    const origin = frame.origin === 0 ? [] : [frame.origin];
    const skipped = new Set<Address>([this.#node.identity.address, ...origin]);
    for (const address of [...network.bridges, ...group.members.keys()]) {
      if (sentTo.size >= limit) break;
      if (sentTo.has(address) || skipped.has(address)) continue;
      sentTo.add(address);
      this.#copy(network, frame, address, payload, now);
    }
    // The frame's bytes are only valid now.
    const kept = { ...frame, data: new Uint8Array(frame.data) };
    const send = (to: Address, at: Millis) => {
      if (!skipped.has(to)) this.#copy(network, kept, to, payload, at);
    };
    network.groups.queue(group, { at: now, sentTo, limit, send });
  }

  /** One copy, if the rules let it go there. */
  #copy(network: Network, frame: Multicast, to: Address, payload: Uint8Array, now: Millis): void {
    const source = frame.source ?? network.mac;
    const { group, etherType, data } = frame;
    const local = { destination: group.mac, source, etherType, data };
    if (!this.#courier.mayGo(network, local, to, true, now)) return;
    this.#courier.pushCredentials(network, to, now);
    this.#transmit(network, to, payload, now);
  }

  #transmit(network: Network, to: Address, payload: Uint8Array, now: Millis): void {
    this.#node.send(to, Verb.MULTICAST_FRAME, payload, now, network.compressesMulticast);
  }

  #payload(network: Network, frame: Multicast, gatherLimit: number | null, replicate: boolean): Uint8Array {
    const { source, group, etherType, data } = frame;
    return encodeMulticastFrame({
      networkId: network.id,
      certificate: null,
      gatherLimit,
      source,
      replicate,
      group,
      etherType,
      data,
    });
  }

  /** Asks the best root, the controller, and who else is said to know. */
  #gather(network: Network, group: MulticastGroup, limit: number, now: Millis): void {
    const targets = new Set<Address>();
    const root = this.#node.topology.bestUpstream(now);
    if (root !== null) targets.add(root.address);
    if (!network.isAdHoc) targets.add(network.controller);
    for (const address of this.#shuffled([...network.alwaysContact])) targets.add(address);
    targets.delete(this.#node.identity.address);
    this.#statistics.gathers++;
    const certificate = network.ownMembership;
    const payload = encodeMulticastGather({ networkId: network.id, group, limit, certificate });
    for (const to of [...targets].slice(0, MAX_GATHER_TARGETS)) {
      this.#node.send(to, Verb.MULTICAST_GATHER, payload, now);
    }
  }

  #shuffled(addresses: Address[]): Address[] {
    for (let i = addresses.length - 1; i > 0; i--) {
      this.#random(this.#drawn);
      const drawn = (this.#drawn[0]! << 16) | (this.#drawn[1]! << 8) | this.#drawn[2]!;
      const j = drawn % (i + 1);
      const swapped = addresses[i]!;
      addresses[i] = addresses[j]!;
      addresses[j] = swapped;
    }
    return addresses;
  }
}
