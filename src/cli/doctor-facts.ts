/** What `orrery doctor` looks at before it judges: files and their modes, kernel limits, addresses, the daemon. */
import { readdirSync } from "node:fs";
import type { Identity } from "../identity/identity.ts";
import { formatAddress } from "../protocol/address.ts";
import { bytesEqual } from "../protocol/bytes.ts";
import type { Home } from "../store/files.ts";
import { formatWorldId, type World } from "../world/world.ts";
import type { TimeEvidence } from "./doctor-checks.ts";
import { readTextOrNull, statOrNull } from "./identity-argument.ts";
import { askService } from "./service-client.ts";

const SECRET_FILES = ["identity.secret", "authtoken.secret", "metricstoken.secret"];
/** Files that the daemon or `orrery init` wrote at some time that was then the present. */
const DATED_FILES = ["identity.secret", "planet", "peers.cache", "zerotier-one.port", "zerotier-one.pid"];
const RMEM_MAX_FILE = "/proc/sys/net/core/rmem_max";

/** Secret files that exist, with their permission bits; call it before anything mends them. */
export function secretModes(home: Home): { name: string; mode: number }[] {
  const signing = listFiles(home.file("signing")).map((name) => `signing/${name}`);
  return [...SECRET_FILES, ...signing].flatMap((name) => {
    const stat = statOrNull(home.file(...name.split("/")));
    return stat === null ? [] : [{ name, mode: stat.mode & 0o777 }];
  });
}

function listFiles(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}

/** Times that this machine's clock has been through: of files here, and of worlds signed somewhere. */
export function timeEvidence(home: Home, worlds: readonly World[]): TimeEvidence[] {
  const files = DATED_FILES.flatMap((name) => {
    const stat = statOrNull(home.file(name));
    return stat === null ? [] : [{ source: name, time: stat.mtimeMs }];
  });
  const signed = worlds.map((world) => ({
    source: `the signature of world ${formatWorldId(world.id)}`,
    time: Number(world.timestamp),
  }));
  return [...files, ...signed];
}

/** The port that the daemon of this home wrote down when it started, or null. */
export function writtenPort(home: Home): number | null {
  const text = readTextOrNull(home.file("zerotier-one.port"))?.trim() ?? "";
  return /^\d{1,5}$/.test(text) ? Number(text) : null;
}

/** The largest receive buffer that the kernel gives a socket; null where it does not tell. */
export function maximumReceiveBuffer(): number | null {
  const text = readTextOrNull(RMEM_MAX_FILE)?.trim() ?? "";
  return /^\d+$/.test(text) ? Number(text) : null;
}

/** Whether the key that must sign the next version of `world` is in this home. Throws ConfigError if it is damaged. */
export function signingKeyState(home: Home, world: World): "present" | "absent" | "foreign" {
  const key = home.loadSigningKey(world.id);
  if (key === null) return "absent";
  return bytesEqual(key.public, world.updatesMustBeSignedBy) ? "present" : "foreign";
}

/** "ours" if the daemon that answers for this home has this identity; "other" if it has not; "none" if none answers. */
export async function daemonState(home: Home, identity: Identity): Promise<"ours" | "other" | "none"> {
  const answer = await askService(home.path, "GET", "/status");
  if (answer.state === "absent") return "none";
  if (answer.state === "refused" || typeof answer.json !== "object" || answer.json === null) return "other";
  const { address } = answer.json as { address?: unknown };
  return address === formatAddress(identity.address) ? "ours" : "other";
}
