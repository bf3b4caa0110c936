/** GET /config and POST /config/settings: local-api.md §3. */
import { isJsonObject, newJsonObject } from "../../json/json.ts";
import { parseJson } from "../../json/json-parse.ts";
import { json } from "../reply.ts";
import { type Route, route } from "../router.ts";
import type { ServiceBackend } from "../service.ts";

const DECODER = new TextDecoder();

export function configRoutes(backend: ServiceBackend): Route[] {
  return [
    route("GET", "/config", () => json(backend.config().localConf)),
    // Any key is taken, null is stored, anything but an object changes nothing; text that is no JSON is a 500.
    route("POST", "/config/settings", async ({ body }) => {
      const patch = parseJson(DECODER.decode(body));
      if (isJsonObject(patch)) {
        const settings = newJsonObject();
        // A setting of that name means nothing and could only be meant to harm what merges it.
        for (const [key, value] of Object.entries(patch)) if (key !== "__proto__") settings[key] = value ?? null;
        await backend.writeSettings(settings);
      }
      return json({});
    }),
  ];
}
