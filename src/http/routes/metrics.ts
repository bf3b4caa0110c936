/** GET /metrics on the service port; its own access rules are in auth.ts. Facts: metrics.md. */
import { METRICS_PATH } from "../auth.ts";
import type { Reply } from "../reply.ts";
import { type Route, route } from "../router.ts";
import type { ServiceBackend } from "../service.ts";

export function metricsRoutes(backend: ServiceBackend): Route[] {
  return [
    route("GET", METRICS_PATH, async (): Promise<Reply> => {
      const text = await backend.metrics();
      return { kind: "text", status: 200, contentType: "text/plain", text };
    }),
  ];
}
