/**
 * The router that a host's default route leads to. Known where the kernel shows its routes as a file (Linux).
 *
 *   /proc/net/route: 0 interface, 1 destination, 2 gateway, 3 flags (bit 1: has a gateway), 6 metric, 7 mask; addresses
 *     are 32-bit words as the CPU holds them, in hex.
 */
import { readFileSync } from "node:fs";
import { endianness } from "node:os";

/** A router next to us, and the interface that it is behind. */
export interface Gateway {
  readonly ip: Uint8Array;
  readonly interfaceName: string;
}

const MAX_ROUTES = 4096;
const HAS_GATEWAY = 2;
/** Tunnels: whoever is behind one is no router that could open a port for us (as in interfaces.ts). */
const TUNNELS = ["lo", "zt", "tun", "tap"];

/** The IPv4 gateway of the default route with the lowest metric in the text of /proc/net/route, or null. */
export function parseGateway(text: string, littleEndian = endianness() === "LE"): Gateway | null {
  let best: Gateway | null = null;
  let bestMetric = Number.POSITIVE_INFINITY;
  for (const line of text.split("\n").slice(1, MAX_ROUTES)) {
    const [interfaceName = "", destination, gateway = "", flags = "", , , metric, mask] = line.trim().split(/\s+/);
    if (destination !== "00000000" || mask !== "00000000" || !/^[0-9A-Fa-f]{8}$/.test(gateway)) continue;
    if ((Number.parseInt(flags, 16) & HAS_GATEWAY) === 0) continue;
    if (TUNNELS.some((prefix) => interfaceName.startsWith(prefix)) || Number(metric) >= bestMetric) continue;
    const ip = Uint8Array.from(Buffer.from(gateway, "hex"));
    best = { ip: littleEndian ? ip.reverse() : ip, interfaceName };
    bestMetric = Number(metric);
  }
  return best;
}

/** The gateway now; null where there is none, or where the system does not tell. Never throws. */
export function defaultGateway(): Gateway | null {
  try {
    return parseGateway(readFileSync("/proc/net/route", "utf8"));
  } catch {
    return null;
  }
}
