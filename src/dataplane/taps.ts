/**
 * Our TAP devices: one thread reads all of them into a ring, main writes to them directly (0.9 µs a frame).
 * Facts: design §4; vl2-ethernet.md §7.1.
 */
import type { Worker } from "node:worker_threads";
import { EventFd } from "../io/linux/event-fd.ts";
import { errnoName, type Libc } from "../io/linux/libc.ts";
import { openTapDevice } from "../io/linux/tap.ts";
import { awaitBell } from "./bell.ts";
import { Ring } from "./ring.ts";
import { startThread } from "./start-thread.ts";
import { TapMemory } from "./tap-memory.ts";
import type { TapWorkerData } from "./tap-worker.ts";

const RING_BYTES = 4 << 20;
/** Frames handed on before timers and sockets have their turn. */
const FRAMES_PER_TURN = 128;
/** Too short to be a frame. */
const MIN_FRAME_BYTES = 15;
const SEEN_POLL_MS = 2;
const RESTART_MS = 100;

/** One open device. */
export interface Tap {
  readonly name: string;
  /** Writes a whole Ethernet frame; false if the kernel did not take it. */
  write(frame: Uint8Array): boolean;
  /** Takes the interface away. */
  close(): void;
}

export interface TapEvents {
  /** A whole Ethernet frame from the interface. The bytes are the receiver's. */
  readonly frame: (frame: Uint8Array) => void;
  /** The device is gone, as after `ip link delete`. */
  readonly failed: (error: string) => void;
}

interface OpenTap {
  readonly slot: number;
  readonly fd: number;
  readonly events: TapEvents;
}

/** Frames that passed, in both directions. */
export interface TapTraffic {
  framesRead: number;
  framesWritten: number;
  /** Frames from interfaces for which main had no room. */
  framesDropped: number;
  writeErrors: number;
}

export class Taps {
  readonly #libc: Libc;
  readonly #memory = new TapMemory();
  readonly #ring = Ring.create(RING_BYTES);
  readonly #bell = new Int32Array(new SharedArrayBuffer(8));
  readonly #wake: EventFd;
  readonly #open = new Map<number, OpenTap>();
  readonly #onCrash: (error: Error) => void;
  readonly #traffic: TapTraffic = { framesRead: 0, framesWritten: 0, framesDropped: 0, writeErrors: 0 };
  #worker: Worker | null = null;
  #stopped = false;
  #listening = false;

  /** `onCrash` hears of a reader that died; it is started again. */
  constructor(libc: Libc, onCrash: (error: Error) => void) {
    this.#libc = libc;
    this.#onCrash = onCrash;
    this.#wake = new EventFd(libc);
  }

  get traffic(): Readonly<TapTraffic> {
    this.#traffic.framesDropped = this.#memory.dropped;
    return this.#traffic;
  }

  /** Makes a device and begins to read it. Throws a TapError. */
  open(name: string, events: TapEvents): Tap {
    const fd = openTapDevice(this.#libc, name);
    const slot = this.#memory.add(fd);
    if (slot < 0) {
      this.#libc.close(fd);
      throw new RangeError("too many interfaces in one process");
    }
    this.#open.set(slot, { slot, fd, events });
    this.#start();
    this.#wake.wake();
    return { name, write: (frame) => this.#write(fd, frame), close: () => this.#close(slot) };
  }

  /** Closes everything; nothing is handed on afterwards. */
  async close(): Promise<void> {
    this.#stopped = true;
    this.#memory.stop();
    this.#wake.wake();
    const worker = this.#worker;
    if (worker !== null) await new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    for (const { fd } of this.#open.values()) this.#libc.close(fd);
    this.#open.clear();
    this.#wake.close();
    Atomics.add(this.#bell, 0, 1);
    Atomics.notify(this.#bell, 0);
  }

  #write(fd: number, frame: Uint8Array): boolean {
    const written = this.#libc.write(fd, this.#libc.addressOf(frame), frame.length);
    if (written === frame.length) this.#traffic.framesWritten++;
    else this.#traffic.writeErrors++;
    return written === frame.length;
  }

  #close(slot: number): void {
    const tap = this.#open.get(slot);
    if (tap === undefined) return;
    this.#open.delete(slot);
    this.#memory.remove(slot);
    this.#wake.wake();
    this.#closeWhenSeen(tap.fd);
  }

  /** The reader may be about to read from it; a number that the kernel gives away again would be somebody else's. */
  #closeWhenSeen(fd: number): void {
    if (this.#memory.isSeen || this.#worker === null) this.#libc.close(fd);
    else setTimeout(() => this.#closeWhenSeen(fd), SEEN_POLL_MS);
  }

  #start(): void {
    if (this.#worker !== null || this.#stopped) return;
    const data: TapWorkerData = {
      memory: this.#memory.memory,
      ring: this.#ring.memory,
      bell: this.#bell.buffer as SharedArrayBuffer,
      wakeFd: this.#wake.fd,
    };
    const worker = startThread("tap-worker", "tap", data);
    this.#worker = worker;
    worker.on("error", (error) => this.#onCrash(error));
    worker.on("exit", () => {
      this.#worker = null;
      if (!this.#stopped) setTimeout(() => this.#start(), RESTART_MS);
    });
    if (this.#listening) return;
    this.#listening = true;
    this.#turn();
  }

  readonly #turn = (): void => {
    if (this.#stopped) return;
    const heard = Atomics.load(this.#bell, 0);
    if (this.#drain()) setImmediate(this.#turn);
    else {
      this.#noticeFailures();
      awaitBell(this.#bell, heard, this.#turn);
    }
  };

  /** Hands on some frames. True if there may be more. */
  #drain(): boolean {
    const ring = this.#ring;
    for (let i = 0; i < FRAMES_PER_TURN; i++) {
      const record = ring.peek();
      if (record === null) return false;
      const { socket, payloadAt, payloadBytes } = record;
      const tap = this.#open.get(socket);
      let frame: Uint8Array | null = null;
      if (tap !== undefined && payloadBytes >= MIN_FRAME_BYTES)
        frame = ring.bytes.slice(payloadAt, payloadAt + payloadBytes);
      ring.release();
      this.#traffic.framesRead++;
      if (frame !== null) tap!.events.frame(frame);
    }
    return true;
  }

  #noticeFailures(): void {
    for (const { slot, events } of this.#open.values()) {
      const failure = this.#memory.failureOf(slot);
      if (failure === null) continue;
      this.#close(slot);
      events.failed(failure === 0 ? "the interface is gone" : errnoName(failure));
    }
  }
}
