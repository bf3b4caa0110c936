/**
 * The roots that Prometheus scrapes in prometheus.test.ts. `startIdleRoot` and `startBusyRoot` are the only places
 * that know what stands behind the address.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Metrics, type MetricsSource } from "../../src/telemetry/metrics.ts";
import { DrivenSource } from "./driven-source.ts";

/** A root whose metrics can be scraped without a token. */
export interface LiveRoot {
  /** `http://127.0.0.1:port/metrics`. */
  readonly metricsUrl: string;
  stop(): Promise<void>;
}

const STEP_INTERVAL_MS = 100;

async function serveMetrics(source: MetricsSource): Promise<LiveRoot & { metrics: Metrics }> {
  const metrics = new Metrics(source);
  const server = createServer((_request, response) => {
    metrics.render().then(
      (text) => response.writeHead(200, { "content-type": metrics.contentType }).end(text),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    metrics,
    metricsUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`,
    stop: async () => {
      metrics.stop();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** A healthy root that has no client. */
export function startIdleRoot(): Promise<LiveRoot> {
  return serveMetrics(new DrivenSource());
}

/** A healthy root with clients that meet, talk and go direct all the time. */
export async function startBusyRoot(): Promise<LiveRoot> {
  const source = new DrivenSource();
  source.step();
  const root = await serveMetrics(source);
  const timer = setInterval(() => {
    source.step();
    root.metrics.observe({ type: "pair-direct", a: 1, b: 2, afterMs: 800 });
  }, STEP_INTERVAL_MS);
  return {
    metricsUrl: root.metricsUrl,
    stop: () => {
      clearInterval(timer);
      return root.stop();
    },
  };
}
