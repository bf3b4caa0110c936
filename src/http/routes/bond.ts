/** /bond of a node on which bonding is not in use: local-api.md §3. */
import { json } from "../reply.ts";
import { type Route, route } from "../router.ts";

const SET_MTU = /^\/bond\/setmtu\/([0-9]{1,6})\/([A-Za-z0-9_]{1,16})\/([0-9a-fA-F.:]{1,39})$/;

export function bondRoutes(): Route[] {
  return [
    route("GET", "/bond/show/{10}", () => json({}, 400)),
    route("POST", "/bond/rotate/{10}", () => json({}, 400)),
    { method: "POST", pattern: SET_MTU, handle: () => json({}, 400) },
  ];
}
