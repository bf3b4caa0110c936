/**
 * A ring of prepared frames that goes round and round: message headers, vectors and packet heads in one region, the
 * rest of each payload shared. Sending is one system call per batch and no work per packet.
 */
import { PAYLOAD_OFFSET } from "./frames.ts";
import { closeDescriptor, mapRegion, openFrameSocket, type Region, sendMessages } from "./libc.ts";

/** struct mmsghdr. */
const MESSAGE_BYTES = 64;
/** struct iovec. */
const VECTOR_BYTES = 16;
/** Room for what stands before the payload, and for the head of a packet. */
const HEADERS_BYTES = 64;
const HEAD_BYTES = 32;
const SHARED_BYTES = 2048;
/** Messages per system call at most. */
const BATCH_MESSAGES = 64;

/** The beginning of one datagram's payload: `write(memory, at)` writes `headBytes`, the others are zeros. */
export interface RingSegment {
  readonly headBytes: number;
  readonly bytes: number;
  readonly write: (memory: Uint8Array, at: number) => void;
}

/** Region that `messages` messages with `segments` datagrams in all need, in bytes. */
export function ringBytes(messages: number, segments: number): number {
  return (
    SHARED_BYTES +
    messages * (MESSAGE_BYTES + VECTOR_BYTES + HEADERS_BYTES) +
    segments * (2 * VECTOR_BYTES + HEAD_BYTES)
  );
}

/** Sends prepared frames in order, again and again. Memory is kept until the process ends; use `reset` to reuse it. */
export class FrameRing {
  readonly #socket: number;
  #region: Region;
  #view: DataView;
  #messages = 0;
  #length = 0;
  #used = 0;
  #next = 0;
  /** Datagrams and payload bytes of each message. */
  #packets = new Uint16Array(0);
  #bytes = new Uint32Array(0);
  /** Sent since the beginning. */
  sentPackets = 0;
  sentBytes = 0;

  /** A ring that sends through the interface with this index. */
  constructor(interfaceIndex: number) {
    this.#region = { address: 0, bytes: new Uint8Array(0) };
    this.#view = new DataView(new ArrayBuffer(0));
    this.#socket = openFrameSocket(interfaceIndex);
  }

  /** Forgets all frames and makes room for new ones. */
  reset(messages: number, segments: number): void {
    const needed = ringBytes(messages, segments);
    if (needed > this.#region.bytes.length) {
      this.#region = mapRegion(needed);
      this.#view = new DataView(this.#region.bytes.buffer);
    }
    this.#packets = new Uint16Array(messages);
    this.#bytes = new Uint32Array(messages);
    this.#messages = messages;
    this.#region.bytes.fill(0);
    this.#length = 0;
    this.#next = 0;
    this.#used = SHARED_BYTES + messages * MESSAGE_BYTES;
  }

  /** Adds a message: its headers by `write`, then its datagrams. */
  add(write: (memory: Uint8Array, at: number) => void, segments: readonly RingSegment[]): void {
    if (this.#length >= this.#messages) throw new RangeError("the ring is full");
    const { address, bytes } = this.#region;
    const message = SHARED_BYTES + this.#length * MESSAGE_BYTES;
    const headers = this.#take(HEADERS_BYTES);
    const vectors = this.#take((1 + 2 * segments.length) * VECTOR_BYTES);
    write(bytes, headers);
    this.#vector(vectors, headers, PAYLOAD_OFFSET);
    let vector = vectors + VECTOR_BYTES;
    let payload = 0;
    for (const segment of segments) {
      const head = this.#take(HEAD_BYTES);
      segment.write(bytes, head);
      this.#vector(vector, head, segment.headBytes);
      this.#vector(vector + VECTOR_BYTES, 0, segment.bytes - segment.headBytes);
      vector += 2 * VECTOR_BYTES;
      payload += segment.bytes;
    }
    this.#pointer(message + 16, address + vectors);
    this.#pointer(message + 24, 1 + 2 * segments.length);
    this.#packets[this.#length] = segments.length;
    this.#bytes[this.#length] = payload;
    this.#length++;
  }

  /** Sends messages until about `packets` packets are out, one batch at most. Returns the packets sent. */
  send(packets: number): number {
    let count = 0;
    for (let rest = packets, at = this.#next; rest > 0 && count < BATCH_MESSAGES && at < this.#length; at++, count++) {
      rest -= this.#packets[at]!;
    }
    const address = this.#region.address + SHARED_BYTES + this.#next * MESSAGE_BYTES;
    const taken = Math.max(0, sendMessages(this.#socket, address, count));
    let sent = 0;
    for (let i = 0; i < taken; i++, this.#next++) {
      sent += this.#packets[this.#next]!;
      this.sentBytes += this.#bytes[this.#next]!;
    }
    if (this.#next >= this.#length) this.#next = 0;
    this.sentPackets += sent;
    return sent;
  }

  close(): void {
    closeDescriptor(this.#socket);
  }

  #take(bytes: number): number {
    const at = this.#used;
    this.#used += bytes;
    return at;
  }

  #vector(at: number, offset: number, bytes: number): void {
    this.#pointer(at, this.#region.address + offset);
    this.#pointer(at + 8, bytes);
  }

  #pointer(at: number, value: number): void {
    this.#view.setBigUint64(at, BigInt(value), true);
  }
}
