/**
 * Telling others which groups we want to receive. Facts: vl2-ethernet.md §5.2.
 */
import type { NetworkId } from "../network/network-id.ts";
import type { Node } from "../node/node.ts";
import type { Millis } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";
import type { MulticastGroup } from "../protocol/ethernet.ts";
import { encodeMulticastLike } from "../protocol/messages/multicast-like.ts";
import { Verb } from "../protocol/verbs.ts";
import type { Network } from "./network.ts";
import type { Subscribers } from "./ports.ts";
import type { LeafStatistics } from "./statistics.ts";

/** How often everything is announced again, to each. */
export const ANNOUNCEMENT_PERIOD_MS = 60_000;
/** Subscriptions of 18 bytes each that fit one packet (vl2-ethernet.md §5.2). */
const MAX_SUBSCRIPTIONS = 554;

export class Announcer {
  readonly #node: Node;
  readonly #statistics: LeafStatistics;
  /** A root or controller in this process hears of our groups without a packet. */
  readonly #subscribers: Subscribers | null;

  constructor(node: Node, statistics: LeafStatistics, subscribers: Subscribers | null) {
    this.#node = node;
    this.#statistics = statistics;
    this.#subscribers = subscribers;
  }

  /** New groups, at once, to whoever always hears of them and to every admitted member that we know. */
  announceNew(network: Network, groups: readonly MulticastGroup[], now: Millis): void {
    if (groups.length === 0 || network.config === null) return;
    const always = this.#always(network);
    for (const to of always) this.#send(network.id, groups, to, now);
    for (const address of this.#admitted(network, always)) this.#send(network.id, groups, address, now);
    this.#ourselves(network.id, groups, now);
  }

  /** All groups to those that have not heard of them for a minute. */
  announceDue(network: Network, now: Millis): void {
    if (network.config === null) return;
    const always = this.#always(network);
    const groups = network.subscriptions.announced();
    if (now - network.lastAnnouncement >= ANNOUNCEMENT_PERIOD_MS) {
      network.lastAnnouncement = now;
      for (const to of always) this.#send(network.id, groups, to, now);
      this.#ourselves(network.id, groups, now);
    }
    for (const address of this.#admitted(network, always)) {
      if (network.members.announcementDue(address, now, ANNOUNCEMENT_PERIOD_MS)) {
        this.#send(network.id, groups, address, now);
      }
    }
  }

  /** The member showed that it belongs to the network: it should know what we want to hear. */
  announceTo(network: Network, address: Address, now: Millis): void {
    if (!network.members.announcementDue(address, now, ANNOUNCEMENT_PERIOD_MS)) return;
    this.#send(network.id, network.subscriptions.announced(), address, now);
  }

  /** Roots, the controller, anchors and replicators. */
  #always(network: Network): Set<Address> {
    const always = new Set<Address>(network.alwaysContact);
    if (!network.isAdHoc) always.add(network.controller);
    for (const { identity } of this.#node.topology.upstreams()) always.add(identity.address);
    always.delete(this.#node.identity.address);
    return always;
  }

  *#admitted(network: Network, except: ReadonlySet<Address>): Generator<Address> {
    for (const address of network.members.addresses()) {
      if (except.has(address)) continue;
      const identity = this.#node.topology.identityOf(address);
      if (identity !== undefined && network.members.admits(identity)) yield address;
    }
  }

  #send(networkId: NetworkId, groups: readonly MulticastGroup[], to: Address, now: Millis): void {
    for (let at = 0; at < groups.length; at += MAX_SUBSCRIPTIONS) {
      const subscriptions = groups.slice(at, at + MAX_SUBSCRIPTIONS).map((group) => ({ networkId, group }));
      this.#node.send(to, Verb.MULTICAST_LIKE, encodeMulticastLike({ subscriptions }), now);
    }
    this.#statistics.announcements++;
  }

  #ourselves(networkId: NetworkId, groups: readonly MulticastGroup[], now: Millis): void {
    if (this.#subscribers === null) return;
    for (const group of groups) this.#subscribers.subscribe(networkId, group, now);
  }
}
