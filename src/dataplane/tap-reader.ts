/**
 * The loop of the thread that reads our TAP devices: waits for all of them at once, and reads their frames straight
 * into a ring for main. While main is behind nothing is read: the kernel keeps 500 frames for each device, and drops
 * what is more where senders notice it. Facts: design §4; tun(4).
 */
import { EAGAIN, EINTR, type Libc } from "../io/linux/libc.ts";
import { Kind, type Ring } from "./ring.ts";
import { VIRTIO_HEADER_BYTES } from "./segment-merger.ts";
import { MAX_TAPS, type ReadableTap, type TapMemory } from "./tap-memory.ts";

/** A thread in a system call cannot be stopped, so none is longer. */
const POLL_MS = 100;
const POLLIN = 1;
/** The largest frame: what a ZeroTier packet can carry, and a header with tags. */
export const MAX_FRAME_BYTES = 10_240;
/** Frames of one device before the next one has its turn. */
const FRAMES_PER_TURN = 64;
/** Main is told after so many: it can begin while the rest is read. */
const FRAMES_PER_BELL = 32;
const FULL_WAIT_US = 500;
/** As it is read: behind its header, which says nothing, because we asked for whole frames. */
const MAX_READ_BYTES = VIRTIO_HEADER_BYTES + MAX_FRAME_BYTES;

export interface TapReaderParts {
  readonly libc: Libc;
  readonly memory: TapMemory;
  readonly ring: Ring;
  /** One word that main sleeps on. */
  readonly bell: Int32Array;
  /** Readable when main wants attention. */
  readonly wakeFd: number;
}

export class TapReader {
  readonly #libc: Libc;
  readonly #memory: TapMemory;
  readonly #ring: Ring;
  readonly #ringAt: number;
  readonly #bell: Int32Array;
  readonly #wakeFd: number;
  /** struct pollfd of the wake-up and of each device; then 8 bytes to read the wake-up into. */
  readonly #polls = new Int32Array(2 * (MAX_TAPS + 1) + 2);
  readonly #pollsAt: number;
  #taps: readonly ReadableTap[] = [];
  #generation = -1;
  #unheard = 0;

  constructor(parts: TapReaderParts) {
    this.#libc = parts.libc;
    this.#memory = parts.memory;
    this.#ring = parts.ring;
    this.#ringAt = parts.libc.addressOf(parts.ring.bytes);
    this.#bell = parts.bell;
    this.#wakeFd = parts.wakeFd;
    this.#pollsAt = parts.libc.addressOf(new Uint8Array(this.#polls.buffer));
  }

  /** Runs until main says stop. */
  run(): void {
    while (!this.#memory.isStopped) {
      if (this.#memory.generation !== this.#generation) this.#useTaps();
      if (this.#libc.poll(this.#pollsAt, this.#taps.length + 1, POLL_MS) > 0) this.#round();
    }
  }

  #round(): void {
    if (this.#events(0) !== 0) this.#libc.read(this.#wakeFd, this.#pollsAt + this.#polls.byteLength - 8, 8);
    // A descriptor that is about to be closed must not be read once main knows.
    if (this.#memory.generation !== this.#generation) return;
    let room = true;
    for (let place = 0; place < this.#taps.length && room; place++) {
      if (this.#events(place + 1) !== 0) room = this.#drain(place);
    }
    this.#ringBell();
    if (room) return;
    this.#memory.countStall();
    this.#libc.usleep(FULL_WAIT_US);
  }

  /** Reads what a device has. False if main has no room for more. */
  #drain(place: number): boolean {
    const ring = this.#ring;
    const { id, fd } = this.#taps[place]!;
    for (let i = 0; i < FRAMES_PER_TURN; i++) {
      const record = ring.reserve(Kind.FRAME, id, MAX_READ_BYTES);
      if (record < 0) return false;
      const length = this.#libc.read(fd, this.#ringAt + ring.payloadAt(record), MAX_READ_BYTES);
      if (length < 0) {
        const errno = this.#libc.errno();
        if (errno !== EAGAIN && errno !== EINTR) this.#giveUp(place, errno);
        return true;
      }
      ring.shorten(record, length);
      this.#commit(record);
    }
    return true;
  }

  /** The device is gone, or of no use any more. It is not looked at again, and main hears of it. */
  #giveUp(place: number, errno: number): void {
    this.#polls[2 * (place + 1)] = -1;
    // There is room: for a whole frame, a moment ago.
    const record = this.#ring.reserve(Kind.DEVICE_FAILED, this.#taps[place]!.id, 4);
    this.#ring.words[this.#ring.payloadAt(record) >> 2] = errno;
    this.#commit(record);
  }

  #commit(record: number): void {
    this.#ring.commit(record);
    if (++this.#unheard >= FRAMES_PER_BELL) this.#ringBell();
  }

  #ringBell(): void {
    this.#unheard = 0;
    Atomics.add(this.#bell, 0, 1);
    Atomics.notify(this.#bell, 0);
  }

  /** What poll said about the wake-up (0) or a device (1 …). */
  #events(at: number): number {
    return this.#polls[2 * at + 1]! >> 16;
  }

  #useTaps(): void {
    const { generation, taps } = this.#memory.taps();
    this.#generation = generation;
    this.#taps = taps;
    this.#polls.fill(0);
    [this.#wakeFd, ...taps.map(({ fd }) => fd)].forEach((fd, i) => {
      this.#polls[2 * i] = fd;
      this.#polls[2 * i + 1] = POLLIN;
    });
    this.#memory.acknowledge(generation);
    this.#ringBell();
  }
}
