/**
 * /network of a node that has no leaf role: it is a member of nothing and can join nothing. Facts: local-api.md §3.
 */
import { json } from "../reply.ts";
import { type Route, route } from "../router.ts";

const NO_LEAF_ROLE = "this version cannot join networks: it has no leaf role (it is a root only)";

export function networkRoutes(): Route[] {
  return [
    route("GET", "/network", () => json([])),
    route("GET", "/network/{16}", () => json({}, 404)),
    route("POST", "/network/{16}", () => json({ error: NO_LEAF_ROLE }, 501)),
    // Leaving what was never joined is no error in the reference either.
    route("DELETE", "/network/{16}", () => json({})),
  ];
}
