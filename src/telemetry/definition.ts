/** How one metric is declared, and where its numbers come from. The lists themselves are in *-metrics.ts. */
import type { Bonds } from "../bonding/bonds.ts";
import type { ControllerStatistics } from "../controller/statistics.ts";
import type { InterfaceTraffic } from "../daemon/leaf-role.ts";
import type { RelayCounters } from "../dataplane/counters.ts";
import type { WorkerStatistics } from "../dataplane/plane.ts";
import type { TunnelStatistics } from "../dataplane/tunnel.ts";
import type { ControllerV1 } from "../http/v1/api.ts";
import type { PortMapperStatistics } from "../io/port-mapper.ts";
import type { TransportStatistics } from "../io/transport.ts";
import type { Leaf } from "../leaf/leaf.ts";
import type { Millis } from "../node/ports.ts";
import type { NodeQueries, PeerView } from "../node/queries.ts";
import type { NodeGauges, NodeStatistics } from "../node/statistics.ts";
import type { TcpRelayStatistics } from "../root/tcp-relay.ts";
import type { PeerCacheStatistics } from "../store/peer-cache.ts";

/** The controller's part. */
export interface ControllerSource {
  readonly statistics: ControllerStatistics;
  readonly gauges: Readonly<
    Record<"sessions" | "pushesWaiting" | "pushesUnacknowledged" | "revocationsPending", number>
  >;
  /** As counted last: counting takes a query. */
  readonly counts: { readonly networks: number; readonly members: number };
  readonly database: { readonly bytes: number };
  readonly api: Pick<
    ControllerV1,
    "requests" | "refused" | "tokenChecks" | "tokenCount" | "watchers" | "watchersTooSlow"
  >;
}

/** Everything that metrics are made of. Read at scrape time only, each field each time: use a getter
 * where the numbers are a snapshot (the peer cache's, the pool's). */
export interface MetricsSource {
  readonly node: NodeQueries;
  readonly relay: RelayCounters;
  readonly relayWorkers: WorkerStatistics;
  readonly transport: TransportStatistics;
  readonly identityPool: { readonly queued: number; readonly threads: number };
  readonly cache: PeerCacheStatistics;
  readonly bonds: Pick<Bonds, "statistics" | "gauges">;
  /** The leaf role; it has joined nothing if it is not used. */
  readonly leaf: Pick<Leaf, "statistics" | "networks" | "gauges" | "evictions">;
  /** Ports besides the primary one. */
  readonly nat: { readonly mapping: PortMapperStatistics; readonly portChanges: number };
  /** Null without interfaces. */
  interfaces(): InterfaceTraffic | null;
  /** Null if this node controls no networks. */
  readonly controller: ControllerSource | null;
  /** The tunnel that this node uses, and the relay that it is for others; zeros if it has none. */
  readonly tcp: {
    readonly tunnel: TunnelStatistics;
    readonly tunnelIsOpen: boolean;
    readonly relay: TcpRelayStatistics;
  };
  /** The program's version, for `orrery_build_info`. */
  readonly version: string;
  now(): Millis;
  /** Datagrams that the kernel dropped because a receive buffer was full. */
  receiveDrops(): number;
  /** Open file descriptors of this process; −1 where the system does not tell. */
  openFiles(): number;
}

/** One scrape: the node is asked once, however many metrics read the answer. */
export interface Reading {
  readonly source: MetricsSource;
  readonly statistics: NodeStatistics;
  readonly gauges: NodeGauges;
  readonly now: Millis;
  /** Peers that may appear as series: empty unless the operator opted in, never more than the cap. */
  readonly shownPeers: readonly PeerView[];
  /** Peers left out by the cap. */
  readonly omittedPeers: number;
}

export type Labels = Readonly<Record<string, string>>;

/** Sets one sample to an absolute value. */
export type Put = (value: number, labels?: Labels) => void;

interface Declared {
  readonly name: string;
  readonly help: string;
  /** In the order in which they are printed: alphabetical, as the reference prints them. */
  readonly labels: readonly string[];
}

/** A counter or gauge: `read` puts every sample from absolute values of the source, at each scrape. */
export interface ReadMetric extends Declared {
  readonly type: "counter" | "gauge";
  readonly read: (reading: Reading, put: Put) => void;
}

/** A histogram, fed by occasions as they happen (metrics.ts). */
export interface HistogramMetric extends Declared {
  readonly type: "histogram";
  /** Upper bounds, ascending, without +Inf. */
  readonly buckets: readonly number[];
}

export type MetricDefinition = ReadMetric | HistogramMetric;

type ReadOptions = { readonly labels?: readonly string[]; readonly read: ReadMetric["read"] };

/** Declares a counter. Its samples never decrease while the process lives. */
export function counter(name: string, help: string, { labels = [], read }: ReadOptions): ReadMetric {
  return { name, help, type: "counter", labels, read };
}

/** Declares a gauge. */
export function gauge(name: string, help: string, { labels = [], read }: ReadOptions): ReadMetric {
  return { name, help, type: "gauge", labels, read };
}

/** Puts one sample for each entry of a record of counts, under one label. */
export function putEach(put: Put, label: string, counts: Readonly<Record<string, number>>, fixed: Labels = {}): void {
  for (const [key, value] of Object.entries(counts)) put(value, { ...fixed, [label]: key });
}
