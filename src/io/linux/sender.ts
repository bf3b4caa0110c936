/**
 * Sends datagrams by sendmsg, for whoever is not a relay: one prepared message whose parts lie side by side in one piece
 * of memory. Datagrams to one place can be gathered, and leave as one message that the kernel cuts (UDP_SEGMENT). The hop
 * limit of one datagram travels with it as a control message, so that others may send on the same socket meanwhile.
 * Facts: sendmsg(2), ip(7), ipv6(7), udp(7).
 */
import { type Endpoint, endpointsEqual } from "../../protocol/inet-address.ts";
import { errnoName, type Libc } from "./libc.ts";
import { writeSockaddr } from "./sockaddr.ts";

const MSG_DONTWAIT = 0x40;
const SOL_IP = 0;
const IP_TTL = 2;
const SOL_IPV6 = 41;
const IPV6_HOPLIMIT = 52;
/** A control message with one int in it: its length, and the room it takes. */
const CONTROL_LENGTH = 20;
const CONTROL_BYTES = 24;

const SOL_UDP = 17;
const UDP_SEGMENT = 103;
/** A control message with one 16-bit number in it. */
const SEGMENT_CONTROL_LENGTH = 18;

/** The kernel cuts no more (UDP_MAX_SEGMENTS), and a message is no longer than an IP packet. */
const MAX_SEGMENTS = 64;
const MAX_MESSAGE_BYTES = 65_000;
/** No UDP payload is longer. */
export const MAX_DATAGRAM_BYTES = 65_507;

const HEADER = 0;
const IOVEC = 64;
const NAME = 80;
const CONTROL = 112;
const PAYLOAD = 192;

export class DatagramSender {
  readonly #libc: Libc;
  readonly #bytes = new Uint8Array(PAYLOAD + MAX_DATAGRAM_BYTES + 1);
  readonly #words: DataView;
  readonly #at: number;
  /** What was gathered: where it goes, how long the datagrams are (the last may be shorter), how many, bytes in all. */
  #fd = -1;
  #to: Endpoint = { family: 4, ip: new Uint8Array(4), port: 0 };
  #size = 0;
  #count = 0;
  #length = 0;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#words = new DataView(this.#bytes.buffer);
    this.#at = libc.addressOf(this.#bytes);
    this.#pointer(HEADER, NAME);
    this.#pointer(HEADER + 16, IOVEC);
    this.#words.setUint32(HEADER + 24, 1, true);
    this.#pointer(IOVEC, PAYLOAD);
  }

  /** Sends one datagram at once; nothing may be gathered. Gives null, or the code of what went wrong. */
  send(fd: number, to: Endpoint, payload: Uint8Array, ttl?: number): string | null {
    if (payload.length > MAX_DATAGRAM_BYTES) return "EMSGSIZE";
    this.#bytes.set(payload, PAYLOAD);
    this.#words.setUint32(HEADER + 8, writeSockaddr(this.#bytes, NAME, to), true);
    this.#words.setUint32(IOVEC + 8, payload.length, true);
    this.#pointer(HEADER + 32, ttl === undefined ? null : CONTROL);
    this.#words.setUint32(HEADER + 40, ttl === undefined ? 0 : CONTROL_BYTES, true);
    if (ttl !== undefined) {
      this.#words.setUint32(CONTROL, CONTROL_LENGTH, true);
      this.#words.setInt32(CONTROL + 8, to.family === 4 ? SOL_IP : SOL_IPV6, true);
      this.#words.setInt32(CONTROL + 12, to.family === 4 ? IP_TTL : IPV6_HOPLIMIT, true);
      this.#words.setInt32(CONTROL + 16, ttl, true);
    }
    const sent = this.#libc.sendmsg(fd, this.#at + HEADER, MSG_DONTWAIT);
    return sent < 0 ? errnoName(this.#libc.errno()) : null;
  }

  /** Datagrams that were gathered and have not been sent. */
  get gathered(): number {
    return this.#count;
  }

  /** Their bytes. */
  get gatheredBytes(): number {
    return this.#length;
  }

  /**
   * Puts a datagram behind those that were gathered. False if it cannot leave in one message with them: it goes another
   * way, is longer, or they are as many as the kernel takes; send them first. At most MAX_DATAGRAM_BYTES.
   */
  gather(fd: number, to: Endpoint, payload: Uint8Array): boolean {
    const { length } = payload;
    if (this.#count === 0) {
      this.#fd = fd;
      this.#to = to;
      this.#size = length;
    } else if (!this.#takes(fd, to, length)) return false;
    this.#bytes.set(payload, PAYLOAD + this.#length);
    this.#count++;
    this.#length += length;
    return true;
  }

  /** Sends what was gathered as one message, which the kernel cuts again. Gives null, or the code of what went wrong. */
  sendGathered(): string | null {
    const sent = this.#sendFrom(0, this.#length, this.#count > 1);
    return sent < 0 ? errnoName(this.#libc.errno()) : null;
  }

  /** The same one by one; `each` hears what became of every datagram. */
  sendGatheredSingly(each: (failed: string | null, bytes: number) => void): void {
    for (let at = 0; at < this.#length; at += this.#size) {
      const bytes = Math.min(this.#size, this.#length - at);
      each(this.#sendFrom(at, bytes, false) < 0 ? errnoName(this.#libc.errno()) : null, bytes);
    }
  }

  /** What was gathered has been dealt with. */
  forgetGathered(): void {
    this.#count = 0;
    this.#length = 0;
  }

  /** All but the last have one size, and nothing follows a shorter one. */
  #takes(fd: number, to: Endpoint, length: number): boolean {
    return (
      fd === this.#fd &&
      length > 0 &&
      length <= this.#size &&
      this.#length === this.#size * this.#count &&
      this.#count < MAX_SEGMENTS &&
      this.#length + length <= MAX_MESSAGE_BYTES &&
      (to === this.#to || endpointsEqual(to, this.#to))
    );
  }

  #sendFrom(at: number, bytes: number, cut: boolean): number {
    this.#words.setUint32(HEADER + 8, writeSockaddr(this.#bytes, NAME, this.#to), true);
    this.#pointer(IOVEC, PAYLOAD + at);
    this.#words.setUint32(IOVEC + 8, bytes, true);
    this.#pointer(HEADER + 32, cut ? CONTROL : null);
    this.#words.setUint32(HEADER + 40, cut ? CONTROL_BYTES : 0, true);
    if (cut) {
      this.#words.setUint32(CONTROL, SEGMENT_CONTROL_LENGTH, true);
      this.#words.setInt32(CONTROL + 8, SOL_UDP, true);
      this.#words.setInt32(CONTROL + 12, UDP_SEGMENT, true);
      this.#words.setUint16(CONTROL + 16, this.#size, true);
    }
    const sent = this.#libc.sendmsg(this.#fd, this.#at + HEADER, MSG_DONTWAIT);
    this.#pointer(IOVEC, PAYLOAD);
    return sent;
  }

  /** Writes the address of our offset `target` at `offset`; null is the null pointer. */
  #pointer(offset: number, target: number | null): void {
    this.#words.setBigUint64(offset, target === null ? 0n : BigInt(this.#at + target), true);
  }
}
