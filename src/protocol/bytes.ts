/**
 * Cursors over bytes, big-endian. `Reader` is for hostile input: running over the end does not throw, it marks
 * the reader as failed, returns zeros from then on, and the decoder asks once at its end. `Writer` grows.
 */
import { type Address, readAddress, writeAddress } from "./address.ts";
import { type Refusal, refuse } from "./errors.ts";

const EMPTY = new Uint8Array(0);

/** Reads big-endian fields from `bytes[offset..end)`. Nothing is copied: `bytes()` returns views. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  offset: number;
  /** Offset of the first read that ran over the end, or −1. */
  #failedAt = -1;

  constructor(bytes: Uint8Array, offset = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.offset = offset;
    this.#end = Math.min(end, bytes.length);
  }

  /** Bytes left; 0 once failed. */
  get remaining(): number {
    return this.#failedAt >= 0 ? 0 : this.#end - this.offset;
  }

  get failed(): boolean {
    return this.#failedAt >= 0;
  }

  /** The refusal to return when `failed`. */
  refusal(): Refusal {
    return refuse("too_short", this.#failedAt);
  }

  #take(count: number): number {
    const at = this.offset;
    if (this.#failedAt >= 0 || count > this.#end - at) {
      if (this.#failedAt < 0) this.#failedAt = at;
      return -1;
    }
    this.offset = at + count;
    return at;
  }

  u8(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : this.#bytes[at]!;
  }

  u16(): number {
    const at = this.#take(2);
    return at < 0 ? 0 : (this.#bytes[at]! << 8) | this.#bytes[at + 1]!;
  }

  u32(): number {
    const at = this.#take(4);
    if (at < 0) return 0;
    const b = this.#bytes;
    return ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0;
  }

  u64(): bigint {
    const high = this.u32();
    const low = this.u32();
    return (BigInt(high) << 32n) | BigInt(low);
  }

  /** Six bytes (a MAC) as an exact integer. */
  u48(): number {
    const high = this.u16();
    return high * 0x100000000 + this.u32();
  }

  address(): Address {
    const at = this.#take(5);
    return at < 0 ? 0 : readAddress(this.#bytes, at);
  }

  /** A view of `count` bytes (empty when there are not that many). Copy it to keep it. */
  bytes(count: number): Uint8Array {
    const at = this.#take(count);
    return at < 0 ? EMPTY : this.#bytes.subarray(at, at + count);
  }

  /** A view of what was read since `start`, an earlier value of `offset`. */
  since(start: number): Uint8Array {
    return this.#bytes.subarray(start, this.offset);
  }

  /** A view of everything that is left. */
  rest(): Uint8Array {
    return this.bytes(this.remaining);
  }

  skip(count: number): void {
    this.#take(count);
  }
}

/** Writes big-endian fields into a buffer that grows by doubling. */
export class Writer {
  #bytes: Uint8Array;
  length: number;

  /** `headroom` bytes of zeros are left in front, for a packet header that is filled later. */
  constructor(capacity = 256, headroom = 0) {
    this.#bytes = new Uint8Array(Math.max(capacity, headroom));
    this.length = headroom;
  }

  #grow(count: number): number {
    const at = this.length;
    const need = at + count;
    if (need > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(need, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.length = need;
    return at;
  }

  u8(value: number): this {
    const at = this.#grow(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value;
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#bytes[at] = value >>> 24;
    this.#bytes[at + 1] = value >>> 16;
    this.#bytes[at + 2] = value >>> 8;
    this.#bytes[at + 3] = value;
    return this;
  }

  u64(value: bigint): this {
    return this.u32(Number((value >> 32n) & 0xffffffffn)).u32(Number(value & 0xffffffffn));
  }

  /** Six bytes (a MAC) from an exact integer. */
  u48(value: number): this {
    return this.u16(Math.floor(value / 0x100000000)).u32(value % 0x100000000);
  }

  address(value: Address): this {
    // Grow first: it may replace the buffer.
    const at = this.#grow(5);
    writeAddress(this.#bytes, at, value);
    return this;
  }

  bytes(value: Uint8Array): this {
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** What was written so far (headroom included), as a view of the internal buffer. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }
}

/** Lower-case hex of `bytes`. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += (byte < 16 ? "0" : "") + byte.toString(16);
  return text;
}

/** Bytes of an even-length hex string (either case), or null if it is anything else. */
export function fromHex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return null;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** Plain comparison; for secrets and MACs use the constant-time one of `crypto/`. */
export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
