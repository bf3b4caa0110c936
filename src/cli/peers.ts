/** `listpeers` and `peers`: cli.md §2. */
import type { JsonObject } from "../json/json.ts";
import { fetchJson, printReadJson, type ServiceSession } from "./client.ts";
import { numberOf, objectsOf, stringOf } from "./json-fields.ts";

const NEVER = -1;

interface PeerRow {
  readonly address: string;
  readonly latencyMs: number;
  readonly version: string;
  readonly role: string;
  readonly tunneled: boolean;
  /** The first preferred path, or null. */
  readonly path: { readonly address: string; readonly sentAgoMs: number; readonly receivedAgoMs: number } | null;
}

function ago(now: number, time: number): number {
  return time === 0 ? NEVER : now - time;
}

function rowOf(peer: JsonObject, now: number): PeerRow {
  const preferred = objectsOf(peer["paths"]).find((path) => path["preferred"] === true);
  return {
    address: stringOf(peer["address"]),
    latencyMs: numberOf(peer["latency"], -1),
    version: numberOf(peer["versionMajor"], -1) < 0 ? "-" : stringOf(peer["version"]),
    role: stringOf(peer["role"]),
    tunneled: peer["tunneled"] === true,
    path:
      preferred === undefined
        ? null
        : {
            address: stringOf(preferred["address"]),
            sentAgoMs: ago(now, numberOf(preferred["lastSend"])),
            receivedAgoMs: ago(now, numberOf(preferred["lastReceive"])),
          },
  };
}

async function rows(session: ServiceSession, verb: string): Promise<PeerRow[] | null> {
  const peers = await fetchJson(session, verb, "/peer");
  if (session.json) {
    printReadJson(session, peers);
    return null;
  }
  const now = session.now();
  return objectsOf(peers).map((peer) => rowOf(peer, now));
}

/** One line per peer, for scripts. */
export async function listPeers(session: ServiceSession): Promise<void> {
  const peers = await rows(session, "listpeers");
  if (peers === null) return;
  const lines = peers.map((peer) => {
    const { address, path, latencyMs, version, role } = peer;
    const place = path === null ? "-" : `${path.address};${path.sentAgoMs};${path.receivedAgoMs}`;
    return `200 listpeers ${address} ${place} ${latencyMs} ${version} ${role}\n`;
  });
  session.context.stdout(`200 listpeers <ztaddr> <path> <latency> <version> <role>\n${lines.join("")}`);
}

function linkOf({ tunneled, path }: PeerRow): string {
  if (path === null) return "RELAY";
  const times = `${String(path.sentAgoMs).padEnd(8)} ${String(path.receivedAgoMs).padEnd(8)}`;
  return `${tunneled ? "RELAY " : "DIRECT   "}${times} ${path.address}`;
}

/** A table, for people. */
export async function peers(session: ServiceSession): Promise<void> {
  const all = await rows(session, "peers");
  if (all === null) return;
  const lines = all.map((peer) => {
    const { address, version, role, latencyMs } = peer;
    return `${address} ${version.padEnd(6)} ${role.padEnd(6)} ${String(latencyMs).padStart(5)} ${linkOf(peer)}\n`;
  });
  const note = all.some((peer) => peer.tunneled)
    ? "NOTE: Currently tunneling through a TCP relay. Ensure that UDP is not blocked.\n"
    : "";
  const header = "<ztaddr>   <ver>  <role> <lat> <link>   <lastTX> <lastRX> <path>\n";
  session.context.stdout(`200 peers\n${header}${lines.join("")}${note}`);
}
