/** A metrics source without a node behind it: its counters move when told to, like those of a root under load. */

import { BASE_POLICIES, type BasePolicy } from "../../src/bonding/policy.ts";
import { BondStatistics } from "../../src/bonding/statistics.ts";
import { ControllerStatistics } from "../../src/controller/statistics.ts";
import { TunnelStatistics } from "../../src/dataplane/tunnel.ts";
import { ROUTE_CLASSES, type RouteClass } from "../../src/http/v1/operation.ts";
import { LeafStatistics } from "../../src/leaf/statistics.ts";
import type { NodeQueries, PeerView } from "../../src/node/queries.ts";
import { DROP_REASONS, type DropReason, type NodeGauges, NodeStatistics } from "../../src/node/statistics.ts";
import { TcpRelayStatistics } from "../../src/root/tcp-relay.ts";
import type { MetricsSource } from "../../src/telemetry/metrics.ts";
import type { World } from "../../src/world/world.ts";

/** 2025-01-01 00:00 UTC: the version of every world of these tests. */
export const WORLD_TIMESTAMP = 1_735_689_600_000n;

/** The gauges of a root that nobody has found yet. */
export function idleGauges(): NodeGauges {
  return {
    peersKnown: 0,
    peersActive: 0,
    peersReachable: 0,
    peersIdle: 0,
    paths: 0,
    upstreams: 0,
    online: true,
    relayPairsActive: 0,
    validationsPending: 0,
    reassemblies: 0,
    packetsWaiting: 0,
    whoisPending: 0,
    multicastGroups: 0,
    multicastMembers: 0,
    adoption: [
      {
        id: 0x1122334455667788n,
        kind: "planet",
        timestamp: WORLD_TIMESTAMP,
        current: 0,
        older: 0,
        newer: 0,
        without: 0,
      },
    ],
    limits: { peers: 1000, pairs: 1000, validations: 64, reassemblies: 32, multicastMembers: 1000 },
  };
}

const NO_BONDS = Object.fromEntries(BASE_POLICIES.map((base) => [base, 0])) as Record<BasePolicy, number>;

/** A source whose parts may be changed at will, and a clock that stands still unless moved. */
export class DrivenSource implements MetricsSource {
  readonly statistics = new NodeStatistics();
  gauges = idleGauges();
  peers: PeerView[] = [];
  time = 1_750_000_000_000;
  readonly version = "0.0.0-test";
  readonly identityPool = { queued: 0, threads: 2 };
  interfaces() {
    return null;
  }

  readonly tcp = { tunnel: new TunnelStatistics(), tunnelIsOpen: false, relay: new TcpRelayStatistics() };
  readonly controllerStatistics = new ControllerStatistics();
  readonly bonds = {
    statistics: new BondStatistics(),
    gauges: () => ({ bonds: NO_BONDS, links: { alive: 0, dead: 0 }, flows: 0 }),
  };
  readonly leaf = {
    statistics: new LeafStatistics(),
    networks: () => [][Symbol.iterator](),
    gauges: () => ({ members: 0, groups: 0, group_members: 0, bridge_routes: 0, bridged_groups: 0, parked: 0 }),
    evictions: () => ({ members: 0, group_members: 0, bridged_groups: 0, parked: 0 }),
  };
  readonly nat = {
    mapping: {
      mapped: null,
      requests: { "nat-pmp": { granted: 0, refused: 0 }, upnp: { granted: 0, refused: 0 } },
      refusals: { "nat-pmp": "", upnp: "" },
    },
    portChanges: 0,
  };
  readonly controller = {
    statistics: this.controllerStatistics,
    gauges: { sessions: 0, pushesWaiting: 0, pushesUnacknowledged: 0, revocationsPending: 0 },
    counts: { networks: 0, members: 0 },
    database: { bytes: 4096 },
    api: {
      requests: noRequests(),
      refused: noRequests(),
      tokenChecks: { valid: 0, invalid: 0, blocked: 0 },
      tokenCount: 0,
      watchers: 0,
      watchersTooSlow: 0,
    },
  };
  readonly cache = {
    peers: 0,
    maxPeers: 1000,
    pending: 0,
    fileBytes: 0,
    commits: 0,
    compactions: 0,
    failures: 0,
    failing: false,
  };
  readonly relay = {
    forwardedPackets: 0,
    forwardedBytes: 0,
    forwardedFragments: 0,
    forwardedToUpstream: 0,
    punted: 0,
    drops: Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0])) as Record<DropReason, number>,
  };
  readonly relayWorkers = {
    workers: 1,
    restarts: 0,
    receiveCalls: 0,
    sendCalls: 0,
    segmentedMessages: 0,
    segmentedDatagrams: 0,
    segmentedRefused: 0,
  };
  readonly transport = {
    bytesIn: 0,
    bytesOut: 0,
    datagramsIn: 0,
    datagramsOut: 0,
    sendErrors: 0,
    sendErrorsByCode: {} as Record<string, number>,
    receiveErrors: 0,
    buffers: [
      {
        socket: 1,
        local: { family: 4 as const, ip: new Uint8Array([127, 0, 0, 1]), port: 9993 },
        primary: true,
        askedBytes: 8_388_608,
        grantedBytes: 8_388_608,
      },
    ],
    problems: [],
  };

  get node(): NodeQueries {
    const planet = { id: 0x1122334455667788n, timestamp: WORLD_TIMESTAMP } as World;
    return {
      statistics: this.statistics,
      isUpstream: () => true,
      planet: () => planet,
      moons: () => [],
      peers: () => this.peers,
      gauges: () => this.gauges,
    } as Partial<NodeQueries> as NodeQueries;
  }

  now(): number {
    return this.time;
  }

  receiveDrops(): number {
    return 0;
  }

  openFiles(): number {
    return 42;
  }

  /** One step of healthy traffic: peers come, ask, are introduced and mostly go direct. */
  step(): void {
    const { statistics, gauges, relay, transport, cache } = this;
    for (const verb of [1, 3, 4, 5, 8, 9, 13, 14]) {
      statistics.packetsIn[verb]! += 3;
      statistics.packetsOut[verb]! += 2;
    }
    statistics.errorsOut[3]! += 1;
    statistics.hello.known += 5;
    statistics.hello.accepted += 1;
    statistics.whois.answered += 4;
    statistics.drops.bad_mac += 1;
    statistics.rateLimited.whois += 1;
    statistics.rendezvous.ipv4 += 2;
    statistics.rendezvous.ipv6 += 1;
    statistics.pairs.introduced += 10;
    statistics.pairs.direct += 9;
    statistics.pairs.relayed += 1;
    statistics.worldsSent += 1;
    relay.forwardedPackets += 100;
    relay.forwardedBytes += 120_000;
    relay.forwardedFragments += 9;
    relay.forwardedToUpstream += 1;
    relay.punted += 3;
    transport.bytesIn += 150_000;
    transport.bytesOut += 140_000;
    transport.datagramsIn += 130;
    transport.datagramsOut += 120;
    cache.commits += 1;
    cache.peers = 50;
    cache.fileBytes = 12_000;
    this.gauges = {
      ...gauges,
      peersKnown: 60,
      peersActive: 50,
      peersReachable: 48,
      peersIdle: 10,
      paths: 55,
      relayPairsActive: 7,
      adoption: gauges.adoption.map((world) => ({ ...world, current: 48, older: 1, without: 1 })),
    };
  }
}

function noRequests(): Record<RouteClass, number> {
  return Object.fromEntries(ROUTE_CLASSES.map((name) => [name, 0])) as Record<RouteClass, number>;
}
