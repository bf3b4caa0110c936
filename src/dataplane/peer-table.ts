/**
 * The peer table: where each peer is reached, in shared memory, for whoever relays. A slot of one cache line for each
 * peer, found by a hash index (slot-index.ts); one writer, any number of readers that never wait.
 *
 * A slot has room for two socket addresses, ready for the kernel: relays send from the table without copying. A change
 * goes to the one that is not in use, and then the slot's version, whose last bit chooses, is counted up. The kernel
 * may still be reading the other one, so it is not written to before every reader has finished what it was doing (see
 * Grace); until then a further change waits.
 * Facts: design §4; vl1-behaviour.md §4.1 (only unexpired direct paths are relayed to).
 *
 * The memory: a header (words 0 and 1 belong to the index, word 2 is the number of slots, word 3 the offset of the
 * first one), the cells of the index, the slots.
 *
 * | offset | size | field of a slot |
 * |---|---|---|
 * | 0  | 1  | address, high 8 bits |
 * | 1  | 1  | state: 0 free, 1 in use |
 * | 2  | 2  | version, last bit = which socket address |
 * | 4  | 4  | address, low 32 bits; of a free slot the next free one + 1 |
 * | 8  | 8  | expiry, ms since the epoch (double) |
 * | 16 | 24 | socket address 0; the local socket's id in the part that the kernel ignores |
 * | 40 | 24 | socket address 1 |
 */
import { AF_INET, ipOffset, SOCKADDR_IN_BYTES, SOCKADDR_IN6_SHORT_BYTES, writeSockaddr } from "../io/linux/sockaddr.ts";
import type { Millis, Random, RelayRoutes } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";
import type { Endpoint } from "../protocol/inet-address.ts";
import { MAX_SLOTS, NOT_FOUND, SLOT_WORDS, SlotIndex, USED } from "./slot-index.ts";

const SLOT_BYTES = SLOT_WORDS * 4;
const HEADER_BYTES = 64;
const SLOTS = 2;
const BASE = 3;
/** Slots in excess of the peers asked for: those that wait for readers cannot be used again at once. */
const SPARE_SLOTS = 64;
const LOW = 4;
const EXPIRY = 8;
const AREAS = 16;
const AREA_BYTES = 24;
/** Where the id of the local socket is: sin_zero of IPv4, the flow label of IPv6. */
const SOCKET_IN_V4 = 8;
const SOCKET_IN_V6 = 4;
const TWO_POW_32 = 0x100000000;

const STATE_MASK = 0xff00;
const IDENTITY_MASK = 0xffff;
const ONE_VERSION = 0x10000;
const MAX_REMEMBERED_CHANGES = 1024;

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
  /** As many peers as can be in it at the same time. */
  readonly slots: number;
  readonly index: SlotIndex;
  readonly #doubles: Float64Array;
  /** Where the slots begin, in bytes. */
  readonly #base: number;
  readonly #grace: Grace;
  /** Writer: when slots got another socket address, as long as that matters. */
  readonly #changed = new Map<number, readonly number[]>();
  /** Writer: changes that wait for readers. */
  readonly #pending = new Map<Address, PendingRoute>();
  readonly #scratch = new Uint8Array(AREA_BYTES);
  readonly #scratchWords = new Int32Array(this.#scratch.buffer);
  /** Writer: slots from here on were never used; the others that are free, oldest first. */
  #end = 0;
  #firstFree = NOT_FOUND;
  #lastFree = NOT_FOUND;

  /** A view of memory that `PeerTable.create` made. Only the writer needs to say who reads. */
  constructor(memory: SharedArrayBuffer, grace: Grace = NO_READERS) {
    this.memory = memory;
    this.bytes = new Uint8Array(memory);
    this.words = new Int32Array(memory);
    this.#doubles = new Float64Array(memory);
    this.slots = this.words[SLOTS]!;
    this.#base = this.words[BASE]!;
    this.index = new SlotIndex(this.words, HEADER_BYTES >> 2, this.#base >> 2);
    this.#grace = grace;
  }

  /** Room for `maxPeers`. `addressOf` tells where memory lies, so that a slot is one cache line and not half of two. */
  static create(maxPeers: number, random: Random, grace: Grace = NO_READERS, addressOf = nowhere): PeerTable {
    const slots = Math.min(maxPeers + SPARE_SLOTS, MAX_SLOTS);
    const cellsEnd = HEADER_BYTES + 4 * SlotIndex.cellWords(slots);
    const memory = new SharedArrayBuffer(cellsEnd + (slots + 1) * SLOT_BYTES);
    const words = new Int32Array(memory);
    const seed = new Uint8Array(4);
    random(seed);
    SlotIndex.prepare(words, new Int32Array(seed.buffer)[0]!);
    words[SLOTS] = slots;
    const misplaced = (addressOf(new Uint8Array(memory)) + cellsEnd) % SLOT_BYTES;
    words[BASE] = misplaced === 0 ? cellsEnd : cellsEnd + SLOT_BYTES - misplaced;
    return new PeerTable(memory, grace);
  }

  /** The slot of an address (8 high bits, 32 low bits as int32), or NOT_FOUND. Does not look at its expiry. */
  find(high: number, low: number): number {
    return this.index.find(high, low);
  }

  /** When the path in a slot expires, ms since the epoch. */
  expiry(slot: number): Millis {
    return this.#doubles[(this.#base + slot * SLOT_BYTES + EXPIRY) >> 3]!;
  }

  /**
   * Where the socket address of a slot begins, an offset into `memory`; NOT_FOUND if the slot is another peer's by now.
   * What is there does not change until the reader passes its next quiet point.
   */
  area(slot: number, high: number, low: number): number {
    const base = this.#base + slot * SLOT_BYTES;
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
    const base = this.#base + slot * SLOT_BYTES;
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
    if (slot !== NOT_FOUND) this.#remove(slot);
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
    const found = this.find(high, low);
    const slot = found === NOT_FOUND ? this.#free() : found;
    if (found !== NOT_FOUND && this.#holds(slot)) {
      this.#doubles[(this.#base + slot * SLOT_BYTES + EXPIRY) >> 3] = expiresAt;
      this.#pending.delete(address);
      return true;
    }
    if (slot === NOT_FOUND) return false;
    if (!this.#isQuiet(slot)) {
      this.#pending.set(address, { socket, endpoint, expiresAt });
      return true;
    }
    this.#pending.delete(address);
    if (found === NOT_FOUND) this.#take(slot);
    this.#write(slot, high, low, expiresAt);
    if (found === NOT_FOUND) this.index.add(slot);
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
    const base = this.#base + slot * SLOT_BYTES;
    const at = areaAt(base, this.words[base >> 2]!) >> 2;
    for (let i = 0; i < AREA_BYTES >> 2; i++) if (this.words[at + i] !== this.#scratchWords[i]) return false;
    return true;
  }

  /** Writes the scratch into the area that is not in use and switches over. No reader may be there. */
  #write(slot: number, high: number, low: number, expiresAt: Millis): void {
    const base = this.#base + slot * SLOT_BYTES;
    const version = (this.words[base >> 2]! & ~IDENTITY_MASK) + ONE_VERSION;
    this.words.set(this.#scratchWords, areaAt(base, version) >> 2);
    this.words[(base + LOW) >> 2] = low;
    this.#doubles[(base + EXPIRY) >> 3] = expiresAt;
    Atomics.store(this.words, base >> 2, version | USED | high);
    this.#remember(slot);
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

  /** The slot becomes the last of the free ones. */
  #remove(slot: number): void {
    this.index.remove(slot);
    const at = (this.#base + slot * SLOT_BYTES) >> 2;
    Atomics.store(this.words, at, this.words[at]! & ~STATE_MASK);
    this.words[at + (LOW >> 2)] = 0;
    if (this.#lastFree === NOT_FOUND) this.#firstFree = slot;
    else this.words[this.#nextFreeAt(this.#lastFree)] = slot + 1;
    this.#lastFree = slot;
  }

  /** A slot that may be used: one that no reader can be looking at, if there is one. NOT_FOUND if all are in use. */
  #free(): number {
    const freed = this.#firstFree;
    if (freed !== NOT_FOUND && this.#isQuiet(freed)) return freed;
    return this.#end < this.slots ? this.#end : freed;
  }

  /** Takes what `#free` gave out of the free ones. */
  #take(slot: number): void {
    if (slot === this.#end) {
      this.#end++;
      return;
    }
    this.#firstFree = this.words[this.#nextFreeAt(slot)]! - 1;
    if (this.#firstFree === NOT_FOUND) this.#lastFree = NOT_FOUND;
  }

  #nextFreeAt(slot: number): number {
    return (this.#base + slot * SLOT_BYTES + LOW) >> 2;
  }
}

/** For whoever cannot tell where memory lies. */
function nowhere(_view: Uint8Array): number {
  return 0;
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
