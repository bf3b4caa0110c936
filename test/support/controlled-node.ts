/** A node with a controller over a database in memory, without a network: what it sends is kept. */
import { Controller, type ControllerLimits } from "../../src/controller/controller.ts";
import type { ControllerEvent } from "../../src/controller/ports.ts";
import { type Identity, parseIdentity } from "../../src/identity/identity.ts";
import { encodeRequestMetadata } from "../../src/network/request-metadata.ts";
import { Node } from "../../src/node/node.ts";
import { PhysicalRules } from "../../src/node/physical.ts";
import type { Request } from "../../src/node/request.ts";
import { makeEndpoint } from "../../src/protocol/inet-address.ts";
import { encodeNetworkConfigRequest } from "../../src/protocol/messages/network-config-request.ts";
import { Verb } from "../../src/protocol/verbs.ts";
import { SqlControllerStore } from "../../src/store/controller-store.ts";
import { Database } from "../../src/store/database.ts";
import type { World } from "../../src/world/world.ts";
import { Dice } from "./virtual-network.ts";

export const LIMITS: ControllerLimits = {
  maxSessions: 1000,
  cachedNetworks: 100,
  cachedMembers: 1000,
  maxUnderWay: 100,
  maxMembers: 1000,
  maxPerNetwork: 50,
  recordsPerSecond: 100,
};

/** What a 1.14.1 client on Linux says of itself. */
export const METADATA = {
  formatVersion: 7,
  vendor: 1,
  protocolVersion: 12,
  versionMajor: 1,
  versionMinor: 14,
  versionRevision: 1,
  rulesEngineRevision: 1,
  platform: "linux/x86_64",
  credential: "",
} as const;

export interface Sent {
  readonly to: number;
  readonly verb: number;
  readonly payload: Uint8Array;
}

export class ControlledNode {
  readonly node: Node;
  readonly controller: Controller;
  readonly database: Database;
  readonly sent: Sent[] = [];
  readonly events: ControllerEvent[] = [];
  readonly failures: unknown[] = [];
  now = 1_795_396_713_000;

  private constructor(identity: Identity, planet: World, database: Database, limits: Partial<ControllerLimits>) {
    const dice = new Dice(5);
    this.database = database;
    this.node = new Node(
      {
        identity,
        planet,
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
    this.node.send = (to, verb, payload) => {
      this.sent.push({ to, verb, payload: new Uint8Array(payload) });
      return true;
    };
    this.controller = new Controller(
      this.node,
      { ...LIMITS, ...limits },
      {
        store: new SqlControllerStore(database),
        clock: () => this.now,
        breathe: () => new Promise((resolve) => setImmediate(resolve)),
        failed: (error) => void this.failures.push(error),
      },
    );
    this.controller.subscribe((event) => void this.events.push(event));
  }

  static async open(
    identity: Identity,
    planet: World,
    limits: Partial<ControllerLimits> = {},
    database?: Database,
  ): Promise<ControlledNode> {
    return new ControlledNode(identity, planet, database ?? (await Database.open(":memory:")), limits);
  }

  /** A configuration request as the node's handler gets it; resolves when it was answered. What was sent for it. */
  async ask(networkId: bigint, identity: Identity, credential = "", packetId = 77n): Promise<Sent[]> {
    const before = this.sent.length;
    const metadata = encodeRequestMetadata({ ...METADATA, credential });
    const payload = encodeNetworkConfigRequest({ networkId, metadata, revision: 0n, timestamp: 0n });
    const request = {
      peer: { address: identity.address, identity: identity.publicOnly() },
      packetId,
      verb: Verb.NETWORK_CONFIG_REQUEST,
      payload,
      hops: 0,
      socket: 1,
      from: makeEndpoint(Uint8Array.of(64, 0, 0, 9), 9993),
      pathKey: "",
      bytes: payload.length,
      now: this.now,
    } as unknown as Request;
    this.controller.handleRequest(this.node, request);
    await this.settle();
    return this.sent.slice(before).filter(({ to }) => to === identity.address);
  }

  /** Resolves when nothing is under way any more. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 4; ) {
      await new Promise((resolve) => setImmediate(resolve));
      const { pushesWaiting } = this.controller.gauges;
      quiet = this.controller.statistics.underWay === 0 && pushesWaiting === 0 ? quiet + 1 : 0;
    }
  }

  /** Lets time pass, in steps of `stepMs`. */
  async advance(ms: number, stepMs = 100): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.now += stepMs;
      this.controller.tick(this.now);
      await this.settle();
    }
  }

  async close(): Promise<void> {
    await this.controller.close();
    await this.database.close();
  }
}

/** The identity in a text that has to hold one. */
export function identityOf(text: string): Identity {
  const identity = parseIdentity(text);
  if (identity === null) throw new Error(`not an identity: ${text}`);
  return identity;
}
