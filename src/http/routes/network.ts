/** /network: the networks that this node has joined. Facts: local-api.md §3 (network object, POST /network). */

import type { JsonObject, JsonValue } from "../../json/json.ts";
import { JsonSyntaxError, parseJson } from "../../json/json-parse.ts";
import type { LocalSettings } from "../../leaf/local-settings.ts";
import type { NetworkView } from "../../leaf/queries.ts";
import { formatNetworkId, type NetworkId, parseNetworkId } from "../../network/network-id.ts";
import { formatMac } from "../../protocol/ethernet.ts";
import { formatIp, type IpPrefix } from "../../protocol/inet-address.ts";
import { json } from "../reply.ts";
import { type Route, route } from "../router.ts";
import type { ServiceBackend } from "../service.ts";

/** Names in the API, which are those of the file too. */
const SETTINGS = {
  allowManaged: "allowManaged",
  allowGlobal: "allowGlobal",
  allowDefault: "allowDefault",
  allowDNS: "allowDns",
} as const satisfies Record<string, keyof LocalSettings>;

function prefixText({ ip, bits }: IpPrefix): string {
  return `${formatIp(ip)}/${bits}`;
}

function networkObject(network: NetworkView): JsonObject {
  const { settings, dns, sso } = network;
  const object: JsonObject = {
    allowDNS: settings.allowDns,
    allowDefault: settings.allowDefault,
    allowGlobal: settings.allowGlobal,
    allowManaged: settings.allowManaged,
    assignedAddresses: network.addresses.map(prefixText),
    bridge: network.isBridge,
    broadcastEnabled: network.broadcast,
    dhcp: false,
    dns: { domain: dns.domain, servers: dns.servers.map(formatIp) },
    id: formatNetworkId(network.id),
    mac: formatMac(network.mac),
    mtu: network.mtu,
    multicastSubscriptions: network.groups.map(({ mac, adi }) => ({ adi, mac: formatMac(mac) })),
    name: network.name,
    netconfRevision: network.revision,
    nwid: formatNetworkId(network.id),
    portDeviceName: network.deviceName,
    portError: network.portError,
    routes: network.routes.map(({ target, via, flags, metric }) => ({
      flags,
      metric,
      target: prefixText(target),
      via: via === null ? null : formatIp(via),
    })),
    status: network.status,
    type: network.isPublic ? "PUBLIC" : "PRIVATE",
  };
  if (sso === null) return object;
  return { ...object, authenticationExpiryTime: sso.expiry, authenticationURL: sso.url, ssoEnabled: true };
}

/** What a body says about the settings; anything but real booleans says nothing, as does what is no JSON. */
function settingsIn(body: Uint8Array): Partial<LocalSettings> {
  let parsed: JsonValue;
  try {
    parsed = parseJson(new TextDecoder().decode(body));
  } catch (error) {
    if (error instanceof JsonSyntaxError) return {};
    throw error;
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return {};
  const settings: Record<string, boolean> = {};
  for (const [name, key] of Object.entries(SETTINGS)) {
    const value = Object.hasOwn(parsed, name) ? (parsed as JsonObject)[name] : undefined;
    if (typeof value === "boolean") settings[key] = value;
  }
  return settings;
}

const TOO_MANY = "too many networks are joined: leave one, or raise leaf.maxNetworks";

export function networkRoutes({ networks }: ServiceBackend): Route[] {
  const idIn = (text: string | undefined): NetworkId => parseNetworkId(text ?? "") ?? 0n;
  return [
    route("GET", "/network", () => json(networks.networks().map(networkObject))),
    route("GET", "/network/{16}", (_request, [id]) => {
      const network = networks.network(idIn(id));
      return network === null ? json({}, 404) : json(networkObject(network));
    }),
    route("POST", "/network/{16}", ({ body }, [id]) => {
      const network = networks.join(idIn(id), settingsIn(body));
      return network === null ? json({ error: TOO_MANY }, 503) : json(networkObject(network));
    }),
    // Leaving what was never joined is no error in the reference either.
    route("DELETE", "/network/{16}", (_request, [id]) => json(networks.leave(idIn(id)) ? { result: true } : {})),
  ];
}
