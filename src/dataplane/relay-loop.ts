/**
 * The loop of a relay worker: wait, receive a batch, decide about each datagram, send what is to be relayed, hand the
 * rest to the main thread. Nothing is allocated per datagram, and nothing here waits longer than POLL_MS: a thread in
 * a system call cannot be stopped.
 * Facts: design §4, §5; vl1-behaviour.md §4.1.
 */
import { EAGAIN, EINTR, type Libc } from "../io/linux/libc.ts";
import { AF_INET, ipOffset } from "../io/linux/sockaddr.ts";
import { DESTINATION_OFFSET, FRAGMENT_INDICATOR, SOURCE_OFFSET } from "../protocol/packet.ts";
import type { PairMemory } from "../root/pair-memory.ts";
import {
  addHop,
  DROP_FROM_SELF,
  DROP_HOP_LIMIT,
  DROP_RESERVED,
  decideAt,
  low32,
  type OwnAddress,
  PUNT,
  type RelayTable,
  UPSTREAM,
} from "../root/relay.ts";
import { BATCH_DATAGRAMS, Batch } from "./batch.ts";
import { BatchSender } from "./batch-sender.ts";
import { Introductions } from "./introductions.ts";
import type { PeerTable } from "./peer-table.ts";
import { Postbox } from "./postbox.ts";
import type { Ring } from "./ring.ts";
import { Count, dropCount, MAX_SOCKETS, type WorkerMemory } from "./worker-memory.ts";

/** At most this long in poll, so that a stop or new sockets are noticed even if the wake-up is lost. */
const POLL_MS = 100;
/**
 * When a batch brought nothing to relay and something for main, main has been told and is busy with it for about this
 * long: what comes meanwhile is handed on together, which saves a leaf a third of its CPU for what it receives.
 */
const HANDED_ON_NAP_US = 50;
const POLLIN = 1;
const MSG_DONTWAIT = 0x40;
const TWO_POW_32 = 0x100000000;
const CACHE_LINE_BYTES = 64;
/** Few enough that nothing is gone from the first cache when it is needed. */
const TOUCHED_AT_ONCE = 32;

export interface RelayLoopParts {
  readonly libc: Libc;
  readonly memory: WorkerMemory;
  readonly table: PeerTable;
  readonly pairs: PairMemory;
  readonly ring: Ring;
  /** One word that main sleeps on. */
  readonly bell: Int32Array;
  /** Readable when main wants attention. */
  readonly wakeFd: number;
  readonly self: OwnAddress;
  /** True if the kernel knows UDP_SEGMENT. */
  readonly segment: boolean;
  /** How long to wait for more after a batch that was neither single nor large, µs; 0 = not at all. */
  readonly napMicroseconds: number;
  readonly now: () => number;
}

export class RelayLoop {
  readonly #libc: Libc;
  readonly #memory: WorkerMemory;
  readonly #counters: Float64Array;
  readonly #table: PeerTable;
  readonly #cached: CachedTable;
  readonly #batch: Batch;
  readonly #sender: BatchSender;
  readonly #postbox: Postbox;
  readonly #introductions: Introductions;
  readonly #self: OwnAddress;
  readonly #napMicroseconds: number;
  readonly #clock: () => number;
  readonly #wakeFd: number;
  /** struct pollfd of the wake-up and of each socket; then 8 bytes to read the wake-up into. */
  readonly #polls = new Int32Array(2 * (MAX_SOCKETS + 1) + 2);
  readonly #pollsAt: number;
  #fds = new Int32Array(0);
  #ids = new Int32Array(0);
  /** Place of a socket among them by the low bits of its id; places + 1, 0 = nobody. */
  readonly #placeOf = new Int32Array(MAX_SOCKETS);
  #generation = -1;
  #mayRelay = false;
  /** What `#touch` read for each datagram of a batch; kept so that it has to be read. */
  readonly #touched = new Int32Array(BATCH_DATAGRAMS);

  constructor(parts: RelayLoopParts) {
    const { libc, memory, table } = parts;
    this.#libc = libc;
    this.#memory = memory;
    this.#counters = memory.counters;
    this.#table = table;
    this.#cached = new CachedTable(table);
    // Headers and names are made for cache lines; memory as it comes begins somewhere in one.
    const room = new Uint8Array(Batch.BYTES + CACHE_LINE_BYTES);
    const base = libc.addressOf(room);
    const offset = (CACHE_LINE_BYTES - (base % CACHE_LINE_BYTES)) % CACHE_LINE_BYTES;
    const aligned = room.subarray(offset, offset + Batch.BYTES);
    this.#batch = new Batch(aligned, base + offset, libc.addressOf(table.bytes), MAX_SOCKETS);
    this.#sender = new BatchSender(libc, this.#batch, memory.counters, parts.segment);
    this.#postbox = new Postbox(parts.ring, parts.bell, this.#batch, table);
    this.#introductions = new Introductions(this.#batch, table, parts.pairs, this.#postbox);
    this.#self = parts.self;
    this.#napMicroseconds = parts.napMicroseconds;
    this.#clock = parts.now;
    this.#wakeFd = parts.wakeFd;
    this.#pollsAt = libc.addressOf(new Uint8Array(this.#polls.buffer));
  }

  /** Runs until main says stop. */
  run(): void {
    while (!this.#memory.stopping) {
      if (this.#memory.generation !== this.#generation) this.#useSockets();
      const ready = this.#libc.poll(this.#pollsAt, this.#fds.length + 1, POLL_MS);
      if (ready > 0) this.#round();
    }
  }

  #round(): void {
    if (this.#polls[1]! >> 16 !== 0) this.#libc.read(this.#wakeFd, this.#pollsAt + this.#polls.byteLength - 8, 8);
    // New sockets first: a descriptor that is about to be closed must not be read once main knows.
    if (this.#memory.generation !== this.#generation) return;
    let largest = 0;
    const relayed = this.#counters[Count.FORWARDED_PACKETS]!;
    this.#memory.turn();
    for (let socket = 0; socket < this.#fds.length; socket++) {
      if (this.#polls[2 * (socket + 1) + 1]! >> 16 === 0) continue;
      largest = Math.max(largest, this.#receive(socket));
    }
    this.#memory.turn();
    const handedOn = this.#postbox.ring();
    if (largest >= BATCH_DATAGRAMS / 2) return;
    if (this.#napMicroseconds > 0 && largest > 1) this.#libc.usleep(this.#napMicroseconds);
    else if (handedOn && this.#counters[Count.FORWARDED_PACKETS] === relayed) this.#libc.usleep(HANDED_ON_NAP_US);
  }

  #useSockets(): void {
    this.#generation = this.#memory.generation;
    const sockets = this.#memory.sockets();
    this.#fds = Int32Array.from(sockets, ({ fd }) => fd);
    this.#ids = Int32Array.from(sockets, ({ id }) => id);
    this.#placeOf.fill(0);
    this.#polls.fill(0);
    [this.#wakeFd, ...this.#fds].forEach((fd, i) => {
      this.#polls[2 * i] = fd;
      this.#polls[2 * i + 1] = POLLIN;
    });
    this.#ids.forEach((id, place) => {
      this.#placeOf[id & (MAX_SOCKETS - 1)] = place + 1;
    });
    this.#memory.generationInUse = this.#generation;
  }

  /** The place of a socket by its id; −1 if it is gone. */
  #place(id: number): number {
    const place = this.#placeOf[id & (MAX_SOCKETS - 1)]! - 1;
    return place >= 0 && this.#ids[place] === id ? place : this.#ids.indexOf(id);
  }

  /** One batch of one socket. Gives its size. */
  #receive(socket: number): number {
    const batch = this.#batch;
    const received = this.#libc.recvmmsg(this.#fds[socket]!, batch.receiveHeaders, BATCH_DATAGRAMS, MSG_DONTWAIT, 0);
    if (received < 0) {
      const errno = this.#libc.errno();
      if (errno !== EAGAIN && errno !== EINTR) this.#counters[Count.RECEIVE_ERRORS]!++;
      return 0;
    }
    const now = this.#clock();
    this.#cached.forget();
    batch.begin();
    this.#mayRelay = this.#memory.mayRelay;
    this.#introductions.begin((now % TWO_POW_32) | 0);
    let bytes = 0;
    for (let i = 0; i < received; i++) {
      if (i % TOUCHED_AT_ONCE === 0) this.#touch(i, Math.min(i + TOUCHED_AT_ONCE, received));
      const length = batch.take(i);
      if (length < 0) this.#counters[Count.RECEIVE_ERRORS]!++;
      else {
        bytes += length;
        this.#handle(i, length, socket, now);
      }
    }
    this.#counters[Count.RECEIVE_CALLS]!++;
    this.#counters[Count.DATAGRAMS_IN]! += received;
    this.#counters[Count.BYTES_IN]! += bytes;
    for (let out = 0; out < this.#fds.length; out++) this.#sender.send(out, this.#fds[out]!);
    return received;
  }

  /**
   * Reads what the decisions about some datagrams will need, first all cells of the index, then all slots: with many
   * peers each is a cache miss, and misses that do not depend on each other are waited for together.
   */
  #touch(from: number, to: number): void {
    const batch = this.#batch;
    const { index } = this.#table;
    for (let i = from; i < to; i++) {
      const at = batch.datagramAt(i) + DESTINATION_OFFSET;
      this.#touched[i] = index.touchCell(batch.bytes[at]!, low32(batch.bytes, at + 1));
      this.#introductions.touch(i);
    }
    for (let i = from; i < to; i++) {
      this.#touched[i] = index.touchSlot(this.#touched[i]!) ^ this.#introductions.touchAgain(i);
    }
  }

  #handle(i: number, length: number, socket: number, now: number): void {
    const at = this.#batch.datagramAt(i);
    const decision = decideAt(this.#batch.bytes, at, length, this.#cached, this.#self, now);
    if (decision >= 0 || decision === UPSTREAM) {
      if (!this.#mayRelay) this.#counters[DROP_NOT_UPSTREAM]!++;
      else if (this.#isBlacklisted(i)) this.#counters[DROP_BLACKLISTED]!++;
      else if (decision === UPSTREAM) this.#toMain(i, length, socket);
      else this.#relay(decision, i, at, length, socket);
    } else if (decision === PUNT) this.#toMain(i, length, socket);
    else this.#counters[dropPlace(decision)]!++;
  }

  #relay(slot: number, i: number, at: number, length: number, socket: number): void {
    const { bytes } = this.#batch;
    const area = this.#table.area(slot, bytes[at + DESTINATION_OFFSET]!, low32(bytes, at + DESTINATION_OFFSET + 1));
    // The slot has become another peer's this very moment: main looks again.
    if (area < 0) return this.#toMain(i, length, socket);
    const out = this.#place(this.#table.socketAt(area));
    if (out < 0) {
      this.#counters[DROP_UNKNOWN_DESTINATION]!++;
      return;
    }
    addHop(bytes, at);
    this.#batch.add(i, length, area, this.#table.nameBytesAt(area), out);
    this.#counters[Count.FORWARDED_PACKETS]!++;
    this.#counters[Count.FORWARDED_BYTES]! += length;
    if (bytes[at + SOURCE_OFFSET] === FRAGMENT_INDICATOR) this.#counters[Count.FORWARDED_FRAGMENTS]!++;
    else this.#introductions.relayed(i, length, this.#ids[socket]!);
  }

  #toMain(i: number, length: number, socket: number): void {
    if (!this.#postbox.datagram(i, length, this.#ids[socket]!)) this.#counters[DROP_QUEUE_FULL]!++;
  }

  #isBlacklisted(i: number): boolean {
    const name = this.#batch.nameAt(i);
    const family = this.#batch.bytes[name]!;
    const ip = name + ipOffset(family);
    return this.#memory.isBlacklisted(this.#batch.bytes, ip, family === AF_INET ? 4 : 6);
  }
}

const DROP_NOT_UPSTREAM = dropCount("not_upstream");
const DROP_BLACKLISTED = dropCount("blacklisted");
const DROP_UNKNOWN_DESTINATION = dropCount("unknown_destination");
const DROP_QUEUE_FULL = dropCount("queue_full");
const HOP_LIMIT = dropCount("hop_limit");
const FROM_SELF = dropCount("from_self");
const RESERVED = dropCount("reserved_address");
const RUNT = dropCount("runt");

function dropPlace(decision: number): number {
  if (decision === DROP_HOP_LIMIT) return HOP_LIMIT;
  if (decision === DROP_FROM_SELF) return FROM_SELF;
  return decision === DROP_RESERVED ? RESERVED : RUNT;
}

/** The table, which remembers the last answer for the length of a batch: packets of one flow come in rows. */
class CachedTable implements RelayTable {
  readonly #table: PeerTable;
  #high = -1;
  #low = 0;
  #slot = 0;

  constructor(table: PeerTable) {
    this.#table = table;
  }

  forget(): void {
    this.#high = -1;
  }

  find(high: number, low: number): number {
    if (high === this.#high && low === this.#low) return this.#slot;
    this.#high = high;
    this.#low = low;
    this.#slot = this.#table.find(high, low);
    return this.#slot;
  }

  expiry(slot: number): number {
    return this.#table.expiry(slot);
  }
}
