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
import { bytesEqual, Reader, Writer } from "../protocol/bytes.ts";

export const JOURNAL_HEADER_BYTES = 16;
export const FRAME_BYTES = 8;
const MARK = new TextEncoder().encode("ORRPEERS");
const VERSION = 1;

/** Where one record lies in the file, frame not included. */
export interface Span {
  readonly offset: number;
  readonly length: number;
}

/** What a scan found. */
export interface JournalScan {
  /** End of the last sound record: where to append. */
  readonly end: number;
  /** Bytes before `end` that belong to no sound record. */
  readonly damagedBytes: number;
  /** Bytes after `end`: usually a write that a crash cut off. */
  readonly tailBytes: number;
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

/** Length of the sound record whose frame begins at `at`, or −1. */
function soundLength(file: Uint8Array, at: number, maxRecordBytes: number): number {
  const reader = new Reader(file, at);
  const sum = reader.u32();
  const length = reader.u32();
  if (reader.failed || length === 0 || length > maxRecordBytes || length > reader.remaining) return -1;
  return crc32(file.subarray(at + 4, at + FRAME_BYTES + length)) === sum ? length : -1;
}

/**
 * Walks the sound records of a file whose header is right, in order. After a damaged one the walk goes on at the
 * next place that holds a sound record, so that a flipped bit costs one record and not all that follow.
 */
export function scanJournal(file: Uint8Array, maxRecordBytes: number, found: (span: Span) => void): JournalScan {
  let end = JOURNAL_HEADER_BYTES;
  let damagedBytes = 0;
  for (let at = end; at + FRAME_BYTES < file.length; ) {
    const length = soundLength(file, at, maxRecordBytes);
    if (length < 0) {
      at++;
      continue;
    }
    damagedBytes += at - end;
    found({ offset: at + FRAME_BYTES, length });
    at += FRAME_BYTES + length;
    end = at;
  }
  return { end, damagedBytes, tailBytes: file.length - end };
}
