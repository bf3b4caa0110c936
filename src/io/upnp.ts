/**
 * UPnP Internet Gateway Device: asks a router, by SOAP over HTTP, to forward a UDP port. The router, and whoever says it is
 * one, is not trusted: bodies and times are bounded, redirects are not followed, every URL has to lead to the machine that
 * answered, and of its XML only the few texts that are needed are picked out.
 * Facts: UPnP WANIPConnection:1 §2.4 (actions and error codes); vl1-behaviour.md §7 (60 ports, the description).
 */
import { type Endpoint, formatIp, makeEndpoint, parseIp } from "../protocol/inet-address.ts";
import { isOuterAddress, LEASE_SECONDS, type Mapping, type MappingRequest, type MappingResult } from "./mapping.ts";
import { findRouters } from "./ssdp.ts";

const ANSWER_TIMEOUT_MS = 3000;
const REMOVE_TIMEOUT_MS = 1000;
const MAX_BODY_BYTES = 65_536;
const MAX_SERVICES = 64;
const MAX_TEXT = 512;
/** Outer ports that are tried, from the wanted one upward. */
const MAX_PORTS = 60;
const LOWEST_PORT = 1024;
const HIGHEST_PORT = 65_535;
/** Errors: the port is somebody else's; outer and inner port must be equal; leases that end are not supported. */
const CONFLICT = 718;
const SAME_PORT_REQUIRED = 724;
const ONLY_PERMANENT = 725;
const SERVICE_TYPE = /^urn:schemas-upnp-org:service:WAN(?:IP|PPP)Connection:[12]$/;

/** A router's service that forwards ports. */
export interface ControlService {
  readonly type: string;
  readonly url: URL;
}

/** The text of the first element `name` between two positions; null if there is none, or one that is too long. */
function textOf(xml: string, name: string, from = 0, to = xml.length): string | null {
  const open = xml.indexOf(`<${name}>`, from);
  const start = open + name.length + 2;
  const end = open < 0 ? -1 : xml.indexOf(`</${name}>`, start);
  return end < 0 || end > to || end - start > MAX_TEXT ? null : xml.slice(start, end).trim();
}

/** The services of a description that forward ports; only such as are on the machine that the description came from. */
export function parseDescription(xml: string, location: URL): ControlService[] {
  const services: ControlService[] = [];
  let at = xml.indexOf("<service>");
  for (let seen = 0; at >= 0 && seen < MAX_SERVICES; seen++) {
    const end = xml.indexOf("</service>", at);
    if (end < 0) break;
    const type = textOf(xml, "serviceType", at, end) ?? "";
    const control = textOf(xml, "controlURL", at, end) ?? "";
    at = xml.indexOf("<service>", end);
    if (!SERVICE_TYPE.test(type) || control === "" || !URL.canParse(control, location.href)) continue;
    const url = new URL(control, location.href);
    if (url.protocol === "http:" && url.hostname === location.hostname) services.push({ type, url });
  }
  return services;
}

interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** Null if there is no answer in time, or too large a one. */
async function http(url: URL, timeoutMs: number, init: RequestInit = {}): Promise<HttpAnswer | null> {
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await fetch(url.href, { ...init, redirect: "error", signal });
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES) return null;
      chunks.push(chunk);
    }
    return { status: response.status, body: Buffer.concat(chunks).toString("utf8") };
  } catch {
    return null;
  }
}

type SoapAnswer = { readonly xml: string } | { readonly error: number; readonly text: string };

async function call(
  { type, url }: ControlService,
  action: string,
  fields: Readonly<Record<string, string | number>>,
  timeoutMs = ANSWER_TIMEOUT_MS,
): Promise<SoapAnswer> {
  // Every value is a number, an address or a word of ours: nothing needs escaping.
  const inner = Object.entries(fields).map(([name, value]) => `<${name}>${value}</${name}>`);
  const body =
    '<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ' +
    's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>' +
    `<u:${action} xmlns:u="${type}">${inner.join("")}</u:${action}></s:Body></s:Envelope>\r\n`;
  const headers = { "Content-Type": 'text/xml; charset="utf-8"', SOAPAction: `"${type}#${action}"` };
  const answer = await http(url, timeoutMs, { method: "POST", headers, body });
  if (answer === null) return { error: 0, text: `no usable answer to ${action}` };
  if (answer.status === 200) return { xml: answer.body };
  const code = Number(textOf(answer.body, "errorCode") ?? 0);
  return { error: Number.isInteger(code) ? code : 0, text: `${action} failed with error ${code || answer.status}` };
}

/** Renews, or makes, one mapping; numbers are the router's error codes. */
async function add(
  service: ControlService,
  { local, port }: MappingRequest,
  outer: number,
  description: string,
): Promise<{ readonly leaseSeconds: number } | { readonly error: number; readonly text: string }> {
  const fields = (seconds: number) => ({
    NewRemoteHost: "",
    NewExternalPort: outer,
    NewProtocol: "UDP",
    NewInternalPort: port,
    NewInternalClient: formatIp(local),
    NewEnabled: 1,
    NewPortMappingDescription: description,
    NewLeaseDuration: seconds,
  });
  const answer = await call(service, "AddPortMapping", fields(LEASE_SECONDS));
  if ("xml" in answer) return { leaseSeconds: LEASE_SECONDS };
  if (answer.error !== ONLY_PERMANENT) return answer;
  const permanent = await call(service, "AddPortMapping", fields(0));
  return "xml" in permanent ? { leaseSeconds: 0 } : permanent;
}

function mappingOf(service: ControlService, external: Endpoint, leaseSeconds: number): Mapping {
  const fields = { NewRemoteHost: "", NewExternalPort: external.port, NewProtocol: "UDP" };
  return {
    protocol: "upnp",
    external,
    leaseSeconds,
    remove: async () => {
      await call(service, "DeletePortMapping", fields, REMOVE_TIMEOUT_MS);
    },
  };
}

async function mapAt(service: ControlService, wanted: MappingRequest, description: string): Promise<MappingResult> {
  const address = await call(service, "GetExternalIPAddress", {});
  if (!("xml" in address)) return { refused: address.text };
  const ip = parseIp(textOf(address.xml, "NewExternalIPAddress") ?? "");
  if (ip === null || ip.length !== 4 || !isOuterAddress(ip)) return { refused: "the router has no address outside" };
  let outer = Math.max(wanted.wantedPort, LOWEST_PORT);
  for (let tries = 0; tries < MAX_PORTS; tries++) {
    const added = await add(service, wanted, outer, description);
    if ("leaseSeconds" in added) return mappingOf(service, makeEndpoint(ip, outer), added.leaseSeconds);
    if (added.error === SAME_PORT_REQUIRED && outer !== wanted.port) outer = wanted.port;
    else if (added.error === CONFLICT) outer = outer >= HIGHEST_PORT ? LOWEST_PORT : outer + 1;
    else return { refused: added.text };
  }
  return { refused: `${MAX_PORTS} ports are all somebody else's` };
}

/**
 * Asks whatever router there is for a mapping, or renews it; `description` is what the router's pages show of it, plain
 * letters and digits. Never rejects.
 */
export async function mapByUpnp(
  wanted: MappingRequest,
  description: string,
  find: (local: Uint8Array) => Promise<URL[]> = findRouters,
): Promise<MappingResult> {
  let result: MappingResult = { refused: "no router answered" };
  for (const location of await find(wanted.local)) {
    const page = await http(location, ANSWER_TIMEOUT_MS);
    const services = page === null || page.status !== 200 ? [] : parseDescription(page.body, location);
    if (services.length === 0) result = { refused: "the router does not tell how to forward ports" };
    for (const service of services) {
      result = await mapAt(service, wanted, description);
      if (!("refused" in result)) return result;
    }
  }
  return result;
}
