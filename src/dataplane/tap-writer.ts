/**
 * Writes frames to TAP devices. Within a turn TCP segments wait for the next ones of their flow, and leave merged; no
 * frame overtakes another of its flow.
 */
import { EINVAL, type Libc } from "../io/linux/libc.ts";
import { FRAME_AT, FrameBuffer, Merged, type Segment, segmentIn } from "./segment-merger.ts";

/** Flows that may wait at once; the one that has waited longest makes room. */
const MAX_FLOWS = 8;

/** What became of frames. */
export interface Written {
  framesWritten: number;
  /** Frames that the kernel did not take. */
  writeErrors: number;
}

/** A frame with room for more behind it, and the device it is for. */
class Slot {
  readonly merged = new Merged(new FrameBuffer());
  readonly address: number;
  fd = -1;

  constructor(libc: Libc) {
    this.address = libc.addressOf(this.merged.buffer.bytes);
  }
}

export class TapWriter {
  readonly #libc: Libc;
  readonly #written: Written;
  /** What is looked at now. */
  #next: Slot;
  #waiting: Slot[] = [];
  readonly #free: Slot[] = [];
  /** Devices whose kernel takes no merged frames. */
  readonly #plain = new Set<number>();

  /** `written` is counted up. */
  constructor(libc: Libc, written: Written) {
    this.#libc = libc;
    this.#written = written;
    this.#next = new Slot(libc);
  }

  /** Writes a frame of at most MAX_FRAME_BYTES; `mayWait`: `flush` will be called soon. False if it failed at once. */
  write(fd: number, frame: Uint8Array, mayWait: boolean): boolean {
    const { buffer } = this.#next.merged;
    buffer.bytes.fill(0, 0, FRAME_AT);
    buffer.bytes.set(frame, FRAME_AT);
    const end = FRAME_AT + frame.length;
    if (!mayWait) {
      this.flush();
      return this.#writeNow(fd, this.#next.address, end, 1);
    }
    const segment = segmentIn(buffer, end);
    const before = this.#before(fd, segment);
    if (before !== null && segment.merges && before.merged.append(buffer, segment)) return true;
    if (before !== null) this.#leave(before);
    else if (segment.tcpAt === 0) this.flush();
    if (!segment.merges || this.#plain.has(fd)) return this.#writeNow(fd, this.#next.address, end, 1);
    this.#wait(fd, segment);
    return true;
  }

  /** Everything that waits is written. */
  flush(): void {
    for (const slot of this.#waiting) this.#release(slot);
    this.#waiting.length = 0;
  }

  /** The descriptor is about to be closed. */
  forget(fd: number): void {
    this.flush();
    this.#plain.delete(fd);
  }

  /** What waits of the same flow. */
  #before(fd: number, segment: Segment): Slot | null {
    if (segment.tcpAt === 0) return null;
    for (const slot of this.#waiting) {
      if (slot.fd === fd && slot.merged.hasFlowOf(this.#next.merged.buffer, segment)) return slot;
    }
    return null;
  }

  #wait(fd: number, segment: Segment): void {
    if (this.#waiting.length >= MAX_FLOWS) this.#leave(this.#waiting[0]!);
    const slot = this.#next;
    slot.fd = fd;
    slot.merged.begin(segment);
    this.#waiting.push(slot);
    this.#next = this.#free.pop() ?? new Slot(this.#libc);
  }

  #leave(slot: Slot): void {
    this.#waiting = this.#waiting.filter((other) => other !== slot);
    this.#release(slot);
  }

  #release(slot: Slot): void {
    const { count } = slot.merged;
    const isTaken = this.#writeNow(slot.fd, slot.address, slot.merged.finish(), count);
    if (!isTaken && count > 1 && this.#libc.errno() === EINVAL) this.#plain.add(slot.fd);
    this.#free.push(slot);
  }

  #writeNow(fd: number, address: number, bytes: number, frames: number): boolean {
    const isTaken = this.#libc.write(fd, address, bytes) === bytes;
    if (isTaken) this.#written.framesWritten += frames;
    else this.#written.writeErrors += frames;
    return isTaken;
  }
}
