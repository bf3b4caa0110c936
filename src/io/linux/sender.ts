/**
 * Sends single datagrams by sendmsg, for whoever is not in the hurry of a relay: one prepared message whose parts lie
 * side by side in one piece of memory. The hop limit of one datagram travels with it as a control message, so that
 * others may send on the same socket meanwhile. Facts: sendmsg(2), ip(7), ipv6(7).
 */
import type { Endpoint } from "../../protocol/inet-address.ts";
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

/** No UDP payload is longer. */
const MAX_DATAGRAM_BYTES = 65_507;

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

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#words = new DataView(this.#bytes.buffer);
    this.#at = libc.addressOf(this.#bytes);
    this.#pointer(HEADER, NAME);
    this.#pointer(HEADER + 16, IOVEC);
    this.#words.setUint32(HEADER + 24, 1, true);
    this.#pointer(IOVEC, PAYLOAD);
    this.#words.setUint32(CONTROL, CONTROL_LENGTH, true);
  }

  /** Sends one datagram at once. Gives null, or the code of what went wrong. */
  send(fd: number, to: Endpoint, payload: Uint8Array, ttl?: number): string | null {
    if (payload.length > MAX_DATAGRAM_BYTES) return "EMSGSIZE";
    this.#bytes.set(payload, PAYLOAD);
    this.#words.setUint32(HEADER + 8, writeSockaddr(this.#bytes, NAME, to), true);
    this.#words.setUint32(IOVEC + 8, payload.length, true);
    this.#pointer(HEADER + 32, ttl === undefined ? null : CONTROL);
    this.#words.setUint32(HEADER + 40, ttl === undefined ? 0 : CONTROL_BYTES, true);
    if (ttl !== undefined) {
      this.#words.setInt32(CONTROL + 8, to.family === 4 ? SOL_IP : SOL_IPV6, true);
      this.#words.setInt32(CONTROL + 12, to.family === 4 ? IP_TTL : IPV6_HOPLIMIT, true);
      this.#words.setInt32(CONTROL + 16, ttl, true);
    }
    const sent = this.#libc.sendmsg(fd, this.#at + HEADER, MSG_DONTWAIT);
    return sent < 0 ? errnoName(this.#libc.errno()) : null;
  }

  /**
   * Sends datagrams that lie side by side as one message, which the kernel cuts every `pieces[0].length` bytes. Gives
   * null, or the code of what went wrong: then nothing was sent.
   */
  sendSegmented(fd: number, to: Endpoint, pieces: readonly Uint8Array[]): string | null {
    let length = 0;
    for (const piece of pieces) {
      if (length + piece.length > MAX_DATAGRAM_BYTES) return "EMSGSIZE";
      this.#bytes.set(piece, PAYLOAD + length);
      length += piece.length;
    }
    this.#words.setUint32(HEADER + 8, writeSockaddr(this.#bytes, NAME, to), true);
    this.#words.setUint32(IOVEC + 8, length, true);
    this.#pointer(HEADER + 32, CONTROL);
    this.#words.setUint32(HEADER + 40, CONTROL_BYTES, true);
    this.#words.setUint32(CONTROL, SEGMENT_CONTROL_LENGTH, true);
    this.#words.setInt32(CONTROL + 8, SOL_UDP, true);
    this.#words.setInt32(CONTROL + 12, UDP_SEGMENT, true);
    this.#words.setUint16(CONTROL + 16, pieces[0]!.length, true);
    const sent = this.#libc.sendmsg(fd, this.#at + HEADER, MSG_DONTWAIT);
    this.#words.setUint32(CONTROL, CONTROL_LENGTH, true);
    return sent < 0 ? errnoName(this.#libc.errno()) : null;
  }

  /** Writes the address of our offset `target` at `offset`; null is the null pointer. */
  #pointer(offset: number, target: number | null): void {
    this.#words.setBigUint64(offset, target === null ? 0n : BigInt(this.#at + target), true);
  }
}
