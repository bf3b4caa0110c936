/**
 * What every frame passes on its way out and in: the network's rules, with the copies that they ask for, and the
 * credentials that the other side needs to let it in. Facts: vl2-rules.md §6, vl2-credentials.md §7.1.
 */

import { ConfigFlag } from "../network/config.ts";
import type { Capability } from "../network/credentials/capability.ts";
import { ownsIp, ownsMac } from "../network/credentials/certificate-of-ownership.ts";
import { packCredentials } from "../network/credentials/push.ts";
import { isDerivedLikeOurs } from "../network/derived-addresses.ts";
import { decodeRules } from "../network/rules/codec.ts";
import type { RuleContext } from "../network/rules/evaluate.ts";
import {
  ACCEPTED,
  type FilterOutcome,
  type FilterVerdict,
  filterFrame,
  SUPER_ACCEPTED,
} from "../network/rules/filter.ts";
import { FrameView } from "../network/rules/frame.ts";
import type { CapabilityRules } from "../network/rules/rule.ts";
import type { Node } from "../node/node.ts";
import type { Millis } from "../node/ports.ts";
import type { Request } from "../node/request.ts";
import type { Address } from "../protocol/address.ts";
import { MAX_CAPABILITY_RULES } from "../protocol/credential-bytes.ts";
import type { Mac } from "../protocol/ethernet.ts";
import { encodeExtFrame } from "../protocol/messages/ext-frame.ts";
import { Verb } from "../protocol/verbs.ts";
import type { LocalFrame } from "./local-frame.ts";
import type { Network } from "./network.ts";
import type { RemoteMember } from "./remote-member.ts";
import type { LeafStatistics } from "./statistics.ts";
import type { Tracer } from "./tracer.ts";

/** Credentials are shown again after so long, even if nothing changed. */
const PUSH_REFRESH_MS = 500_000;
/** A peer that asks for them gets them at most once a second. */
const PUSH_ON_REQUEST_MS = 1000;
/** Receivers discard a second packet of credentials that comes within a second of the first. */
const PUSH_PACKET_SPACING_MS = 1100;
/** Pushes of several packets that wait for their next packet. */
const MAX_WAITING_PUSHES = 1024;

/** The rest of a push that did not fit one packet. */
interface WaitingPush {
  readonly to: Address;
  readonly payload: Uint8Array;
  readonly due: Millis;
}

export class Courier {
  readonly #node: Node;
  readonly #statistics: LeafStatistics;
  readonly #tracer: Tracer;
  readonly #view = new FrameView();
  readonly #context: FrameContext;
  readonly #drawn = new Uint8Array(4);
  /** By network: the packets that show what we hold, made once per configuration. */
  readonly #packed = new WeakMap<Network, { readonly of: unknown; readonly payloads: readonly Uint8Array[] }>();
  #waiting: WaitingPush[] = [];

  constructor(node: Node, statistics: LeafStatistics, tracer: Tracer) {
    this.#tracer = tracer;
    this.#node = node;
    this.#statistics = statistics;
    const random = () => {
      node.ports.random(this.#drawn);
      return new DataView(this.#drawn.buffer).getUint32(0);
    };
    this.#context = new FrameContext(node.identity.address, random);
  }

  get deadline(): Millis {
    return this.#waiting.reduce((least, { due }) => Math.min(least, due), Number.POSITIVE_INFINITY);
  }

  /**
   * Whether the rules let a frame go to `to` (0: to nobody in particular yet). Sends the copies that they ask for,
   * unless this is the second look at a frame that goes to several (`noTee`).
   */
  mayGo(network: Network, frame: LocalFrame, to: Address, noTee: boolean, now: Millis): boolean {
    const member = to === 0 ? undefined : network.members.find(to);
    const context = this.#context.load(network, frame, member, false, this.#node.identity.address, to);
    const view = this.#view.load(frame.etherType, frame.data);
    const outcome = filterFrame(network.rules, network.capabilities, view, context, !noTee);
    this.#copy(network, frame, outcome, now);
    if (outcome.verdict === ACCEPTED) {
      network.verdicts.accepted.tx++;
      return true;
    }
    network.verdicts.refused.tx++;
    const reason = outcome.redirected ? "redirected" : "rules";
    this.#statistics.dropOut(reason);
    this.#tracer.frameOutDropped(network, reason, frame, to, now);
    return false;
  }

  /** What the rules say about a frame that came from an admitted member: 0 drop, 1 accept, 2 whatever its MACs. */
  mayCome(network: Network, frame: LocalFrame, from: Address, now: Millis): FilterVerdict {
    const member = network.members.open(from, now);
    const context = this.#context.load(network, frame, member, true, from, this.#node.identity.address);
    const view = this.#view.load(frame.etherType, frame.data);
    const shown = member.usableCapabilities(network.members.window, rulesOfCapability);
    const outcome = filterFrame(network.rules, shown, view, context, true);
    this.#copy(network, frame, outcome, now);
    if (outcome.verdict === ACCEPTED || outcome.verdict === SUPER_ACCEPTED) network.verdicts.accepted.rx++;
    else {
      network.verdicts.refused.rx++;
      this.#statistics.dropIn("rules");
      this.#tracer.frameInDropped(network, "rules", frame, from, now);
    }
    return outcome.verdict;
  }

  #copy(network: Network, frame: LocalFrame, { copies }: FilterOutcome, now: Millis): void {
    if (copies.length === 0) return;
    const { destination, source, etherType } = frame;
    for (const { to, flags, length } of copies) {
      const data = frame.data.subarray(0, length);
      const header = { networkId: network.id, flags, certificate: null, destination, source, etherType };
      this.#node.send(to, Verb.EXT_FRAME, encodeExtFrame({ ...header, data }), now, true);
    }
  }

  /** Shows our credentials to a member, if it has not seen them since they changed. */
  pushCredentials(network: Network, to: Address, now: Millis): void {
    const member = network.members.open(to, now);
    if (member.lastPush >= network.configuredAt && now - member.lastPush <= PUSH_REFRESH_MS) return;
    this.#push(network, member, to, now);
  }

  /** A member says that it needs our certificate. */
  certificateWanted(network: Network, by: Address, now: Millis): void {
    if (network.ownMembership === null) return;
    const member = network.members.open(by, now);
    if (member.lastPush >= network.configuredAt && now - member.lastPush <= PUSH_ON_REQUEST_MS) return;
    this.#push(network, member, by, now);
  }

  /** Sends what is left of pushes that needed several packets. */
  tick(now: Millis): void {
    if (this.#waiting.length === 0 || now < this.deadline) return;
    const due = this.#waiting.filter((push) => push.due <= now);
    this.#waiting = this.#waiting.filter((push) => push.due > now);
    for (const { to, payload } of due) this.#node.send(to, Verb.NETWORK_CREDENTIALS, payload, now);
  }

  #push(network: Network, member: RemoteMember, to: Address, now: Millis): void {
    member.lastPush = now;
    const payloads = this.#payloads(network);
    if (payloads.length > 0) this.#statistics.credentialPushes++;
    for (const [index, payload] of payloads.entries()) {
      if (index === 0) this.#node.send(to, Verb.NETWORK_CREDENTIALS, payload, now);
      else if (this.#waiting.length < MAX_WAITING_PUSHES) {
        this.#waiting.push({ to, payload, due: now + index * PUSH_PACKET_SPACING_MS });
      }
    }
  }

  #payloads(network: Network): readonly Uint8Array[] {
    const { config } = network;
    if (config === null) return [];
    const known = this.#packed.get(network);
    if (known?.of === config) return known.payloads;
    const payloads = packCredentials(config);
    this.#packed.set(network, { of: config, payloads });
    return payloads;
  }

  /** The packet shows that its sender and we are in a network together. */
  readonly trusts = ({ peer, now }: Request): void => {
    peer.trustedUntil = now + TRUST_EXPIRATION_MS;
  };
}

/** How long a peer is told of our addresses after it showed that it is in a network with us (vl1-behaviour.md §1). */
const TRUST_EXPIRATION_MS = 600_000;

/** Rules that do not decode are no rules; whoever signed them meant something else. */
function rulesOfCapability({ id, rules }: Capability): CapabilityRules {
  const decoded = decodeRules(rules, MAX_CAPABILITY_RULES);
  return { id, rules: decoded.ok ? decoded.value : [] };
}

/** One context for all frames: loading it allocates nothing. */
class FrameContext implements RuleContext {
  readonly self: Address;
  readonly random: () => number;
  inbound = false;
  source: Address = 0;
  destination: Address = 0;
  sourceMac: Mac = 0;
  destinationMac: Mac = 0;
  unknownRulesMatch = false;
  #network!: Network;
  #member: RemoteMember | undefined;

  constructor(self: Address, random: () => number) {
    this.self = self;
    this.random = random;
  }

  load(
    network: Network,
    frame: LocalFrame,
    member: RemoteMember | undefined,
    inbound: boolean,
    source: Address,
    destination: Address,
  ): this {
    this.#network = network;
    this.#member = member;
    this.inbound = inbound;
    this.source = source;
    this.destination = destination;
    this.sourceMac = frame.source;
    this.destinationMac = frame.destination;
    this.unknownRulesMatch = network.has(ConfigFlag.UNKNOWN_RULES_MATCH);
    return this;
  }

  localTag(id: number): number | undefined {
    return this.#network.ownTags.get(id);
  }

  remoteTag(id: number): number | undefined {
    return this.#member?.tag(id, this.#network.members.window);
  }

  senderOwnsIp(ip: Uint8Array): boolean {
    const network = this.#network;
    if (!this.inbound) return (network.config?.ownerships ?? []).some((ownership) => ownsIp(ownership, ip));
    const shown = this.#member?.usableOwnerships(network.members.window) ?? [];
    if (shown.some((ownership) => ownsIp(ownership, ip))) return true;
    if (!network.has(ConfigFlag.NDP_EMULATION)) return false;
    return isDerivedLikeOurs(ip, network.config?.staticIps ?? [], network.id, this.self);
  }

  senderOwnsMac(mac: Mac): boolean {
    const network = this.#network;
    const ownerships = this.inbound
      ? (this.#member?.usableOwnerships(network.members.window) ?? [])
      : (network.config?.ownerships ?? []);
    return ownerships.some((ownership) => ownsMac(ownership, mac));
  }
}
