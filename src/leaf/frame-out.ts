/**
 * A frame from our interface: to a member, to a host behind a bridge, to a multicast group, or back to ourselves.
 * Facts: vl2-ethernet.md §2–§4.
 */
import { ConfigFlag } from "../network/config.ts";
import type { Node } from "../node/node.ts";
import type { Millis, Random } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";
import { BROADCAST_MAC, EtherType, isMulticastMac, type MulticastGroup } from "../protocol/ethernet.ts";
import { encodeExtFrame } from "../protocol/messages/ext-frame.ts";
import { encodeFrame } from "../protocol/messages/frame.ts";
import { Verb } from "../protocol/verbs.ts";
import type { Announcer } from "./announcer.ts";
import type { Courier } from "./courier.ts";
import { arpTarget, type LocalFrame, readLocalFrame } from "./local-frame.ts";
import type { MulticastSender } from "./multicast-out.ts";
import { emulatedAdvertisement } from "./ndp-emulation.ts";
import type { Network } from "./network.ts";
import type { LeafPorts } from "./ports.ts";
import type { LeafStatistics } from "./statistics.ts";

/** A frame to an unknown host goes to so many bridges at most. */
const MAX_FLOODED_BRIDGES = 32;
const NOBODY: Address = 0;

/** What sending needs. */
export interface FrameOutParts {
  readonly node: Node;
  readonly courier: Courier;
  readonly multicast: MulticastSender;
  readonly announcer: Announcer;
  readonly ports: LeafPorts;
  readonly random: Random;
  readonly statistics: LeafStatistics;
}

export class FrameOut {
  readonly #parts: FrameOutParts;
  readonly #drawn = new Uint8Array(4);

  constructor(parts: FrameOutParts) {
    this.#parts = parts;
  }

  /** A whole Ethernet frame, as the interface gave it. */
  send(network: Network, bytes: Uint8Array, now: Millis): void {
    const { statistics } = this.#parts;
    const frame = readLocalFrame(bytes);
    if (frame === null || network.config === null) return statistics.dropOut("not_configured");
    statistics.framesOut++;
    statistics.bytesOut += bytes.length;
    const bridged = frame.source !== network.mac;
    if (bridged && !network.isBridge) return statistics.dropOut("not_a_bridge");
    if (isMulticastMac(frame.destination)) this.#multicast(network, frame, bridged, now);
    else if (frame.destination === network.mac) this.#parts.ports.deliver(network.id, bytes);
    else if (network.macs.isMember(frame.destination)) this.#toMember(network, frame, bridged, now);
    else this.#behindBridge(network, frame, now);
  }

  #multicast(network: Network, frame: LocalFrame, bridged: boolean, now: Millis): void {
    const { courier, statistics, ports, announcer, node } = this.#parts;
    const { etherType, data, destination } = frame;
    let group: MulticastGroup = { mac: destination, adi: 0 };
    if (destination === BROADCAST_MAC) {
      const target = arpTarget(etherType, data);
      if (target !== null) group = { mac: destination, adi: target };
      else if (!network.has(ConfigFlag.BROADCAST)) return statistics.dropOut("broadcast_off");
    } else if (etherType === EtherType.IPV6 && network.has(ConfigFlag.NDP_EMULATION)) {
      const { staticIps } = network.config!;
      const answer = emulatedAdvertisement(data, staticIps, node.identity.address, network.macs, frame.source);
      if (answer !== null) return ports.deliver(network.id, answer);
    }
    if (network.config!.multicastLimit === 0) return statistics.dropOut("multicast_off");
    if (bridged && network.subscriptions.bridgedHostUses(destination, now)) {
      announcer.announceNew(network, [{ mac: destination, adi: 0 }], now);
    }
    if (!courier.mayGo(network, frame, NOBODY, false, now)) return;
    const source = bridged ? frame.source : null;
    this.#parts.multicast.send(network, { group, source, etherType, data, origin: NOBODY }, now);
  }

  #toMember(network: Network, frame: LocalFrame, bridged: boolean, now: Millis): void {
    const { courier, node } = this.#parts;
    const to = network.macs.addressOf(frame.destination);
    if (!courier.mayGo(network, frame, to, false, now)) return;
    courier.pushCredentials(network, to, now);
    if (bridged) return this.#extended(network, frame, to, now);
    const { etherType, data } = frame;
    node.send(to, Verb.FRAME, encodeFrame({ networkId: network.id, etherType, data }), now);
  }

  /** A host behind some bridge: the one it was last seen behind, or all of them. */
  #behindBridge(network: Network, frame: LocalFrame, now: Millis): void {
    const { courier, node, statistics } = this.#parts;
    if (!courier.mayGo(network, frame, NOBODY, false, now)) return;
    const learned = network.bridgeRoutes.find(frame.destination);
    const known = learned !== undefined && learned !== node.identity.address && network.isActiveBridge(learned);
    const targets = known ? [learned] : this.#flooded(network);
    if (targets.length === 0) return statistics.dropOut("no_bridge");
    for (const to of targets) {
      if (courier.mayGo(network, frame, to, true, now)) this.#extended(network, frame, to, now);
    }
  }

  #extended(network: Network, { destination, source, etherType, data }: LocalFrame, to: Address, now: Millis): void {
    const header = { networkId: network.id, flags: 0, certificate: null };
    this.#parts.node.send(
      to,
      Verb.EXT_FRAME,
      encodeExtFrame({ ...header, destination, source, etherType, data }),
      now,
      false,
    );
  }

  /** All active bridges but ourselves; a random choice of 32 if there are more. */
  #flooded(network: Network): Address[] {
    const others = network.bridges.filter((address) => address !== this.#parts.node.identity.address);
    for (let i = 0; i < others.length - 1 && others.length > MAX_FLOODED_BRIDGES && i < MAX_FLOODED_BRIDGES; i++) {
      this.#parts.random(this.#drawn);
      const drawn = (this.#drawn[0]! << 16) | (this.#drawn[1]! << 8) | this.#drawn[2]!;
      const j = i + (drawn % (others.length - i));
      const swapped = others[i]!;
      others[i] = others[j]!;
      others[j] = swapped;
    }
    return others.slice(0, MAX_FLOODED_BRIDGES);
  }
}
