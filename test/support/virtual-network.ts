/**
 * A network that exists only in memory: hosts with addresses, NATs of each kind, latency, loss, reordering and one
 * virtual clock. Runs whole constellations of real nodes in milliseconds, the same way every time for one seed.
 */

import { PeerTable, routesInto } from "../../src/dataplane/peer-table.ts";
import { Reactor } from "../../src/dataplane/reactor.ts";
import { validateIdentity } from "../../src/identity/generate.ts";
import type { Identity } from "../../src/identity/identity.ts";
import type { Transport } from "../../src/io/transport.ts";
import { Node, type NodeOptions } from "../../src/node/node.ts";
import { PhysicalRules } from "../../src/node/physical.ts";
import type { CachedPeer, Datagram, LocalSocket, NodeEvent } from "../../src/node/ports.ts";
import { NodeViews } from "../../src/node/views.ts";
import {
  type Endpoint,
  endpointKey,
  formatEndpoint,
  formatIp,
  parseEndpoint,
  parseIp,
} from "../../src/protocol/inet-address.ts";
import { Root } from "../../src/root/root.ts";
import type { World } from "../../src/world/world.ts";

/** A small deterministic generator (xorshift32): tests must not differ from run to run. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 1;
  }

  /** 0 ≤ x < 1 */
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) / 0x100000000;
  }

  readonly fill = (into: Uint8Array): void => {
    for (let i = 0; i < into.length; i++) into[i] = Math.floor(this.next() * 256);
  };
}

export type NatKind = "cone" | "symmetric";

/** A port-restricted NAT with one public IP. Cone: one mapping per inside socket; symmetric: one per destination. */
export class Nat {
  publicIp: Uint8Array;
  readonly kind: NatKind;
  readonly #mappings = new Map<string, { inside: Endpoint; outside: Endpoint; allowed: Set<string> }>();
  readonly #byOutside = new Map<number, string>();
  #nextPort = 20000;

  constructor(kind: NatKind, publicIp: string) {
    this.kind = kind;
    this.publicIp = parseIp(publicIp)!;
  }

  /** The outside address of a datagram that leaves. */
  out(from: Endpoint, to: Endpoint): Endpoint {
    const key = this.kind === "cone" ? endpointKey(from) : endpointKey(from) + endpointKey(to);
    let mapping = this.#mappings.get(key);
    if (mapping === undefined) {
      const outside: Endpoint = { family: 4, ip: this.publicIp, port: this.#nextPort++ };
      mapping = { inside: from, outside, allowed: new Set() };
      this.#mappings.set(key, mapping);
      this.#byOutside.set(outside.port, key);
    }
    mapping.allowed.add(endpointKey(to));
    return mapping.outside;
  }

  /** Where a datagram that arrives goes inside, or null if it is filtered. */
  in(from: Endpoint, to: Endpoint): Endpoint | null {
    const key = this.#byOutside.get(to.port);
    const mapping = key === undefined ? undefined : this.#mappings.get(key);
    return mapping?.allowed.has(endpointKey(from)) ? mapping.inside : null;
  }

  /** Forgets everything, as after a reboot; with an IP, as after a change of provider. */
  reset(publicIp?: string): void {
    if (publicIp !== undefined) this.publicIp = parseIp(publicIp)!;
    this.#mappings.clear();
    this.#byOutside.clear();
  }
}

export interface HostOptions {
  readonly identity: Identity;
  readonly planet: World;
  readonly moons?: readonly World[];
  readonly peers?: readonly CachedPeer[];
  /** `ip/port` of each of its sockets. */
  readonly addresses: readonly string[];
  readonly nat?: Nat;
  readonly node?: Partial<NodeOptions>;
  /** Answers of the identity validator; the real memory-hard check unless told. */
  readonly validate?: (identity: Identity) => boolean;
  /** How long a validation takes, virtual ms. */
  readonly validationMs?: number;
}

/** A datagram as a capture would show it. */
export interface Captured {
  readonly at: number;
  readonly from: string;
  readonly to: string;
  readonly bytes: Uint8Array;
}

/** One node with its sockets in the virtual network. */
export class Host {
  readonly node: Node;
  readonly root: Root;
  readonly views: NodeViews;
  readonly reactor: Reactor;
  readonly events: NodeEvent[] = [];
  /** What the peer cache would hold now. */
  readonly cache = new Map<number, CachedPeer>();
  readonly nat: Nat | undefined;
  sockets: LocalSocket[];
  readonly sent: Captured[] = [];
  /** False: the process is dead; nothing is received or sent. */
  alive = true;
  validationsAsked = 0;

  constructor(network: VirtualNetwork, options: HostOptions) {
    this.nat = options.nat;
    const locals = options.addresses.map((text) => parseEndpoint(text)!);
    const ips = [...new Set(locals.map(({ ip }) => formatIp(ip)))];
    this.sockets = locals.map((local, index) => ({
      id: index + 1,
      local,
      primary: local.port === locals[0]!.port,
      device: `eth${ips.indexOf(formatIp(local.ip))}`,
    }));
    const dice = new Dice(network.seed * 7919 + network.hosts.length + 1);
    const table = PeerTable.create(1024, dice.fill);
    const validate = options.validate ?? validateIdentity;
    const outbox = {
      send: (socket: number, to: Endpoint, bytes: Uint8Array, ttl?: number) =>
        network.send(this, socket, to, bytes, ttl),
      sockets: () => this.sockets,
    };
    this.node = new Node(
      {
        identity: options.identity,
        planet: options.planet,
        moons: options.moons ?? [],
        peers: options.peers ?? [],
        physical: new PhysicalRules(),
        maxPeers: 1000,
        identityGate: { perPrefixPerMinute: 60, perPrefixBurst: 30, perSecond: 100 },
        maxValidations: 100,
        now: network.now,
        ...options.node,
      },
      {
        outbox,
        random: dice.fill,
        validator: {
          validate: (ticket, identity) => {
            this.validationsAsked++;
            network.at(network.now + (options.validationMs ?? 15), () => {
              if (this.alive) this.node.identityValidated(ticket, validate(identity), network.now);
            });
            return true;
          },
        },
        peerCache: {
          put: (peer) => void this.cache.set(peer.identity.address, peer),
          remove: (address) => void this.cache.delete(address),
        },
        routes: routesInto(table),
        worlds: { savePlanet: () => {}, saveMoon: () => {}, removeMoon: () => {} },
        events: (event) => void this.events.push(event),
      },
    );
    this.root = new Root(this.node, { maxPairs: 256, maxMulticastMembers: 1000 });
    this.views = new NodeViews(this.node, this.root, new Set());
    // The reactor uses of its transport only what an outbox has.
    const transport = outbox as unknown as Transport;
    this.reactor = new Reactor({ transport, node: this.node, root: this.root, table, clock: () => network.now });
  }

  get address(): number {
    return this.node.identity.address;
  }

  /** Paths to another host as text, best first. */
  pathsTo(other: Host): string[] {
    const view = this.views.peer(other.address, this.node.keepalive.deadline - 5000);
    return (view?.paths ?? []).map(({ endpoint }) => formatEndpoint(endpoint));
  }

  messages(): string[] {
    return this.events.flatMap((event) =>
      event.type === "user-message" ? [new TextDecoder().decode(event.data)] : [],
    );
  }

  count(type: NodeEvent["type"]): number {
    return this.events.filter((event) => event.type === type).length;
  }
}

export interface NetworkOptions {
  readonly seed?: number;
  readonly latencyMs?: number;
  /** Share of datagrams lost, 0 … 1. */
  readonly loss?: number;
  /** Extra latency, uniformly random up to this: reorders. */
  readonly jitterMs?: number;
}

interface Due {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class VirtualNetwork {
  now = 1_700_000_000_000;
  readonly seed: number;
  latencyMs: number;
  loss: number;
  jitterMs: number;
  readonly hosts: Host[] = [];
  /** Every datagram put on the wire, before loss. */
  readonly captured: Captured[] = [];
  /** Return false to lose a datagram (by outside addresses). */
  filter: (from: Endpoint, to: Endpoint, bytes: Uint8Array) => boolean = () => true;
  /** Extra latency of a datagram, ms (by outside addresses). */
  delay: (from: Endpoint, to: Endpoint) => number = () => 0;
  readonly #dice: Dice;
  readonly #due: Due[] = [];
  #order = 0;

  constructor(options: NetworkOptions = {}) {
    this.seed = options.seed ?? 1;
    this.latencyMs = options.latencyMs ?? 10;
    this.loss = options.loss ?? 0;
    this.jitterMs = options.jitterMs ?? 0;
    this.#dice = new Dice(this.seed);
  }

  add(options: HostOptions): Host {
    const host = new Host(this, options);
    this.hosts.push(host);
    return host;
  }

  /** Stops a host for good, as SIGKILL does. */
  kill(host: Host): void {
    host.alive = false;
    this.hosts.splice(this.hosts.indexOf(host), 1);
  }

  at(time: number, run: () => void): void {
    this.#due.push({ at: time, order: this.#order++, run });
  }

  send(host: Host, socketId: number, to: Endpoint, bytes: Uint8Array, ttl?: number): void {
    const socket = host.sockets.find(({ id }) => id === socketId);
    if (!host.alive || socket === undefined) return;
    const target: Endpoint = { family: to.family, ip: new Uint8Array(to.ip), port: to.port };
    const from = host.nat === undefined ? socket.local : host.nat.out(socket.local, target);
    if (ttl !== undefined) return;
    this.put(from, target, bytes);
  }

  /** Puts a datagram on the wire from any source, true or forged. */
  put(from: Endpoint, to: Endpoint, bytes: Uint8Array): void {
    const copy = new Uint8Array(bytes);
    this.captured.push({
      at: this.now,
      from: formatEndpoint(from),
      to: formatEndpoint(to),
      bytes: new Uint8Array(bytes),
    });
    if (!this.filter(from, to, copy) || this.#dice.next() < this.loss) return;
    const delay = this.latencyMs + this.delay(from, to) + Math.floor(this.#dice.next() * this.jitterMs);
    this.at(this.now + delay, () => this.#arrive(from, to, copy));
  }

  #arrive(from: Endpoint, to: Endpoint, bytes: Uint8Array): void {
    for (const host of this.hosts) {
      const inside = host.nat === undefined ? to : this.#through(host.nat, from, to);
      const socket = inside && host.sockets.find(({ local }) => endpointKey(local) === endpointKey(inside));
      if (!socket) continue;
      const datagram: Datagram = { bytes, from, socket: socket.id };
      if (host.alive) host.reactor.deliver(datagram);
      return;
    }
  }

  #through(nat: Nat, from: Endpoint, to: Endpoint): Endpoint | null {
    return formatEndpoint({ ...to, port: 0 }) === formatEndpoint({ family: 4, ip: nat.publicIp, port: 0 })
      ? nat.in(from, to)
      : null;
  }

  /** Runs everything that is due within `ms`. */
  advance(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      for (const host of this.hosts) {
        host.node.tick(this.now);
        host.root.tick(this.now);
      }
      this.#due.sort((a, b) => a.at - b.at || a.order - b.order);
      const next = this.#due[0];
      let until = Math.min(next?.at ?? end, end);
      for (const host of this.hosts) {
        until = Math.min(
          until,
          Math.max(this.now + 1, host.node.nextDeadline(), 0),
          Math.max(this.now + 1, host.root.nextDeadline()),
        );
      }
      if (next !== undefined && next.at <= this.now) {
        this.#due.shift();
        next.run();
        continue;
      }
      if (this.now >= end) return;
      this.now = Math.min(until, end);
    }
  }

  /** Runs until `condition` holds; returns how many ms that took, or −1 if it did not within `limitMs`. */
  until(condition: () => boolean, limitMs: number): number {
    const start = this.now;
    while (this.now - start < limitMs) {
      if (condition()) return this.now - start;
      this.advance(5);
    }
    return condition() ? this.now - start : -1;
  }
}
