/**
 * The binary values of a configuration's dictionary: specialists, routes, addresses, DNS, lists of credentials.
 * Facts: vl2-networks.md §5. An "address" is an InetAddress (vl1-packets.md §4) whose port is a prefix length where
 * there is one, else 0.
 *
 * | key | value |
 * |---|---|
 * | `S` | specialists: 3 bytes roles, 5 bytes address, each |
 * | `I` | addresses |
 * | `RT` | routes: target address, via address (type 0 = on link), 2 bytes flags, 2 bytes metric, each |
 * | `DNS` | 128 bytes domain, padded with NUL; four addresses (type 0 = none) |
 * | `CAP`, `TAG`, `COO` | credentials, one behind the other |
 */
import { ADDRESS_BYTES, type Address } from "../protocol/address.ts";
import { Reader, Writer } from "../protocol/bytes.ts";
import { accept, type Refusal, refuse, type Verdict } from "../protocol/errors.ts";
import { type Endpoint, type IpPrefix, readInetAddress, writeInetAddress } from "../protocol/inet-address.ts";
import { MAX_DNS_DOMAIN_BYTES, MAX_DNS_SERVERS, MAX_ROUTES, MAX_SPECIALISTS, MAX_STATIC_IPS } from "./limits.ts";
import { decodeText, encodeText } from "./text.ts";

/** Roles of a specialist; they can be combined. */
export const SpecialistRole = { ACTIVE_BRIDGE: 0x02, ANCHOR: 0x04, REPLICATOR: 0x08 } as const;

/** A member with special tasks. */
export interface Specialist {
  readonly address: Address;
  /** 24 bits, of which `SpecialistRole` are known. */
  readonly roles: number;
}

export interface Route {
  readonly target: IpPrefix;
  /** 4 or 16 bytes; null if the target is on link. */
  readonly via: Uint8Array | null;
  /** 16 bits, as the metric; nobody uses either. */
  readonly flags: number;
  readonly metric: number;
}

export interface Dns {
  /** At most 127 bytes; may be empty. */
  readonly domain: string;
  /** At most 4, of 4 or 16 bytes. */
  readonly servers: readonly Uint8Array[];
}

const ROLES_BYTES = 3;
const SPECIALIST_BYTES = ROLES_BYTES + ADDRESS_BYTES;
const ROUTE_BYTES = 19 + 19 + 4;
const ADDRESS_FIELD_BYTES = 19;
const DOMAIN_BYTES = MAX_DNS_DOMAIN_BYTES + 1;

export function encodeSpecialists(specialists: readonly Specialist[]): Uint8Array {
  const writer = new Writer(specialists.length * SPECIALIST_BYTES);
  for (const { address, roles } of specialists)
    writer
      .u8(roles >>> 16)
      .u16(roles & 0xffff)
      .address(address);
  return writer.finish();
}

/** Whole entries only; what is left over, or beyond the limit, is ignored. */
export function decodeSpecialists(bytes: Uint8Array): Specialist[] {
  const reader = new Reader(bytes);
  const specialists: Specialist[] = [];
  while (reader.remaining >= SPECIALIST_BYTES && specialists.length < MAX_SPECIALISTS) {
    const roles = (reader.u8() << 16) | reader.u16();
    specialists.push({ address: reader.address(), roles });
  }
  return specialists;
}

function writePrefix(writer: Writer, { family, ip, bits }: IpPrefix): void {
  writeInetAddress(writer, { family, ip, port: bits });
}

/** Null for no address, and for a prefix longer than its address, which nothing can be done with. */
function prefixOf(address: Endpoint | null): IpPrefix | null {
  if (address === null || address.port > 8 * address.ip.length) return null;
  return { family: address.family, ip: address.ip, bits: address.port };
}

export function encodeStaticIps(ips: readonly IpPrefix[]): Uint8Array {
  const writer = new Writer(ips.length * ADDRESS_FIELD_BYTES);
  for (const ip of ips) writePrefix(writer, ip);
  return writer.finish();
}

/** Entries that hold no usable address are left out. */
export function decodeStaticIps(bytes: Uint8Array): Verdict<IpPrefix[]> {
  const reader = new Reader(bytes);
  const ips: IpPrefix[] = [];
  for (let read = 0; reader.remaining > 0 && read < MAX_STATIC_IPS; read++) {
    const start = reader.offset;
    const address = readInetAddress(reader);
    if (reader.failed) return reader.refusal();
    if (address === undefined) return refuse("bad_value", start);
    const prefix = prefixOf(address);
    if (prefix !== null) ips.push(prefix);
  }
  return accept(ips);
}

export function encodeRoutes(routes: readonly Route[]): Uint8Array {
  const writer = new Writer(routes.length * ROUTE_BYTES);
  for (const { target, via, flags, metric } of routes) {
    writePrefix(writer, target);
    writeIp(writer, via);
    writer.u16(flags).u16(metric);
  }
  return writer.finish();
}

/** Routes whose target is no usable prefix are left out. */
export function decodeRoutes(bytes: Uint8Array): Verdict<Route[]> {
  const reader = new Reader(bytes);
  const routes: Route[] = [];
  for (let read = 0; reader.remaining > 0 && read < MAX_ROUTES; read++) {
    const start = reader.offset;
    const address = readInetAddress(reader);
    const via = readInetAddress(reader);
    const flags = reader.u16();
    const metric = reader.u16();
    if (address === undefined || via === undefined) return refuse("bad_value", start);
    if (reader.failed) return reader.refusal();
    const target = prefixOf(address);
    if (target !== null) routes.push({ target, via: via?.ip ?? null, flags, metric });
  }
  return accept(routes);
}

function writeIp(writer: Writer, ip: Uint8Array | null): void {
  writeInetAddress(writer, ip === null ? null : { family: ip.length === 4 ? 4 : 6, ip, port: 0 });
}

export function encodeDns({ domain, servers }: Dns): Uint8Array {
  const writer = new Writer(DOMAIN_BYTES + MAX_DNS_SERVERS * ADDRESS_FIELD_BYTES);
  const text = encodeText(domain, MAX_DNS_DOMAIN_BYTES);
  writer.bytes(text).bytes(new Uint8Array(DOMAIN_BYTES - text.length));
  for (let slot = 0; slot < MAX_DNS_SERVERS; slot++) writeIp(writer, servers[slot] ?? null);
  return writer.finish();
}

export function decodeDns(bytes: Uint8Array): Verdict<Dns> {
  const reader = new Reader(bytes);
  const text = reader.bytes(DOMAIN_BYTES).subarray(0, MAX_DNS_DOMAIN_BYTES);
  const nul = text.indexOf(0);
  const servers: Uint8Array[] = [];
  for (let slot = 0; slot < MAX_DNS_SERVERS; slot++) {
    const start = reader.offset;
    const address = readInetAddress(reader);
    if (reader.failed) return reader.refusal();
    if (address === undefined) return refuse("bad_value", start);
    if (address !== null) servers.push(address.ip);
  }
  return accept({ domain: decodeText(nul < 0 ? text : text.subarray(0, nul)), servers });
}

export function encodeList<T>(values: readonly T[], encode: (value: T) => Uint8Array): Uint8Array {
  const writer = new Writer(values.length * 160);
  for (const value of values) writer.bytes(encode(value));
  return writer.finish();
}

/** At most `max` credentials: `measure` finds where one ends. What came before a malformed one is kept beside its refusal. */
export function decodeList<T>(
  bytes: Uint8Array,
  max: number,
  measure: (reader: Reader) => Uint8Array | undefined,
  decode: (bytes: Uint8Array) => Verdict<T>,
): { values: T[]; refusal: Refusal | null } {
  const reader = new Reader(bytes);
  const values: T[] = [];
  while (reader.remaining > 0 && values.length < max) {
    const start = reader.offset;
    const one = measure(reader);
    if (reader.failed) return { values, refusal: reader.refusal() };
    const verdict = one === undefined ? refuse("bad_value", start) : decode(one);
    if (!verdict.ok) return { values, refusal: verdict };
    values.push(verdict.value);
  }
  return { values, refusal: null };
}
