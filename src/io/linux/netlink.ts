/**
 * The kernel's networking by rtnetlink: links, addresses, routes. Facts: netlink(7), rtnetlink(7). Every request is
 * answered by the kernel within the call, so waiting for the answer does not hold anybody up.
 */
import { type Libc, SystemError } from "./libc.ts";
import { setInt } from "./udp.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0x80000;
const NETLINK_ROUTE = 0;
const SOL_NETLINK = 270;
const NETLINK_EXT_ACK = 11;
const MSG_TRUNC = 0x20;

const NLMSG_HEADER_BYTES = 16;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const ATTRIBUTE_HEADER_BYTES = 4;

export const Flag = { REQUEST: 0x1, ACK: 0x4, REPLACE: 0x100, EXCLUSIVE: 0x200, CREATE: 0x400, DUMP: 0x300 } as const;

/** The kernel's answer to a request that it refuses. */
export class NetlinkError extends Error {
  override readonly name = "NetlinkError";
  /** As `EEXIST`. */
  readonly code: string;

  constructor(what: string, errno: number) {
    const { code } = new SystemError(what, errno);
    super(`${what}: ${code}`);
    this.code = code;
  }
}

/** One message of the kernel: what is behind its header. */
export interface NetlinkMessage {
  readonly type: number;
  readonly body: Uint8Array;
}

/** An attribute of a request. */
export type Attribute = readonly [type: number, value: Uint8Array];

export class Netlink {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #buffer = new Uint8Array(65_536);
  #sequence = 0;

  /** Throws a SystemError. */
  constructor(libc: Libc) {
    this.#libc = libc;
    this.#fd = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (this.#fd < 0) throw new SystemError("socket", libc.errno());
    setInt(libc, this.#fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
  }

  close(): void {
    this.#libc.close(this.#fd);
  }

  /** Sends a request and takes its acknowledgement. `what` names it in the NetlinkError that a refusal throws. */
  request(what: string, type: number, flags: number, header: Uint8Array, attributes: readonly Attribute[] = []): void {
    this.#send(type, Flag.REQUEST | Flag.ACK | flags, header, attributes);
    for (const { type: answer, body } of this.#receive()) {
      if (answer !== NLMSG_ERROR) continue;
      const errno = -new DataView(body.buffer, body.byteOffset).getInt32(0, true);
      if (errno !== 0) throw new NetlinkError(what, errno);
      return;
    }
  }

  /** Everything of one kind. */
  dump(what: string, type: number, header: Uint8Array): NetlinkMessage[] {
    this.#send(type, Flag.REQUEST | Flag.DUMP, header, []);
    const all: NetlinkMessage[] = [];
    for (;;) {
      for (const message of this.#receive()) {
        if (message.type === NLMSG_DONE) return all;
        if (message.type === NLMSG_ERROR) {
          const errno = -new DataView(message.body.buffer, message.body.byteOffset).getInt32(0, true);
          throw new NetlinkError(what, errno);
        }
        all.push(message);
      }
    }
  }

  #send(type: number, flags: number, header: Uint8Array, attributes: readonly Attribute[]): void {
    const size = attributes.reduce((sum, [, value]) => sum + aligned(ATTRIBUTE_HEADER_BYTES + value.length), 0);
    const message = new Uint8Array(NLMSG_HEADER_BYTES + aligned(header.length) + size);
    const view = new DataView(message.buffer);
    view.setUint32(0, message.length, true);
    view.setUint16(4, type, true);
    view.setUint16(6, flags, true);
    view.setUint32(8, ++this.#sequence, true);
    message.set(header, NLMSG_HEADER_BYTES);
    let at = NLMSG_HEADER_BYTES + aligned(header.length);
    for (const [attribute, value] of attributes) {
      view.setUint16(at, ATTRIBUTE_HEADER_BYTES + value.length, true);
      view.setUint16(at + 2, attribute, true);
      message.set(value, at + ATTRIBUTE_HEADER_BYTES);
      at += aligned(ATTRIBUTE_HEADER_BYTES + value.length);
    }
    const sent = this.#libc.sendto(this.#fd, this.#libc.addressOf(message), message.length, 0, 0, 0);
    if (sent < 0) throw new SystemError("netlink send", this.#libc.errno());
  }

  /** The messages of one datagram that answer the last request. */
  #receive(): NetlinkMessage[] {
    const buffer = this.#buffer;
    const length = this.#libc.recv(this.#fd, this.#libc.addressOf(buffer), buffer.length, MSG_TRUNC);
    if (length < 0) throw new SystemError("netlink receive", this.#libc.errno());
    if (length > buffer.length) throw new SystemError("netlink receive", EMSGSIZE);
    const view = new DataView(buffer.buffer);
    const messages: NetlinkMessage[] = [];
    for (let at = 0; at + NLMSG_HEADER_BYTES <= length; ) {
      const size = view.getUint32(at, true);
      if (size < NLMSG_HEADER_BYTES || at + size > length) break;
      if (view.getUint32(at + 8, true) === this.#sequence) {
        messages.push({ type: view.getUint16(at + 4, true), body: buffer.slice(at + NLMSG_HEADER_BYTES, at + size) });
      }
      at += aligned(size);
    }
    return messages;
  }
}

const EMSGSIZE = 90;

function aligned(bytes: number): number {
  return (bytes + 3) & ~3;
}

/** The attributes behind a message's fixed part of `fixedBytes`. */
export function attributesOf({ body }: NetlinkMessage, fixedBytes: number): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  for (let at = aligned(fixedBytes); at + ATTRIBUTE_HEADER_BYTES <= body.length; ) {
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_HEADER_BYTES || at + length > body.length) break;
    found.set(view.getUint16(at + 2, true), body.subarray(at + ATTRIBUTE_HEADER_BYTES, at + length));
    at += aligned(length);
  }
  return found;
}

/** A native 32-bit value of an attribute. */
export function u32Attribute(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
