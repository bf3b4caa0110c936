/**
 * Our TAP devices: one thread reads all of them into a ring, and main writes to them directly, which costs less than
 * to hand a frame to another thread. Facts: design §4; vl2-ethernet.md §7.1.
 */
import type { Worker } from "node:worker_threads";
import { EventFd } from "../io/linux/event-fd.ts";
import { errnoName, type Libc } from "../io/linux/libc.ts";
import { openTapDevice } from "../io/linux/tap.ts";
import { Turn } from "../io/turn.ts";
import { awaitBell } from "./bell.ts";
import { Kind, Ring, type RingRecord } from "./ring.ts";
import { FRAME_AT } from "./segment-merger.ts";
import { startThread } from "./start-thread.ts";
import { MAX_TAPS, TapMemory } from "./tap-memory.ts";
import { MAX_FRAME_BYTES } from "./tap-reader.ts";
import type { TapWorkerData } from "./tap-worker.ts";
import { TapWriter } from "./tap-writer.ts";

const RING_BYTES = 4 << 20;
/** Frames handed on before timers and sockets have their turn. */
const FRAMES_PER_TURN = 128;
/** Too short to be a frame: a header and nothing. */
const MIN_FRAME_BYTES = 15;
const FIRST_RESTART_MS = 100;
const MAX_RESTART_MS = 5000;
/** A reader that has lived this long has earned a quick restart again. */
const HEALTHY_MS = 60_000;

/** One open device. */
export interface Tap {
  readonly name: string;
  /**
   * Writes a whole Ethernet frame, within a turn by its end. False if the kernel did not take it, or the device is closed.
   * Counted.
   */
  write(frame: Uint8Array): boolean;
  /** Takes the interface away, within a moment. */
  close(): void;
}

export interface TapEvents {
  /** A whole Ethernet frame from the interface. The bytes are valid until the call returns: copy to keep. */
  readonly frame: (frame: Uint8Array) => void;
  /** The device is gone, as after `ip link delete`, and already closed. */
  readonly failed: (error: string) => void;
}

interface OpenTap {
  readonly id: number;
  readonly fd: number;
  readonly events: TapEvents;
}

/** Frames that passed, in both directions. */
export interface TapTraffic {
  framesRead: number;
  framesWritten: number;
  /** Frames that the kernel did not take: the interface is down, or gone. */
  writeErrors: number;
  /** How often the reader waited because main was behind; then the kernel may drop frames. */
  stalls: number;
}

export class Taps {
  readonly #libc: Libc;
  readonly #workerFile: URL | undefined;
  readonly #onCrash: (error: Error) => void;
  readonly #turnOfWork: Turn;
  readonly #memory = new TapMemory();
  readonly #ring = Ring.create(RING_BYTES);
  readonly #bell = new Int32Array(new SharedArrayBuffer(8));
  readonly #wake: EventFd;
  readonly #open = new Map<number, OpenTap>();
  /** Descriptors to close once the reader has taken over a list without them. */
  #retired: { readonly fd: number; readonly generation: number }[] = [];
  readonly #traffic: TapTraffic = { framesRead: 0, framesWritten: 0, writeErrors: 0, stalls: 0 };
  readonly #writer: TapWriter;
  #nextId = 1;
  #worker: Worker | null = null;
  #startedAt = 0;
  #restartMs = FIRST_RESTART_MS;
  #restart: NodeJS.Timeout | undefined;
  #stopped = false;

  /**
   * `onCrash` hears of a reader that died; it is started again. `turn` is around what is handed on. `workerFile` is
   * another program for the reader: how tests make one crash.
   */
  constructor(libc: Libc, onCrash: (error: Error) => void, turn = new Turn(), workerFile?: URL) {
    this.#libc = libc;
    this.#onCrash = onCrash;
    this.#turnOfWork = turn;
    this.#writer = new TapWriter(libc, this.#traffic);
    turn.atEnd(() => this.#writer.flush());
    this.#workerFile = workerFile;
    this.#wake = new EventFd(libc);
  }

  get traffic(): Readonly<TapTraffic> {
    this.#traffic.stalls = this.#memory.stalls;
    return this.#traffic;
  }

  /** Makes a device and begins to read it. Throws a TapError, or a RangeError if there are too many. */
  open(name: string, events: TapEvents): Tap {
    if (this.#open.size >= MAX_TAPS) throw new RangeError(`one process can have ${MAX_TAPS} network interfaces`);
    const fd = openTapDevice(this.#libc, name);
    const id = this.#nextId++;
    this.#open.set(id, { id, fd, events });
    this.#tellReader();
    if (this.#worker === null && this.#restart === undefined) this.#start();
    return { name, write: (frame) => this.#write(id, fd, frame), close: () => this.#close(id) };
  }

  /** Closes everything; nothing is handed on afterwards. */
  async close(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#restart);
    this.#memory.stop();
    this.#wake.wake();
    const worker = this.#worker;
    if (worker !== null) await new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    for (const { fd } of [...this.#open.values(), ...this.#retired]) this.#libc.close(fd);
    this.#open.clear();
    this.#retired = [];
    this.#wake.close();
    Atomics.notify(this.#bell, 0);
  }

  #write(id: number, fd: number, frame: Uint8Array): boolean {
    // The number may be somebody else's descriptor by now.
    if (this.#open.has(id) && frame.length <= MAX_FRAME_BYTES) {
      return this.#writer.write(fd, frame, this.#turnOfWork.isOpen);
    }
    this.#traffic.writeErrors++;
    return false;
  }

  #close(id: number): void {
    const tap = this.#open.get(id);
    if (tap === undefined) return;
    this.#open.delete(id);
    this.#writer.forget(tap.fd);
    this.#retired.push({ fd: tap.fd, generation: this.#tellReader() });
    if (this.#worker === null) this.#closeRetired(Number.POSITIVE_INFINITY);
  }

  #tellReader(): number {
    const generation = this.#memory.setTaps([...this.#open.values()]);
    this.#wake.wake();
    return generation;
  }

  /** The reader may be about to read a descriptor until it has taken over the list of `generation`. */
  #closeRetired(generation: number): void {
    const done = this.#retired.filter((one) => one.generation <= generation);
    if (done.length === 0) return;
    this.#retired = this.#retired.filter((one) => one.generation > generation);
    for (const { fd } of done) this.#libc.close(fd);
  }

  #start(): void {
    const data: TapWorkerData = {
      memory: this.#memory.memory,
      ring: this.#ring.memory,
      bell: this.#bell.buffer as SharedArrayBuffer,
      wakeFd: this.#wake.fd,
    };
    const isFirst = this.#startedAt === 0;
    this.#restart = undefined;
    this.#startedAt = performance.now();
    this.#worker = startThread(this.#workerFile ?? "tap-worker", "tap", data);
    this.#worker.on("error", (error) => this.#onCrash(error));
    this.#worker.on("exit", () => this.#ended());
    if (isFirst) this.#turn();
  }

  /** The reader is gone. If nobody asked for that it is started again after a while; the kernel keeps frames meanwhile. */
  #ended(): void {
    this.#worker = null;
    if (this.#stopped) return;
    this.#closeRetired(Number.POSITIVE_INFINITY);
    if (performance.now() - this.#startedAt > HEALTHY_MS) this.#restartMs = FIRST_RESTART_MS;
    this.#restart = setTimeout(() => this.#start(), this.#restartMs);
    this.#restartMs = Math.min(2 * this.#restartMs, MAX_RESTART_MS);
  }

  readonly #turn = (): void => {
    if (this.#stopped) return;
    const heard = Atomics.load(this.#bell, 0);
    this.#closeRetired(this.#memory.acknowledged);
    if (this.#turnOfWork.run(() => this.#drain())) setImmediate(this.#turn);
    else awaitBell(this.#bell, heard, this.#turn);
  };

  /** Hands on some frames. True if there may be more. */
  #drain(): boolean {
    for (let i = 0; i < FRAMES_PER_TURN; i++) {
      const record = this.#ring.peek();
      if (record === null) return false;
      try {
        this.#handOn(record);
      } finally {
        if (!this.#stopped) this.#ring.release();
      }
    }
    return true;
  }

  #handOn({ kind, socket: id, payloadAt, payloadBytes }: RingRecord): void {
    const tap = this.#open.get(id);
    if (tap === undefined) return;
    if (kind === Kind.DEVICE_FAILED) {
      const errno = this.#ring.words[payloadAt >> 2]!;
      this.#close(id);
      tap.events.failed(`the interface cannot be read any more (${errnoName(errno)}): somebody has removed it`);
    } else {
      this.#traffic.framesRead++;
      if (payloadBytes < FRAME_AT + MIN_FRAME_BYTES) return;
      tap.events.frame(this.#ring.bytes.subarray(payloadAt + FRAME_AT, payloadAt + payloadBytes));
    }
  }
}
