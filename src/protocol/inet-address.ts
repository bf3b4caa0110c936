/**
 * Physical addresses: an IP and a UDP port, their wire form ("InetAddress"), their text form `ip/port`, and the
 * scopes by which nodes decide what may become a path.
 * Facts: vl1-packets.md §4 (wire form), vl1-behaviour.md §3.4 (scopes) and §2.3 (gate bucket).
 */
import type { Reader, Writer } from "./bytes.ts";
import { bytesEqual } from "./bytes.ts";

/** A bare IP and port. `ip` has 4 or 16 bytes, network order; `port` is 0 … 65535. */
export interface Endpoint {
  readonly family: 4 | 6;
  readonly ip: Uint8Array;
  readonly port: number;
}

/** An IP prefix, as in `10.0.0.0/8`. */
export interface IpPrefix {
  readonly family: 4 | 6;
  readonly ip: Uint8Array;
  readonly bits: number;
}

export const IpScope = {
  NONE: 0,
  MULTICAST: 1,
  LOOPBACK: 2,
  PSEUDO_PRIVATE: 3,
  GLOBAL: 4,
  LINK_LOCAL: 5,
  SHARED: 6,
  PRIVATE: 7,
} as const;
export type IpScope = (typeof IpScope)[keyof typeof IpScope];

/** Copies `ip`, so that the endpoint may outlive a receive buffer. */
export function makeEndpoint(ip: Uint8Array, port: number): Endpoint {
  return { family: ip.length === 4 ? 4 : 6, ip: new Uint8Array(ip), port };
}

export function endpointsEqual(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && bytesEqual(a.ip, b.ip);
}

/** Same IP, whatever the port. */
export function ipsEqual(a: Endpoint, b: Endpoint): boolean {
  return bytesEqual(a.ip, b.ip);
}

/** A compact map key: equal for equal endpoints, different otherwise. Not for display. */
export function endpointKey(endpoint: Endpoint): string {
  const { ip, port } = endpoint;
  return ip.length === 4
    ? String.fromCharCode((ip[0]! << 8) | ip[1]!, (ip[2]! << 8) | ip[3]!, port)
    : String.fromCharCode(
        (ip[0]! << 8) | ip[1]!,
        (ip[2]! << 8) | ip[3]!,
        (ip[4]! << 8) | ip[5]!,
        (ip[6]! << 8) | ip[7]!,
        (ip[8]! << 8) | ip[9]!,
        (ip[10]! << 8) | ip[11]!,
        (ip[12]! << 8) | ip[13]!,
        (ip[14]! << 8) | ip[15]!,
        port,
      );
}

/** Length on the wire: 1 for "no address", 7 for IPv4, 19 for IPv6. */
export function inetAddressBytes(endpoint: Endpoint | null): number {
  return endpoint === null ? 1 : 3 + endpoint.ip.length;
}

export function writeInetAddress(writer: Writer, endpoint: Endpoint | null): void {
  if (endpoint === null) writer.u8(0);
  else writer.u8(endpoint.family).bytes(endpoint.ip).u16(endpoint.port);
}

/**
 * Reads one InetAddress. Returns null for "no address" and for the reserved types, undefined for a malformed
 * one (an unknown type byte). A short one makes the reader fail, as every read does.
 */
export function readInetAddress(reader: Reader): Endpoint | null | undefined {
  const type = reader.u8();
  switch (type) {
    case 0x00:
      return null;
    case 0x01:
    case 0x02:
      reader.skip(6);
      return null;
    case 0x03:
      reader.skip(reader.u16());
      return null;
    case 0x04:
    case 0x06: {
      const ip = reader.bytes(type === 0x04 ? 4 : 16);
      const port = reader.u16();
      return reader.failed ? null : makeEndpoint(ip, port);
    }
    default:
      return undefined;
  }
}

const PSEUDO_PRIVATE_V4 = new Set([6, 11, 21, 22, 25, 26, 28, 29, 30, 51, 55, 56]);

function scopeV4(a: number, b: number, c: number): IpScope {
  if (a === 0 || a === 255) return IpScope.NONE;
  if (a === 127) return IpScope.LOOPBACK;
  if (a === 10) return IpScope.PRIVATE;
  if (a === 172 && (b & 0xf0) === 16) return IpScope.PRIVATE;
  if (a === 192 && b === 168) return IpScope.PRIVATE;
  if (a === 100 && (b & 0xc0) === 64) return IpScope.PRIVATE;
  if (a === 192 && b === 0 && c === 2) return IpScope.PRIVATE;
  if (a === 198 && (b & 0xfe) === 18) return IpScope.PRIVATE;
  if (a === 198 && b === 51 && c === 100) return IpScope.PRIVATE;
  if (a === 203 && b === 0 && c === 113) return IpScope.PRIVATE;
  if (a === 169 && b === 254) return IpScope.LINK_LOCAL;
  if ((a & 0xf0) === 224) return IpScope.MULTICAST;
  if ((a & 0xf0) === 240) return IpScope.PSEUDO_PRIVATE;
  if (PSEUDO_PRIVATE_V4.has(a)) return IpScope.PSEUDO_PRIVATE;
  return IpScope.GLOBAL;
}

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** The scope of an IP (4 or 16 bytes). */
export function ipScope(ip: Uint8Array): IpScope {
  if (ip.length === 4) return scopeV4(ip[0]!, ip[1]!, ip[2]!);
  if (ip[0] === 0xff) return IpScope.MULTICAST;
  if (ip[0] === 0xfe && (ip[1]! & 0xc0) === 0x80) {
    return isZero(ip, 2, 15) && ip[1] === 0x80 && ip[15] === 1 ? IpScope.LOOPBACK : IpScope.LINK_LOCAL;
  }
  if ((ip[0]! & 0xfe) === 0xfc) return IpScope.PRIVATE;
  if (isZero(ip, 0, 10)) {
    if (isZero(ip, 10, 15)) {
      if (ip[15] === 0) return IpScope.NONE;
      if (ip[15] === 1) return IpScope.LOOPBACK;
    }
    if (ip[10] === 0xff && ip[11] === 0xff && ip[12] === 127) return IpScope.LOOPBACK;
  }
  return IpScope.GLOBAL;
}

/** The identity gate's 14-bit source bucket (vl1-behaviour.md §2.3). */
export function rateGateHash(ip: Uint8Array): number {
  if (ip.length === 4) {
    const prefix = (ip[0]! << 16) | (ip[1]! << 8) | ip[2]!;
    return (prefix ^ (prefix >> 14)) & 0x3fff;
  }
  let hash = ip[0]!;
  for (let i = 1; i <= 5; i++) hash = (hash << 1) + ip[i]!;
  return hash & 0x3fff;
}

/** Text of an IP: dotted IPv4, or IPv6 compressed as in RFC 5952. */
export function formatIp(ip: Uint8Array): string {
  if (ip.length === 4) return `${ip[0]}.${ip[1]}.${ip[2]}.${ip[3]}`;
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((ip[i]! << 8) | ip[i + 1]!);
  let bestStart = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; ) {
    let length = 0;
    while (i + length < 8 && groups[i + length] === 0) length++;
    if (length > bestLength) {
      bestStart = i;
      bestLength = length;
    }
    i += Math.max(length, 1);
  }
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(":");
  if (bestStart < 0) return hex(groups);
  // The reference's platform prints IPv4-mapped addresses with a dotted tail; so does ours.
  if (bestStart === 0 && bestLength === 5 && groups[5] === 0xffff) return `::ffff:${formatIp(ip.subarray(12))}`;
  return `${hex(groups.slice(0, bestStart))}::${hex(groups.slice(bestStart + bestLength))}`;
}

/** Parses an IPv4 or IPv6 address without zone; null if it is neither. */
export function parseIp(text: string): Uint8Array | null {
  return text.includes(":") ? parseIpV6(text) : parseIpV4(text);
}

function parseIpV4(text: string): Uint8Array | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  const ip = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    if (!/^\d{1,3}$/.test(parts[i]!)) return null;
    const value = Number(parts[i]);
    if (value > 255) return null;
    ip[i] = value;
  }
  return ip;
}

function parseIpV6(text: string): Uint8Array | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : [];
  if (head === null || tail === null) return null;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 2) return null;
  const ip = new Uint8Array(16);
  ip.set(head, 0);
  ip.set(tail, 16 - tail.length);
  return ip;
}

/** Bytes of colon-separated groups; a dotted IPv4 tail is allowed where the address ends. */
function parseGroups(text: string, atEnd: boolean): number[] | null {
  if (text === "") return [];
  const bytes: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (atEnd && index === parts.length - 1 && part.includes(".")) {
      const tail = parseIpV4(part);
      if (tail === null) return null;
      bytes.push(...tail);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return null;
      const value = Number.parseInt(part, 16);
      bytes.push(value >> 8, value & 0xff);
    }
  }
  return bytes.length <= 16 ? bytes : null;
}

/** `ip/port`, as the reference writes endpoints everywhere. */
export function formatEndpoint(endpoint: Endpoint): string {
  return `${formatIp(endpoint.ip)}/${endpoint.port}`;
}

/** Parses `ip/port`; null if it is anything else. */
export function parseEndpoint(text: string): Endpoint | null {
  const slash = text.lastIndexOf("/");
  if (slash < 0 || !/^\d{1,5}$/.test(text.slice(slash + 1))) return null;
  const port = Number(text.slice(slash + 1));
  const ip = parseIp(text.slice(0, slash));
  return ip === null || port > 65535 ? null : { family: ip.length === 4 ? 4 : 6, ip, port };
}

/** Parses `ip/bits`; null if it is anything else. A bare IP is not a prefix. */
export function parsePrefix(text: string): IpPrefix | null {
  const slash = text.lastIndexOf("/");
  if (slash < 0 || !/^\d{1,3}$/.test(text.slice(slash + 1))) return null;
  const bits = Number(text.slice(slash + 1));
  const ip = parseIp(text.slice(0, slash));
  return ip === null || bits > ip.length * 8 ? null : { family: ip.length === 4 ? 4 : 6, ip, bits };
}

/** True if `ip` (4 or 16 bytes) lies inside `prefix`. */
export function prefixContains(prefix: IpPrefix, ip: Uint8Array): boolean {
  if (ip.length !== prefix.ip.length) return false;
  const whole = prefix.bits >> 3;
  for (let i = 0; i < whole; i++) if (ip[i] !== prefix.ip[i]) return false;
  const rest = prefix.bits & 7;
  return rest === 0 || ((ip[whole]! ^ prefix.ip[whole]!) & (0xff << (8 - rest)) & 0xff) === 0;
}
