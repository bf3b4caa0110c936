/**
 * The peer table: where each peer is reached, in shared memory, for whoever relays. Open addressing on the 40-bit
 * address with a secret seed (addresses are chosen by others), slots of one cache line, one writer. A reader takes
 * the slot's version before and after reading: odd or changed means "being written", and the packet is punted.
 * Facts: design §4; vl1-behaviour.md §4.1 (only unexpired direct paths are relayed to).
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0  | 4  | version: even = stable, odd = being written |
 * | 4  | 4  | address, low 32 bits |
 * | 8  | 1  | address, high 8 bits |
 * | 9  | 1  | state: 0 never used, 1 in use, 2 removed |
 * | 10 | 2  | port |
 * | 12 | 4  | socket |
 * | 16 | 1  | family, 4 or 6 |
 * | 24 | 8  | expiry, ms since the epoch (double) |
 * | 32 | 16 | IP |
 */

import type { Millis, Random, RelayRoutes } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";
import type { Endpoint } from "../protocol/inet-address.ts";

const SLOT_BYTES = 64;
const HEADER_BYTES = 64;
const LOW = 4;
const HIGH = 8;
const STATE = 9;
const PORT = 10;
const SOCKET = 12;
const FAMILY = 16;
const EXPIRY = 24;
const IP = 32;
const TWO_POW_32 = 0x100000000;

const NEVER = 0;
const USED = 1;
const REMOVED = 2;

/** `find` found no slot. */
export const NOT_FOUND = -1;

/** Both sides' view of the shared memory. Slots are named by their index. */
export class PeerTable {
  readonly memory: SharedArrayBuffer;
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #mask: number;

  /** A view of memory that `PeerTable.create` made. */
  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#bytes = new Uint8Array(memory);
    this.#words = new Int32Array(memory);
    this.#doubles = new Float64Array(memory);
    this.#mask = (memory.byteLength - HEADER_BYTES) / SLOT_BYTES - 1;
  }

  /** Room for `maxPeers` at a load of at most one half. */
  static create(maxPeers: number, random: Random): PeerTable {
    let slots = 64;
    while (slots < maxPeers * 2) slots *= 2;
    const table = new PeerTable(new SharedArrayBuffer(HEADER_BYTES + slots * SLOT_BYTES));
    const seed = new Uint8Array(4);
    random(seed);
    table.#bytes.set(seed, 0);
    return table;
  }

  get slots(): number {
    return this.#mask + 1;
  }

  #home(high: number, low: number): number {
    let hash = Math.imul(low ^ this.#words[0]!, 0x9e3779b1) ^ Math.imul(high + 1, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
    return (hash ^ (hash >>> 13)) & this.#mask;
  }

  /** The slot of an address (8 high bits, 32 low bits as int32), or NOT_FOUND. Does not look at its expiry. */
  find(high: number, low: number): number {
    const bytes = this.#bytes;
    for (let slot = this.#home(high, low), probes = 0; probes <= this.#mask; probes++) {
      const base = HEADER_BYTES + slot * SLOT_BYTES;
      const state = bytes[base + STATE]!;
      if (state === NEVER) return NOT_FOUND;
      if (state === USED && this.#words[(base + LOW) >> 2] === low && bytes[base + HIGH] === high) return slot;
      slot = (slot + 1) & this.#mask;
    }
    return NOT_FOUND;
  }

  /** When the path in a slot expires, ms since the epoch. */
  expiry(slot: number): Millis {
    return this.#doubles[(HEADER_BYTES + slot * SLOT_BYTES + EXPIRY) >> 3]!;
  }

  /** Copies where a slot leads into `into`; false while the writer is at it. */
  read(slot: number, into: RouteView): boolean {
    const base = HEADER_BYTES + slot * SLOT_BYTES;
    const before = Atomics.load(this.#words, base >> 2);
    into.socket = this.#words[(base + SOCKET) >> 2]!;
    into.port = this.#bytes[base + PORT]! | (this.#bytes[base + PORT + 1]! << 8);
    into.family = this.#bytes[base + FAMILY] === 4 ? 4 : 6;
    const ip = into.family === 4 ? into.ip4 : into.ip16;
    for (let i = 0; i < ip.length; i++) ip[i] = this.#bytes[base + IP + i]!;
    into.ip = ip;
    return (before & 1) === 0 && Atomics.load(this.#words, base >> 2) === before;
  }

  /** Writer: sets where an address is reached. False when the table is full. */
  set(address: Address, socket: number, endpoint: Endpoint, expiresAt: Millis): boolean {
    const high = Math.floor(address / TWO_POW_32);
    const low = (address % TWO_POW_32) | 0;
    let slot = this.find(high, low);
    if (slot === NOT_FOUND) slot = this.#free(high, low);
    if (slot === NOT_FOUND) return false;
    const base = HEADER_BYTES + slot * SLOT_BYTES;
    Atomics.add(this.#words, base >> 2, 1);
    this.#words[(base + LOW) >> 2] = low;
    this.#bytes[base + HIGH] = high;
    this.#bytes[base + PORT] = endpoint.port;
    this.#bytes[base + PORT + 1] = endpoint.port >> 8;
    this.#words[(base + SOCKET) >> 2] = socket;
    this.#bytes[base + FAMILY] = endpoint.family;
    this.#doubles[(base + EXPIRY) >> 3] = expiresAt;
    this.#bytes.set(endpoint.ip, base + IP);
    this.#bytes[base + STATE] = USED;
    Atomics.add(this.#words, base >> 2, 1);
    return true;
  }

  /** Writer: forgets an address. */
  delete(address: Address): void {
    const slot = this.find(Math.floor(address / TWO_POW_32), (address % TWO_POW_32) | 0);
    if (slot === NOT_FOUND) return;
    const base = HEADER_BYTES + slot * SLOT_BYTES;
    Atomics.add(this.#words, base >> 2, 1);
    // In front of a slot that was never used nothing can hide behind this one, so it may become so again.
    const next = HEADER_BYTES + ((slot + 1) & this.#mask) * SLOT_BYTES;
    this.#bytes[base + STATE] = this.#bytes[next + STATE] === NEVER ? NEVER : REMOVED;
    this.#doubles[(base + EXPIRY) >> 3] = 0;
    Atomics.add(this.#words, base >> 2, 1);
    if (this.#bytes[base + STATE] === NEVER) this.#clearRemovedBefore(slot);
  }

  /** Removed slots right before a never-used one are of no use either: without this they would only grow. */
  #clearRemovedBefore(slot: number): void {
    for (let at = (slot - 1) & this.#mask; ; at = (at - 1) & this.#mask) {
      const base = HEADER_BYTES + at * SLOT_BYTES;
      if (this.#bytes[base + STATE] !== REMOVED) return;
      this.#bytes[base + STATE] = NEVER;
    }
  }

  #free(high: number, low: number): number {
    for (let slot = this.#home(high, low), probes = 0; probes <= this.#mask; probes++) {
      if (this.#bytes[HEADER_BYTES + slot * SLOT_BYTES + STATE] !== USED) return slot;
      slot = (slot + 1) & this.#mask;
    }
    return NOT_FOUND;
  }
}

/** Where a slot leads; one object is reused for every packet. Itself an endpoint. */
export class RouteView implements Endpoint {
  readonly ip4 = new Uint8Array(4);
  readonly ip16 = new Uint8Array(16);
  family: 4 | 6 = 4;
  ip: Uint8Array = this.ip4;
  port = 0;
  socket = 0;
}

/** The node's side: a port to the table. */
export function routesInto(table: PeerTable): RelayRoutes {
  return {
    install: (address, socket, endpoint, expiresAt) => {
      table.set(address, socket, endpoint, expiresAt);
    },
    remove: (address) => table.delete(address),
  };
}
