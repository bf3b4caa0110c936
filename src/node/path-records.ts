/**
 * Paths of peers that do not talk just now, as records in chains: a peer names its first one. A chain is named by the
 * slot + 1 of its first record; 0 is the empty chain. (Records are little-endian, as memory is.)
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0  | 8  | last receive, ms since the epoch (double) |
 * | 8  | 8  | last send, likewise |
 * | 16 | 4  | local socket |
 * | 20 | 4  | next of the chain |
 * | 24 | 2  | port |
 * | 26 | 2  | latency, ms |
 * | 28 | 1  | family, 4 or 6 |
 * | 29 | 1  | priority |
 * | 32 | 16 | IP |
 */
import { type Endpoint, makeEndpoint } from "../protocol/inet-address.ts";
import type { Millis } from "./ports.ts";
import { Slab } from "./slab.ts";

const RECORD_BYTES = 48;
const LAST_SEND = 8;
const SOCKET = 16;
const NEXT = 20;
const PORT = 24;
const LATENCY = 26;
const FAMILY = 28;
const PRIORITY = 29;
const IP = 32;
const MAX_PRIORITY = 255;

/** A path as it is stored. */
export interface StoredPath {
  readonly socket: number;
  readonly endpoint: Endpoint;
  readonly lastReceive: Millis;
  readonly lastOut: Millis;
  readonly latencyMs: number;
  readonly priority: number;
}

export class PathRecords {
  readonly #slab = new Slab(RECORD_BYTES);

  /** Paths in all chains. */
  get size(): number {
    return this.#slab.used;
  }

  /** The chain with `path` in front of it. */
  prepend(chain: number, path: StoredPath): number {
    const slot = this.#slab.allocate();
    const view = this.#slab.view(slot);
    const at = this.#slab.at(slot);
    const { ip, port, family } = path.endpoint;
    view.setFloat64(at, path.lastReceive, true);
    view.setFloat64(at + LAST_SEND, path.lastOut, true);
    view.setUint32(at + SOCKET, path.socket, true);
    view.setUint32(at + NEXT, chain, true);
    view.setUint16(at + PORT, port, true);
    view.setUint16(at + LATENCY, path.latencyMs, true);
    view.setUint8(at + FAMILY, family);
    view.setUint8(at + PRIORITY, Math.min(path.priority, MAX_PRIORITY));
    for (let i = 0; i < ip.length; i++) view.setUint8(at + IP + i, ip[i]!);
    return slot + 1;
  }

  /** The paths of a chain, first to last. */
  read(chain: number): StoredPath[] {
    const paths: StoredPath[] = [];
    for (let link = chain; link > 0; link = this.#next(link)) {
      const view = this.#slab.view(link - 1);
      const at = this.#slab.at(link - 1);
      const ip = this.#slab.bytes(link - 1, IP, view.getUint8(at + FAMILY) === 4 ? 4 : 16);
      paths.push({
        socket: view.getUint32(at + SOCKET, true),
        endpoint: makeEndpoint(ip, view.getUint16(at + PORT, true)),
        lastReceive: view.getFloat64(at, true),
        lastOut: view.getFloat64(at + LAST_SEND, true),
        latencyMs: view.getUint16(at + LATENCY, true),
        priority: view.getUint8(at + PRIORITY),
      });
    }
    return paths;
  }

  /** When the chain's paths were last heard: the first and the last of these times. Nothing is allocated. */
  oldest(chain: number): Millis {
    let oldest = Number.POSITIVE_INFINITY;
    for (let link = chain; link > 0; link = this.#next(link)) oldest = Math.min(oldest, this.#lastReceive(link));
    return oldest;
  }

  newest(chain: number): Millis {
    let newest = 0;
    for (let link = chain; link > 0; link = this.#next(link)) newest = Math.max(newest, this.#lastReceive(link));
    return newest;
  }

  /** Gives all records of a chain back. */
  free(chain: number): void {
    for (let link = chain; link > 0; ) {
      const next = this.#next(link);
      this.#slab.release(link - 1);
      link = next;
    }
  }

  #next(link: number): number {
    return this.#slab.view(link - 1).getUint32(this.#slab.at(link - 1) + NEXT, true);
  }

  #lastReceive(link: number): Millis {
    return this.#slab.view(link - 1).getFloat64(this.#slab.at(link - 1), true);
  }
}
