/**
 * One batch of a relay worker: the memory that recvmmsg fills and sendmmsg reads, and the grouping in between. Nothing
 * is copied: what is sent points into what was received and into the peer table. Nothing is allocated either.
 *
 * Datagrams for one destination leave as one message that the kernel cuts again (UDP_SEGMENT): all of one size, the
 * last one may be shorter. The order of the datagrams for one destination is kept, so the pieces of fragmented packets
 * stay together; a longer one, or one behind a shorter one, begins a new message.
 * Facts: recvmmsg(2), udp(7).
 *
 * | part | for each of 1024 |
 * |---|---|
 * | received: headers, vectors, names | 64, 16, 32 bytes |
 * | to send: headers, vectors, controls | 64, 16, 32 bytes |
 * | datagrams | 10,368 bytes: the largest that a node may send |
 */
import { SOL_UDP, UDP_SEGMENT } from "../io/linux/udp.ts";

/**
 * Datagrams of one batch, as many as the kernel takes (UIO_MAXIOV). The more there are, the more go to the same place
 * and leave as one message: with 500 flows 1024 cost a sixth less than 256. Only who is overloaded has so many waiting.
 */
export const BATCH_DATAGRAMS = 1024;
/** Room for one datagram. Not a power of two, so that the headers do not all compete for the same cache lines. */
export const DATAGRAM_STRIDE_BYTES = 10_368;
/** The kernel cuts no more (UDP_MAX_SEGMENTS), and a message is no longer than an IP packet. */
const MAX_SEGMENTS = 64;
const MAX_MESSAGE_BYTES = 65_000;

export const MESSAGE_BYTES = 64;
const VECTOR_BYTES = 16;
const NAME_BYTES = 32;
const CONTROL_BYTES = 32;
const RX_VECTORS = BATCH_DATAGRAMS * MESSAGE_BYTES;
const RX_NAMES = RX_VECTORS + BATCH_DATAGRAMS * VECTOR_BYTES;
const TX_HEADERS = RX_NAMES + BATCH_DATAGRAMS * NAME_BYTES;
const TX_VECTORS = TX_HEADERS + BATCH_DATAGRAMS * MESSAGE_BYTES;
const TX_CONTROLS = TX_VECTORS + BATCH_DATAGRAMS * VECTOR_BYTES;
/** One more header, for a datagram of a message that the kernel refused. */
const SINGLE_HEADER = TX_CONTROLS + BATCH_DATAGRAMS * CONTROL_BYTES;
const DATAGRAMS = SINGLE_HEADER + MESSAGE_BYTES;

/** Offsets inside a message header (struct mmsghdr). */
const NAME = 0;
const NAME_LENGTH = 8;
const VECTOR = 16;
const VECTORS = 24;
const CONTROL = 32;
const CONTROL_LENGTH = 40;
const FLAGS = 48;
const LENGTH = 56;
/** struct cmsghdr with an u16, and the room that it takes. */
const CONTROL_MESSAGE_BYTES = 18;
const CONTROL_ROOM_BYTES = 24;
const SEGMENT_SIZE = 16;

const MSG_TRUNC = 0x20;
const FULL_NAME_BYTES = 28;
const TWO_POW_32 = 0x100000000;

/** Hash from an area to its open group: four times as many places as there can be groups. */
const PLACES = 4 * BATCH_DATAGRAMS;
const PLACE_SHIFT = Math.clz32(PLACES) + 1;
const NONE = -1;

export class Batch {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly #base: number;
  readonly #names: number;
  /** Groups: where they go, which datagrams. */
  readonly #area = new Int32Array(BATCH_DATAGRAMS);
  readonly #nameBytes = new Int32Array(BATCH_DATAGRAMS);
  readonly #size = new Int32Array(BATCH_DATAGRAMS);
  readonly #count = new Int32Array(BATCH_DATAGRAMS);
  readonly #total = new Int32Array(BATCH_DATAGRAMS);
  readonly #first = new Int32Array(BATCH_DATAGRAMS);
  readonly #last = new Int32Array(BATCH_DATAGRAMS);
  /** The next group of the same socket. */
  readonly #nextGroup = new Int32Array(BATCH_DATAGRAMS);
  #groups = 0;
  /** The next datagram of the same group, and each one's length. */
  readonly #next = new Int32Array(BATCH_DATAGRAMS);
  readonly #length = new Int32Array(BATCH_DATAGRAMS);
  /** First and last group of each socket. */
  readonly #head: Int32Array;
  readonly #tail: Int32Array;
  readonly #places = new Int32Array(PLACES);
  readonly #placeStamp = new Int32Array(PLACES);
  #stamp = 0;
  /** Messages laid out for sending: datagrams and bytes of each. */
  readonly messageDatagrams = new Int32Array(BATCH_DATAGRAMS);
  readonly messageBytes = new Int32Array(BATCH_DATAGRAMS);
  readonly #messageVector = new Int32Array(BATCH_DATAGRAMS);

  /**
   * `memory` begins at address `base` and has `Batch.BYTES`; `names` is the address of the memory that areas are
   * offsets of; `sockets` is how many there can be at most.
   */
  constructor(memory: Uint8Array, base: number, names: number, sockets: number) {
    this.bytes = memory;
    this.words = new Int32Array(memory.buffer, memory.byteOffset, memory.length >> 2);
    this.#base = base;
    this.#names = names;
    this.#head = new Int32Array(sockets).fill(NONE);
    this.#tail = new Int32Array(sockets).fill(NONE);
    for (let i = 0; i < BATCH_DATAGRAMS; i++) this.#prepare(i);
    this.words[(SINGLE_HEADER + VECTORS) >> 2] = 1;
  }

  static readonly BYTES = DATAGRAMS + BATCH_DATAGRAMS * DATAGRAM_STRIDE_BYTES;

  /** Address of the headers for recvmmsg. */
  get receiveHeaders(): number {
    return this.#base;
  }

  /** Address of the header of message `i` for sendmmsg. */
  sendHeader(i: number): number {
    return this.#base + TX_HEADERS + i * MESSAGE_BYTES;
  }

  /** Offset of datagram `i` in `bytes`. */
  datagramAt(i: number): number {
    return DATAGRAMS + i * DATAGRAM_STRIDE_BYTES;
  }

  /** Offset of the sender's socket address of datagram `i`. */
  nameAt(i: number): number {
    return RX_NAMES + i * NAME_BYTES;
  }

  /** Length of received datagram `i`; −1 if it did not fit. Makes its header ready for the next time. */
  take(i: number): number {
    const header = (i * MESSAGE_BYTES) >> 2;
    this.words[header + (NAME_LENGTH >> 2)] = FULL_NAME_BYTES;
    return this.words[header + (FLAGS >> 2)]! & MSG_TRUNC ? -1 : this.words[header + (LENGTH >> 2)]!;
  }

  /** A new batch: forgets all groups. */
  begin(): void {
    this.#groups = 0;
    this.#stamp++;
  }

  /** Datagram `i` leaves from `socket` (a small number) to the name in `area`. */
  add(i: number, length: number, area: number, nameBytes: number, socket: number): void {
    this.#length[i] = length;
    this.#next[i] = NONE;
    const place = this.#place(area);
    if (this.#placeStamp[place] === this.#stamp) {
      const group = this.#places[place]!;
      if (this.#takes(group, length)) {
        this.#next[this.#last[group]!] = i;
        this.#last[group] = i;
        this.#count[group]!++;
        this.#total[group]! += length;
        return;
      }
    }
    this.#placeStamp[place] = this.#stamp;
    this.#places[place] = this.#open(i, length, area, nameBytes, socket);
  }

  /** True if the message can grow by a datagram: nobody shorter came before, and it is no longer than the others. */
  #takes(group: number, length: number): boolean {
    const size = this.#size[group]!;
    const count = this.#count[group]!;
    const total = this.#total[group]!;
    return (
      length <= size &&
      length > 0 &&
      total === size * count &&
      count < MAX_SEGMENTS &&
      total + length <= MAX_MESSAGE_BYTES
    );
  }

  #open(i: number, length: number, area: number, nameBytes: number, socket: number): number {
    const group = this.#groups++;
    this.#area[group] = area;
    this.#nameBytes[group] = nameBytes;
    this.#size[group] = length;
    this.#count[group] = 1;
    this.#total[group] = length;
    this.#first[group] = i;
    this.#last[group] = i;
    this.#nextGroup[group] = NONE;
    if (this.#head[socket] === NONE) this.#head[socket] = group;
    else this.#nextGroup[this.#tail[socket]!] = group;
    this.#tail[socket] = group;
    return group;
  }

  /**
   * Lays out the messages of one socket and forgets its groups. With `segment` false each datagram is a message.
   * Gives their number; they begin at `sendHeader(0)`.
   */
  layOut(socket: number, segment: boolean): number {
    let message = 0;
    let vector = 0;
    for (let group = this.#head[socket]!; group !== NONE; group = this.#nextGroup[group]!) {
      const area = this.#area[group]!;
      const nameBytes = this.#nameBytes[group]!;
      if (segment) {
        this.#message(message, area, nameBytes, vector, this.#count[group]!, this.#size[group]!);
        this.messageBytes[message++] = this.#total[group]!;
      }
      for (let i = this.#first[group]!; i !== NONE; i = this.#next[i]!) {
        const at = (TX_VECTORS + vector * VECTOR_BYTES) >> 2;
        this.#pointer(at, this.#base + this.datagramAt(i));
        this.words[at + 2] = this.#length[i]!;
        if (!segment) {
          this.#message(message, area, nameBytes, vector, 1, 0);
          this.messageBytes[message++] = this.#length[i]!;
        }
        vector++;
      }
    }
    this.#head[socket] = NONE;
    return message;
  }

  /**
   * Makes a message of its own of datagram `part` of message `i`, which the kernel refused as a whole. Gives the
   * address of its header; its length is `singleBytes`.
   */
  single(i: number, part: number): number {
    const from = (TX_HEADERS + i * MESSAGE_BYTES) >> 2;
    const to = SINGLE_HEADER >> 2;
    for (let word = NAME >> 2; word <= NAME_LENGTH >> 2; word++) this.words[to + word] = this.words[from + word]!;
    this.#pointer(to + (VECTOR >> 2), this.#base + TX_VECTORS + (this.#messageVector[i]! + part) * VECTOR_BYTES);
    return this.#base + SINGLE_HEADER;
  }

  singleBytes(i: number, part: number): number {
    return this.words[((TX_VECTORS + (this.#messageVector[i]! + part) * VECTOR_BYTES) >> 2) + 2]!;
  }

  #message(i: number, area: number, nameBytes: number, vector: number, count: number, size: number): void {
    const at = (TX_HEADERS + i * MESSAGE_BYTES) >> 2;
    this.#pointer(at + (NAME >> 2), this.#names + area);
    this.words[at + (NAME_LENGTH >> 2)] = nameBytes;
    this.#pointer(at + (VECTOR >> 2), this.#base + TX_VECTORS + vector * VECTOR_BYTES);
    this.words[at + (VECTORS >> 2)] = count;
    this.words[at + (CONTROL_LENGTH >> 2)] = count > 1 ? CONTROL_ROOM_BYTES : 0;
    if (count > 1) this.words[(TX_CONTROLS + i * CONTROL_BYTES + SEGMENT_SIZE) >> 2] = size;
    this.messageDatagrams[i] = count;
    this.#messageVector[i] = vector;
  }

  /** The place of an area in the hash: its own, or a free one. There are always free ones. */
  #place(area: number): number {
    let place = Math.imul(area >>> 3, 0x9e3779b1) >>> PLACE_SHIFT;
    while (this.#placeStamp[place] === this.#stamp && this.#area[this.#places[place]!] !== area) {
      place = (place + 1) & (PLACES - 1);
    }
    return place;
  }

  /** What never changes in the headers. */
  #prepare(i: number): void {
    const rx = (i * MESSAGE_BYTES) >> 2;
    const vector = RX_VECTORS + i * VECTOR_BYTES;
    this.#pointer(rx + (NAME >> 2), this.#base + this.nameAt(i));
    this.words[rx + (NAME_LENGTH >> 2)] = FULL_NAME_BYTES;
    this.#pointer(rx + (VECTOR >> 2), this.#base + vector);
    this.words[rx + (VECTORS >> 2)] = 1;
    this.#pointer(vector >> 2, this.#base + this.datagramAt(i));
    this.words[(vector >> 2) + 2] = DATAGRAM_STRIDE_BYTES;
    const control = TX_CONTROLS + i * CONTROL_BYTES;
    this.#pointer((TX_HEADERS + i * MESSAGE_BYTES + CONTROL) >> 2, this.#base + control);
    this.words[control >> 2] = CONTROL_MESSAGE_BYTES;
    this.words[(control >> 2) + 2] = SOL_UDP;
    this.words[(control >> 2) + 3] = UDP_SEGMENT;
  }

  #pointer(word: number, address: number): void {
    this.words[word] = address | 0;
    this.words[word + 1] = (address / TWO_POW_32) | 0;
  }
}
