/**
 * Metrics: every family of the program in one list (METRICS), and the registry that fills them when somebody scrapes.
 * Nothing is counted here: counters live with what they count and are read as absolute values.
 *
 * No peer, IP address or port is ever a label unless the operator asks for it (`peerSeries`), and then only for a
 * bounded number of peers: a root's peers are its clients' devices, thousands of them, coming and going.
 */
import { Counter, Gauge, Histogram, type Metric, Registry } from "prom-client";
import type { NodeEvent } from "../node/ports.ts";
import type { PeerView } from "../node/queries.ts";
import type { Address } from "../protocol/address.ts";
import { formatAddress } from "../protocol/address.ts";
import { PATH_HEARTBEAT_MS } from "../protocol/constants.ts";
import { BOND_METRICS } from "./bond-metrics.ts";
import { CONFIG_PUSH, CONTROLLER_METRICS } from "./controller-metrics.ts";
import type { HistogramMetric, Labels, MetricDefinition, MetricsSource, Reading, ReadMetric } from "./definition.ts";
import { watchEventLoop } from "./event-loop.ts";
import { formatFamily } from "./exposition.ts";
import { LEAF_METRICS } from "./leaf-metrics.ts";
import { NAT_METRICS } from "./nat-metrics.ts";
import { ORRERY_METRICS, TIME_TO_DIRECT } from "./orrery-metrics.ts";
import { EDGE_METRICS, EVENT_LOOP_LAG } from "./process-metrics.ts";
import { PEER_LATENCY, REFERENCE_METRICS } from "./reference-metrics.ts";
import { TCP_METRICS } from "./tcp-metrics.ts";

export type { MetricsSource } from "./definition.ts";

/** Every family, in the order of the exposition: the reference's first. */
export const METRICS: readonly MetricDefinition[] = [
  ...REFERENCE_METRICS,
  ...CONTROLLER_METRICS,
  ...LEAF_METRICS,
  ...BOND_METRICS,
  ...NAT_METRICS,
  ...ORRERY_METRICS,
  ...TCP_METRICS,
  ...EDGE_METRICS,
];

/** No operator's setting lets more peers than this have series of their own. */
export const MAX_PEER_SERIES = 1000;

/** The reference's number for a latency that it does not know (metrics.md). */
const UNKNOWN_LATENCY_MS = 65_535;

export interface MetricsOptions {
  /** How many peers may have `zt_peer_*` series; 0 (the default) switches those series off. At most MAX_PEER_SERIES. */
  readonly peerSeries?: number;
}

/** The metrics of one running node. Call `stop` when it ends. */
export class Metrics {
  readonly contentType: string = Registry.PROMETHEUS_CONTENT_TYPE;
  readonly #source: MetricsSource;
  readonly #peerSeries: number;
  readonly #registry = new Registry();
  readonly #metrics: readonly Metric[];
  readonly #timeToDirect: Histogram;
  readonly #peerLatency: Histogram;
  readonly #configPush: Histogram;
  /** Peers with series, and when their latency was last observed. Those that left make room for others. */
  readonly #observedAt = new Map<Address, number>();
  readonly #stopWatching: () => void;
  #reading: Reading | null = null;

  constructor(source: MetricsSource, { peerSeries = 0 }: MetricsOptions = {}) {
    this.#source = source;
    this.#peerSeries = Math.max(0, Math.min(MAX_PEER_SERIES, Math.floor(peerSeries)));
    this.#metrics = METRICS.map((definition) => this.#register(definition));
    this.#timeToDirect = this.#histogram(TIME_TO_DIRECT);
    this.#peerLatency = this.#histogram(PEER_LATENCY);
    this.#configPush = this.#histogram(CONFIG_PUSH);
    const lag = this.#histogram(EVENT_LOOP_LAG);
    this.#stopWatching = watchEventLoop((seconds) => lag.observe(seconds));
  }

  /** The exposition text. Reads the source once; takes time in proportion to the number of series. */
  async render(): Promise<string> {
    this.#reading = this.#read();
    // get() runs every collect before its first await, so that all families tell of the same reading.
    const families = await Promise.all(this.#metrics.map((metric) => metric.get()));
    const texts = families.map(({ name, help, type, values }) =>
      formatFamily({
        name,
        help,
        type: String(type),
        samples: values.map((value) => ({
          name: ("metricName" in value && (value.metricName as string | undefined)) || name,
          labels: value.labels as Labels,
          value: value.value,
        })),
      }),
    );
    return `${texts.join("\n")}\n`;
  }

  /** Feeds the histograms from what happens. Other events are counted where they happen. */
  observe(event: NodeEvent): void {
    if (event.type === "pair-direct") this.observeTimeToDirect(event.afterMs / 1000);
  }

  /** One introduced pair went direct `seconds` after its introduction. */
  observeTimeToDirect(seconds: number): void {
    if (seconds >= 0) this.#timeToDirect.observe(seconds);
  }

  /** An online member was sent a change `seconds` after it was made. */
  observeConfigPush(seconds: number): void {
    if (seconds >= 0) this.#configPush.observe(seconds);
  }

  /** Stops measuring the event loop. Rendering still works. */
  stop(): void {
    this.#stopWatching();
  }

  #register(definition: MetricDefinition): Metric {
    const { name, help, labels } = definition;
    const configuration = { name, help, labelNames: [...labels], registers: [this.#registry] };
    if (definition.type === "histogram") return new Histogram({ ...configuration, buckets: [...definition.buckets] });
    if (definition.type === "gauge") {
      const metric: Gauge = new Gauge({ ...configuration, collect: () => this.#fillGauge(metric, definition) });
      return metric;
    }
    const metric: Counter = new Counter({ ...configuration, collect: () => this.#fillCounter(metric, definition) });
    return metric;
  }

  #fillGauge(metric: Gauge, { read }: ReadMetric): void {
    if (this.#reading === null) return;
    metric.reset();
    read(this.#reading, (value, labels) => (labels ? metric.set(labels, value) : metric.set(value)));
  }

  /** Counters of the library only go up from what they were; ours are absolute, so they start anew each time. */
  #fillCounter(metric: Counter, { read }: ReadMetric): void {
    if (this.#reading === null) return;
    metric.reset();
    read(this.#reading, (value, labels) => {
      // One wrong number must not cost the whole scrape; a missing sample is seen by whoever looks for it.
      if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) return;
      if (labels) metric.inc(labels, value);
      else metric.inc(value);
    });
  }

  #histogram({ name }: HistogramMetric): Histogram {
    return this.#registry.getSingleMetric(name) as Histogram;
  }

  #read(): Reading {
    const { node } = this.#source;
    const now = this.#source.now();
    const peers = this.#peerSeries > 0 ? node.peers(now) : [];
    const shownPeers = this.#choosePeers(peers, now);
    return {
      source: this.#source,
      statistics: node.statistics,
      gauges: node.gauges(now),
      now,
      shownPeers,
      omittedPeers: peers.length - shownPeers.length,
    };
  }

  /** Peers that have series keep them; others get what room is left, first come first served. */
  #choosePeers(peers: readonly PeerView[], now: number): PeerView[] {
    const present = new Set(peers.map(({ address }) => address));
    for (const address of this.#observedAt.keys()) {
      if (present.has(address)) continue;
      this.#observedAt.delete(address);
      this.#peerLatency.remove({ node_id: formatAddress(address) });
    }
    const shown: PeerView[] = [];
    for (const peer of peers) {
      const observedAt = this.#observedAt.get(peer.address);
      if (observedAt === undefined && this.#observedAt.size >= this.#peerSeries) continue;
      shown.push(peer);
      if (observedAt !== undefined && now - observedAt < PATH_HEARTBEAT_MS) continue;
      this.#observedAt.set(peer.address, now);
      const latency = peer.latencyMs < 0 ? UNKNOWN_LATENCY_MS : peer.latencyMs;
      this.#peerLatency.observe({ node_id: formatAddress(peer.address) }, latency);
    }
    return shown;
  }
}

/**
 * Keeps the file that some tools read instead of scraping (`metrics.prom` in the home) up to date: renders at once
 * and then every `everyMs`, and hands the text to `write`, which must replace the file atomically. A failing write is
 * told to `failed` and tried again next time. The result stops it; does not keep the process alive.
 */
export function startMetricsFile(
  metrics: Metrics,
  write: (text: string) => Promise<void>,
  everyMs: number,
  failed: (error: unknown) => void,
): () => void {
  let busy = false;
  const update = async () => {
    if (busy) return;
    busy = true;
    try {
      await write(await metrics.render());
    } catch (error) {
      failed(error);
    } finally {
      busy = false;
    }
  };
  const timer = setInterval(update, everyMs);
  timer.unref();
  void update();
  return () => clearInterval(timer);
}
