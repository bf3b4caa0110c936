/** The kinds of values that the configuration knows, from their YAML form to what the program uses. */
import { z } from "zod";
import { type Address, isReservedAddress, parseAddress } from "../protocol/address.ts";
import { DEFAULT_PHYSICAL_MTU_BYTES, MAX_PHYSICAL_MTU_BYTES, MIN_PHYSICAL_MTU_BYTES } from "../protocol/constants.ts";
import { type Endpoint, type IpPrefix, parseEndpoint, parseIp, parsePrefix } from "../protocol/inet-address.ts";
import { described } from "./key.ts";

/** The reference keeps no more (vl1-behaviour.md §7.2). */
export const MAX_PHYSICAL_PREFIXES = 32;
const MAX_U64 = 0xffff_ffff_ffff_ffffn;

/** A schema for texts that `parse` understands (it returns null for others). */
function textOf<T>(parse: (text: string) => T | null) {
  return z.string().transform((text, context): T => {
    const value = parse(text.trim());
    if (value !== null) return value;
    context.addIssue({ code: "custom", message: "unreadable" });
    return z.NEVER;
  });
}

/** `prefix` with the bits behind its length cleared, so that equal networks are equal. */
export function maskedPrefix(prefix: IpPrefix): IpPrefix {
  const ip = prefix.ip.map((byte, at) => byte & (0xff << Math.min(8, Math.max(0, 8 * (at + 1) - prefix.bits))));
  return { ...prefix, ip };
}

/** A network, or a single address as a network of its own (local-api.md §8: never as "everything"). */
export function parseNetwork(text: string): IpPrefix | null {
  const ip = parseIp(text);
  if (ip !== null) return { family: ip.length === 4 ? 4 : 6, ip, bits: ip.length * 8 };
  const prefix = parsePrefix(text);
  return prefix === null ? null : maskedPrefix(prefix);
}

/** As `parseNetwork`, but nothing that stands for a whole address family: such a rule would cut off everybody. */
export function parsePhysicalPrefix(text: string): IpPrefix | null {
  const prefix = parseNetwork(text);
  return prefix === null || prefix.bits === 0 ? null : prefix;
}

/** A peer's address, ten hex digits. */
export function parsePeer(text: string): Address | null {
  const address = parseAddress(text);
  return address === null || isReservedAddress(address) ? null : address;
}

/** `host:port` or `[v6]:port`; "off" = no listener. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

function parseListen(text: string): ListenAddress | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) return null;
  const host = match[1] ?? match[2]!;
  return match[1] === undefined || parseIp(host) !== null ? { host, port } : null;
}

/** One `physical` entry. The list is in matching order: the first prefix that contains an address counts. */
export interface PhysicalSetting {
  readonly prefix: IpPrefix;
  readonly blacklist: boolean;
  /** 0 = not trusted. */
  readonly trustedPathId: bigint;
  /** Bytes of UDP payload, within the protocol's bounds. */
  readonly mtu: number;
}

/** One `virtual` entry. */
export interface VirtualSetting {
  readonly try: Endpoint[];
  readonly blacklist: IpPrefix[];
}

/** The protocol's rule (§7.2): 0 or less is the default, anything else is brought within bounds. */
export function physicalMtu(mtu: number): number {
  if (mtu <= 0) return DEFAULT_PHYSICAL_MTU_BYTES;
  return Math.min(Math.max(mtu, MIN_PHYSICAL_MTU_BYTES), MAX_PHYSICAL_MTU_BYTES);
}

/** Whole numbers from `low` to `high`. */
export function integer(low: number, high: number) {
  return z.number().int().min(low).max(high);
}

export const port = integer(0, 65_535);
export const ipList = z.array(textOf(parseIp));
export const networkList = z.array(textOf(parseNetwork));
const endpointList = z.array(textOf((text) => parseEndpoint(text)));

/** One endpoint; null and "off" mean none. */
export const endpointOrOff = z.union([
  z.union([z.null(), z.literal("off"), z.literal(false)]).transform(() => null),
  textOf((text) => parseEndpoint(text)),
]);

/** null and "off" switch the listener off. */
export const listenAddress = z.union([z.null(), z.literal("off"), z.literal(false), textOf(parseListen)]);

const trustedPathId = z.union([
  z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  z.string().regex(/^(0x[0-9a-fA-F]{1,16}|[0-9]{1,20})$/),
]);

const physicalEntry = z.strictObject({
  blacklist: described(z.boolean(), { expected: "true or false", example: "true" }).optional(),
  trustedPathId: described(
    trustedPathId.transform(BigInt).refine((id) => id <= MAX_U64),
    { expected: "a 64-bit number, those above 2^53 in quotes", example: "101" },
  ).optional(),
  mtu: described(z.union([z.literal(0), integer(MIN_PHYSICAL_MTU_BYTES, MAX_PHYSICAL_MTU_BYTES)]), {
    expected: `a number between ${MIN_PHYSICAL_MTU_BYTES} and ${MAX_PHYSICAL_MTU_BYTES}, or 0 for the default`,
    example: String(DEFAULT_PHYSICAL_MTU_BYTES),
  }).optional(),
});

/** `physical`: network → what holds for addresses inside it. */
export const physicalMap = z
  .record(
    z.string().refine((text) => parsePhysicalPrefix(text) !== null),
    physicalEntry,
  )
  .refine((map) => Object.keys(map).length <= MAX_PHYSICAL_PREFIXES)
  .transform((map): PhysicalSetting[] =>
    Object.entries(map).map(([text, entry]) => ({
      prefix: parsePhysicalPrefix(text)!,
      blacklist: entry.blacklist ?? false,
      trustedPathId: entry.trustedPathId ?? 0n,
      mtu: physicalMtu(entry.mtu ?? 0),
    })),
  );

const virtualEntry = z.strictObject({
  try: described(endpointList, {
    expected: "a list of endpoints",
    item: "an endpoint ip/port",
    example: '["198.51.100.7/9993"]',
  }).optional(),
  blacklist: described(networkList, {
    expected: "a list of networks",
    item: "a network ip/bits",
    example: '["10.0.0.0/8"]',
  }).optional(),
});

/** `virtual`: peer address → where to try and what to avoid. */
export const virtualMap = z
  .record(
    z.string().refine((text) => parsePeer(text) !== null),
    virtualEntry,
  )
  .transform(
    (map): Map<Address, VirtualSetting> =>
      new Map(
        Object.entries(map).map(([text, entry]) => [
          parsePeer(text)!,
          { try: entry.try ?? [], blacklist: entry.blacklist ?? [] },
        ]),
      ),
  );

/**
 * Puts `physical` settings into the order in which they are matched (vl1-behaviour.md §7.2): IPv4 before IPv6,
 * shorter prefix first, then by address. This is the reference's order and not longest-prefix match.
 */
export function inMatchingOrder(settings: readonly PhysicalSetting[]): PhysicalSetting[] {
  return [...settings].sort(
    ({ prefix: a }, { prefix: b }) => a.family - b.family || a.bits - b.bits || Buffer.compare(a.ip, b.ip),
  );
}
