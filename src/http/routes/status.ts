/** GET /status: local-api.md §3. */
import { formatIdentity } from "../../identity/identity.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../json/json.ts";
import { formatAddress } from "../../protocol/address.ts";
import { formatEndpoint } from "../../protocol/inet-address.ts";
import { json } from "../reply.ts";
import { type Route, route } from "../router.ts";
import type { ServiceBackend } from "../service.ts";
import { VERSION_FIELDS } from "./version.ts";

/** local.conf with the settings filled in that it leaves out, and those that only the running program knows. */
function effectiveConfig(backend: ServiceBackend): JsonObject {
  const config = backend.config();
  const { localConf } = config;
  const settings: { [key: string]: JsonValue | undefined } = isJsonObject(localConf["settings"])
    ? { ...localConf["settings"] }
    : {};
  const setting = (key: string, otherwise: JsonValue, type: string) =>
    typeof settings[key] === type ? (settings[key] as JsonValue) : otherwise;
  const filled: JsonObject = {
    allowTcpFallbackRelay: config.allowTcpFallbackRelay,
    forceTcpRelay: config.forceTcpRelay,
    homeDir: config.homeDir,
    listeningOn: config.listeningOn.map(formatEndpoint),
    portMappingEnabled: setting("portMappingEnabled", config.portMappingEnabled, "boolean"),
    primaryPort: setting("primaryPort", config.primaryPort, "number"),
    secondaryPort: setting("secondaryPort", config.secondaryPort, "number"),
    tertiaryPort: setting("tertiaryPort", config.tertiaryPort, "number"),
    softwareUpdate: setting("softwareUpdate", "disable", "string"),
    softwareUpdateChannel: setting("softwareUpdateChannel", "release", "string"),
    surfaceAddresses: backend.node.surfaceAddresses().map(formatEndpoint),
  };
  return { ...localConf, settings: { ...settings, ...filled } };
}

export function statusRoutes(backend: ServiceBackend): Route[] {
  return [
    route("GET", "/status", () => {
      const { node } = backend;
      const now = backend.now();
      const planet = node.planet();
      return json({
        address: formatAddress(node.identity.address),
        publicIdentity: formatIdentity(node.identity, false),
        online: node.online(now),
        tcpFallbackActive: backend.config().tcpFallbackActive,
        ...VERSION_FIELDS,
        clock: Math.trunc(now),
        planetWorldId: planet.id,
        planetWorldTimestamp: planet.timestamp,
        config: effectiveConfig(backend),
      });
    }),
  ];
}
