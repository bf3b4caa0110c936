/** The telemetry listener of a running daemon, with what its readiness probe looks at. */
import type { Config } from "../config/load.ts";
import { checkReadiness, type ReadinessSource } from "../http/readiness.ts";
import { startTelemetry, type TelemetryListener } from "../http/telemetry-listener.ts";
import type { Metrics } from "../telemetry/metrics.ts";

/** Starts it. Null if there is to be none; throws ListenError if its address cannot be had. */
export async function startTelemetryRole(
  { listen }: Config["telemetry"],
  metrics: Metrics,
  readiness: ReadinessSource,
): Promise<TelemetryListener | null> {
  if (listen === null) return null;
  return await startTelemetry({
    ...listen,
    metrics: () => metrics.render(),
    live: () => true,
    ready: () => checkReadiness(readiness),
  });
}
