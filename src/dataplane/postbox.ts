/** The worker's end of the ring: copies datagrams and notices into it and rings the bell once per round. */
import { DESTINATION_OFFSET, SOURCE_OFFSET } from "../protocol/packet.ts";
import { low32 } from "../root/relay.ts";
import type { Batch } from "./batch.ts";
import type { PeerTable } from "./peer-table.ts";
import { FROM, FROM_BYTES, Kind, NOTICE_BYTES, type Ring } from "./ring.ts";

const MIN_BYTES_WITH_SOURCE = SOURCE_OFFSET + 5;

export class Postbox {
  readonly #ring: Ring;
  readonly #bell: Int32Array;
  readonly #batch: Batch;
  readonly #table: PeerTable;
  #posted = false;

  constructor(ring: Ring, bell: Int32Array, batch: Batch, table: PeerTable) {
    this.#ring = ring;
    this.#bell = bell;
    this.#batch = batch;
    this.#table = table;
  }

  /**
   * Hands a whole datagram to main. False if there is no room; the upper half of the ring is for peers that we know,
   * so that a flood of strangers does not keep them from being answered.
   */
  datagram(i: number, length: number, socket: number): boolean {
    if (this.#ring.used > this.#ring.capacity >> 1 && !this.#isKnown(i, length)) return false;
    const record = this.#ring.reserve(Kind.DATAGRAM, socket, length);
    if (record < 0) return false;
    const from = this.#batch.datagramAt(i) >> 2;
    const to = this.#ring.payloadAt(record) >> 2;
    for (let word = 0; word < (length + 3) >> 2; word++) this.#ring.words[to + word] = this.#batch.words[from + word]!;
    this.#finish(record, i);
    return true;
  }

  /** Tells main something about relayed datagram `i`. False if there is no room. */
  notice(kind: number, i: number, length: number, socket: number): boolean {
    const record = this.#ring.reserve(kind, socket, NOTICE_BYTES);
    if (record < 0) return false;
    const { bytes } = this.#batch;
    const at = this.#batch.datagramAt(i);
    const to = this.#ring.payloadAt(record) >> 2;
    this.#ring.words[to] = bytes[at + SOURCE_OFFSET]!;
    this.#ring.words[to + 1] = low32(bytes, at + SOURCE_OFFSET + 1);
    this.#ring.words[to + 2] = bytes[at + DESTINATION_OFFSET]!;
    this.#ring.words[to + 3] = low32(bytes, at + DESTINATION_OFFSET + 1);
    this.#ring.words[to + 4] = length;
    this.#finish(record, i);
    return true;
  }

  /** Wakes main if anything was posted since the last time; true if so. */
  ring(): boolean {
    if (!this.#posted) return false;
    this.#posted = false;
    Atomics.add(this.#bell, 0, 1);
    Atomics.notify(this.#bell, 0);
    return true;
  }

  #finish(record: number, i: number): void {
    const from = this.#batch.nameAt(i) >> 2;
    const to = (record + FROM) >> 2;
    for (let word = 0; word < FROM_BYTES >> 2; word++) this.#ring.words[to + word] = this.#batch.words[from + word]!;
    this.#ring.commit(record);
    this.#posted = true;
  }

  #isKnown(i: number, length: number): boolean {
    if (length < MIN_BYTES_WITH_SOURCE) return false;
    const { bytes } = this.#batch;
    const source = this.#batch.datagramAt(i) + SOURCE_OFFSET;
    return this.#table.find(bytes[source]!, low32(bytes, source + 1)) >= 0;
  }
}
