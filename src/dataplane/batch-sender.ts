/**
 * Sends what a batch has grouped. A message that fails is skipped alone: the kernel stops at the first one that it
 * refuses, and one unreachable peer must not take the others' datagrams with it.
 * Facts: sendmmsg(2), udp(7).
 */
import { EAGAIN, EINTR, type Libc } from "../io/linux/libc.ts";
import type { Batch } from "./batch.ts";
import { Count, errnoCount, MAX_SOCKETS } from "./worker-memory.ts";

const MSG_DONTWAIT = 0x40;
const POLLOUT = 4;
/** How long to wait for room in a full socket: others wait meanwhile. */
const FULL_MS = 2;
/** A socket on which so many messages in a row could not be segmented is not tried any more. */
const MAX_REFUSALS = 16;

export class BatchSender {
  readonly #libc: Libc;
  readonly #batch: Batch;
  readonly #counters: Float64Array;
  readonly #segment: boolean;
  readonly #refusals = new Int32Array(MAX_SOCKETS);
  readonly #poll = new Int32Array(32);
  readonly #pollAt: number;

  constructor(libc: Libc, batch: Batch, counters: Float64Array, segment: boolean) {
    this.#libc = libc;
    this.#batch = batch;
    this.#counters = counters;
    this.#segment = segment;
    this.#pollAt = libc.addressOf(new Uint8Array(this.#poll.buffer));
  }

  /** Sends everything of the batch that leaves from `socket`. */
  send(socket: number, fd: number): void {
    const messages = this.#batch.layOut(socket, this.#segment && this.#refusals[socket]! < MAX_REFUSALS);
    let waited = false;
    for (let at = 0; at < messages; ) {
      const sent = this.#libc.sendmmsg(fd, this.#batch.sendHeader(at), messages - at, MSG_DONTWAIT);
      if (sent > 0) {
        this.#count(at, sent, socket);
        at += sent;
        continue;
      }
      const errno = this.#libc.errno();
      if (errno === EINTR) continue;
      if (errno === EAGAIN && !waited) {
        waited = true;
        this.#waitForRoom(fd);
        continue;
      }
      this.#skip(at, errno, socket, fd);
      at++;
    }
  }

  #count(from: number, messages: number, socket: number): void {
    const { messageBytes, messageDatagrams } = this.#batch;
    let datagrams = 0;
    let bytes = 0;
    let segmented = 0;
    let segments = 0;
    for (let i = from; i < from + messages; i++) {
      const count = messageDatagrams[i]!;
      datagrams += count;
      bytes += messageBytes[i]!;
      if (count > 1) {
        segmented++;
        segments += count;
      }
    }
    if (segmented > 0) this.#refusals[socket] = 0;
    this.#counters[Count.SEND_CALLS]!++;
    this.#counters[Count.DATAGRAMS_OUT]! += datagrams;
    this.#counters[Count.BYTES_OUT]! += bytes;
    this.#counters[Count.SEGMENTED_MESSAGES]! += segmented;
    this.#counters[Count.SEGMENTED_DATAGRAMS]! += segments;
  }

  /** Message `i` was refused: one datagram is lost, several are tried one by one, since it may be for their being many. */
  #skip(i: number, errno: number, socket: number, fd: number): void {
    const datagrams = this.#batch.messageDatagrams[i]!;
    if (datagrams === 1 || errno === EAGAIN) {
      this.#counters[errnoCount(errno)]! += datagrams;
      return;
    }
    this.#refusals[socket]!++;
    this.#counters[Count.SEGMENTED_REFUSED]!++;
    for (let part = 0; part < datagrams; part++) {
      if (this.#libc.sendmsg(fd, this.#batch.single(i, part), MSG_DONTWAIT) < 0) {
        this.#counters[errnoCount(this.#libc.errno())]!++;
        continue;
      }
      this.#counters[Count.DATAGRAMS_OUT]!++;
      this.#counters[Count.BYTES_OUT]! += this.#batch.singleBytes(i, part);
    }
  }

  #waitForRoom(fd: number): void {
    this.#poll[0] = fd;
    this.#poll[1] = POLLOUT;
    this.#libc.poll(this.#pollAt, 1, FULL_MS);
  }
}
