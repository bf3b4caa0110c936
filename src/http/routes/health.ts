/** GET /health, the one route that needs no token: local-api.md §2 and §3. */
import { json } from "../reply.ts";
import { type Route, route } from "../router.ts";
import type { ServiceBackend } from "../service.ts";
import { VERSION_FIELDS } from "./version.ts";

export function healthRoutes(backend: ServiceBackend): Route[] {
  return [
    route("GET", "/health", () => {
      const now = backend.now();
      return json({ clock: Math.trunc(now), online: backend.node.online(now), ...VERSION_FIELDS });
    }),
  ];
}
