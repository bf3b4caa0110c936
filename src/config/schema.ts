/**
 * Every configuration key: what it accepts, its default, whether a reload is enough, and what to tell an operator.
 * The loader, `orrery config check` and the documentation are made from this one list.
 */
import { z } from "zod";
import { type BondSettings, NO_BONDING } from "../bonding/policy.ts";
import type { Address } from "../protocol/address.ts";
import { DEFAULT_PORT } from "../protocol/constants.ts";
import type { Endpoint, IpPrefix } from "../protocol/inet-address.ts";
import { REACHES, type Reach } from "../root/tcp-relay.ts";
import { bondingSchema } from "./bonding-settings.ts";
import { described, type KeyMeta } from "./key.ts";
import * as values from "./values.ts";

/** One key. `schema` takes the YAML value and gives what the program uses. */
export interface KeyDefinition<T> {
  readonly schema: z.ZodType<T>;
  readonly initial: T;
  readonly meta: KeyMeta & { readonly hot: boolean; readonly help: string };
}

function key<T>(schema: z.ZodType<T>, initial: T, meta: KeyDefinition<T>["meta"]): KeyDefinition<T> {
  return { schema: described(schema, meta), initial, meta };
}

/** A bound or rate: a whole number from `low` up to `high`. */
function count(initial: number, low: number, high: number, hot: boolean, help: string): KeyDefinition<number> {
  const expected = `a whole number between ${low} and ${high}`;
  return key(values.integer(low, high), initial, { hot, help, expected, example: String(initial) });
}

function flag(initial: boolean, hot: boolean, help: string): KeyDefinition<boolean> {
  return key(z.boolean(), initial, { hot, help, expected: "true or false", example: String(initial) });
}

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const MILLION = 1_000_000;
const MAX_WORKERS = 64;
const PORT_EXPECTED = "a number between 0 and 65535";
const NETWORKS = { expected: "a list of networks", item: "a network ip/bits", example: '["10.20.0.0/16"]' } as const;

export const KEYS = {
  "listen.port": key(values.port, DEFAULT_PORT, {
    hot: false,
    help: "UDP port for ZeroTier and TCP port of the service API; 0 = a random one",
    expected: PORT_EXPECTED,
    example: String(DEFAULT_PORT),
  }),
  "listen.secondaryPort": key<"auto" | "off" | number>(
    z.union([z.literal("auto"), z.literal("off"), values.port, z.literal(false).transform(() => "off" as const)]),
    "auto",
    {
      hot: false,
      help: "second UDP port, which helps through NATs; auto = a random one, but none where this node is a root",
      expected: `"auto", "off" or ${PORT_EXPECTED}`,
      example: "auto",
    },
  ),
  "listen.portMapping": flag(
    true,
    false,
    "ask the router, by NAT-PMP or UPnP, to forward a port of its own to this node; never done where it is a root",
  ),
  "listen.tertiaryPort": key<"auto" | number>(z.union([z.literal("auto"), values.port]), "auto", {
    hot: false,
    help: "UDP port that routers are asked to forward; auto = a random one",
    expected: `"auto" or ${PORT_EXPECTED}`,
    example: "auto",
  }),
  "listen.bind": key<Uint8Array[]>(values.ipList, [], {
    hot: true,
    help: "local addresses to bind (0.0.0.0 and :: allowed); empty = those of every interface that is no tunnel",
    expected: "a list of IP addresses",
    item: "an IP address",
    example: '["192.0.2.1", "2001:db8::1"]',
  }),
  "listen.interfacePrefixBlacklist": key<string[]>(z.array(z.string().min(1)), [], {
    hot: true,
    help: "interfaces whose name starts with one of these are not bound",
    expected: "a list of texts",
    item: "the beginning of an interface name",
    example: "[docker, br-]",
  }),
  "listen.receiveBufferBytes": count(
    4 << 20,
    65_536,
    1 << 30,
    false,
    "receive buffer asked for each UDP socket; the kernel may grant less (net.core.rmem_max)",
  ),
  "listen.tcpRelay": key<values.ListenAddress | null>(
    values.listenAddress.transform((listen) => (typeof listen === "object" ? listen : null)),
    null,
    {
      hot: false,
      help: "where nodes whose UDP is blocked reach the roots over TCP; off = nowhere",
      expected: 'an address host:port, or "off"',
      example: '"0.0.0.0:443"',
    },
  ),
  "listen.tcpRelayTo": key<Reach>(z.enum(REACHES), "roots", {
    hot: false,
    help: "whom they reach there: roots = the roots of this node's worlds; global = any public address, ports above 1024",
    expected: `one of ${REACHES.join(", ")}`,
    example: "roots",
  }),
  "tcpFallback.relay": key<Endpoint | null>(values.endpointOrOff, null, {
    hot: false,
    help: "TCP relay that this node uses once nothing has come by UDP for a minute; off = none, not even the public one",
    expected: 'an endpoint ip/port, or "off"',
    example: '"198.51.100.7/443"',
  }),
  "tcpFallback.force": flag(false, false, "use that relay for everything, and UDP for nothing"),
  physical: key<values.PhysicalSetting[]>(values.physicalMap, [], {
    hot: true,
    help: "per network of physical addresses: blacklist, trustedPathId, mtu; shorter prefixes are matched first",
    expected: `a map of at most ${values.MAX_PHYSICAL_PREFIXES} networks`,
    mapKey: "a network ip/bits with bits above 0",
    example: '{"10.0.0.0/8": {blacklist: true}}',
  }),
  virtual: key<Map<Address, values.VirtualSetting>>(values.virtualMap, new Map(), {
    hot: true,
    help: "per peer: endpoints to try, networks not to use",
    expected: "a map of peers",
    mapKey: "an address of ten hex digits",
    example: '{"8056c2e21c": {try: ["198.51.100.7/9993"]}}',
  }),
  bonding: key<BondSettings>(bondingSchema, NO_BONDING, {
    hot: true,
    help: "several paths to one peer used as one: defaultPolicy, policies, peers; empty = each peer has one path at a time",
    expected: "a map with defaultPolicy, policies and peers",
    example: "{defaultPolicy: active-backup}",
  }),
  "dataplane.workers": key<"auto" | number>(z.union([z.literal("auto"), values.integer(0, MAX_WORKERS)]), "auto", {
    hot: false,
    help: "threads that relay, each with sockets of its own; auto = one less than cores; 0 = the main thread relays",
    expected: `"auto" or a whole number between 0 and ${MAX_WORKERS}`,
    example: "auto",
  }),
  "dataplane.napMicroseconds": count(
    0,
    0,
    1000,
    false,
    "how long a relay thread rests after a small batch so that the next is larger: less CPU for that much latency",
  ),
  "limits.maxPeers": count(200_000, 1, 16 * MILLION, false, "identities kept in memory; the longest silent go first"),
  "limits.cachePeers": count(200_000, 1, 16 * MILLION, false, "peers remembered on disk across restarts"),
  "limits.maxPairs": count(200_000, 1, 16 * MILLION, false, "pairs of peers whose introduction is remembered"),
  "limits.maxMulticastMembers": count(200_000, 1, 16 * MILLION, false, "multicast subscriptions remembered"),
  "limits.identityThreads": count(1, 1, 64, false, "threads that check unknown identities (~20 ms each check)"),
  "limits.identityQueue": count(1024, 1, 65_536, false, "unknown identities waiting to be checked"),
  "limits.identityPerPrefixPerMinute": count(
    120,
    1,
    60_000,
    false,
    "unknown identities checked per minute from one IPv4 /24 or IPv6 /48",
  ),
  "limits.identityPerPrefixBurst": count(60, 1, 60_000, false, "unknown identities one such prefix may bring at once"),
  "limits.identityPerSecond": count(
    1000,
    1,
    100_000,
    false,
    "HELLOs of unknown identities looked at per second in all (~40 µs each; those with a valid MAC go on to the queue)",
  ),
  "limits.tcpRelayConnections": count(1000, 1, 65_536, false, "connections to listen.tcpRelay at once"),
  "limits.tcpRelayPerSource": count(64, 1, 65_536, false, "of these, from one IPv4 address or IPv6 /64"),
  "controller.enabled": flag(
    true,
    false,
    "serve the networks whose id begins with this node's address; off = say that there is no controller here",
  ),
  "controller.maxSessions": count(
    100_000,
    100,
    16 * MILLION,
    false,
    "members and askers remembered in memory: who is online, and what a push to them needs (~1 kB each)",
  ),
  "controller.cachedNetworks": count(1000, 1, MILLION, false, "networks whose rules and settings are kept in memory"),
  "controller.cachedMembers": count(20_000, 1, 16 * MILLION, false, "member records kept in memory (~4 kB each)"),
  "controller.maxUnderWay": count(2000, 1, MILLION, false, "configuration requests worked on at the same time"),
  "controller.maxMembers": count(100_000, 1, 16 * MILLION, false, "members of one network; more are denied"),
  "controller.maxStrangers": count(
    1000,
    1,
    MILLION,
    false,
    "unknown askers kept in one network for somebody to authorize; the longest silent make room",
  ),
  "controller.strangersPerSecond": count(
    20,
    1,
    MILLION,
    false,
    "unknown askers written down per second in all networks; more are denied without a record",
  ),
  "controller.auditEntries": count(
    100_000,
    100,
    100 * MILLION,
    false,
    "lines kept of the log of who changed what; the oldest go",
  ),
  "leaf.tap": flag(
    true,
    false,
    "make an interface for each joined network (root or CAP_NET_ADMIN); off = join without interfaces",
  ),
  "leaf.maxNetworks": count(64, 0, 128, false, "networks that can be joined at once; 0 = none"),
  "leaf.maxMembers": count(
    10_000,
    1,
    MILLION,
    false,
    "other members of one network whose certificates are remembered; the longest unused make room",
  ),
  "api.enabled": flag(true, false, "service API for zerotier-cli and orrery's own commands"),
  "api.allowManagementFrom": key<IpPrefix[]>(values.networkList, [], {
    hot: true,
    help: "networks that may use the service API besides this machine; empty = loopback only",
    ...NETWORKS,
  }),
  "console.listen": key<values.ListenAddress | null>(
    values.listenAddress.transform((listen) => (typeof listen === "object" ? listen : null)),
    null,
    {
      hot: false,
      help: "where /api/v1 is served to other machines, for those who show an API token; off = nowhere",
      expected: 'an address host:port, or "off"',
      example: '"0.0.0.0:3443"',
    },
  ),
  "console.tls": flag(true, false, "TLS there; off only behind a proxy on the same machine"),
  "console.certFile": key<string>(z.string(), "", {
    hot: false,
    help: "certificate (PEM, with its chain); empty = one of our own, made once and kept in the home",
    expected: "a file",
    example: "/etc/orrery/fullchain.pem",
  }),
  "console.keyFile": key<string>(z.string(), "", {
    hot: false,
    help: "private key of that certificate (PEM)",
    expected: "a file",
    example: "/etc/orrery/privkey.pem",
  }),
  "telemetry.listen": key<values.ListenAddress | null>(
    values.listenAddress.transform((listen) => (typeof listen === "object" ? listen : null)),
    { host: "127.0.0.1", port: 9994 },
    {
      hot: false,
      help: "where /metrics and /healthz are served, without a token; off = nowhere",
      expected: 'an address host:port, or "off"',
      example: '"127.0.0.1:9994"',
    },
  ),
  "telemetry.metricsFile": flag(
    true,
    false,
    "write metrics.prom into the home every 15 s, for tools that read the reference's; off spares flash memory",
  ),
  "telemetry.peerSeries": count(
    0,
    0,
    1000,
    false,
    "peers that get series of their own (zt_peer_latency, zt_peer_path_count); each costs Prometheus memory",
  ),
  "log.level": key<LogLevel>(z.enum(LOG_LEVELS), "info", {
    hot: true,
    help: "how much is logged",
    expected: `one of ${LOG_LEVELS.join(", ")}`,
    example: "info",
  }),
  "log.pretty": flag(false, false, "log lines for people instead of JSON"),
  lowBandwidthMode: flag(false, false, "slower keep-alives and announcements, as the reference's setting"),
} as const;

export type ConfigKey = keyof typeof KEYS;
/** What each key holds. */
export type ConfigValues = { -readonly [K in ConfigKey]: (typeof KEYS)[K]["initial"] };

export const KEY_NAMES = Object.keys(KEYS) as ConfigKey[];

/** The schema of one top-level key: a key itself, or the section of all keys that begin with its name. */
function topLevelSchema(name: string): z.ZodType {
  if (name in KEYS) return KEYS[name as ConfigKey].schema;
  const inner = KEY_NAMES.filter((full) => full.startsWith(`${name}.`)).map((full) => full.slice(name.length + 1));
  const keyOf = (part: string) => KEYS[`${name}.${part}` as ConfigKey];
  const shape = Object.fromEntries(inner.map((part) => [part, (keyOf(part).schema as z.ZodType).optional()]));
  const example = `{${inner[0]}: ${keyOf(inner[0]!).meta.example}}`;
  return described(z.strictObject(shape), { expected: "a map of settings", example });
}

function buildSchema(): z.ZodType<Record<string, unknown>> {
  const names = new Set(KEY_NAMES.map((full) => full.split(".")[0]!));
  const shape = Object.fromEntries([...names].map((name) => [name, topLevelSchema(name).optional()]));
  return described(z.strictObject(shape), { expected: "a map of settings", example: `{port: ${DEFAULT_PORT}}` });
}

/** The schema of orrery.yaml. Every key may be missing. */
export const SCHEMA = buildSchema();
