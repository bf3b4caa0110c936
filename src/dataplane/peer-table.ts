/**
 * The peer table: where each peer is reached, in shared memory, for whoever relays. Open addressing on the 40-bit
 * address with a secret seed (addresses are chosen by others), slots of one cache line, one writer, any number of
 * readers that never wait.
 *
 * A slot has room for two socket addresses, ready for the kernel: relays send from the table without copying. A change
 * goes to the one that is not in use, and then the slot's version, whose last bit chooses, is counted up. The kernel
 * may still be reading the other one, so it is not written to before every reader has finished what it was doing (see
 * Grace); until then a further change waits.
 * Facts: design §4; vl1-behaviour.md §4.1 (only unexpired direct paths are relayed to).
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0  | 1  | address, high 8 bits |
 * | 1  | 1  | state: 0 never used, 1 in use, 2 removed |
 * | 2  | 2  | version, last bit = which socket address |
 * | 4  | 4  | address, low 32 bits |
 * | 8  | 8  | expiry, ms since the epoch (double) |
 * | 16 | 24 | socket address 0; the local socket's id in the part that the kernel ignores |
 * | 40 | 24 | socket address 1 |
 */
import { AF_INET, ipOffset, SOCKADDR_IN_BYTES, SOCKADDR_IN6_SHORT_BYTES, writeSockaddr } from "../io/linux/sockaddr.ts";
import type { Millis, Random, RelayRoutes } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";
import type { Endpoint } from "../protocol/inet-address.ts";

const SLOT_BYTES = 64;
const HEADER_BYTES = 64;
const LOW = 4;
const EXPIRY = 8;
const AREAS = 16;
const AREA_BYTES = 24;
/** Where the id of the local socket is: sin_zero of IPv4, the flow label of IPv6. */
const SOCKET_IN_V4 = 8;
const SOCKET_IN_V6 = 4;
const TWO_POW_32 = 0x100000000;

const NEVER = 0;
const USED = 0x100;
const REMOVED = 0x200;
const STATE_MASK = 0xff00;
const IDENTITY_MASK = 0xffff;
const ONE_VERSION = 0x10000;
/** Slots looked at for each removal, so that removed slots do not pile up. */
const TIDIED_PER_REMOVAL = 8;
const MAX_REMEMBERED_CHANGES = 1024;

/** `find` found no slot. */
export const NOT_FOUND = -1;

/** Tells the writer when readers cannot be using anymore what they could see before. */
export interface Grace {
  /** Now, as the readers see it. */
  stamp(): readonly number[];
  /** True if every reader has finished what it was doing at `stamp`. */
  passed(stamp: readonly number[]): boolean;
}

/** Without other threads nobody is in the middle of anything. */
const NO_READERS: Grace = { stamp: () => [], passed: () => true };

interface PendingRoute {
  readonly socket: number;
  readonly endpoint: Endpoint;
  readonly expiresAt: Millis;
}

/** Both sides' view of the shared memory. Slots are named by their index. */
export class PeerTable {
  readonly memory: SharedArrayBuffer;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #mask: number;
  readonly #grace: Grace;
  /** Writer: when slots got another socket address, as long as that matters. */
  readonly #changed = new Map<number, readonly number[]>();
  /** Writer: changes that wait for readers. */
  readonly #pending = new Map<Address, PendingRoute>();
  readonly #scratch = new Uint8Array(AREA_BYTES);
  readonly #scratchWords = new Int32Array(this.#scratch.buffer);
  /** Writer: how far any peer ever was from where its search begins. */
  #longest = 0;
  #tidyAt = 0;

  /** A view of memory that `PeerTable.create` made. Only the writer needs to say who reads. */
  constructor(memory: SharedArrayBuffer, grace: Grace = NO_READERS) {
    this.memory = memory;
    this.bytes = new Uint8Array(memory);
    this.words = new Int32Array(memory);
    this.#doubles = new Float64Array(memory);
    this.#mask = (memory.byteLength - HEADER_BYTES) / SLOT_BYTES - 1;
    this.#grace = grace;
  }

  /** Room for `maxPeers` at a load of at most one half. */
  static create(maxPeers: number, random: Random, grace: Grace = NO_READERS): PeerTable {
    let slots = 64;
    while (slots < maxPeers * 2) slots *= 2;
    const table = new PeerTable(new SharedArrayBuffer(HEADER_BYTES + slots * SLOT_BYTES), grace);
    const seed = new Uint8Array(4);
    random(seed);
    table.bytes.set(seed, 0);
    return table;
  }

  get slots(): number {
    return this.#mask + 1;
  }

  #home(high: number, low: number): number {
    let hash = Math.imul(low ^ this.words[0]!, 0x9e3779b1) ^ Math.imul(high + 1, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
    return (hash ^ (hash >>> 13)) & this.#mask;
  }

  /** The slot of an address (8 high bits, 32 low bits as int32), or NOT_FOUND. Does not look at its expiry. */
  find(high: number, low: number): number {
    const { words } = this;
    const wanted = high | USED;
    for (let slot = this.#home(high, low), probes = 0; probes <= this.#mask; probes++) {
      const at = (HEADER_BYTES + slot * SLOT_BYTES) >> 2;
      const head = words[at]!;
      if ((head & STATE_MASK) === NEVER) return NOT_FOUND;
      if ((head & IDENTITY_MASK) === wanted && words[at + (LOW >> 2)] === low) return slot;
      slot = (slot + 1) & this.#mask;
    }
    return NOT_FOUND;
  }

  /** When the path in a slot expires, ms since the epoch. */
  expiry(slot: number): Millis {
    return this.#doubles[(HEADER_BYTES + slot * SLOT_BYTES + EXPIRY) >> 3]!;
  }

  /**
   * Where the socket address of a slot begins, an offset into `memory`; NOT_FOUND if the slot is another peer's by now.
   * What is there does not change until the reader passes its next quiet point.
   */
  area(slot: number, high: number, low: number): number {
    const base = HEADER_BYTES + slot * SLOT_BYTES;
    const head = Atomics.load(this.words, base >> 2);
    if ((head & IDENTITY_MASK) !== (high | USED) || this.words[(base + LOW) >> 2] !== low) return NOT_FOUND;
    if (Atomics.load(this.words, base >> 2) !== head) return NOT_FOUND;
    return areaAt(base, head);
  }

  /** Id of the local socket that a route (by its area) uses. */
  socketAt(area: number): number {
    return this.words[(area + (this.bytes[area] === AF_INET ? SOCKET_IN_V4 : SOCKET_IN_V6)) >> 2]!;
  }

  /** Length of the socket address in an area. */
  nameBytesAt(area: number): number {
    return this.bytes[area] === AF_INET ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_SHORT_BYTES;
  }

  /** Copies where a slot leads into `into`; false if it is not in use. */
  read(slot: number, into: RouteView): boolean {
    const base = HEADER_BYTES + slot * SLOT_BYTES;
    const head = this.words[base >> 2]!;
    if ((head & STATE_MASK) !== USED) return false;
    const area = areaAt(base, head);
    const family = this.bytes[area]!;
    into.family = family === AF_INET ? 4 : 6;
    into.ip = into.family === 4 ? into.ip4 : into.ip16;
    into.port = (this.bytes[area + 2]! << 8) | this.bytes[area + 3]!;
    into.socket = this.socketAt(area);
    for (let i = 0; i < into.ip.length; i++) into.ip[i] = this.bytes[area + ipOffset(family) + i]!;
    return true;
  }

  /** Writer: sets where an address is reached. False when the table is full. */
  set(address: Address, socket: number, endpoint: Endpoint, expiresAt: Millis): boolean {
    this.settle();
    return this.#set(address, socket, endpoint, expiresAt);
  }

  /** Writer: forgets an address. */
  delete(address: Address): void {
    this.#pending.delete(address);
    const slot = this.find(Math.floor(address / TWO_POW_32), (address % TWO_POW_32) | 0);
    if (slot === NOT_FOUND) return;
    this.#remove(slot);
    this.#tidy();
  }

  /** Writer: tries again what had to wait for readers. True if nothing waits any more. */
  settle(): boolean {
    if (this.#pending.size === 0) return true;
    for (const [address, { socket, endpoint, expiresAt }] of [...this.#pending]) {
      this.#pending.delete(address);
      this.#set(address, socket, endpoint, expiresAt);
    }
    return this.#pending.size === 0;
  }

  #set(address: Address, socket: number, endpoint: Endpoint, expiresAt: Millis): boolean {
    const high = Math.floor(address / TWO_POW_32);
    const low = (address % TWO_POW_32) | 0;
    this.#compose(socket, endpoint);
    let slot = this.find(high, low);
    if (slot === NOT_FOUND) slot = this.#free(high, low);
    else if (this.#holds(slot)) {
      this.#doubles[(HEADER_BYTES + slot * SLOT_BYTES + EXPIRY) >> 3] = expiresAt;
      this.#pending.delete(address);
      return true;
    }
    if (slot === NOT_FOUND) return false;
    if (this.#write(slot, high, low, expiresAt)) this.#pending.delete(address);
    else this.#pending.set(address, { socket, endpoint, expiresAt });
    return true;
  }

  /** The socket address of a route, as it lies in an area, into the scratch. */
  #compose(socket: number, endpoint: Endpoint): void {
    this.#scratch.fill(0);
    writeSockaddr(this.#scratch, 0, endpoint);
    this.#scratchWords[(endpoint.family === 4 ? SOCKET_IN_V4 : SOCKET_IN_V6) >> 2] = socket;
  }

  /** True if a used slot leads where the scratch does. */
  #holds(slot: number): boolean {
    const base = HEADER_BYTES + slot * SLOT_BYTES;
    const at = areaAt(base, this.words[base >> 2]!) >> 2;
    for (let i = 0; i < AREA_BYTES >> 2; i++) if (this.words[at + i] !== this.#scratchWords[i]) return false;
    return true;
  }

  /** Writes the scratch into the area that is not in use and switches over. False if a reader may still be there. */
  #write(slot: number, high: number, low: number, expiresAt: Millis): boolean {
    if (!this.#isQuiet(slot)) return false;
    const base = HEADER_BYTES + slot * SLOT_BYTES;
    const version = (this.words[base >> 2]! & ~IDENTITY_MASK) + ONE_VERSION;
    this.words.set(this.#scratchWords, areaAt(base, version) >> 2);
    this.words[(base + LOW) >> 2] = low;
    this.#doubles[(base + EXPIRY) >> 3] = expiresAt;
    Atomics.store(this.words, base >> 2, version | USED | high);
    this.#longest = Math.max(this.#longest, (slot - this.#home(high, low)) & this.#mask);
    this.#remember(slot);
    return true;
  }

  #isQuiet(slot: number): boolean {
    const stamp = this.#changed.get(slot);
    if (stamp === undefined) return true;
    if (!this.#grace.passed(stamp)) return false;
    this.#changed.delete(slot);
    return true;
  }

  #remember(slot: number): void {
    if (this.#grace === NO_READERS) return;
    this.#changed.set(slot, this.#grace.stamp());
    if (this.#changed.size < MAX_REMEMBERED_CHANGES) return;
    for (const [changed, stamp] of this.#changed) if (this.#grace.passed(stamp)) this.#changed.delete(changed);
  }

  #remove(slot: number): void {
    const at = (HEADER_BYTES + slot * SLOT_BYTES) >> 2;
    // In front of a slot that was never used nothing can hide behind this one, so it may become so again.
    const isLast = this.#state((slot + 1) & this.#mask) === NEVER;
    Atomics.store(this.words, at, (this.words[at]! & ~STATE_MASK) | (isLast ? NEVER : REMOVED));
    for (let before = (slot - 1) & this.#mask; isLast && this.#state(before) === REMOVED; ) {
      const there = (HEADER_BYTES + before * SLOT_BYTES) >> 2;
      Atomics.store(this.words, there, this.words[there]! & ~STATE_MASK);
      before = (before - 1) & this.#mask;
    }
  }

  /** Looks at some slots in turn and makes those that were removed unused again: every search ends at an unused one. */
  #tidy(): void {
    for (let i = 0; i < TIDIED_PER_REMOVAL; i++) {
      const slot = this.#tidyAt;
      this.#tidyAt = (slot + 1) & this.#mask;
      if (this.#state(slot) === REMOVED) this.#reclaim(slot);
    }
  }

  /**
   * Moves the peers whose search leads over a removed slot to free ones that come earlier (the removed one, if there
   * is no better), until nobody needs it. A peer is in both places for a moment, never in none.
   */
  #reclaim(removed: number): void {
    for (let distance = 1; distance <= this.#longest; distance++) {
      const slot = (removed + distance) & this.#mask;
      const base = HEADER_BYTES + slot * SLOT_BYTES;
      const head = this.words[base >> 2]!;
      if ((head & STATE_MASK) === NEVER) break;
      if ((head & STATE_MASK) === REMOVED) continue;
      const high = head & 0xff;
      const low = this.words[(base + LOW) >> 2]!;
      if (((slot - this.#home(high, low)) & this.#mask) < distance) continue;
      const area = areaAt(base, head) >> 2;
      for (let word = 0; word < AREA_BYTES >> 2; word++) this.#scratchWords[word] = this.words[area + word]!;
      if (!this.#write(this.#free(high, low), high, low, this.expiry(slot))) return;
      this.#remove(slot);
      if (this.#state(removed) !== REMOVED) return;
    }
    const at = (HEADER_BYTES + removed * SLOT_BYTES) >> 2;
    Atomics.store(this.words, at, (this.words[at]! & ~STATE_MASK) | NEVER);
  }

  #state(slot: number): number {
    return this.words[(HEADER_BYTES + slot * SLOT_BYTES) >> 2]! & STATE_MASK;
  }

  /** The first slot that an address may take, or NOT_FOUND if all are in use. */
  #free(high: number, low: number): number {
    for (let slot = this.#home(high, low), probes = 0; probes <= this.#mask; probes++) {
      if (this.#state(slot) !== USED) return slot;
      slot = (slot + 1) & this.#mask;
    }
    return NOT_FOUND;
  }
}

/** Where the socket address in use begins, by the first word of a slot. */
function areaAt(base: number, head: number): number {
  return base + AREAS + (head & ONE_VERSION ? AREA_BYTES : 0);
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
