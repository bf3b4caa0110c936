/** A leaf on a host of the virtual network, member of one network whose configuration a test hands it. */
import type { Identity } from "../../src/identity/identity.ts";
import { Leaf } from "../../src/leaf/leaf.ts";
import { ConfigFlag, encodeNetworkConfigDictionary, type NetworkConfig, NO_DNS } from "../../src/network/config.ts";
import { NO_SSO } from "../../src/network/config-sso.ts";
import { issueMembershipCertificate } from "../../src/network/credentials/certificate-of-membership.ts";
import { encodeRules } from "../../src/network/rules/codec.ts";
import { ethernetFrame, readMac } from "../../src/protocol/ethernet.ts";
import { METADATA } from "./controlled-node.ts";
import { ACCEPT_ALL } from "./leaf-bench.ts";
import type { Host, VirtualNetwork } from "./virtual-network.ts";

const TEST_ETHER_TYPE = 0x88b5;
const MAX_DELTA = 1_800_000n;

export class TestMember {
  readonly host: Host;
  readonly leaf: Leaf;
  readonly networkId: bigint;
  readonly frames: Uint8Array[] = [];
  readonly #network: VirtualNetwork;
  readonly #controller: Identity;

  constructor(
    network: VirtualNetwork,
    host: Host,
    networkId: bigint,
    controller: Identity,
    config: Partial<NetworkConfig> = {},
  ) {
    this.host = host;
    this.#network = network;
    this.networkId = networkId;
    this.#controller = controller;
    this.leaf = new Leaf(
      host.node,
      {
        maxNetworks: 4,
        maxMembers: 100,
        maxGroupMembers: 100,
        metadata: METADATA,
        lowBandwidth: false,
        subscribers: null,
      },
      { deliver: (_id, frame) => void this.frames.push(new Uint8Array(frame)), events: () => {} },
    );
    host.node.topology.addPeer(controller);
    this.leaf.join(networkId, network.now, this.dictionary(config));
  }

  /** What the controller would send this member now. */
  dictionary(config: Partial<NetworkConfig> = {}): Uint8Array {
    const timestamp = BigInt(this.#network.now);
    const { networkId } = this;
    const member = this.host.node.identity;
    return encodeNetworkConfigDictionary({
      networkId,
      timestamp,
      credentialTimeMaxDelta: MAX_DELTA,
      revision: 1n,
      issuedTo: member.address,
      remoteTraceTarget: 0,
      remoteTraceLevel: 0,
      flags: ConfigFlag.BROADCAST,
      multicastLimit: 32,
      isPublic: false,
      name: "test",
      mtu: 2800,
      membership: issueMembershipCertificate({ networkId, timestamp, maxDelta: MAX_DELTA, member }, this.#controller),
      capabilities: [],
      tags: [],
      ownerships: [],
      specialists: [],
      routes: [],
      staticIps: [],
      rules: encodeRules(ACCEPT_ALL),
      dns: NO_DNS,
      sso: NO_SSO,
      ...config,
    });
  }

  get mac(): number {
    return this.leaf.network(this.networkId)!.mac;
  }

  /** Sends a frame of its interface. */
  send(destination: number, text: string, etherType = TEST_ETHER_TYPE): void {
    const data = new TextEncoder().encode(text.padEnd(46));
    this.leaf.frame(this.networkId, ethernetFrame(destination, this.mac, etherType, data), this.#network.now);
  }

  /** Texts of what arrived, each once, in order. */
  get heard(): string[] {
    return this.frames.map((frame) => new TextDecoder().decode(frame.subarray(14)).trim());
  }

  get heardFrom(): number[] {
    return this.frames.map((frame) => readMac(frame, 6));
  }
}
