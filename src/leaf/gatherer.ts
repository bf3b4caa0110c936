/**
 * Who is in a group: asked by others, and what others answer us. Facts: vl2-ethernet.md §5.2 (receiving), §5.4.
 */
import type { Node } from "../node/node.ts";
import type { Random } from "../node/ports.ts";
import { replyOk } from "../node/reply.ts";
import type { Handler, OkHandler, Request } from "../node/request.ts";
import type { Address } from "../protocol/address.ts";
import { MAX_PACKET_BYTES, PACKET_HEADER_BYTES } from "../protocol/constants.ts";
import type { MulticastGroup } from "../protocol/ethernet.ts";
import { decodeOkMulticastFrame } from "../protocol/messages/multicast-frame.ts";
import {
  decodeMulticastGather,
  decodeOkMulticastGather,
  encodeOkMulticastGather,
  type GatherResults,
} from "../protocol/messages/multicast-gather.ts";
import { decodeMulticastLike } from "../protocol/messages/multicast-like.ts";
import { OK_BODY_OFFSET } from "../protocol/messages/ok.ts";
import type { CredentialReceiver } from "./credential-receiver.ts";
import type { Network } from "./network.ts";

const OK_FIXED_BYTES = PACKET_HEADER_BYTES + OK_BODY_OFFSET + 8 + 10 + 1 + 6;
const MAX_RESULTS = Math.floor((MAX_PACKET_BYTES - OK_FIXED_BYTES) / 5);

export class Gatherer {
  readonly #node: Node;
  readonly #networks: ReadonlyMap<bigint, Network>;
  readonly #credentials: CredentialReceiver;
  readonly #random: Random;
  readonly #drawn = new Uint8Array(4);
  /** What a root or controller in this process does with the same verbs. */
  readonly #elsewhere: { readonly like: Handler | undefined; readonly gather: Handler | undefined };

  constructor(
    node: Node,
    networks: ReadonlyMap<bigint, Network>,
    credentials: CredentialReceiver,
    elsewhere: { readonly like: Handler | undefined; readonly gather: Handler | undefined },
  ) {
    this.#node = node;
    this.#networks = networks;
    this.#credentials = credentials;
    this.#random = node.ports.random;
    this.#elsewhere = elsewhere;
  }

  /** MULTICAST_LIKE: members of our networks are remembered; a root remembers everybody. */
  readonly handleLike: Handler = (node, request) => {
    const decoded = decodeMulticastLike(request.payload);
    if (!decoded.ok) {
      node.drop("malformed");
      return false;
    }
    for (const { networkId, group } of decoded.value.subscriptions) {
      const network = this.#networks.get(networkId);
      if (network?.members.admits(request.peer.identity))
        network.groups.learn(group, request.peer.address, request.now);
    }
    return this.#elsewhere.like?.(node, request) ?? true;
  };

  /** MULTICAST_GATHER: a root answers everybody; others answer members of the network. */
  readonly handleGather: Handler = (node, request) => {
    const decoded = decodeMulticastGather(request.payload);
    if (!decoded.ok) {
      node.drop("malformed");
      return false;
    }
    const { networkId, group, limit, certificate } = decoded.value;
    const network = this.#networks.get(networkId);
    if (network !== undefined && certificate !== null) this.#credentials.membership(network, certificate, request);
    if (node.topology.isUpstream || network?.config == null) return this.#elsewhere.gather?.(node, request) ?? true;
    if (limit === 0 || !network.members.admits(request.peer.identity)) return true;
    const results = this.resultsFor(network, group, request.peer.address, limit);
    if (results !== null) replyOk(node, request, encodeOkMulticastGather({ networkId, group, results }));
    return true;
  };

  readonly handleOkGather: OkHandler = (_node, request, body) => {
    const decoded = decodeOkMulticastGather(body);
    if (!decoded.ok) return this.#malformed();
    this.#merge(decoded.value.networkId, decoded.value.group, decoded.value.results, request);
    return true;
  };

  readonly handleOkFrame: OkHandler = (_node, request, body) => {
    const decoded = decodeOkMulticastFrame(body);
    if (!decoded.ok) return this.#malformed();
    const { networkId, group, certificate, results } = decoded.value;
    const network = this.#networks.get(networkId);
    if (network !== undefined && certificate !== null) this.#credentials.membership(network, certificate, request);
    if (results !== null) this.#merge(networkId, group, results, request);
    return true;
  };

  /** Ourselves first if we want the group, then others in random order, never who asks; null for nobody. */
  resultsFor(network: Network, group: MulticastGroup, asker: Address, limit: number): GatherResults | null {
    const known = network.groups.find(group)?.members;
    const wanted = network.subscriptions.wants(group);
    const members: Address[] = wanted ? [this.#node.identity.address] : [];
    const others = known === undefined ? [] : [...known.keys()].filter((address) => address !== asker);
    this.#shuffle(others, limit);
    members.push(...others);
    if (members.length === 0) return null;
    const total = (known?.size ?? 0) + (wanted ? 1 : 0);
    return { total, members: members.slice(0, Math.min(limit, MAX_RESULTS)) };
  }

  #merge(networkId: bigint, group: MulticastGroup, { members }: GatherResults, { now }: Request): void {
    const network = this.#networks.get(networkId);
    if (network === undefined) return;
    for (const address of members) {
      if (address !== this.#node.identity.address) network.groups.learn(group, address, now);
    }
  }

  /** Only as far as it will be cut off. */
  #shuffle(addresses: Address[], limit: number): void {
    for (let i = 0; i < Math.min(limit, addresses.length - 1); i++) {
      this.#random(this.#drawn);
      const drawn = (this.#drawn[0]! << 16) | (this.#drawn[1]! << 8) | this.#drawn[2]!;
      const j = i + (drawn % (addresses.length - i));
      const swapped = addresses[i]!;
      addresses[i] = addresses[j]!;
      addresses[j] = swapped;
    }
  }

  #malformed(): false {
    this.#node.drop("malformed");
    return false;
  }
}
