/**
 * Datagrams over TCP in a running daemon: the tunnel of a node whose UDP is blocked, and the relay that a root is for
 * others. Facts: vl1-behaviour.md §7.1. Ours: no relay is used that nobody has configured, so that a planet of one's own
 * sends nothing to public hosts.
 */
import type { Logger } from "pino";
import type { Bonds } from "../bonding/bonds.ts";
import type { Config } from "../config/load.ts";
import { TcpRelayServer } from "../dataplane/tcp-relay.ts";
import { Tunnel, type TunnelEnd, TunnelStatistics } from "../dataplane/tunnel.ts";
import { now } from "../io/clock.ts";
import { connectStream } from "../io/stream.ts";
import type { Node } from "../node/node.ts";
import type { Datagram, Millis, Outbox } from "../node/ports.ts";
import { endpointKey, formatEndpoint, ipsEqual } from "../protocol/inet-address.ts";
import { TcpRelayStatistics } from "../root/tcp-relay.ts";

/** Worlds change rarely: their roots are listed anew after this. */
const ROOTS_MAX_AGE_MS = 1000;

export class TcpRole {
  readonly #config: Config;
  readonly #transport: Outbox;
  readonly #log: Logger;
  readonly #tunnel: Tunnel | null;
  #node: Node | null = null;
  #bonds: Bonds | null = null;
  #server: TcpRelayServer | null = null;
  #roots: ReadonlyMap<string, boolean> = new Map();
  #rootsListed: Millis = 0;
  /** To be called with each datagram of the transport. */
  readonly received: (datagram: Datagram) => void;

  constructor(config: Config, transport: Outbox, log: Logger, deliver: (datagram: Datagram) => void) {
    this.#config = config;
    this.#transport = transport;
    this.#log = log;
    const tunnel = this.#makeTunnel(deliver);
    this.#tunnel = tunnel;
    this.received =
      tunnel === null
        ? deliver
        : (datagram) => {
            tunnel.heard(datagram);
            deliver(datagram);
          };
  }

  /** By what the node sends. */
  get outbox(): Outbox {
    return this.#tunnel ?? this.#transport;
  }

  /** What the service API tells, by its names there. */
  get fallback() {
    const allowTcpFallbackRelay = this.#tunnel !== null && this.#bonds?.active !== true;
    return {
      allowTcpFallbackRelay,
      forceTcpRelay: allowTcpFallbackRelay && this.#config.tcpFallback.force,
      tcpFallbackActive: this.tunnelIsOpen,
    };
  }

  get tunnelIsOpen(): boolean {
    return this.#tunnel?.isOpen === true;
  }

  get tunnel(): TunnelStatistics {
    return this.#tunnel?.statistics ?? NO_TUNNEL;
  }

  get relay(): TcpRelayStatistics {
    return this.#server?.statistics ?? NO_RELAY;
  }

  /** To be called before the node sends anything: it may have to go another way. */
  attach(node: Node, bonds: Bonds): void {
    this.#node = node;
    this.#bonds = bonds;
    if (this.#tunnel !== null) node.timed.push(this.#tunnel);
  }

  /** Begins to relay, if that is asked for. Rejects with an IoError if `listen.tcpRelay` cannot be had. */
  async listen(node: Node): Promise<void> {
    const { listen, limits } = this.#config;
    if (listen.tcpRelay === null) return;
    const log = this.#log;
    this.#server = new TcpRelayServer({
      listen: listen.tcpRelay,
      limits: { connections: limits.tcpRelayConnections, perSource: limits.tcpRelayPerSource },
      reach: listen.tcpRelayTo,
      world: { roots: (at) => this.#listRoots(node, at), sockets: () => this.#transport.sockets() },
      clock: now,
      changed: (from, what) => log.debug({ client: formatEndpoint(from), what }, "TCP relay"),
      failed: (code) => log.warn({ code }, "TCP relay: a connection could not be accepted"),
    });
    await this.#server.start();
    log.info({ ...listen.tcpRelay, port: this.#server.port, to: listen.tcpRelayTo }, "TCP relay listens");
    if (!node.topology.isUpstream)
      log.warn("listen.tcpRelay is on, but this node is no root: clients have no use for it");
  }

  async close(): Promise<void> {
    this.#tunnel?.close();
    await this.#server?.close();
  }

  #makeTunnel(deliver: (datagram: Datagram) => void): Tunnel | null {
    const { relay, force } = this.#config.tcpFallback;
    if (relay === null) {
      if (force) this.#log.warn("tcpFallback.force has no effect without tcpFallback.relay");
      return null;
    }
    return new Tunnel({
      outbox: this.#transport,
      connect: (events) => connectStream(relay, events),
      deliver,
      mayBe: () => this.#node !== null && !this.#node.topology.isUpstream && this.#bonds?.active !== true,
      isRoot: (ip) => this.#isRoot(ip),
      forced: force,
      clock: now,
      changed: (state, code) => this.#tell(formatEndpoint(relay), state, code),
    });
  }

  #tell(relay: string, state: "open" | TunnelEnd, code: string | null): void {
    if (state === "open") {
      this.#log.warn({ relay }, this.#config.tcpFallback.force ? FORCED : BLOCKED);
      // Roots are greeted through it now, not at the next occasion.
      this.#node?.keepalive.soon(now());
    } else if (state === "direct_again") this.#log.info({ relay }, "UDP works again: the TCP relay is not needed");
    else if (state !== "switched_off") this.#log.warn({ relay, state, code }, "no connection to the TCP relay");
  }

  #isRoot(ip: Uint8Array): boolean {
    const place = { family: 4 as const, ip, port: 0 };
    for (const { stableEndpoints } of this.#node?.topology.upstreams() ?? []) {
      if (stableEndpoints.some((endpoint) => ipsEqual(endpoint, place))) return true;
    }
    return false;
  }

  /** Endpoints of all roots; `true` for our own. */
  #listRoots(node: Node, at: Millis): ReadonlyMap<string, boolean> {
    if (Math.abs(at - this.#rootsListed) < ROOTS_MAX_AGE_MS) return this.#roots;
    const roots = new Map<string, boolean>();
    for (const world of node.worlds.all()) {
      for (const { identity, stableEndpoints } of world.roots) {
        const isOurs = identity.equals(node.identity);
        for (const endpoint of stableEndpoints) {
          const key = endpointKey(endpoint);
          roots.set(key, isOurs || roots.get(key) === true);
        }
      }
    }
    this.#roots = roots;
    this.#rootsListed = at;
    return roots;
  }
}

const BLOCKED = "UDP seems to be blocked: packets go through the TCP relay";
const FORCED = "packets go through the TCP relay";
const NO_TUNNEL = new TunnelStatistics();
const NO_RELAY = new TcpRelayStatistics();
