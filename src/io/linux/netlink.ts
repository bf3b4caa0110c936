/**
 * Requests to the kernel over a netlink socket, answered before the call returns: the kernel works them off while we
 * send. Facts: netlink(7), rtnetlink(7).
 *
 * | offset | size | of a message |
 * |---|---|---|
 * | 0 | 4 | length, header included |
 * | 4 | 2 | type |
 * | 6 | 2 | flags |
 * | 8 | 4 | sequence number: the answer has the same |
 * | 12 | 4 | port, 0 = kernel |
 * | 16 | … | a structure that depends on the type, then attributes: length (2), type (2), value, padded to 4 |
 *
 * All integers are in the machine's order, which is little-endian here; addresses are in network order.
 */
import { EAGAIN, EINTR, errnoName, type Libc, SystemError } from "./libc.ts";
import { setInt } from "./udp.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0x80000;
const NETLINK_ROUTE = 0;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SOL_NETLINK = 270;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;

const NLM_F_REQUEST = 0x01;
const NLM_F_ACK = 0x04;
const NLM_F_DUMP = 0x300;
const NLM_F_DUMP_INTR = 0x10;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
/** Make it, and fail if it is there already. */
export const NLM_F_CREATE_EXCLUSIVE = 0x600;

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLMSGERR_ATTR_MSG = 1;

const HEADER_BYTES = 16;
const ATTRIBUTE_BYTES = 4;
/** The highest bits of an attribute's type are flags. */
const ATTRIBUTE_TYPE_MASK = 0x3fff;
const REQUEST_BYTES = 4096;
/** The kernel fills at most 32 KiB at a time. */
const ANSWER_BYTES = 65_536;
const ANSWER_TIMEOUT_SECONDS = 2;
/** Answers to one request: far more than any device of ours has addresses or routes. */
const MAX_ANSWERS = 65_536;
/** How often a list is read again because it changed while it was read. */
const MAX_DUMPS = 4;

/** The kernel refused. `message` says what was tried, the system's code, and the kernel's own words if it had any. */
export class NetlinkError extends Error {
  override readonly name = "NetlinkError";
  /** EEXIST, EPERM … */
  readonly code: string;
  readonly errno: number;
  /** What was tried, as in "add route 10.0.0.0/8 to zt5xnqi4n4". */
  readonly action: string;

  constructor(action: string, errno: number, words = "") {
    const code = errnoName(errno);
    super(`cannot ${action}: ${code}${words === "" ? "" : ` (${words})`}`);
    this.code = code;
    this.errno = errno;
    this.action = action;
  }
}

/** One request while it is written. */
export class NetlinkRequest {
  readonly bytes = new Uint8Array(REQUEST_BYTES);
  readonly #view = new DataView(this.bytes.buffer);
  #length = HEADER_BYTES;

  get length(): number {
    return this.#length;
  }

  /** Begins anew, with the type's structure: `body` as it is, padded to 4. */
  begin(body: readonly number[]): this {
    this.bytes.fill(0);
    this.bytes.set(body, HEADER_BYTES);
    this.#length = align(HEADER_BYTES + body.length);
    return this;
  }

  /** Overwrites a 32-bit integer of the structure. */
  u32At(offset: number, value: number): this {
    this.#view.setUint32(HEADER_BYTES + offset, value, true);
    return this;
  }

  u32(type: number, value: number): this {
    this.#view.setUint32(this.#attribute(type, 4), value, true);
    return this;
  }

  blob(type: number, value: Uint8Array): this {
    this.bytes.set(value, this.#attribute(type, value.length));
    return this;
  }

  /** Writes the header; the message is then complete. */
  finish(type: number, flags: number, sequence: number): void {
    this.#view.setUint32(0, this.#length, true);
    this.#view.setUint16(4, type, true);
    this.#view.setUint16(6, flags, true);
    this.#view.setUint32(8, sequence, true);
  }

  #attribute(type: number, bytes: number): number {
    const at = this.#length;
    if (at + ATTRIBUTE_BYTES + align(bytes) > REQUEST_BYTES) throw new RangeError("netlink request too long");
    this.#view.setUint16(at, ATTRIBUTE_BYTES + bytes, true);
    this.#view.setUint16(at + 2, type, true);
    this.#length = at + ATTRIBUTE_BYTES + align(bytes);
    return at + ATTRIBUTE_BYTES;
  }
}

/** The structure and attributes of one answer, copied out of it. */
export class NetlinkAnswer {
  readonly type: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #attributes = new Map<number, Uint8Array>();

  /** `bytes` is what follows the message's header; its first `bodyBytes` are the structure. */
  constructor(type: number, bytes: Uint8Array, bodyBytes: number) {
    this.type = type;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (const [attribute, value] of attributesOf(bytes, align(bodyBytes))) this.#attributes.set(attribute, value);
  }

  u8(offset: number): number {
    return this.#bytes[offset] ?? 0;
  }

  u32(offset: number): number {
    return offset + 4 <= this.#bytes.length ? this.#view.getUint32(offset, true) : 0;
  }

  /** The value of an attribute, or null. */
  blob(type: number): Uint8Array | null {
    return this.#attributes.get(type) ?? null;
  }

  /** A 32-bit attribute, or null. */
  number(type: number): number | null {
    const value = this.#attributes.get(type);
    if (value === undefined || value.length < 4) return null;
    return new DataView(value.buffer, value.byteOffset, 4).getUint32(0, true);
  }
}

/** A socket to the kernel's routing tables. Calls block for as long as the kernel needs, at most a few seconds. */
export class Netlink {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #request = new NetlinkRequest();
  readonly #requestAt: number;
  readonly #answers = new Uint8Array(ANSWER_BYTES);
  readonly #answersAt: number;
  #sequence = 0;

  /** Throws a SystemError if there is no such socket. */
  constructor(libc: Libc) {
    this.#libc = libc;
    this.#requestAt = libc.addressOf(this.#request.bytes);
    this.#answersAt = libc.addressOf(this.#answers);
    this.#fd = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (this.#fd < 0) throw new SystemError("socket", libc.errno());
    this.#setTimeout();
    // Older kernels have neither: then errors come without words, and lists are longer and filtered by the caller.
    for (const option of [NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK]) {
      try {
        setInt(libc, this.#fd, SOL_NETLINK, option, 1);
      } catch {}
    }
  }

  close(): void {
    this.#libc.close(this.#fd);
  }

  /** Has something changed. `write` fills the request; `action` is for the error. Throws a NetlinkError. */
  change(action: string, type: number, flags: number, write: (request: NetlinkRequest) => void): void {
    write(this.#request);
    this.#send(action, type, NLM_F_ACK | flags);
    this.#receive(action, 0, () => {});
  }

  /** Asks about one thing. Throws a NetlinkError, also if it is not there. */
  get(action: string, type: number, bodyBytes: number, write: (request: NetlinkRequest) => void): NetlinkAnswer | null {
    write(this.#request);
    this.#send(action, type, NLM_F_ACK);
    let found: NetlinkAnswer | null = null;
    this.#receive(action, bodyBytes, (answer) => {
      found = answer;
    });
    return found;
  }

  /** All things of a kind. The kernel may ignore the request's filter: the caller looks again. Throws a NetlinkError. */
  list(action: string, type: number, bodyBytes: number, write: (request: NetlinkRequest) => void): NetlinkAnswer[] {
    for (let attempt = 1; ; attempt++) {
      const found: NetlinkAnswer[] = [];
      write(this.#request);
      this.#send(action, type, NLM_F_DUMP);
      const changed = this.#receive(action, bodyBytes, (answer) => found.push(answer));
      if (!changed || attempt === MAX_DUMPS) return found;
    }
  }

  #setTimeout(): void {
    const timeval = new BigInt64Array([BigInt(ANSWER_TIMEOUT_SECONDS), 0n]);
    const at = this.#libc.addressOf(new Uint8Array(timeval.buffer));
    this.#libc.setsockopt(this.#fd, SOL_SOCKET, SO_RCVTIMEO, at, timeval.byteLength);
  }

  #send(action: string, type: number, flags: number): void {
    this.#sequence = (this.#sequence + 1) >>> 0;
    this.#request.finish(type, NLM_F_REQUEST | flags, this.#sequence);
    if (this.#libc.write(this.#fd, this.#requestAt, this.#request.length) < 0) {
      throw new NetlinkError(action, this.#libc.errno());
    }
  }

  /** Reads until the request is answered. True if a list changed while it was read. */
  #receive(action: string, bodyBytes: number, each: (answer: NetlinkAnswer) => void): boolean {
    const view = new DataView(this.#answers.buffer);
    let changed = false;
    for (let count = 0; count < MAX_ANSWERS; ) {
      const length = this.#libc.read(this.#fd, this.#answersAt, ANSWER_BYTES);
      if (length < 0) {
        const errno = this.#libc.errno();
        if (errno === EINTR) continue;
        throw new NetlinkError(action, errno, errno === EAGAIN ? "no answer" : "");
      }
      for (let at = 0; at + HEADER_BYTES <= length; count++) {
        const bytes = view.getUint32(at, true);
        if (bytes < HEADER_BYTES || at + bytes > length) break;
        const type = view.getUint16(at + 4, true);
        const flags = view.getUint16(at + 6, true);
        const body = at + HEADER_BYTES;
        const isOurs = view.getUint32(at + 8, true) === this.#sequence;
        at += align(bytes);
        // What is left of an earlier request that ran into the time limit.
        if (!isOurs) continue;
        if ((flags & NLM_F_DUMP_INTR) !== 0) changed = true;
        if (type === NLMSG_DONE || type === NLMSG_ERROR) {
          const errno = -view.getInt32(body, true);
          if (errno === 0) return changed;
          const words = type === NLMSG_ERROR ? wordsOf(this.#answers, body, at, flags) : "";
          throw new NetlinkError(action, errno, words);
        }
        each(new NetlinkAnswer(type, this.#answers.slice(body, body + bytes - HEADER_BYTES), bodyBytes));
      }
    }
    throw new NetlinkError(action, EAGAIN, "too many answers");
  }
}

function align(bytes: number): number {
  return (bytes + 3) & ~3;
}

function* attributesOf(bytes: Uint8Array, from: number): Generator<[number, Uint8Array]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = from; at + ATTRIBUTE_BYTES <= bytes.length; ) {
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_BYTES || at + length > bytes.length) return;
    yield [view.getUint16(at + 2, true) & ATTRIBUTE_TYPE_MASK, bytes.subarray(at + ATTRIBUTE_BYTES, at + length)];
    at += align(length);
  }
}

/** What the kernel adds to an error: behind its code, our request (its header alone if capped), then attributes. */
function wordsOf(bytes: Uint8Array, body: number, end: number, flags: number): string {
  if ((flags & NLM_F_ACK_TLVS) === 0) return "";
  const view = new DataView(bytes.buffer);
  const echoed = (flags & NLM_F_CAPPED) !== 0 ? HEADER_BYTES : align(view.getUint32(body + 4, true));
  for (const [type, value] of attributesOf(bytes.subarray(body, end), 4 + echoed)) {
    if (type === NLMSGERR_ATTR_MSG) return new TextDecoder().decode(value).replace(/\0.*$/s, "").trim();
  }
  return "";
}
