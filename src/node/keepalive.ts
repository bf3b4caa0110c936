/**
 * What a node does by the clock: stays in touch with its roots and with whom it talks to, and keeps house.
 * Facts: vl1-behaviour.md §1, §3.5. Ours: a root that was greeted lately is kept alive by ECHO on its own path
 * (the reference asks its best root for identities it already has), and is greeted every minute.
 */
import type { Address } from "../protocol/address.ts";
import {
  HELLO_INTERVAL_MS,
  HOUSEKEEPING_INTERVAL_MS,
  PATH_EXPIRATION_MS,
  PATH_HEARTBEAT_MS,
  PEER_ACTIVITY_TIMEOUT_MS,
  PING_CHECK_INTERVAL_MS,
} from "../protocol/constants.ts";
import type { Endpoint } from "../protocol/inet-address.ts";
import { sendHello, sendHelloThrough } from "./hello-out.ts";
import type { Node } from "./node.ts";
import type { Peer } from "./peer.ts";
import type { Millis } from "./ports.ts";

const LOW_BANDWIDTH_FACTOR = 5;
/** Upstreams are greeted again after 4 heartbeats, seeds of moons after 2. */
const UPSTREAM_HELLO_MS = 4 * PATH_HEARTBEAT_MS;
const SEED_HELLO_MS = 2 * PATH_HEARTBEAT_MS;
/** Peers with traffic of their own that are kept alive; more of them keep themselves alive. */
const MAX_KEPT_ALIVE = 4096;
/** Of these, how many are looked at in one step, and the time between steps. */
const OTHERS_PER_STEP = 64;
const STEP_MS = 20;

export class Keepalive {
  readonly #node: Node;
  readonly #intervalMs: number;
  readonly #watched = new Set<Peer>();
  #nextPing: Millis;
  #nextHousekeeping: Millis;
  #online = false;
  /** Those that the ping check under way has yet to look at. */
  #others: Iterator<Peer> | undefined;
  #nextOthers: Millis = Number.POSITIVE_INFINITY;

  constructor(node: Node, lowBandwidth: boolean, now: Millis) {
    this.#node = node;
    this.#intervalMs = PING_CHECK_INTERVAL_MS * (lowBandwidth ? LOW_BANDWIDTH_FACTOR : 1);
    this.#nextPing = now;
    this.#nextHousekeeping = now + HOUSEKEEPING_INTERVAL_MS;
  }

  get deadline(): Millis {
    return Math.min(this.#nextPing, this.#nextOthers, this.#nextHousekeeping);
  }

  /** Peers with traffic of their own are kept alive. */
  watch(peer: Peer): void {
    if (peer.keptAlive || this.#watched.size >= MAX_KEPT_ALIVE) return;
    peer.keptAlive = true;
    this.#watched.add(peer);
  }

  /** The next check is due now (a world or an address changed). */
  soon(now: Millis): void {
    this.#nextPing = now;
  }

  tick(now: Millis): void {
    if (now >= this.#nextPing) {
      this.#nextPing = now + this.#intervalMs;
      this.#contacts(now);
      this.#others ??= this.#watched.values();
      this.#nextOthers = now;
      this.#tellOnline(now);
    }
    if (now >= this.#nextOthers) this.#stepOthers(now);
    if (now >= this.#nextHousekeeping) {
      this.#nextHousekeeping = now + HOUSEKEEPING_INTERVAL_MS;
      this.#housekeeping(now);
    }
  }

  #contacts(now: Millis): void {
    const { topology, worlds } = this.#node;
    for (const { identity, stableEndpoints } of topology.upstreams()) {
      this.#contact(identity.address, stableEndpoints, UPSTREAM_HELLO_MS, now);
    }
    for (const { seed } of worlds.wanted()) {
      if (topology.upstream(seed) === undefined) this.#contact(seed, [], SEED_HELLO_MS, now);
    }
  }

  #contact(address: Address, endpoints: readonly Endpoint[], helloMs: number, now: Millis): void {
    const node = this.#node;
    if (address === node.identity.address) return;
    const peer = node.topology.peer(address);
    if (peer === undefined) {
      node.whois.ask(address, now);
      return;
    }
    const hasPath = peer.bestPath(now) !== null;
    const full = !hasPath || now - peer.lastFullHello >= helloMs;
    if (full) peer.lastFullHello = now;
    const families = this.#keepAlive(peer, full, now);
    if (!full) return;
    for (const family of [4, 6] as const) {
      const stable = endpoints.filter((endpoint) => endpoint.family === family);
      if (families.has(family) || stable.length === 0) continue;
      const pick = stable[node.sender.packetId()[0]! % stable.length]!;
      if (!node.topology.mayUse(address, pick)) continue;
      sendHello(node, peer, null, pick, now);
      families.add(family);
    }
    if (families.size > 0) return;
    const relay = node.topology.bestUpstream(now)?.bestPath(now)?.path;
    if (relay !== undefined) sendHelloThrough(node, peer, relay, now);
  }

  #stepOthers(now: Millis): void {
    this.#nextOthers = now + STEP_MS;
    for (let step = 0; step < OTHERS_PER_STEP; step++) {
      const next = this.#others?.next();
      if (next === undefined || next.done === true) {
        this.#others = undefined;
        this.#nextOthers = Number.POSITIVE_INFINITY;
        return;
      }
      this.#other(next.value, now);
    }
  }

  #other(peer: Peer, now: Millis): void {
    if (now - peer.lastNontrivialReceive >= PEER_ACTIVITY_TIMEOUT_MS) {
      peer.keptAlive = false;
      this.#watched.delete(peer);
    } else if (this.#node.topology.upstream(peer.address) === undefined) {
      const full = now - peer.lastFullHello >= HELLO_INTERVAL_MS;
      if (full) peer.lastFullHello = now;
      this.#keepAlive(peer, full, now);
    }
  }

  /** HELLO (or ECHO where nothing was sent lately) on each usable path; returns the families that were served. */
  #keepAlive(peer: Peer, full: boolean, now: Millis): Set<4 | 6> {
    const node = this.#node;
    const families = new Set<4 | 6>();
    const highest = Math.max(...peer.paths.map(({ priority }) => priority));
    peer.dropPaths(node.paths, (entry) => entry.priority < highest || now - entry.lastReceive >= PATH_EXPIRATION_MS);
    for (const { path } of peer.paths) {
      families.add(path.endpoint.family);
      if (!full && now - path.lastOut < PATH_HEARTBEAT_MS) continue;
      path.lastOut = now;
      if (full) sendHello(node, peer, path.socket, path.endpoint, now);
      else node.sender.probe(peer, path.socket, path.endpoint, now);
    }
    return families;
  }

  #tellOnline(now: Millis): void {
    const online = isOnline(this.#node, now);
    if (online === this.#online) return;
    this.#online = online;
    this.#node.ports.events({ type: online ? "online" : "offline" });
  }

  #housekeeping(now: Millis): void {
    const node = this.#node;
    node.selfAwareness.expire(now);
    node.reassembly.expire(now);
    node.countReassembly();
    node.unsent.sweep(now);
    node.statistics.drops.unknown_source += node.unopened.sweep(now).expired;
    node.rounds.begin(now);
  }
}

/** A root is always online; others are while a root was heard within 500 s. */
export function isOnline(node: Node, now: Millis): boolean {
  if (node.topology.isUpstream) return true;
  for (const { identity } of node.topology.upstreams()) {
    if (node.topology.peer(identity.address)?.isActive(now)) return true;
  }
  return false;
}
