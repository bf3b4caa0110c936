/**
 * Merges TCP segments that follow one another into one large frame, as network cards do (GRO): the kernel then has one
 * frame to deal with instead of dozens, and its TCP acknowledges them together. What it may not change is what a
 * receiver reads, so only segments are merged that differ in nothing but sequence number, length, checksums and IP id,
 * whose checksums are right, and which the sender lets nobody fragment.
 *
 * A merged frame stands behind a virtio_net_hdr (10 bytes, host order; linux/virtio_net.h), which tells the kernel
 * where one segment ends and that it has to complete the checksum:
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | 1 | flags: 1 = the checksum covers only the pseudo header yet |
 * | 1 | 1 | kind: 0 = one plain frame, 1 = TCP over IPv4, 4 = TCP over IPv6 |
 * | 2 | 2 | length of all headers, Ethernet's included |
 * | 4 | 2 | payload of each segment (the last may be shorter) |
 * | 6 | 2 | where the checksum begins to count |
 * | 8 | 2 | where it stands, from there |
 */
import { ETHER_TYPE_OFFSET, ETHERNET_HEADER_BYTES, EtherType } from "../protocol/ethernet.ts";

export const VIRTIO_HEADER_BYTES = 10;
/** Where a frame begins, and its IP header: that is so on a word boundary. */
export const FRAME_AT = VIRTIO_HEADER_BYTES;
const IP_AT = FRAME_AT + ETHERNET_HEADER_BYTES;
const MAX_IP_BYTES = 65_535;
export const MERGED_BYTES = IP_AT + MAX_IP_BYTES + 1;

const NEEDS_CHECKSUM = 1;
const GSO_TCPV4 = 1;
const GSO_TCPV6 = 4;

const TCP = 6;
const IPV4_HEADER_BYTES = 20;
const IPV4_WITHOUT_OPTIONS = 0x45;
const IPV4_LENGTH = 2;
const IPV4_FLAGS = 6;
const IPV4_DONT_FRAGMENT = 0x4000;
const IPV4_PROTOCOL = 9;
const IPV4_CHECKSUM = 10;
const IPV4_ADDRESSES = 12;
const IPV6_HEADER_BYTES = 40;
const IPV6_LENGTH = 4;
const IPV6_NEXT_HEADER = 6;
const IPV6_ADDRESSES = 8;
const TCP_HEADER_BYTES = 20;
const TCP_SEQUENCE = 4;
const TCP_ACKNOWLEDGED = 8;
const TCP_OFFSET = 12;
const TCP_FLAGS = 13;
const TCP_CHECKSUM = 16;
const ACK = 0x10;
const PSH = 0x08;
const TWO_POW_32 = 0x100000000;

/** Memory for one frame behind its header, merged or not. */
export class FrameBuffer {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly #halves: Uint16Array;

  /** `memory`: MERGED_BYTES, on a word boundary. */
  constructor(memory = new ArrayBuffer(MERGED_BYTES)) {
    this.bytes = new Uint8Array(memory);
    this.words = new Uint32Array(memory);
    this.#halves = new Uint16Array(memory, 0, VIRTIO_HEADER_BYTES >> 1);
  }

  /** Host order, as the kernel wants it. `at` is even and within the header. */
  setHeaderHalf(at: number, value: number): void {
    this.#halves[at >> 1] = value;
  }

  half(at: number): number {
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!;
  }

  setHalf(at: number, value: number): void {
    this.bytes[at] = value >> 8;
    this.bytes[at + 1] = value;
  }

  word(at: number): number {
    return this.half(at) * 0x10000 + this.half(at + 2);
  }
}

/** What a frame in a FrameBuffer is. */
export interface Segment {
  /** Where its TCP header begins; 0 if it has none, or none that can be made out. */
  tcpAt: number;
  dataAt: number;
  end: number;
  /** May be merged with others. */
  merges: boolean;
}

/** What is merged so far: a whole frame whose lengths and checksums are not adjusted yet. */
export class Merged {
  readonly buffer: FrameBuffer;
  /** Segments in it. */
  count = 0;
  #tcpAt = 0;
  #dataAt = 0;
  #end = 0;
  #segmentBytes = 0;
  #nextSequence = 0;
  #closed = false;

  constructor(buffer: FrameBuffer) {
    this.buffer = buffer;
  }

  /** Begins with a frame that is in the buffer already. */
  begin(segment: Segment): void {
    const { tcpAt, dataAt, end } = segment;
    this.count = 1;
    this.#tcpAt = tcpAt;
    this.#dataAt = dataAt;
    this.#end = end;
    this.#segmentBytes = end - dataAt;
    this.#nextSequence = (this.buffer.word(tcpAt + TCP_SEQUENCE) + this.#segmentBytes) % TWO_POW_32;
    this.#closed = (this.buffer.bytes[tcpAt + TCP_FLAGS]! & PSH) !== 0;
  }

  /** Same MACs, addresses and ports. */
  hasFlowOf(other: FrameBuffer, { tcpAt }: Segment): boolean {
    if (tcpAt !== this.#tcpAt) return false;
    const addresses = tcpAt === IP_AT + IPV4_HEADER_BYTES ? IP_AT + IPV4_ADDRESSES : IP_AT + IPV6_ADDRESSES;
    return this.#same(other, FRAME_AT, IP_AT) && this.#same(other, addresses, tcpAt + TCP_SEQUENCE);
  }

  /** Puts a segment of the same flow behind the others; false if it may not be merged with them. */
  append(other: FrameBuffer, { tcpAt, dataAt, end }: Segment): boolean {
    const bytes = end - dataAt;
    const fits = bytes <= this.#segmentBytes && this.#end + bytes <= IP_AT + MAX_IP_BYTES;
    if (this.#closed || !fits || dataAt !== this.#dataAt) return false;
    if (other.word(tcpAt + TCP_SEQUENCE) !== this.#nextSequence || !this.#headersAgree(other, tcpAt, dataAt))
      return false;
    this.buffer.bytes.set(other.bytes.subarray(dataAt, end), this.#end);
    this.#end += bytes;
    this.count++;
    this.#nextSequence = (this.#nextSequence + bytes) % TWO_POW_32;
    const push = other.bytes[tcpAt + TCP_FLAGS]! & PSH;
    this.buffer.bytes[tcpAt + TCP_FLAGS]! |= push;
    this.#closed = push !== 0 || bytes < this.#segmentBytes;
    return true;
  }

  /** Everything but lengths, IP id, checksums, sequence number and PSH. */
  #headersAgree(other: FrameBuffer, tcpAt: number, dataAt: number): boolean {
    const ip =
      tcpAt === IP_AT + IPV4_HEADER_BYTES
        ? this.#same(other, IP_AT, IP_AT + IPV4_LENGTH) && this.#same(other, IP_AT + IPV4_FLAGS, IP_AT + IPV4_CHECKSUM)
        : this.#same(other, IP_AT, IP_AT + IPV6_LENGTH) &&
          this.#same(other, IP_AT + IPV6_NEXT_HEADER, IP_AT + IPV6_ADDRESSES);
    return (
      ip &&
      this.#same(other, tcpAt + TCP_ACKNOWLEDGED, tcpAt + TCP_FLAGS) &&
      this.#same(other, tcpAt + TCP_FLAGS + 1, tcpAt + TCP_CHECKSUM) &&
      this.#same(other, tcpAt + TCP_CHECKSUM + 2, dataAt)
    );
  }

  #same(other: FrameBuffer, from: number, to: number): boolean {
    for (let i = from; i < to; i++) if (this.buffer.bytes[i] !== other.bytes[i]) return false;
    return true;
  }

  /** Adjusts header, lengths and checksums. Gives how many bytes of the buffer are to be written. */
  finish(): number {
    if (this.count === 1) return this.#end;
    const { buffer } = this;
    const isIpv4 = this.#tcpAt === IP_AT + IPV4_HEADER_BYTES;
    buffer.bytes[0] = NEEDS_CHECKSUM;
    buffer.bytes[1] = isIpv4 ? GSO_TCPV4 : GSO_TCPV6;
    buffer.setHeaderHalf(2, this.#dataAt - FRAME_AT);
    buffer.setHeaderHalf(4, this.#segmentBytes);
    buffer.setHeaderHalf(6, this.#tcpAt - FRAME_AT);
    buffer.setHeaderHalf(8, TCP_CHECKSUM);
    if (isIpv4) {
      buffer.setHalf(IP_AT + IPV4_LENGTH, this.#end - IP_AT);
      buffer.setHalf(IP_AT + IPV4_CHECKSUM, 0);
      buffer.setHalf(IP_AT + IPV4_CHECKSUM, ~folded(sumOf(buffer, IP_AT, this.#tcpAt)) & 0xffff);
    } else buffer.setHalf(IP_AT + IPV6_LENGTH, this.#end - this.#tcpAt);
    buffer.setHalf(this.#tcpAt + TCP_CHECKSUM, folded(pseudoHeader(buffer, this.#tcpAt, this.#end)));
    return this.#end;
  }
}

/** Looks at the frame in a buffer, which ends at `end`. One object is reused for the answer. */
export function segmentIn(buffer: FrameBuffer, end: number): Segment {
  const tcpAt = tcpOf(buffer, end);
  const hasHeader = tcpAt !== 0 && end >= tcpAt + TCP_HEADER_BYTES;
  found.tcpAt = hasHeader ? tcpAt : 0;
  found.dataAt = hasHeader ? tcpAt + (buffer.bytes[tcpAt + TCP_OFFSET]! >> 4) * 4 : 0;
  found.end = end;
  found.merges = hasHeader && mayMerge(buffer, found);
  return found;
}

const found: Segment = { tcpAt: 0, dataAt: 0, end: 0, merges: false };

/** It has data (an acknowledgement without tells something each time), no rare flags, and is undamaged. */
function mayMerge(buffer: FrameBuffer, { tcpAt, dataAt, end }: Segment): boolean {
  const flags = buffer.bytes[tcpAt + TCP_FLAGS]! & ~PSH;
  if (flags !== ACK || dataAt < tcpAt + TCP_HEADER_BYTES || dataAt >= end) return false;
  return folded(sumOf(buffer, tcpAt, end) + pseudoHeader(buffer, tcpAt, end)) === 0xffff;
}

/** Where the TCP header begins; 0 if there is none that may be looked at. */
function tcpOf(buffer: FrameBuffer, end: number): number {
  const { bytes } = buffer;
  const etherType = buffer.half(FRAME_AT + ETHER_TYPE_OFFSET);
  if (etherType === EtherType.IPV4) {
    const isPlain =
      end >= IP_AT + IPV4_HEADER_BYTES &&
      bytes[IP_AT] === IPV4_WITHOUT_OPTIONS &&
      bytes[IP_AT + IPV4_PROTOCOL] === TCP &&
      buffer.half(IP_AT + IPV4_FLAGS) === IPV4_DONT_FRAGMENT &&
      buffer.half(IP_AT + IPV4_LENGTH) === end - IP_AT &&
      folded(sumOf(buffer, IP_AT, IP_AT + IPV4_HEADER_BYTES)) === 0xffff;
    return isPlain ? IP_AT + IPV4_HEADER_BYTES : 0;
  }
  if (etherType !== EtherType.IPV6) return 0;
  const isPlain =
    end >= IP_AT + IPV6_HEADER_BYTES &&
    bytes[IP_AT]! >> 4 === 6 &&
    bytes[IP_AT + IPV6_NEXT_HEADER] === TCP &&
    buffer.half(IP_AT + IPV6_LENGTH) === end - IP_AT - IPV6_HEADER_BYTES;
  return isPlain ? IP_AT + IPV6_HEADER_BYTES : 0;
}

/** The part of TCP's checksum that is made of addresses, protocol and length; not folded. */
function pseudoHeader(buffer: FrameBuffer, tcpAt: number, end: number): number {
  const addresses = tcpAt === IP_AT + IPV4_HEADER_BYTES ? IP_AT + IPV4_ADDRESSES : IP_AT + IPV6_ADDRESSES;
  return sumOf(buffer, addresses, tcpAt) + TCP + (end - tcpAt);
}

/**
 * The sum of 16-bit big-endian numbers from `from`, which is on a word boundary, to `to`, an odd last byte counting as if
 * a 0 followed; at most 16 bits. Words are added as they lie in memory, which on a little-endian machine (io/linux/libc.ts
 * has no other) is the same sum with its bytes exchanged (RFC 1071 §2 B).
 */
function sumOf({ bytes, words }: FrameBuffer, from: number, to: number): number {
  let sum = 0;
  const whole = to & ~3;
  for (let i = from >> 2; i < whole >> 2; i++) sum += words[i]!;
  let tail = 0;
  for (let i = whole; i < to; i++) tail |= bytes[i]! << (8 * (i - whole));
  const inMemory = folded(sum + (tail >>> 0));
  return ((inMemory & 0xff) << 8) | (inMemory >> 8);
}

/** Carries added until 16 bits are left. At most 2^53. */
function folded(sum: number): number {
  let high = Math.floor(sum / TWO_POW_32);
  let low = sum % TWO_POW_32;
  low = (low >>> 16) + (low & 0xffff) + (high >>> 16) + (high & 0xffff);
  while (low > 0xffff) {
    high = low >>> 16;
    low = (low & 0xffff) + high;
  }
  return low;
}
