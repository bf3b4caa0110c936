/**
 * A file of checked records, only ever appended to: what survives a power cut is a prefix, and what does not is
 * recognised. The header is 16 bytes (mark "ORRPEERS", version, CRC-32 of both); then per record:
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | 4 | CRC-32 of everything that follows |
 * | 4 | 4 | length n of the record |
 * | 8 | n | record |
 */
import { crc32 } from "node:zlib";
import { bytesEqual, Writer } from "../protocol/bytes.ts";

export const JOURNAL_HEADER_BYTES = 16;
export const FRAME_BYTES = 8;
const MARK = new TextEncoder().encode("ORRPEERS");
const VERSION = 1;

/** Where one record lies in the file, frame not included. */
export interface Span {
  readonly offset: number;
  readonly length: number;
}

/** The first 16 bytes of a journal. */
export function journalHeader(): Uint8Array {
  const writer = new Writer(JOURNAL_HEADER_BYTES).bytes(MARK).u32(VERSION);
  return writer.u32(crc32(writer.finish())).finish();
}

/** True if `file` begins as our journals do. */
export function hasJournalHeader(file: Uint8Array): boolean {
  return bytesEqual(file.subarray(0, JOURNAL_HEADER_BYTES), journalHeader());
}

/** Appends one record in its frame; `write` writes the record itself. Returns the record's span within the writer. */
export function writeFramed(writer: Writer, write: (writer: Writer) => void): Span {
  const frame = writer.length;
  writer.u32(0).u32(0);
  const offset = writer.length;
  write(writer);
  const bytes = writer.finish();
  const length = bytes.length - offset;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint32(frame + 4, length);
  view.setUint32(frame, crc32(bytes.subarray(frame + 4)));
  return { offset, length };
}

/**
 * Walks the sound records of a file whose header is right, in order, as its bytes are read piece by piece. After a
 * damaged one the walk goes on at the next place that holds a sound record, so that a flipped bit costs one record
 * and not all that follow.
 */
export class JournalWalk {
  /** End of the last sound record: where to append. */
  end = JOURNAL_HEADER_BYTES;
  /** Bytes before `end` that belong to no sound record. */
  damagedBytes = 0;
  readonly #maxFrameBytes: number;
  readonly #buffer: Uint8Array;
  readonly #view: DataView;
  readonly #found: (record: Uint8Array, offset: number) => void;
  /** Offset in the file of the buffer's first byte. */
  #base = JOURNAL_HEADER_BYTES;
  #held = 0;

  /** `found` is told of each record and of its offset in the file; the bytes are valid until it returns. */
  constructor(maxRecordBytes: number, pieceBytes: number, found: (record: Uint8Array, offset: number) => void) {
    this.#maxFrameBytes = FRAME_BYTES + maxRecordBytes;
    this.#buffer = new Uint8Array(this.#maxFrameBytes + pieceBytes);
    this.#view = new DataView(this.#buffer.buffer);
    this.#found = found;
  }

  /** Where in the file to read next, and where to put what is read. */
  get position(): number {
    return this.#base + this.#held;
  }

  get room(): Uint8Array {
    return this.#buffer.subarray(this.#held);
  }

  /** So many bytes were put into `room`; 0 = the file ends here. */
  filled(count: number): void {
    this.#held += count;
    const stop = count === 0 ? this.#held : this.#held - this.#maxFrameBytes;
    let at = 0;
    while (at < stop && at + FRAME_BYTES < this.#held) {
      const length = this.#soundLength(at);
      if (length < 0) {
        at++;
        continue;
      }
      this.damagedBytes += this.#base + at - this.end;
      this.#found(this.#buffer.subarray(at + FRAME_BYTES, at + FRAME_BYTES + length), this.#base + at + FRAME_BYTES);
      at += FRAME_BYTES + length;
      this.end = this.#base + at;
    }
    this.#buffer.copyWithin(0, at, this.#held);
    this.#base += at;
    this.#held -= at;
  }

  /** Length of the sound record whose frame begins at `at` of the buffer, or −1. */
  #soundLength(at: number): number {
    const length = this.#view.getUint32(at + 4);
    if (length === 0 || FRAME_BYTES + length > this.#maxFrameBytes || at + FRAME_BYTES + length > this.#held) return -1;
    const sum = crc32(this.#buffer.subarray(at + 4, at + FRAME_BYTES + length));
    return sum === this.#view.getUint32(at) ? length : -1;
  }
}
