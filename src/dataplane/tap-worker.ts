/**
 * The thread that reads our TAP devices: waits for all of them at once, and puts their frames into a ring for main.
 * Facts: design §4; research on reading TAP devices (poll, then read until there is nothing).
 */
import { workerData } from "node:worker_threads";
import { EAGAIN, loadLibc } from "../io/linux/libc.ts";
import { Kind, Ring } from "./ring.ts";
import { MAX_TAPS, TapMemory } from "./tap-memory.ts";

/** What the thread is started with. All memory is shared. */
export interface TapWorkerData {
  readonly memory: SharedArrayBuffer;
  readonly ring: SharedArrayBuffer;
  readonly bell: SharedArrayBuffer;
  readonly wakeFd: number;
}

const POLLIN = 1;
const POLL_FAILED = 0x8 | 0x10 | 0x20;
const POLLFD_BYTES = 8;
/** A thread in a system call cannot be stopped, so none is longer. */
const POLL_MS = 100;
/** The largest frame: what a ZeroTier packet can carry, and a header with tags. */
const FRAME_BYTES = 10_240;
/** Frames of one device before the next one has its turn. */
const FRAMES_PER_TURN = 64;
/** While main has no room the kernel keeps the frames, as long as it can. */
const FULL_WAIT_US = 200;

const given = workerData as TapWorkerData;
const loaded = loadLibc();
if (loaded === null) throw new Error("TAP devices need koffi");
const libc = loaded;
const memory = new TapMemory(given.memory);
const ring = new Ring(given.ring);
const bell = new Int32Array(given.bell);
const frame = new Uint8Array(FRAME_BYTES);
const frameAt = libc.addressOf(frame);
const polled = new Uint8Array((MAX_TAPS + 1) * POLLFD_BYTES);
const polledView = new DataView(polled.buffer);
const polledAt = libc.addressOf(polled);
const wakeCell = new Uint8Array(8);
const wakeAt = libc.addressOf(wakeCell);

/** Lays out what is polled: the wake descriptor, then each device. Gives the slots in that order. */
function arrange(): number[] {
  polledView.setInt32(0, given.wakeFd, true);
  polledView.setInt16(4, POLLIN, true);
  const slots = memory.openSlots();
  for (const [index, slot] of slots.entries()) {
    polledView.setInt32((index + 1) * POLLFD_BYTES, memory.fdOf(slot), true);
    polledView.setInt16((index + 1) * POLLFD_BYTES + 4, POLLIN, true);
  }
  return slots;
}

/** Reads what a device has. False if main has no room for more. */
function drain(slot: number, fd: number): boolean {
  for (let i = 0; i < FRAMES_PER_TURN; i++) {
    const length = libc.read(fd, frameAt, FRAME_BYTES);
    if (length < 0) {
      if (libc.errno() !== EAGAIN) memory.fail(slot, libc.errno());
      return true;
    }
    const record = ring.reserve(Kind.FRAME, slot, length);
    if (record < 0) {
      memory.countDropped();
      return false;
    }
    ring.bytes.set(frame.subarray(0, length), ring.payloadAt(record));
    ring.commit(record);
  }
  return true;
}

function run(): void {
  let generation = -1;
  let slots: number[] = [];
  while (!memory.isStopped) {
    const now = memory.generation;
    if (now !== generation) {
      generation = now;
      slots = arrange();
      memory.acknowledge(generation);
    }
    const ready = libc.poll(polledAt, slots.length + 1, POLL_MS);
    if (ready <= 0) continue;
    if ((polledView.getInt16(6, true) & POLLIN) !== 0) libc.read(given.wakeFd, wakeAt, wakeCell.length);
    let room = true;
    for (const [index, slot] of slots.entries()) {
      const events = polledView.getInt16((index + 1) * POLLFD_BYTES + 6, true);
      if ((events & POLLIN) !== 0) room = drain(slot, memory.fdOf(slot)) && room;
      else if ((events & POLL_FAILED) !== 0) memory.fail(slot, 0);
    }
    Atomics.add(bell, 0, 1);
    Atomics.notify(bell, 0);
    if (!room) libc.usleep(FULL_WAIT_US);
  }
}

run();
