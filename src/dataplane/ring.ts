/**
 * A bounded queue in shared memory from a worker to the main thread: datagrams that the relay does not deal with and
 * small notices, or the frames of TAP devices. One writer, one reader, nobody waits: full means that the record is not taken.
 *
 * Header: word 0 = bytes ever written, word 1 = bytes ever read (both wrap around). Then records, 8-byte aligned and
 * never split; a record of kind SKIP fills the end when the next one does not fit there.
 *
 * | offset | size | field of a record |
 * |---|---|---|
 * | 0  | 4  | length of the whole record |
 * | 4  | 4  | kind |
 * | 8  | 4  | id of the local socket |
 * | 12 | 4  | length of the payload |
 * | 16 | 32 | socket address of the sender |
 * | 48 | …  | payload |
 */
export const Kind = {
  SKIP: 0,
  /** The payload is a datagram. */
  DATAGRAM: 1,
  /** A relayed pair should be introduced now. The payload is a Notice. */
  PAIR_DUE: 2,
  /** A relayed packet came from elsewhere than its source's path. The payload is a Notice. */
  ELSEWHERE: 3,
  /** The payload is a virtio_net_hdr and an Ethernet frame; the "socket" is the id of its TAP device. */
  FRAME: 4,
  /** The TAP device of that id cannot be read any more. The payload is the error, a word. */
  DEVICE_FAILED: 5,
} as const;

/** Words of a notice: source (high 8, low 32 bits), destination (the same), length of the packet. */
export const NOTICE_BYTES = 20;

const HEADER_BYTES = 64;
const RECORD_BYTES = 48;
const KIND = 4;
const SOCKET = 8;
const LENGTH = 12;
export const FROM = 16;
export const FROM_BYTES = 32;
const WRITTEN = 0;
const READ = 1;

/** What a reader sees of a record; one object is reused. Offsets are into `Ring.bytes`. */
export interface RingRecord {
  kind: number;
  socket: number;
  fromAt: number;
  payloadAt: number;
  payloadBytes: number;
}

export class Ring {
  readonly memory: SharedArrayBuffer;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly #capacity: number;
  readonly #record: RingRecord = { kind: 0, socket: 0, fromAt: 0, payloadAt: 0, payloadBytes: 0 };

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.bytes = new Uint8Array(memory);
    this.words = new Int32Array(memory);
    this.#capacity = memory.byteLength - HEADER_BYTES;
  }

  /** `capacityBytes` must be a power of two. */
  static create(capacityBytes: number): Ring {
    return new Ring(new SharedArrayBuffer(HEADER_BYTES + capacityBytes));
  }

  get capacity(): number {
    return this.#capacity;
  }

  /** Bytes in use. */
  get used(): number {
    return (Atomics.load(this.words, WRITTEN) - Atomics.load(this.words, READ)) | 0;
  }

  /**
   * Writer: room for a record with this much payload. Gives where the record begins in `bytes` (the sender's address
   * goes to FROM, the payload to `payloadAt`), or −1 if there is no room. Then fill it, then `commit`.
   */
  reserve(kind: number, socket: number, payloadBytes: number): number {
    const length = (RECORD_BYTES + payloadBytes + 7) & ~7;
    const free = this.#capacity - this.used;
    let at = this.words[WRITTEN]! & (this.#capacity - 1);
    const toEnd = this.#capacity - at;
    const needed = toEnd < length ? toEnd + length : length;
    if (needed > free) return -1;
    if (toEnd < length) {
      this.words[(HEADER_BYTES + at) >> 2] = toEnd;
      this.words[(HEADER_BYTES + at + KIND) >> 2] = Kind.SKIP;
      Atomics.store(this.words, WRITTEN, (this.words[WRITTEN]! + toEnd) | 0);
      at = 0;
    }
    const record = HEADER_BYTES + at;
    this.words[record >> 2] = length;
    this.words[(record + KIND) >> 2] = kind;
    this.words[(record + SOCKET) >> 2] = socket;
    this.words[(record + LENGTH) >> 2] = payloadBytes;
    return record;
  }

  /** Writer: a reserved record gets less payload than there is room for. */
  shorten(record: number, payloadBytes: number): void {
    this.words[record >> 2] = (RECORD_BYTES + payloadBytes + 7) & ~7;
    this.words[(record + LENGTH) >> 2] = payloadBytes;
  }

  /** Where the payload of a reserved record begins. */
  payloadAt(record: number): number {
    return record + RECORD_BYTES;
  }

  /** Writer: the record may be read. */
  commit(record: number): void {
    Atomics.store(this.words, WRITTEN, (this.words[WRITTEN]! + this.words[record >> 2]!) | 0);
  }

  /** Reader: the oldest record, valid until `release`; null if there is none. */
  peek(): RingRecord | null {
    while (this.used > 0) {
      const at = HEADER_BYTES + (this.words[READ]! & (this.#capacity - 1));
      const kind = this.words[(at + KIND) >> 2]!;
      if (kind !== Kind.SKIP) return this.#view(at, kind);
      this.release(at);
    }
    return null;
  }

  /** Reader: done with the record of the last `peek`. */
  release(record = HEADER_BYTES + (this.words[READ]! & (this.#capacity - 1))): void {
    Atomics.store(this.words, READ, (this.words[READ]! + this.words[record >> 2]!) | 0);
  }

  #view(at: number, kind: number): RingRecord {
    this.#record.kind = kind;
    this.#record.socket = this.words[(at + SOCKET) >> 2]!;
    this.#record.fromAt = at + FROM;
    this.#record.payloadAt = at + RECORD_BYTES;
    this.#record.payloadBytes = this.words[(at + LENGTH) >> 2]!;
    return this.#record;
  }
}
