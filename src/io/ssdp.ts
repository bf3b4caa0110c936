/**
 * SSDP, the discovery of UPnP: asks on the local network which routers have a description of themselves. Whoever is on that
 * network may answer anything: an answer counts only if the place it names is the machine that it came from.
 */
import { createSocket } from "node:dgram";
import { type Endpoint, formatIp, makeEndpoint } from "../protocol/inet-address.ts";

/** Where every UPnP device listens. */
export const SSDP_GROUP: Endpoint = makeEndpoint(Uint8Array.of(239, 255, 255, 250), 1900);
const TARGETS = [
  "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
  "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
] as const;
/** Devices wait up to so many seconds before they answer. */
const ANSWER_WITHIN_SECONDS = 1;
const ASK_AGAIN_MS = 700;
const GIVE_UP_MS = 2500;
/** After the first answer others may follow; more than a few routers is nonsense, or an attack. */
const GRACE_MS = 200;
const MAX_ROUTERS = 4;
const MAX_ANSWER_BYTES = 4096;
const MAX_URL_LENGTH = 512;

/** The place that an answer names, if it is an HTTP one on the machine `from`. */
export function parseSearchAnswer(bytes: Uint8Array, from: string): URL | null {
  if (bytes.length > MAX_ANSWER_BYTES) return null;
  const [status = "", ...lines] = Buffer.from(bytes).toString("latin1").split("\r\n");
  if (!/^HTTP\/1\.[01] 200\b/.test(status)) return null;
  const line = lines.find((header) => header.slice(0, 9).toLowerCase() === "location:");
  const text = line?.slice(9).trim() ?? "";
  if (text === "" || text.length > MAX_URL_LENGTH || !URL.canParse(text)) return null;
  const url = new URL(text);
  return url.protocol === "http:" && url.hostname === from && url.username === "" ? url : null;
}

/** The descriptions of the routers that answer at `local`'s network, in order of their answers. Never rejects. */
export function findRouters(local: Uint8Array, group: Endpoint = SSDP_GROUP): Promise<URL[]> {
  return new Promise((resolve) => {
    const found = new Map<string, URL>();
    const socket = createSocket("udp4");
    let grace: NodeJS.Timeout | undefined;
    let again: NodeJS.Timeout | undefined;
    const end = () => {
      for (const timer of [grace, again, giveUp]) clearTimeout(timer);
      socket.removeAllListeners().on("error", () => {});
      socket.close();
      resolve([...found.values()]);
    };
    const giveUp = setTimeout(end, GIVE_UP_MS);
    const ask = () => {
      for (const target of TARGETS) {
        const question = `M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: ${ANSWER_WITHIN_SECONDS}\r\nST: ${target}\r\n\r\n`;
        // What cannot be sent is not answered either.
        socket.send(question, group.port, formatIp(group.ip), () => {});
      }
    };
    socket.on("error", end);
    socket.on("message", (bytes, { address }) => {
      const url = parseSearchAnswer(bytes, address);
      if (url === null || found.has(url.href) || found.size >= MAX_ROUTERS) return;
      found.set(url.href, url);
      grace ??= setTimeout(end, GRACE_MS);
    });
    socket.bind({ address: formatIp(local) }, () => {
      try {
        socket.setMulticastInterface(formatIp(local));
        socket.setMulticastTTL(2);
      } catch {
        return end();
      }
      ask();
      again = setTimeout(ask, ASK_AGAIN_MS);
    });
  });
}
