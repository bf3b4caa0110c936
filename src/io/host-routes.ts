/**
 * What the host is connected to: the subnets of its interfaces and the targets of its routes. A new network keeps clear
 * of them. Routes are read where the kernel shows them as files (Linux); elsewhere only interfaces are known.
 *
 *   /proc/net/route: header line, then tab-separated columns; 0 interface, 1 destination, 7 mask: each a 32-bit word as
 *     the CPU holds it, in hex.
 *   /proc/net/ipv6_route: 0 destination as 32 hex digits, 1 its length in hex, 9 interface.
 */
import { readFileSync } from "node:fs";
import { endianness, networkInterfaces } from "node:os";
import { type IpPrefix, IpScope, ipScope, parsePrefix } from "../protocol/inet-address.ts";

/** A prefix that the host reaches, and through which interface. */
export interface HostPrefix {
  readonly prefix: IpPrefix;
  readonly interfaceName: string;
}

/** A kernel table is never that long on a host that one would run a controller on; more is ignored. */
const MAX_ROUTES = 4096;
const IRRELEVANT: ReadonlySet<IpScope> = new Set([IpScope.LOOPBACK, IpScope.MULTICAST, IpScope.LINK_LOCAL]);

function word(hex: string, littleEndian: boolean): Uint8Array {
  const bytes = Uint8Array.from(Buffer.from(hex, "hex"));
  return littleEndian ? bytes.reverse() : bytes;
}

function maskBits(mask: Uint8Array): number {
  let bits = 0;
  for (const byte of mask) for (let bit = 0x80; bit > 0 && (byte & bit) !== 0; bit >>= 1) bits++;
  return bits;
}

/** The routes in the text of /proc/net/route. Lines that are none are skipped. */
export function parseRoutesV4(text: string, littleEndian = endianness() === "LE"): HostPrefix[] {
  const found: HostPrefix[] = [];
  for (const line of text.split("\n").slice(1, MAX_ROUTES)) {
    const fields = line.split("\t");
    const [interfaceName, destination] = fields;
    const mask = fields[7];
    if (!/^[0-9A-Fa-f]{8}$/.test(destination ?? "") || !/^[0-9A-Fa-f]{8}$/.test(mask ?? "")) continue;
    const ip = word(destination!, littleEndian);
    found.push({ prefix: { family: 4, ip, bits: maskBits(word(mask!, littleEndian)) }, interfaceName: interfaceName! });
  }
  return found;
}

/** The routes in the text of /proc/net/ipv6_route. Lines that are none are skipped. */
export function parseRoutesV6(text: string): HostPrefix[] {
  const found: HostPrefix[] = [];
  for (const line of text.split("\n").slice(0, MAX_ROUTES)) {
    const fields = line.trim().split(/\s+/);
    const [destination, length] = fields;
    const interfaceName = fields[9];
    if (!/^[0-9a-fA-F]{32}$/.test(destination ?? "") || !/^[0-9a-fA-F]{2}$/.test(length ?? "")) continue;
    const bits = Number.parseInt(length!, 16);
    if (interfaceName === undefined || bits > 128) continue;
    found.push({ prefix: { family: 6, ip: Uint8Array.from(Buffer.from(destination!, "hex")), bits }, interfaceName });
  }
  return found;
}

function interfacePrefixes(): HostPrefix[] {
  return Object.entries(networkInterfaces()).flatMap(([interfaceName, addresses]) =>
    (addresses ?? []).flatMap(({ cidr }) => {
      const prefix = cidr === null ? null : parsePrefix(cidr);
      return prefix === null ? [] : [{ prefix, interfaceName }];
    }),
  );
}

function readTable(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Another system, or one without this address family.
    return "";
  }
}

/**
 * Every prefix that the host reaches other than through a default route, each once per interface. Loopback, link-local
 * and multicast are left out. Never throws.
 */
export function hostPrefixes(): HostPrefix[] {
  const all = [
    ...interfacePrefixes(),
    ...parseRoutesV4(readTable("/proc/net/route")),
    ...parseRoutesV6(readTable("/proc/net/ipv6_route")),
  ];
  const known = new Map<string, HostPrefix>();
  for (const one of all) {
    const { ip, bits } = one.prefix;
    if (bits > 0 && !IRRELEVANT.has(ipScope(ip))) known.set(`${ip.join(".")}/${bits} ${one.interfaceName}`, one);
  }
  return [...known.values()];
}
