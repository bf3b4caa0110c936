/**
 * The other end of tunnels: nodes whose UDP is blocked reach this root over TCP, and through it the other roots. Who may
 * connect, what is forwarded, what is dropped and when a connection ends; no sockets, no clock.
 * Facts: vl1-behaviour.md §7.1. Ours: forwards to roots only unless told otherwise, and greets nobody who does not greet.
 */
import type { LocalSocket, Millis } from "../node/ports.ts";
import { type Endpoint, endpointKey, IpScope, ipScope, ipsEqual } from "../protocol/inet-address.ts";
import { decodeTunnelPayload, encodeTunnelDatagram, TunnelParser } from "../protocol/tcp-tunnel.ts";

/** Datagrams that a proxy returns; anything else is no packet. */
const MIN_DATAGRAM_BYTES = 16;
const MAX_RETURNED_BYTES = 2047;
/** What may wait for a client that reads slowly. */
const MAX_QUEUED_BYTES = 131_072;
const IDLE_MS = 300_000;
const GREETING_MS = 10_000;
/** Ports below are other services'. */
const MAX_FORBIDDEN_PORT = 1024;
/** Roots that are known under another address than the one they are sent to. */
const MAX_ALIASES = 16;

export const RELAY_REFUSALS = ["connections", "per_source"] as const;
export const RELAY_ENDS = ["client", "idle", "no_greeting", "malformed", "socket", "stopped"] as const;
export type RelayEnd = (typeof RELAY_ENDS)[number];
export const RELAY_DROPS = ["destination", "source", "length", "queue_full", "malformed", "send_failed"] as const;
export type TcpRelayDrop = (typeof RELAY_DROPS)[number];

function zeros<K extends string>(keys: readonly K[]): Record<K, number> {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Record<K, number>;
}

/** Monotonic, but for `open`. */
export class TcpRelayStatistics {
  /** Connections now. */
  open = 0;
  accepted = 0;
  readonly refused = zeros(RELAY_REFUSALS);
  readonly ended = zeros(RELAY_ENDS);
  /** From clients (`In`) and to them; bytes of datagrams. */
  datagramsIn = 0;
  datagramsOut = 0;
  bytesIn = 0;
  bytesOut = 0;
  readonly drops = zeros(RELAY_DROPS);
}

export interface TcpRelayLimits {
  /** Connections in all, and from one IPv4 address or IPv6 /64. */
  readonly connections: number;
  readonly perSource: number;
}

/** Who is connected. */
export class TcpRelay {
  readonly statistics = new TcpRelayStatistics();
  readonly #limits: TcpRelayLimits;
  readonly #perSource = new Map<string, number>();

  constructor(limits: TcpRelayLimits) {
    this.#limits = limits;
  }

  /** True if one more may connect; then `left` has to be called when it ends. */
  enter(from: Endpoint): boolean {
    const { statistics } = this;
    const source = sourceKey(from);
    const same = this.#perSource.get(source) ?? 0;
    const full = statistics.open >= this.#limits.connections;
    if (full || same >= this.#limits.perSource) {
      statistics.refused[full ? "connections" : "per_source"]++;
      return false;
    }
    this.#perSource.set(source, same + 1);
    statistics.open++;
    statistics.accepted++;
    return true;
  }

  left(from: Endpoint, how: RelayEnd): void {
    const source = sourceKey(from);
    const same = this.#perSource.get(source) ?? 0;
    if (same > 1) this.#perSource.set(source, same - 1);
    else this.#perSource.delete(source);
    this.statistics.open--;
    this.statistics.ended[how]++;
  }
}

/** An IPv6 host has a /64 to itself. */
function sourceKey({ ip }: Endpoint): string {
  return ip.subarray(0, ip.length === 4 ? 4 : 8).join(".");
}

/** Where datagrams may go: the roots of the held worlds, or anybody with a public address. */
export const REACHES = ["roots", "global"] as const;
export type Reach = (typeof REACHES)[number];

/** What the destinations are made of; asked at each datagram, so cheap to answer. */
export interface RelayWorld {
  /** Endpoints of the roots in the held worlds, by endpointKey; those of this very root with `true`. */
  roots(now: Millis): ReadonlyMap<string, boolean>;
  /** This root's sockets. */
  sockets(): readonly LocalSocket[];
}

/** One client's connection. */
export class TcpRelaySession {
  readonly #statistics: TcpRelayStatistics;
  readonly #reach: Reach;
  readonly #world: RelayWorld;
  readonly #parser = new TunnelParser();
  readonly #begun: Millis;
  #lastActive: Millis;
  #greeted = false;
  /** What clients call a root, by the address at which we reach it. */
  readonly #aliases = new Map<string, Endpoint>();

  constructor(relay: TcpRelay, reach: Reach, world: RelayWorld, now: Millis) {
    this.#statistics = relay.statistics;
    this.#reach = reach;
    this.#world = world;
    this.#begun = now;
    this.#lastActive = now;
  }

  /** Bytes from the client; datagrams are handed to `forward`, valid during the call. False: end the connection. */
  received(chunk: Uint8Array, now: Millis, forward: (to: Endpoint, bytes: Uint8Array) => void): boolean {
    this.#lastActive = now;
    let ok = true;
    const intact = this.#parser.push(chunk, (payload) => {
      ok &&= this.#message(payload, now, forward);
    });
    return ok && intact;
  }

  #message(payload: Uint8Array, now: Millis, forward: (to: Endpoint, bytes: Uint8Array) => void): boolean {
    const decoded = decodeTunnelPayload(payload);
    if (!this.#greeted) {
      this.#greeted = decoded.ok && decoded.value.kind === "greeting";
      return this.#greeted;
    }
    const { drops } = this.#statistics;
    if (!decoded.ok || decoded.value.kind !== "datagram" || decoded.value.endpoint === null) {
      drops.malformed++;
      return true;
    }
    const { endpoint, bytes } = decoded.value;
    if (bytes.length < MIN_DATAGRAM_BYTES) {
      drops.length++;
      return true;
    }
    const to = this.#destination(endpoint, now);
    if (to === null) {
      drops.destination++;
      return true;
    }
    this.#statistics.datagramsIn++;
    this.#statistics.bytesIn += bytes.length;
    forward(to, bytes);
    return true;
  }

  /** A datagram for the client; the message to write, or null if it is dropped. */
  returned(from: Endpoint, bytes: Uint8Array, queuedBytes: number, now: Millis): Uint8Array | null {
    const { drops } = this.#statistics;
    const key = endpointKey(from);
    const alias = this.#aliases.get(key);
    if (!this.#greeted || (alias === undefined && !this.#mayReturn(from, key, now))) return dropped(drops, "source");
    if (bytes.length < MIN_DATAGRAM_BYTES || bytes.length > MAX_RETURNED_BYTES) return dropped(drops, "length");
    if (queuedBytes >= MAX_QUEUED_BYTES) return dropped(drops, "queue_full");
    this.#lastActive = now;
    this.#statistics.datagramsOut++;
    this.#statistics.bytesOut += bytes.length;
    return encodeTunnelDatagram(alias ?? from, bytes);
  }

  /** Why the connection has to end now; null if it may stay. */
  expired(now: Millis): RelayEnd | null {
    if (!this.#greeted) return now - this.#begun >= GREETING_MS ? "no_greeting" : null;
    return now - this.#lastActive >= IDLE_MS ? "idle" : null;
  }

  get greeted(): boolean {
    return this.#greeted;
  }

  /** Where a datagram for `asked` really goes; null = nowhere. */
  #destination(asked: Endpoint, now: Millis): Endpoint | null {
    if (asked.family !== 4) return null;
    const root = this.#world.roots(now).get(endpointKey(asked));
    if (root === true) return this.#ownSocket(asked);
    return root === false || this.#isLocal(asked) || (this.#reach === "global" && isPublic(asked)) ? asked : null;
  }

  /** Behind a NAT the address in the planet is none of this machine's, and the way there may not lead back. */
  #ownSocket(asked: Endpoint): Endpoint {
    const sockets = this.#world.sockets().filter(({ local }) => local.family === 4);
    const isHere = sockets.some(({ local }) => ipsEqual(local, asked) || local.ip.every((byte) => byte === 0));
    const instead = isHere ? undefined : sockets.find(({ primary }) => primary)?.local;
    if (instead === undefined) return asked;
    const key = endpointKey(instead);
    if (this.#aliases.has(key) || this.#aliases.size < MAX_ALIASES) this.#aliases.set(key, asked);
    return instead;
  }

  #isLocal(to: Endpoint): boolean {
    const usable = ipScope(to.ip) !== IpScope.LOOPBACK;
    return usable && this.#world.sockets().some(({ local }) => local.port === to.port && ipsEqual(local, to));
  }

  #mayReturn(from: Endpoint, key: string, now: Millis): boolean {
    return this.#reach === "global" || this.#world.roots(now).has(key) || this.#isLocal(from);
  }
}

function dropped(drops: Record<TcpRelayDrop, number>, reason: TcpRelayDrop): null {
  drops[reason]++;
  return null;
}

function isPublic({ ip, port }: Endpoint): boolean {
  return port > MAX_FORBIDDEN_PORT && ipScope(ip) === IpScope.GLOBAL;
}
