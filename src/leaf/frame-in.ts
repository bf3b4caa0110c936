/**
 * Frames from the network: who may send them, what the rules say, and delivery to our interface.
 * Facts: vl2-ethernet.md §5.5, §6; vl2-credentials.md §7.2.
 */
import { SUPER_ACCEPTED } from "../network/rules/filter.ts";
import type { Node } from "../node/node.ts";
import { replyError, replyOk } from "../node/reply.ts";
import type { Request } from "../node/request.ts";
import { Writer } from "../protocol/bytes.ts";
import { ETHERNET_HEADER_BYTES, ethernetFrame, isMulticastMac, type Mac } from "../protocol/ethernet.ts";
import { decodeExtFrame, EXT_FRAME_FLAG_ACK, encodeOkExtFrame } from "../protocol/messages/ext-frame.ts";
import { decodeFrame } from "../protocol/messages/frame.ts";
import { decodeMulticastFrame, encodeOkMulticastFrame } from "../protocol/messages/multicast-frame.ts";
import { ErrorCode, Verb } from "../protocol/verbs.ts";
import type { Announcer } from "./announcer.ts";
import type { Courier } from "./courier.ts";
import type { CredentialReceiver } from "./credential-receiver.ts";
import type { Gatherer } from "./gatherer.ts";
import type { LocalFrame } from "./local-frame.ts";
import type { MulticastSender } from "./multicast-out.ts";
import type { Network } from "./network.ts";
import type { ParkedPackets } from "./parked.ts";
import type { LeafPorts } from "./ports.ts";
import type { LeafStatistics } from "./statistics.ts";
import type { Tracer } from "./tracer.ts";

/** Longer multicast frames are ignored (vl2-ethernet.md §5.5). */
const MAX_FRAME_BYTES = 10_000;
/** One sender is told at most so often that we want its certificate. */
const NEED_CERTIFICATE_GATE_MS = 200;

export interface FrameInParts {
  readonly node: Node;
  readonly networks: ReadonlyMap<bigint, Network>;
  readonly courier: Courier;
  readonly multicast: MulticastSender;
  readonly announcer: Announcer;
  readonly credentials: CredentialReceiver;
  readonly gatherer: Gatherer;
  readonly parked: ParkedPackets;
  readonly ports: LeafPorts;
  readonly statistics: LeafStatistics;
  readonly tracer: Tracer;
}

export class FrameIn {
  readonly #parts: FrameInParts;
  /** Where frames are made: one for each would be most of the memory that is allocated under load. */
  readonly #room = new Uint8Array(ETHERNET_HEADER_BYTES + MAX_FRAME_BYTES);

  constructor(parts: FrameInParts) {
    this.#parts = parts;
  }

  /** FRAME, EXT_FRAME or MULTICAST_FRAME. Returns as a `Handler` does. */
  readonly handle = (_node: Node, request: Request): boolean => {
    switch (request.verb) {
      case Verb.FRAME:
        return this.#frame(request);
      case Verb.EXT_FRAME:
        return this.#extFrame(request);
      default:
        return this.#multicastFrame(request);
    }
  };

  #frame(request: Request): boolean {
    const decoded = decodeFrame(request.payload);
    if (!decoded.ok) return this.#malformed();
    const { networkId, etherType, data } = decoded.value;
    const network = this.#joined(networkId);
    if (network === null) return true;
    if (!this.#admitted(network, request)) return false;
    if (data.length === 0) return true;
    const source = network.macs.macOf(request.peer.address);
    const frame = { destination: network.mac, source, etherType, data };
    if (this.#parts.courier.mayCome(network, frame, request.peer.address, request.now) > 0)
      this.#deliver(network, frame);
    return true;
  }

  #extFrame(request: Request): boolean {
    const decoded = decodeExtFrame(request.payload);
    if (!decoded.ok) return this.#malformed();
    const { networkId, flags, certificate, destination, source, etherType, data } = decoded.value;
    const network = this.#joined(networkId);
    if (network === null) return true;
    if (certificate !== null) this.#parts.credentials.membership(network, certificate, request);
    if (!this.#admitted(network, request)) return false;
    if (data.length > 0) {
      if (source === 0 || source === network.mac) return this.#badMac();
      const frame = { destination, source, etherType, data };
      const verdict = this.#parts.courier.mayCome(network, frame, request.peer.address, request.now);
      if (verdict > 0) {
        if (verdict !== SUPER_ACCEPTED && !this.#macsAreRight(network, frame, request)) return true;
        this.#deliver(network, frame);
      }
    }
    if ((flags & EXT_FRAME_FLAG_ACK) !== 0) {
      replyOk(this.#parts.node, request, encodeOkExtFrame({ networkId }));
    }
    return true;
  }

  /** Whether the sender may speak for the source, and we may hear what is for the destination. Learns bridge routes. */
  #macsAreRight(network: Network, frame: LocalFrame, { peer }: Request): boolean {
    if (frame.source !== network.macs.macOf(peer.address)) {
      if (!network.isActiveBridge(peer.address)) return !this.#badMac();
      network.bridgeRoutes.learn(frame.source, peer.address);
      return true;
    }
    if (frame.destination === network.mac) return true;
    if (isMulticastMac(frame.destination)) {
      if (network.config!.multicastLimit !== 0) return true;
      this.#parts.statistics.dropIn("multicast_off");
      return false;
    }
    return network.isBridge || !this.#badMac();
  }

  #multicastFrame(request: Request): boolean {
    const decoded = decodeMulticastFrame(request.payload);
    if (!decoded.ok) return this.#malformed();
    const multicast = decoded.value;
    const network = this.#joined(multicast.networkId);
    if (network === null) return true;
    if (multicast.certificate !== null) this.#parts.credentials.membership(network, multicast.certificate, request);
    if (!this.#admitted(network, request)) return false;
    if (network.config!.multicastLimit === 0) {
      this.#parts.statistics.dropIn("multicast_off");
      return true;
    }
    const { peer, now } = request;
    const own = network.macs.macOf(peer.address);
    const source = multicast.source ?? own;
    const { group, etherType, data } = multicast;
    if (data.length > 0 && data.length <= MAX_FRAME_BYTES) {
      if (!isMulticastMac(group.mac) || !isUsableSource(source, network)) return this.#badMac();
      if (multicast.replicate && network.isReplicator) {
        const origin = peer.address;
        this.#parts.multicast.send(network, { group, source, etherType, data, origin }, now);
      }
      if (source !== own) {
        if (!network.isActiveBridge(peer.address)) return this.#badMac();
        network.bridgeRoutes.learn(source, peer.address);
      }
      const frame = { destination: group.mac, source, etherType, data };
      if (this.#parts.courier.mayCome(network, frame, peer.address, now) > 0) this.#deliver(network, frame);
    }
    if (multicast.gatherLimit !== null && multicast.gatherLimit > 0) {
      const results = this.#parts.gatherer.resultsFor(network, group, peer.address, multicast.gatherLimit);
      if (results !== null) {
        const body = encodeOkMulticastFrame({ networkId: network.id, group, certificate: null, results });
        replyOk(this.#parts.node, request, body);
      }
    }
    return true;
  }

  #joined(networkId: bigint): Network | null {
    const network = this.#parts.networks.get(networkId);
    if (network?.config != null) return network;
    this.#parts.statistics.dropIn("not_joined");
    return null;
  }

  /** The sender belongs to the network; else it is asked for its certificate, and the packet waits for that. */
  #admitted(network: Network, request: Request): boolean {
    const { peer, now } = request;
    if (network.members.admits(peer.identity)) {
      this.#parts.courier.trusts(request);
      this.#parts.announcer.announceTo(network, peer.address, now);
      return true;
    }
    this.#parts.statistics.dropIn("not_admitted");
    this.#parts.tracer.accessDenied(network, peer.address, now);
    if (network.members.mayAskForCertificate(peer.address, now, NEED_CERTIFICATE_GATE_MS)) {
      const body = new Writer(8).u64(network.id).finish();
      replyError(this.#parts.node, request, ErrorCode.NEED_MEMBERSHIP_CERTIFICATE, body);
    }
    this.#parts.parked.add(request);
    return false;
  }

  #deliver(network: Network, { destination, source, etherType, data }: LocalFrame): void {
    const { statistics, ports } = this.#parts;
    if (data.length > network.config!.mtu) return statistics.dropIn("too_long");
    const bytes = ethernetFrame(destination, source, etherType, data, this.#room);
    statistics.framesIn++;
    statistics.bytesIn += bytes.length;
    ports.deliver(network.id, bytes);
  }

  #badMac(): true {
    this.#parts.statistics.dropIn("bad_mac");
    return true;
  }

  #malformed(): false {
    this.#parts.statistics.dropIn("malformed");
    this.#parts.node.drop("malformed");
    return false;
  }
}

function isUsableSource(source: Mac, network: Network): boolean {
  return source !== 0 && !isMulticastMac(source) && source !== network.mac;
}
