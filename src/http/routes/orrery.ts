/** Our own routes, which the reference does not have. World IDs are 16 hex digits here too. */

import type { JsonObject, JsonValue } from "../../json/json.ts";
import type { NodeGauges, WorldAdoption } from "../../node/statistics.ts";
import { json } from "../reply.ts";
import { type Route, route } from "../router.ts";
import type { ServiceBackend } from "../service.ts";
import { formatWorldId } from "./moons.ts";

/** The configuration is wrong: understood, not applied. */
const STATUS_UNPROCESSABLE = 422;

function adoptionObject(world: WorldAdoption): JsonObject {
  return { ...world, id: formatWorldId(world.id) };
}

function gaugesObject(gauges: NodeGauges): JsonObject {
  return { ...gauges, limits: { ...gauges.limits }, adoption: gauges.adoption.map(adoptionObject) };
}

export function orreryRoutes(backend: ServiceBackend): Route[] {
  const gauges = () => backend.node.gauges(backend.now());
  return [
    // For each world we serve: how many active peers hold this version, an older or newer one, or none.
    route("GET", "/orrery/adoption", () => json(gauges().adoption.map(adoptionObject))),
    route("GET", "/orrery/gauges", () => json(gaugesObject(gauges()))),
    route("POST", "/orrery/reload", async () => {
      const result = await backend.reload();
      const value: JsonValue = { ...result };
      return json(value, result.ok ? 200 : STATUS_UNPROCESSABLE);
    }),
  ];
}
