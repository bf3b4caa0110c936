/**
 * What a relay worker does about introductions: remembers each relayed pair, and tells main when one is due. The
 * source of a relayed packet is not authenticated, so it counts only if the packet came from where that peer is; from
 * elsewhere main is told now and then, which knows more (other paths, other roots) and may ask that place.
 * Facts: vl1-behaviour.md §4.2; root/root.ts (`relayed`), whose short cut this is.
 */
import { AF_INET } from "../io/linux/sockaddr.ts";
import { DESTINATION_OFFSET, SOURCE_OFFSET } from "../protocol/packet.ts";
import { type PairMemory, Passed } from "../root/pair-memory.ts";
import { low32 } from "../root/relay.ts";
import { BATCH_DATAGRAMS, type Batch } from "./batch.ts";
import type { PeerTable } from "./peer-table.ts";
import type { Postbox } from "./postbox.ts";
import { RecentFlows } from "./recent-flows.ts";
import { Kind } from "./ring.ts";

/** Main is told of one pair's sightings elsewhere this often, and of all together this many times a second. */
const ELSEWHERE_INTERVAL_MS = 100;
const MAX_ELSEWHERE_PER_SECOND = 1000;
const REMEMBERED = 4096;

export class Introductions {
  readonly #batch: Batch;
  readonly #table: PeerTable;
  readonly #pairs: PairMemory;
  readonly #postbox: Postbox;
  readonly #recent: RecentFlows;
  /** Of each datagram of this batch, what `touch` read of the index for its source. */
  readonly #touched = new Int32Array(BATCH_DATAGRAMS);
  /** And of the memory of pairs; kept so that it has to be read. */
  readonly #touchedPairs = new Int32Array(BATCH_DATAGRAMS);
  /** When main was last told, by a hash of the pair; the low 32 bits of milliseconds. */
  readonly #toldAt = new Int32Array(REMEMBERED);
  #secondAt = 0;
  #toldInSecond = 0;
  #now = 0;

  constructor(batch: Batch, table: PeerTable, pairs: PairMemory, postbox: Postbox) {
    this.#batch = batch;
    this.#table = table;
    this.#pairs = pairs;
    this.#postbox = postbox;
    this.#recent = new RecentFlows(batch);
  }

  /** A new batch begins. `now`: low 32 bits of ms since the epoch. */
  begin(now: number): void {
    this.#now = now;
  }

  /** Reads what `relayed` will need for datagram `i`, whatever it may be. See `touchAgain`. */
  touch(i: number): void {
    if (this.#recent.isKnown(i, this.#now)) {
      this.#touched[i] = 0;
      return;
    }
    const { bytes } = this.#batch;
    const at = this.#batch.datagramAt(i);
    const high = bytes[at + SOURCE_OFFSET]!;
    const low = low32(bytes, at + SOURCE_OFFSET + 1);
    this.#touched[i] = this.#table.index.touchCell(high, low);
    const toLow = low32(bytes, at + DESTINATION_OFFSET + 1);
    this.#touchedPairs[i] = this.#pairs.touch(high, low, bytes[at + DESTINATION_OFFSET]!, toLow);
  }

  /** The second half: what `touch` led to. */
  touchAgain(i: number): number {
    return this.#table.index.touchSlot(this.#touched[i]!);
  }

  /** Datagram `i`, a packet or the head of one, is relayed; it came in at the socket with id `socket`. */
  relayed(i: number, length: number, socket: number): void {
    if (this.#recent.isKnown(i, this.#now)) return;
    const { bytes } = this.#batch;
    const at = this.#batch.datagramAt(i);
    const sourceHigh = bytes[at + SOURCE_OFFSET]!;
    const sourceLow = low32(bytes, at + SOURCE_OFFSET + 1);
    const slot = this.#table.find(sourceHigh, sourceLow);
    const area = slot < 0 ? -1 : this.#table.area(slot, sourceHigh, sourceLow);
    const low = low32(bytes, at + DESTINATION_OFFSET + 1);
    if (area < 0 || !this.#cameFrom(area, i)) {
      if (this.#mayTell(sourceLow, low)) this.#postbox.notice(Kind.ELSEWHERE, i, length, socket);
      return;
    }
    const high = bytes[at + DESTINATION_OFFSET]!;
    const passed = this.#pairs.relayedHalves(sourceHigh, sourceLow, high, low, this.#now);
    if (passed === Passed.DUE) this.#postbox.notice(Kind.PAIR_DUE, i, length, socket);
    else if (passed === Passed.SETTLED) this.#recent.remember(i, this.#now);
  }

  /** True if datagram `i` was sent from the IP that an area of the table names. */
  #cameFrom(area: number, i: number): boolean {
    const there = this.#table.words;
    const here = this.#batch.words;
    const a = area >> 2;
    const b = this.#batch.nameAt(i) >> 2;
    if (((there[a]! ^ here[b]!) & 0xff) !== 0) return false;
    if ((there[a]! & 0xff) === AF_INET) return there[a + 1] === here[b + 1];
    return (
      there[a + 2] === here[b + 2] &&
      there[a + 3] === here[b + 3] &&
      there[a + 4] === here[b + 4] &&
      there[a + 5] === here[b + 5]
    );
  }

  #mayTell(sourceLow: number, destinationLow: number): boolean {
    const place = Math.imul(sourceLow ^ Math.imul(destinationLow, 0x85ebca6b), 0x9e3779b1) >>> 20;
    if ((this.#now - this.#toldAt[place]!) >>> 0 < ELSEWHERE_INTERVAL_MS) return false;
    if ((this.#now - this.#secondAt) >>> 0 >= 1000) {
      this.#secondAt = this.#now;
      this.#toldInSecond = 0;
    }
    if (this.#toldInSecond >= MAX_ELSEWHERE_PER_SECOND) return false;
    this.#toldInSecond++;
    this.#toldAt[place] = this.#now;
    return true;
  }
}
