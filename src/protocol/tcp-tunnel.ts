/**
 * Messages of the tunnel that carries datagrams over TCP where UDP is blocked. They look like TLS records to a firewall
 * that knows no better. Both ways, one behind the other:
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | 3 | 17 03 03 |
 * | 3 | 2 | n, length of the payload |
 * | 5 | n | payload |
 *
 * | payload | n | client → proxy | proxy → client |
 * |---|---|---|---|
 * | major, minor (1 byte each), revision (2) | 4 | the greeting, once, first | |
 * | 04, IPv4, port (2), datagram | 7 + length | destination | source |
 * | 06, IPv6, port (2), datagram | 19 + length | destination | source |
 * | 00, datagram | 1 + length | not used | source not told |
 *
 * Facts: vl1-behaviour.md §7.1.
 */
import { Reader, Writer } from "./bytes.ts";
import { MAX_PHYSICAL_MTU_BYTES, VERSION_MAJOR, VERSION_MINOR, VERSION_REVISION } from "./constants.ts";
import { accept, refuse, type Verdict } from "./errors.ts";
import { type Endpoint, makeEndpoint } from "./inet-address.ts";

const RECORD_TYPE = 0x17;
const RECORD_VERSION = 0x03;
const RECORD_HEADER_BYTES = 5;
const GREETING_BYTES = 4;
const NO_ADDRESS = 0x00;
const IPV4 = 0x04;
const IPV6 = 0x06;
const MAX_ADDRESS_BYTES = 19;
/** No datagram is longer than the largest physical MTU; whoever announces more speaks something else. */
export const MAX_TUNNEL_PAYLOAD_BYTES = MAX_ADDRESS_BYTES + MAX_PHYSICAL_MTU_BYTES;

/** A client's first message. */
export interface TunnelGreeting {
  readonly kind: "greeting";
  readonly major: number;
  readonly minor: number;
  readonly revision: number;
}

/** A datagram on its way. `endpoint` is where it goes (from a client) or came from (to it); null = not told. */
export interface TunnelDatagram {
  readonly kind: "datagram";
  readonly endpoint: Endpoint | null;
  /** A view of the decoded bytes. */
  readonly bytes: Uint8Array;
}

export type TunnelMessage = TunnelGreeting | TunnelDatagram;

function record(payloadBytes: number): Writer {
  if (payloadBytes > MAX_TUNNEL_PAYLOAD_BYTES)
    throw new RangeError(`${payloadBytes} bytes do not fit a tunnel message`);
  const writer = new Writer(RECORD_HEADER_BYTES + payloadBytes);
  return writer.u8(RECORD_TYPE).u8(RECORD_VERSION).u8(RECORD_VERSION).u16(payloadBytes);
}

/** The greeting with our own version. */
export function encodeTunnelGreeting(): Uint8Array {
  return record(GREETING_BYTES).u8(VERSION_MAJOR).u8(VERSION_MINOR).u16(VERSION_REVISION).finish();
}

/** A datagram as a message. Throws RangeError if it is longer than MAX_PHYSICAL_MTU_BYTES. */
export function encodeTunnelDatagram(endpoint: Endpoint, bytes: Uint8Array): Uint8Array {
  const { ip, port, family } = endpoint;
  const type = family === 4 ? IPV4 : IPV6;
  return record(3 + ip.length + bytes.length)
    .u8(type)
    .bytes(ip)
    .u16(port)
    .bytes(bytes)
    .finish();
}

/** The meaning of one payload. */
export function decodeTunnelPayload(payload: Uint8Array): Verdict<TunnelMessage> {
  const reader = new Reader(payload);
  if (payload.length === GREETING_BYTES) {
    return accept({ kind: "greeting", major: reader.u8(), minor: reader.u8(), revision: reader.u16() });
  }
  const type = reader.u8();
  let endpoint: Endpoint | null = null;
  if (type === IPV4 || type === IPV6) {
    const ip = reader.bytes(type === IPV4 ? 4 : 16);
    const port = reader.u16();
    if (!reader.failed) endpoint = makeEndpoint(ip, port);
  } else if (type !== NO_ADDRESS) return refuse("bad_value", 0);
  if (reader.failed) return reader.refusal();
  return accept({ kind: "datagram", endpoint, bytes: reader.rest() });
}

/** Cuts a stream of bytes into payloads, however it arrives. Keeps at most one message that is not complete yet. */
export class TunnelParser {
  #held = new Uint8Array(0);
  #heldBytes = 0;
  #broken = false;

  /**
   * Hands each payload that is complete with `chunk` to `take`, as a view that is valid during the call. False once the
   * stream is no tunnel: nothing is handed on from then on, and the connection is of no use.
   */
  push(chunk: Uint8Array, take: (payload: Uint8Array) => void): boolean {
    let rest = chunk;
    while (!this.#broken && this.#heldBytes > 0 && rest.length > 0) rest = this.#complete(rest, take);
    let at = 0;
    while (!this.#broken && at < rest.length) {
      const end = at + this.#messageBytes(rest, at);
      if (this.#broken) break;
      if (end > rest.length || rest.length - at < RECORD_HEADER_BYTES) {
        this.#hold(rest.subarray(at));
        break;
      }
      take(rest.subarray(at + RECORD_HEADER_BYTES, end));
      at = end;
    }
    return !this.#broken;
  }

  /** Goes on with the message that is held; gives what of `chunk` lies behind it. */
  #complete(chunk: Uint8Array, take: (payload: Uint8Array) => void): Uint8Array {
    const header = this.#heldBytes < RECORD_HEADER_BYTES;
    const wanted = header ? RECORD_HEADER_BYTES : this.#messageBytes(this.#held, 0);
    const taken = chunk.subarray(0, wanted - this.#heldBytes);
    this.#hold(taken);
    if (this.#heldBytes === wanted) {
      const length = this.#messageBytes(this.#held, 0);
      if (!this.#broken && length === wanted) {
        this.#heldBytes = 0;
        take(this.#held.subarray(RECORD_HEADER_BYTES, length));
      }
    }
    return chunk.subarray(taken.length);
  }

  #hold(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#held.length === 0) this.#held = new Uint8Array(RECORD_HEADER_BYTES + MAX_TUNNEL_PAYLOAD_BYTES);
    this.#held.set(bytes, this.#heldBytes);
    this.#heldBytes += bytes.length;
    // What cannot become a header is noticed at its first wrong byte.
    this.#messageBytes(this.#held, 0, this.#heldBytes);
  }

  /** Length of the message at `at` as far as its header is there; marks the stream as broken if that is none. */
  #messageBytes(bytes: Uint8Array, at: number, end = bytes.length): number {
    const there = end - at;
    const isRecord =
      (there < 1 || bytes[at] === RECORD_TYPE) &&
      (there < 2 || bytes[at + 1] === RECORD_VERSION) &&
      (there < 3 || bytes[at + 2] === RECORD_VERSION);
    const payload = there < RECORD_HEADER_BYTES ? 0 : (bytes[at + 3]! << 8) | bytes[at + 4]!;
    if (!isRecord || payload > MAX_TUNNEL_PAYLOAD_BYTES) this.#broken = true;
    return RECORD_HEADER_BYTES + payload;
  }
}
