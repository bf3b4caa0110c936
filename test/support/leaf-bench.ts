/** A leaf in one network, without a wire: what it sends and delivers is kept. The recorded identities play. */

import type { Identity } from "../../src/identity/identity.ts";
import { Leaf } from "../../src/leaf/leaf.ts";
import type { Network } from "../../src/leaf/network.ts";
import type { LeafEvent } from "../../src/leaf/ports.ts";
import { ConfigFlag, encodeNetworkConfigDictionary, type NetworkConfig, NO_DNS } from "../../src/network/config.ts";
import { NO_SSO } from "../../src/network/config-sso.ts";
import { issueMembershipCertificate } from "../../src/network/credentials/certificate-of-membership.ts";
import { encodeRules } from "../../src/network/rules/codec.ts";
import type { Rule } from "../../src/network/rules/rule.ts";
import { Node } from "../../src/node/node.ts";
import { PhysicalRules } from "../../src/node/physical.ts";
import { makeEndpoint } from "../../src/protocol/inet-address.ts";
import type { World } from "../../src/world/world.ts";
import { METADATA } from "./controlled-node.ts";
import { Dice } from "./virtual-network.ts";

export interface SentByLeaf {
  readonly to: number;
  readonly verb: number;
  readonly payload: Uint8Array;
}

export const ACCEPT_ALL: Rule[] = [{ type: "ACTION_ACCEPT", not: false, or: false }];

export interface BenchOptions {
  readonly self: Identity;
  readonly controller: Identity;
  readonly networkId: bigint;
  readonly planet: World;
  /** Of the configuration and all credentials. */
  readonly timestamp: bigint;
  readonly config?: Partial<NetworkConfig>;
  readonly rules?: readonly Rule[];
}

export class LeafBench {
  readonly node: Node;
  readonly leaf: Leaf;
  readonly network: Network;
  readonly sent: SentByLeaf[] = [];
  readonly delivered: Uint8Array[] = [];
  readonly events: LeafEvent[] = [];
  readonly options: BenchOptions;
  now: number;

  constructor(options: BenchOptions) {
    this.options = options;
    this.now = Number(options.timestamp);
    const dice = new Dice(9);
    this.node = new Node(
      {
        identity: options.self,
        planet: options.planet,
        moons: [],
        physical: new PhysicalRules(),
        maxPeers: 1000,
        identityGate: { perPrefixPerMinute: 60, perPrefixBurst: 30, perSecond: 100 },
        maxValidations: 100,
        now: this.now,
      },
      {
        outbox: { send: () => {}, sockets: () => [] },
        random: dice.fill,
        validator: { validate: () => true },
        peerCache: { put: () => {}, remove: () => {} },
        routes: { install: () => {}, remove: () => {} },
        worlds: { savePlanet: () => {}, saveMoon: () => {}, removeMoon: () => {} },
        events: () => {},
      },
    );
    this.#record();
    this.leaf = new Leaf(
      this.node,
      {
        maxNetworks: 16,
        maxMembers: 1000,
        maxGroupMembers: 1000,
        metadata: METADATA,
        lowBandwidth: false,
        subscribers: null,
      },
      {
        deliver: (_id, frame) => void this.delivered.push(new Uint8Array(frame)),
        events: (event) => void this.events.push(event),
      },
    );
    this.node.topology.addPeer(options.controller);
    const dictionary = encodeNetworkConfigDictionary(this.config());
    this.network = this.leaf.join(options.networkId, this.now, dictionary)!;
    this.network.configuredAt = this.now - 1000;
  }

  /** What goes through the general way, and answers, which go straight back. */
  #record(): void {
    const { node, sent } = this;
    node.send = (to, verb, payload) => {
      sent.push({ to, verb, payload: new Uint8Array(payload) });
      return true;
    };
    const compose = node.sender.compose.bind(node.sender);
    node.sender.compose = (to, verb, payload) => {
      sent.push({ to, verb, payload: new Uint8Array(payload) });
      return compose(to, verb, payload);
    };
  }

  config(): NetworkConfig {
    const { networkId, timestamp, self, controller, config, rules } = this.options;
    const isPublic = config?.isPublic ?? false;
    return {
      networkId,
      timestamp,
      credentialTimeMaxDelta: 1_800_000n,
      revision: 1n,
      issuedTo: self.address,
      remoteTraceTarget: 0,
      remoteTraceLevel: 0,
      flags: ConfigFlag.BROADCAST,
      multicastLimit: 32,
      isPublic,
      name: "bench",
      mtu: 2800,
      membership: isPublic
        ? null
        : issueMembershipCertificate({ networkId, timestamp, maxDelta: 1_800_000n, member: self }, controller),
      capabilities: [],
      tags: [],
      ownerships: [],
      specialists: [],
      routes: [],
      staticIps: [],
      rules: encodeRules(rules ?? ACCEPT_ALL),
      dns: NO_DNS,
      sso: NO_SSO,
      ...config,
    };
  }

  /** A packet of a peer, as its handler gets it. */
  receive(from: Identity, verb: number, payload: Uint8Array, packetId = 77n): boolean {
    const peer = this.node.topology.addPeer(from);
    const request = {
      peer,
      packetId,
      verb,
      payload,
      hops: 0,
      socket: 1,
      from: makeEndpoint(Uint8Array.of(20, 0, 0, 9), 9993),
      pathKey: "",
      bytes: 10_000,
      now: this.now,
    };
    return this.node.handlers[verb]?.(this.node, request) ?? true;
  }
}
