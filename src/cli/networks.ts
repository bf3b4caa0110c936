/** `listnetworks`, `join`, `leave`, `get` and `set`, the verbs of a leaf: cli.md §2. */
import { ExactNumber, type JsonObject, type JsonValue } from "../json/json.ts";
import { change, EXIT_USAGE, failWithReply, fetchJson, printReadJson, type ServiceSession } from "./client.ts";
import { CliExit } from "./context.ts";
import { numberOf, objectsOf, stringOf, stringsOf } from "./json-fields.ts";

const NETWORK_ID_CHARS = 16;
const SETTINGS = ["allowManaged", "allowGlobal", "allowDefault", "allowDNS"];
/** The part of a 6PLANE address that belongs to its node, as text. */
const IP6PREFIX_CHARS = 24;

function ssoLine(network: JsonObject, now: number): string {
  if (network["ssoEnabled"] !== true) return "";
  const expiry = numberOf(network["authenticationExpiryTime"]);
  if (network["status"] === "AUTHENTICATION_REQUIRED") {
    return `    AUTH EXPIRED, URL: ${stringOf(network["authenticationURL"])}\n`;
  }
  if (network["status"] !== "OK" || expiry <= now) return "";
  return `    AUTH OK, expires in: ${Math.trunc((expiry - now) / 1000)} seconds\n`;
}

/** One line per network. */
export async function listNetworks(session: ServiceSession): Promise<void> {
  const networks = await fetchJson(session, "listnetworks", "/network");
  if (session.json) {
    printReadJson(session, networks);
    return;
  }
  const now = session.now();
  const lines = objectsOf(networks).map((network) => {
    const columns = ["nwid", "name", "mac", "status", "type", "portDeviceName"].map((key) => stringOf(network[key]));
    const addresses = stringsOf(network["assignedAddresses"]).join(",") || "-";
    return `200 listnetworks ${columns.join(" ")} ${addresses}\n${ssoLine(network, now)}`;
  });
  const header = "200 listnetworks <nwid> <name> <mac> <status> <type> <dev> <ZT assigned ips>\n";
  session.context.stdout(`${header}${lines.join("")}`);
}

function requireNetworkId(session: ServiceSession, network: string | undefined): string {
  if (network?.length === NETWORK_ID_CHARS) return network;
  session.context.stdout("invalid network id\n");
  throw new CliExit(EXIT_USAGE);
}

export async function join(session: ServiceSession, network?: string): Promise<void> {
  const id = requireNetworkId(session, network);
  await change(session, "join", "POST", `/network/${encodeURIComponent(id)}`, "{}");
}

export async function leave(session: ServiceSession, network?: string): Promise<void> {
  const id = requireNetworkId(session, network);
  await change(session, "leave", "DELETE", `/network/${encodeURIComponent(id)}`);
}

function refuse(session: ServiceSession, message: string): never {
  session.context.stderr(`${message}\n`);
  throw new CliExit(EXIT_USAGE);
}

function requireProperty(session: ServiceSession, verb: "get" | "set", network?: string, property?: string) {
  if (network?.length !== NETWORK_ID_CHARS) {
    return refuse(session, "invalid format: must be a 16-digit (network) ID");
  }
  if (property === undefined) return refuse(session, `invalid format: include a property name to ${verb}`);
  return { id: network.toLowerCase(), property };
}

/** Sets `key=value`; `help` prints the verb's help when there is no `=`. Unknown keys are silently nothing. */
export async function set(session: ServiceSession, help: () => void, network?: string, words?: string): Promise<void> {
  const { id, property } = requireProperty(session, "set", network, words);
  const equals = property.indexOf("=");
  if (equals < 0) {
    help();
    throw new CliExit(EXIT_USAGE);
  }
  const key = property.slice(0, equals);
  if (!SETTINGS.includes(key)) return;
  const body = JSON.stringify({ [key]: /^[t1]/.test(property.slice(equals + 1)) });
  const reply = await session.send("POST", `/network/${encodeURIComponent(id)}`, body);
  if (reply.status !== 200) failWithReply(session, "set", reply);
  session.context.stdout(reply.body);
}

/**
 * The text for one of the address properties, or null if `property` is none of them. As the reference does it, every
 * address of the right family after the first printed one begins a line, whether or not it is printed itself: that
 * makes the empty lines of the recordings, and one line when there is no address at all.
 */
function addressText(network: JsonObject, property: string): string | null {
  const addresses = stringsOf(network["assignedAddresses"]).map((text) => text.split("/")[0] ?? "");
  const v6 = addresses.filter((address) => address.includes(":"));
  const planes = (characters?: number) => {
    const shown = v6.map((address) => (address.startsWith("fc") ? address.slice(0, characters) : ""));
    return `${shown.reduce((text, address) => (text === "" ? address : `${text}\n${address}`), "")}\n`;
  };
  switch (property) {
    case "ip":
      return `${addresses.join("\n")}\n`;
    case "ip4":
      return `${addresses.filter((address) => !address.includes(":")).join("\n")}\n`;
    case "ip6":
      return `${v6.join("\n")}\n`;
    case "ip6plane":
      return planes();
    case "ip6prefix":
      return planes(IP6PREFIX_CHARS);
    default:
      return null;
  }
}

function scalarLine(value: JsonValue | undefined): string {
  if (value instanceof ExactNumber) return `${value.text}\n`;
  if (typeof value === "boolean") return value ? "1\n" : "0\n";
  if (typeof value === "string" || typeof value === "number") return `${value}\n`;
  return "error, unknown property name\n";
}

/** Prints one property of a joined network; unlike the reference it takes the ID in upper case too. */
export async function get(session: ServiceSession, network?: string, word?: string): Promise<void> {
  const { id, property } = requireProperty(session, "get", network, word);
  const networks = objectsOf(await fetchJson(session, "get", "/network"));
  const found = networks.find((candidate) => candidate["id"] === id);
  if (found === undefined) {
    session.context.stderr("unknown network ID, check that you are a member of the network\n");
    return;
  }
  const value = Object.hasOwn(found, property) ? found[property] : undefined;
  session.context.stdout(addressText(found, property) ?? scalarLine(value));
}
