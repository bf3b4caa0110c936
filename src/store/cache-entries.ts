/**
 * Where in the journal the last word about each peer lies, and when that peer was last heard: about 32 bytes each,
 * because there may be a million. (Records are little-endian, as memory is.)
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0  | 8 | offset in the file (double) |
 * | 8  | 8 | last receive, ms since the epoch (double) |
 * | 16 | 4 | address, low 32 bits |
 * | 20 | 1 | address, high 8 bits |
 * | 21 | 1 | 1 = in use |
 * | 22 | 2 | length |
 */
import { randomFill } from "../io/random.ts";
import { AddressIndex, NO_SLOT } from "../node/address-index.ts";
import type { Millis } from "../node/ports.ts";
import { Slab } from "../node/slab.ts";
import type { Address } from "../protocol/address.ts";
import { FRAME_BYTES, type Span } from "./journal.ts";

const RECORD_BYTES = 24;
const LAST_RECEIVE = 8;
const ADDRESS_LOW = 16;
const ADDRESS_HIGH = 20;
const USED = 21;
const LENGTH = 22;
const TWO_POW_32 = 0x100000000;
/** So many entries are enough to tell which part of all is the oldest. */
const SAMPLE = 4096;

export class CacheEntries {
  readonly #slab = new Slab(RECORD_BYTES);
  readonly #index: AddressIndex;
  #liveBytes = 0;

  /** Made for `expected` peers; more are possible. */
  constructor(expected: number) {
    this.#index = new AddressIndex(expected, randomFill, (slot) => this.#address(slot));
  }

  get size(): number {
    return this.#index.size;
  }

  /** Bytes of the file that are not out of date. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  has(address: Address): boolean {
    return this.#index.find(address) !== NO_SLOT;
  }

  /** Where the peer's record begins, or −1. */
  offset(address: Address): number {
    const slot = this.#index.find(address);
    return slot === NO_SLOT ? -1 : this.#slab.view(slot).getFloat64(this.#slab.at(slot), true);
  }

  set(address: Address, span: Span, lastReceive: Millis): void {
    let slot = this.#index.find(address);
    if (slot === NO_SLOT) slot = this.#add(address);
    else this.#liveBytes -= FRAME_BYTES + this.#length(slot);
    const view = this.#slab.view(slot);
    const at = this.#slab.at(slot);
    view.setFloat64(at, span.offset, true);
    view.setFloat64(at + LAST_RECEIVE, lastReceive, true);
    view.setUint16(at + LENGTH, span.length, true);
    this.#liveBytes += FRAME_BYTES + span.length;
  }

  #add(address: Address): number {
    const slot = this.#slab.allocate();
    const view = this.#slab.view(slot);
    const at = this.#slab.at(slot);
    view.setUint32(at + ADDRESS_LOW, address % TWO_POW_32, true);
    view.setUint8(at + ADDRESS_HIGH, Math.floor(address / TWO_POW_32));
    view.setUint8(at + USED, 1);
    this.#index.add(slot);
    return slot;
  }

  delete(address: Address): void {
    const slot = this.#index.find(address);
    if (slot === NO_SLOT) return;
    this.#liveBytes -= FRAME_BYTES + this.#length(slot);
    this.#index.remove(address);
    this.#slab.release(slot);
  }

  /** The records of the `count` most recently heard peers, these first. Looks at all entries. */
  newest(count: number): Span[] {
    const slots = [...this.#slots()].sort((a, b) => this.#lastReceive(b) - this.#lastReceive(a));
    return slots.slice(0, count).map((slot) => ({
      offset: this.#slab.view(slot).getFloat64(this.#slab.at(slot), true),
      length: this.#length(slot),
    }));
  }

  /** Forgets the least recently heard beyond `maxPeers`. Looks at all entries. */
  evict(maxPeers: number): void {
    if (this.size <= maxPeers) return;
    const since = this.#quantile([...this.#slots()], maxPeers);
    const tied: Address[] = [];
    for (const slot of this.#slots()) {
      if (this.#lastReceive(slot) < since) this.delete(this.#address(slot));
      else if (this.#lastReceive(slot) === since) tied.push(this.#address(slot));
    }
    for (const address of tied.slice(0, Math.max(0, this.size - maxPeers))) this.delete(address);
  }

  /** Since when about `maxPeers` of the peers were heard. Takes a sample of many. */
  heardSince(maxPeers: number): Millis {
    if (this.size <= maxPeers) return 0;
    const sample: number[] = [];
    const step = Math.max(1, Math.floor(this.#slab.end / SAMPLE));
    for (let slot = 0; slot < this.#slab.end; slot += step) if (this.#isUsed(slot)) sample.push(slot);
    return this.#quantile(sample, Math.floor((sample.length * maxPeers) / this.size));
  }

  /** The time since which `count` of `slots` were heard. */
  #quantile(slots: readonly number[], count: number): Millis {
    const times = Float64Array.from(slots, (slot) => this.#lastReceive(slot)).sort();
    return times[Math.max(0, times.length - count)] ?? Number.POSITIVE_INFINITY;
  }

  *#slots(): Generator<number> {
    for (let slot = 0; slot < this.#slab.end; slot++) if (this.#isUsed(slot)) yield slot;
  }

  #isUsed(slot: number): boolean {
    return this.#slab.view(slot).getUint8(this.#slab.at(slot) + USED) === 1;
  }

  #address(slot: number): Address {
    const view = this.#slab.view(slot);
    const at = this.#slab.at(slot);
    return view.getUint8(at + ADDRESS_HIGH) * TWO_POW_32 + view.getUint32(at + ADDRESS_LOW, true);
  }

  #lastReceive(slot: number): Millis {
    return this.#slab.view(slot).getFloat64(this.#slab.at(slot) + LAST_RECEIVE, true);
  }

  #length(slot: number): number {
    return this.#slab.view(slot).getUint16(this.#slab.at(slot) + LENGTH, true);
  }
}
