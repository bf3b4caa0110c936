/**
 * Paths: ways to reach a peer, each a local socket with a remote IP and port. Only paths that were proven by a
 * request and its answer exist here; what is merely claimed lives in `unproven.ts`. Paths are shared between
 * peers (two nodes behind one relay) and disappear with their last user.
 * Facts: vl1-behaviour.md §3.1 (objects), §3.3 (quality).
 */
import { PATH_ALIVE_MS } from "../protocol/constants.ts";
import { type Endpoint, endpointKey, type IpScope, ipScope } from "../protocol/inet-address.ts";
import type { Millis } from "./ports.ts";

/** Latency of a path that was never measured, ms. */
export const UNKNOWN_LATENCY_MS = 65535;
const MAX_AGE_MS = 140_000;
/** A path that we send on and hear nothing from is asked after so long, and again every second. */
const DOUBT_AFTER_MS = 2000;
const DOUBT_INTERVAL_MS = 1000;
/** What has not answered for so long since it was first doubted does not carry anything. */
const GIVE_UP_AFTER_MS = 3000;

/** A proven (socket, remote endpoint). */
export class Path {
  readonly key: string;
  readonly socket: number;
  readonly endpoint: Endpoint;
  readonly scope: IpScope;
  /** Last authenticated datagram in; 0 = never. Spoofed ones do not count, unlike in the reference. */
  lastIn: Millis = 0;
  lastOut: Millis = 0;
  /** Smoothed round trip, ms. */
  latencyMs = UNKNOWN_LATENCY_MS;
  /** When an ECHO was last answered on this path (rate gate). */
  lastEchoAnswered: Millis = 0;
  /** Largest datagram that an operator allows on it, bytes of UDP payload; 0 = as the address's network has it. */
  mtuBytes = 0;
  /** How many peers use it. */
  users = 0;
  /** Since when we ask whether it still works, and when we asked last; 0 = we do not. */
  #doubtedSince: Millis = 0;
  #askedAt: Millis = 0;

  constructor(key: string, socket: number, endpoint: Endpoint) {
    this.key = key;
    this.socket = socket;
    this.endpoint = endpoint;
    this.scope = ipScope(endpoint.ip);
  }

  isAlive(now: Millis): boolean {
    return now - this.lastIn < PATH_ALIVE_MS;
  }

  /**
   * To be called when something is to be sent on it: "ask" if it has been silent and should prove itself again (it may
   * be used meanwhile), "dead" if it was asked and did not answer (it goes on being asked).
   */
  trust(now: Millis): "good" | "ask" | "dead" | "dead, ask" {
    if (this.lastIn > this.#doubtedSince) this.#doubtedSince = 0;
    if (now - this.lastIn < DOUBT_AFTER_MS) return "good";
    if (this.#doubtedSince === 0) this.#doubtedSince = now;
    const dead = now - this.#doubtedSince >= GIVE_UP_AFTER_MS;
    if (now - this.#askedAt < DOUBT_INTERVAL_MS) return dead ? "dead" : "good";
    this.#askedAt = now;
    return dead ? "dead, ask" : "ask";
  }

  /** First sample is taken as it is, later ones halve the distance. */
  sampleLatency(ms: number): void {
    const sample = Math.min(Math.max(ms, 0), UNKNOWN_LATENCY_MS - 1);
    this.latencyMs = this.latencyMs === UNKNOWN_LATENCY_MS ? sample : Math.round((this.latencyMs + sample) / 2);
  }

  /** Smaller is better. */
  quality(now: Millis): number {
    const age = Math.min(now - this.lastIn, MAX_AGE_MS);
    const base = age < PATH_ALIVE_MS ? this.latencyMs : this.latencyMs + UNKNOWN_LATENCY_MS + age;
    return base * (8 - this.scope);
  }
}

/** Map key of (socket, endpoint). */
export function pathKey(socket: number, endpoint: Endpoint): string {
  return endpointKey(endpoint) + String.fromCharCode(socket & 0xffff);
}

/** All proven paths of a node, by (socket, endpoint). Bounded by the peers that hold them. */
export class PathTable {
  readonly #paths = new Map<string, Path>();

  get size(): number {
    return this.#paths.size;
  }

  find(key: string): Path | undefined {
    return this.#paths.get(key);
  }

  /** The path, made if needed, with one more user. */
  acquire(key: string, socket: number, endpoint: Endpoint): Path {
    let path = this.#paths.get(key);
    if (path === undefined) {
      path = new Path(key, socket, endpoint);
      this.#paths.set(key, path);
    }
    path.users++;
    return path;
  }

  /** One user less; the last one takes the path with it. */
  release(path: Path): void {
    path.users--;
    if (path.users <= 0) this.#paths.delete(path.key);
  }
}
