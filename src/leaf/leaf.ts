/**
 * THE LEAF ROLE: the networks this node has joined. Frames of interfaces in, frames for interfaces out; everything
 * between is the node's packets. Adds its verbs to the node. Facts: vl2-networks.md, vl2-ethernet.md, vl2-credentials.md.
 */
import type { NetworkId } from "../network/network-id.ts";
import type { RequestMetadata } from "../network/request-metadata.ts";
import type { Node } from "../node/node.ts";
import type { Millis } from "../node/ports.ts";
import type { ErrorHandler, Request } from "../node/request.ts";
import { HOUSEKEEPING_INTERVAL_MS, PING_CHECK_INTERVAL_MS } from "../protocol/constants.ts";
import type { MulticastGroup } from "../protocol/ethernet.ts";
import { prefixContains } from "../protocol/inet-address.ts";
import { decodeNetworkError, decodeUnwantedMulticast } from "../protocol/messages/error.ts";
import { ErrorCode, Verb } from "../protocol/verbs.ts";
import { Announcer } from "./announcer.ts";
import { ConfigClient } from "./config-client.ts";
import { Courier } from "./courier.ts";
import { CredentialReceiver } from "./credential-receiver.ts";
import { FrameIn } from "./frame-in.ts";
import { FrameOut } from "./frame-out.ts";
import { Gatherer } from "./gatherer.ts";
import { MulticastSender } from "./multicast-out.ts";
import { Network, type NetworkLimits } from "./network.ts";
import { ParkedPackets, RETRY_INTERVAL_MS } from "./parked.ts";
import type { LeafPorts, Subscribers } from "./ports.ts";
import { LeafStatistics } from "./statistics.ts";
import { Tracer } from "./tracer.ts";

export interface LeafOptions extends NetworkLimits {
  /** Networks that can be joined. */
  readonly maxNetworks: number;
  readonly metadata: RequestMetadata;
  readonly lowBandwidth: boolean;
  /** A root or controller in this process, which hears of our groups and knows of others'; null if there is none. */
  readonly subscribers: Subscribers | null;
}

export class Leaf {
  readonly statistics = new LeafStatistics();
  readonly parked = new ParkedPackets();
  readonly #networks = new Map<NetworkId, Network>();
  readonly #node: Node;
  readonly #ports: LeafPorts;
  readonly #options: LeafOptions;
  readonly #courier: Courier;
  readonly #announcer: Announcer;
  readonly #configs: ConfigClient;
  readonly #frameIn: FrameIn;
  readonly #frameOut: FrameOut;
  #nextCheck: Millis = 0;
  #nextRetry: Millis = 0;
  #nextHousekeeping: Millis = 0;

  constructor(node: Node, options: LeafOptions, ports: LeafPorts) {
    this.#node = node;
    this.#ports = ports;
    this.#options = options;
    const { statistics, parked } = this;
    const networks = this.#networks;
    const { random } = node.ports;
    const tracer = new Tracer(node, statistics);
    const courier = new Courier(node, statistics, tracer);
    const announcer = new Announcer(node, statistics, options.subscribers);
    const multicast = new MulticastSender(node, courier, options.subscribers, statistics);
    const arrived = (_member: number, request: Request) => this.#retry(request.now, _member);
    const credentials = new CredentialReceiver({
      node,
      networks,
      parked,
      statistics,
      tracer,
      arrived,
      trusts: courier.trusts,
    });
    const elsewhere = { like: node.handlers[Verb.MULTICAST_LIKE], gather: node.handlers[Verb.MULTICAST_GATHER] };
    const gatherer = new Gatherer(node, networks, credentials, elsewhere);
    const { metadata, lowBandwidth } = options;
    this.#courier = courier;
    this.#announcer = announcer;
    this.#configs = new ConfigClient({ node, networks, parked, ports, statistics, metadata, lowBandwidth });
    this.#frameOut = new FrameOut({ node, courier, multicast, announcer, ports, random, statistics });
    const inbound = {
      node,
      networks,
      courier,
      multicast,
      announcer,
      credentials,
      gatherer,
      parked,
      ports,
      statistics,
      tracer,
    };
    this.#frameIn = new FrameIn(inbound);
    node.handlers[Verb.FRAME] = this.#frameIn.handle;
    node.handlers[Verb.EXT_FRAME] = this.#frameIn.handle;
    node.handlers[Verb.MULTICAST_FRAME] = this.#frameIn.handle;
    node.handlers[Verb.NETWORK_CREDENTIALS] = credentials.handle;
    node.handlers[Verb.NETWORK_CONFIG] = this.#configs.handleConfig;
    node.handlers[Verb.MULTICAST_LIKE] = gatherer.handleLike;
    node.handlers[Verb.MULTICAST_GATHER] = gatherer.handleGather;
    node.okHandlers[Verb.NETWORK_CONFIG_REQUEST] = this.#configs.handleOk;
    node.okHandlers[Verb.MULTICAST_GATHER] = gatherer.handleOkGather;
    node.okHandlers[Verb.MULTICAST_FRAME] = gatherer.handleOkFrame;
    node.timed.push(this);
    node.topology.isInsideNetwork = (ip) => this.#isManaged(ip);
    node.errorHandlers.push(this.#configs.handleError, this.#handleError);
  }

  /**
   * Becomes a member, or does nothing if it is one. `dictionary` is the configuration that was kept from before, used
   * until a new one comes. `credential` (`token:…`) is shown to the controller. Null if there are too many networks.
   */
  join(id: NetworkId, now: Millis, dictionary: Uint8Array | null = null, credential = ""): Network | null {
    const known = this.#networks.get(id);
    if (known !== undefined) {
      if (credential !== "") known.joinCredential = credential;
      return known;
    }
    if (this.#networks.size >= this.#options.maxNetworks) return null;
    const network = new Network(id, this.#node.identity.address, this.#options);
    network.joinCredential = credential;
    this.#networks.set(id, network);
    network.issuers((address) => this.#node.identityOf(address))(network.controller);
    this.#ports.events({ type: "joined", networkId: id });
    if (dictionary !== null && this.#configs.apply(network, dictionary, now)) {
      network.configuredAt = 0;
      network.confirmedAt = 0;
      network.nextRequest = 0;
    }
    this.#nextCheck = now;
    return network;
  }

  /** False if it was not joined. */
  leave(id: NetworkId): boolean {
    if (!this.#networks.delete(id)) return false;
    this.#ports.events({ type: "left", networkId: id });
    return true;
  }

  network(id: NetworkId): Network | undefined {
    return this.#networks.get(id);
  }

  networks(): IterableIterator<Network> {
    return this.#networks.values();
  }

  /** How full the bounded tables are, over all networks. */
  gauges(): Record<"members" | "groups" | "group_members" | "bridge_routes" | "bridged_groups" | "parked", number> {
    const sums = {
      members: 0,
      groups: 0,
      group_members: 0,
      bridge_routes: 0,
      bridged_groups: 0,
      parked: this.parked.size,
    };
    for (const network of this.#networks.values()) {
      sums.members += network.members.size;
      sums.groups += network.groups.groups;
      sums.group_members += network.groups.members;
      sums.bridge_routes += network.bridgeRoutes.size;
      sums.bridged_groups += network.subscriptions.bridgedCount;
    }
    return sums;
  }

  /** Entries of these that made room for others, or were not taken. Of networks that are joined now. */
  evictions(): Record<"members" | "group_members" | "bridged_groups" | "parked", number> {
    const sums = { members: 0, group_members: 0, bridged_groups: 0, parked: this.parked.evicted };
    for (const network of this.#networks.values()) {
      sums.members += network.members.evicted;
      sums.group_members += network.groups.refused;
      sums.bridged_groups += network.subscriptions.refused;
    }
    return sums;
  }

  /** A whole Ethernet frame that the interface of a network sends. The bytes need only be valid until the call returns. */
  frame(id: NetworkId, bytes: Uint8Array, now: Millis): void {
    const network = this.#networks.get(id);
    if (network !== undefined) this.#frameOut.send(network, bytes, now);
  }

  /** The multicast groups that the interface of a network wants now. */
  groups(id: NetworkId, groups: readonly MulticastGroup[], now: Millis): void {
    const network = this.#networks.get(id);
    if (network === undefined) return;
    this.#announcer.announceNew(network, network.subscriptions.replaceOwn(groups), now);
  }

  /** Asks the controller now, for somebody who waits. */
  refresh(id: NetworkId, now: Millis): void {
    const network = this.#networks.get(id);
    if (network !== undefined) this.#configs.request(network, now);
  }

  tick(now: Millis): void {
    this.#courier.tick(now);
    if (now >= this.#nextRetry) {
      this.#nextRetry = now + RETRY_INTERVAL_MS;
      this.#retry(now);
    }
    for (const network of this.#networks.values()) this.#configs.tick(network, now);
    if (now >= this.#nextCheck) {
      this.#nextCheck = now + PING_CHECK_INTERVAL_MS;
      if (!this.#options.lowBandwidth)
        for (const network of this.#networks.values()) this.#announcer.announceDue(network, now);
    }
    if (now >= this.#nextHousekeeping) {
      this.#nextHousekeeping = now + HOUSEKEEPING_INTERVAL_MS;
      for (const network of this.#networks.values()) {
        network.groups.expire(now);
        network.subscriptions.expire(now);
      }
    }
  }

  nextDeadline(): Millis {
    if (this.#networks.size === 0) return Number.POSITIVE_INFINITY;
    let least = Math.min(this.#nextCheck, this.#nextHousekeeping, this.#courier.deadline);
    if (this.parked.size > 0) least = Math.min(least, this.#nextRetry);
    for (const { nextRequest } of this.#networks.values()) least = Math.min(least, nextRequest);
    return least;
  }

  #isManaged(ip: Uint8Array): boolean {
    for (const { config } of this.#networks.values()) {
      if (config?.staticIps.some((managed) => prefixContains(managed, ip)) === true) return true;
    }
    return false;
  }

  /** What waited may be understood now: of one sender, or of all. */
  #retry(now: Millis, sender?: number): void {
    for (const request of this.parked.take(now, sender)) {
      this.#node.handlers[request.verb]?.(this.#node, request);
    }
  }

  readonly #handleError: ErrorHandler = (_node, request, { code, body }) => {
    if (code === ErrorCode.NEED_MEMBERSHIP_CERTIFICATE) {
      const decoded = decodeNetworkError(body);
      const network = decoded.ok ? this.#networks.get(decoded.value.networkId) : undefined;
      if (network !== undefined) this.#courier.certificateWanted(network, request.peer.address, request.now);
    } else if (code === ErrorCode.UNWANTED_MULTICAST) {
      const decoded = decodeUnwantedMulticast(body);
      const network = decoded.ok ? this.#networks.get(decoded.value.networkId) : undefined;
      if (!decoded.ok || network === undefined || !network.members.admits(request.peer.identity)) return;
      network.groups.remove(decoded.value.group, request.peer.address);
    }
  };
}
