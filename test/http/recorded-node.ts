/**
 * A service backend shaped like one of the nodes of which the API was recorded. Its views are built from typed
 * values out of the recordings; the service under test has to turn them back into the recorded text.
 */

import type { ControllerManagement } from "../../src/controller/management.ts";
import type { ReloadResult, ServiceBackend, ServiceConfig } from "../../src/http/service.ts";
import { type Identity, parseIdentity } from "../../src/identity/identity.ts";
import type { JsonObject, JsonValue } from "../../src/json/json.ts";
import type {
  BondCommands,
  NodeCommands,
  NodeQueries,
  PathView,
  PeerRole,
  PeerView,
  WantedMoon,
} from "../../src/node/queries.ts";
import { type NodeGauges, NodeStatistics } from "../../src/node/statistics.ts";
import { type Address, parseAddress } from "../../src/protocol/address.ts";
import { fromHex } from "../../src/protocol/bytes.ts";
import { type Endpoint, parseEndpoint } from "../../src/protocol/inet-address.ts";
import { type World, WorldType } from "../../src/world/world.ts";
import { RecordedNetworks } from "./recorded-networks.ts";

export interface RecordedPath {
  address: string;
  expired: boolean;
  lastReceive: number;
  lastSend: number;
  localSocket: number;
  preferred: boolean;
  trustedPathId: number;
}

export interface RecordedPeer {
  address: string;
  latency: number;
  paths: RecordedPath[];
  role: PeerRole;
  versionMajor: number;
  versionMinor: number;
  versionRev: number;
}

export interface RecordedMoon {
  id: string;
  roots: { identity: string; stableEndpoints: string[] }[];
  signature: string;
  timestamp: number;
  updatesMustBeSignedBy: string;
}

export interface RecordedStatus {
  publicIdentity: string;
  planetWorldId: number;
  planetWorldTimestamp: number;
  config: { settings: Record<string, JsonValue> };
}

export function identityOf(text: string): Identity {
  const identity = parseIdentity(text);
  if (identity === null) throw new Error(`not an identity: ${text}`);
  return identity;
}

export function endpointOf(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  if (endpoint === null) throw new Error(`not an endpoint: ${text}`);
  return endpoint;
}

function bytesOf(hex: string): Uint8Array {
  const bytes = fromHex(hex);
  if (bytes === null) throw new Error(`not hex: ${hex}`);
  return bytes;
}

function pathView(path: RecordedPath): PathView {
  const { expired, preferred, lastSend, lastReceive } = path;
  const trustedPathId = BigInt(path.trustedPathId);
  return {
    endpoint: endpointOf(path.address),
    socket: path.localSocket,
    expired,
    preferred,
    lastSend,
    lastReceive,
    trustedPathId,
  };
}

export function peerView(peer: RecordedPeer, identity: Identity): PeerView {
  const { versionMajor, versionMinor, versionRev } = peer;
  return {
    address: parseAddress(peer.address) ?? 0,
    identity,
    role: peer.role,
    version: versionMajor < 0 ? null : [versionMajor, versionMinor, versionRev],
    protocolVersion: 12,
    latencyMs: peer.latency,
    lastReceive: 0,
    paths: peer.paths.map(pathView),
  };
}

export function moonOf(moon: RecordedMoon): World {
  return {
    type: WorldType.MOON,
    id: BigInt(`0x${moon.id}`),
    timestamp: BigInt(moon.timestamp),
    updatesMustBeSignedBy: bytesOf(moon.updatesMustBeSignedBy),
    signature: bytesOf(moon.signature),
    roots: moon.roots.map((root) => ({
      identity: identityOf(root.identity),
      stableEndpoints: root.stableEndpoints.map(endpointOf),
    })),
    bytes: new Uint8Array(0),
  };
}

const NO_GAUGES: NodeGauges = {
  peersKnown: 2,
  peersActive: 2,
  peersReachable: 1,
  peersIdle: 0,
  paths: 3,
  upstreams: 1,
  online: true,
  relayPairsActive: 0,
  validationsPending: 0,
  reassemblies: 0,
  packetsWaiting: 0,
  whoisPending: 0,
  multicastGroups: 0,
  multicastMembers: 0,
  adoption: [
    { id: 0x9c650471ben, kind: "planet", timestamp: 1795396550793n, current: 1, older: 1, newer: 0, without: 0 },
  ],
  limits: { peers: 100, pairs: 100, validations: 10, reassemblies: 32, multicastMembers: 1000 },
};

/** The node, its commands and the program around it, in one. */
export class RecordedNode implements ServiceBackend, NodeQueries, NodeCommands {
  /** The controller's recordings are replayed by recorded-controller.test.ts. */
  controller: ControllerManagement | null = null;
  readonly v1 = null;
  bonds: BondCommands = { rotate: () => false, setMtu: () => "off" };
  readonly networks: RecordedNetworks;
  readonly node = this;
  readonly commands = this;
  readonly statistics = new NodeStatistics();
  readonly identity: Identity;
  readonly #status: RecordedStatus;
  clock = 0;
  isOnline = true;
  peerViews: PeerView[] = [];
  moonWorlds: World[] = [];
  wanted: WantedMoon[] = [];
  localConf: { settings?: Record<string, JsonValue> } & Record<string, JsonValue | undefined> = {};
  metricsText = "# HELP zt_packet ZeroTier packet type counts\n";
  reloadResult: ReloadResult = { ok: true, applied: ["log.level"], restart: [], errors: [] };
  /** Every orbit and deorbit, as text. */
  readonly log: string[] = [];

  constructor(status: RecordedStatus) {
    this.#status = status;
    this.identity = identityOf(status.publicIdentity);
    this.networks = new RecordedNetworks(this.identity.address);
  }

  now(): number {
    return this.clock;
  }

  config(): ServiceConfig {
    const { settings } = this.#status.config;
    return {
      localConf: this.localConf,
      primaryPort: Number(settings["primaryPort"]),
      secondaryPort: Number(settings["secondaryPort"]),
      tertiaryPort: Number(settings["tertiaryPort"]),
      homeDir: String(settings["homeDir"]),
      listeningOn: (settings["listeningOn"] as string[]).map(endpointOf),
      allowTcpFallbackRelay: true,
      forceTcpRelay: false,
      tcpFallbackActive: false,
      portMappingEnabled: true,
    };
  }

  writeSettings(patch: JsonObject): void {
    this.localConf.settings = { ...this.localConf.settings, ...(patch as Record<string, JsonValue>) };
  }

  metrics(): Promise<string> {
    return Promise.resolve(this.metricsText);
  }

  reload(): Promise<ReloadResult> {
    return Promise.resolve(this.reloadResult);
  }

  online(): boolean {
    return this.isOnline;
  }

  isUpstream(): boolean {
    return false;
  }

  planet(): World {
    const { planetWorldId, planetWorldTimestamp } = this.#status;
    return {
      type: WorldType.PLANET,
      id: BigInt(planetWorldId),
      timestamp: BigInt(planetWorldTimestamp),
      updatesMustBeSignedBy: new Uint8Array(64),
      signature: new Uint8Array(96),
      roots: [],
      bytes: new Uint8Array(0),
    };
  }

  moons(): readonly World[] {
    return this.moonWorlds;
  }

  wantedMoons(): readonly WantedMoon[] {
    return this.wanted;
  }

  peers(): PeerView[] {
    return this.peerViews;
  }

  peer(address: Address): PeerView | null {
    return this.peerViews.find((peer) => peer.address === address) ?? null;
  }

  surfaceAddresses(): readonly Endpoint[] {
    return (this.#status.config.settings["surfaceAddresses"] as string[]).map(endpointOf);
  }

  gauges(): NodeGauges {
    return NO_GAUGES;
  }

  orbit(id: bigint, seed: Address): boolean {
    this.log.push(`orbit ${id.toString(16)} ${seed.toString(16)}`);
    this.wanted.push({ id, seed });
    return true;
  }

  deorbit(id: bigint): boolean {
    this.log.push(`deorbit ${id.toString(16)}`);
    const count = this.wanted.length + this.moonWorlds.length;
    this.wanted = this.wanted.filter((moon) => moon.id !== id);
    this.moonWorlds = this.moonWorlds.filter((moon) => moon.id !== id);
    return this.wanted.length + this.moonWorlds.length < count;
  }

  adoptWorld(): "refused" {
    return "refused";
  }
}
