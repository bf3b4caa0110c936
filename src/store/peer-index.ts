/** Reading the peer cache's journal: which record is the last word about each peer, and what it says. */
import { closeSync, existsSync, fstatSync, openSync, readSync, renameSync, truncateSync } from "node:fs";
import type { CachedPeer } from "../node/ports.ts";
import { readAddress } from "../protocol/address.ts";
import { fileError, fsCode } from "./atomic-file.ts";
import { CacheEntries } from "./cache-entries.ts";
import { hasJournalHeader, JOURNAL_HEADER_BYTES, JournalWalk } from "./journal.ts";
import { decodePutRecord, MAX_RECORD_BYTES, RECORD_ADDRESS_OFFSET, summariseRecord } from "./peer-record.ts";

/** A file is read in pieces, so that a large one takes no more memory than a small one. */
const PIECE_BYTES = 1 << 17;

export interface LoadedJournal {
  readonly entries: CacheEntries;
  /** Where to append; 0 if there is no usable file. */
  readonly end: number;
  /** True if the file holds bytes that mean nothing and should be rewritten. */
  readonly damaged: boolean;
}

/**
 * Finds what `path` holds, at most `maxPeers`. Repairs what a crash left: cuts off a damaged tail, sets a file aside
 * whose beginning is not ours. Throws ConfigError if the file cannot be read or repaired.
 */
export function loadJournal(path: string, maxPeers: number, warnings: string[]): LoadedJournal {
  const entries = new CacheEntries(maxPeers + (maxPeers >> 3));
  if (!isUsable(path, warnings)) return { entries, end: 0, damaged: false };
  const walk = new JournalWalk(MAX_RECORD_BYTES, PIECE_BYTES, (record, offset) => {
    const summary = summariseRecord(record);
    if (summary === null) return;
    if (summary.lastReceive === null) entries.delete(summary.address);
    else entries.set(summary.address, { offset, length: record.length }, summary.lastReceive);
  });
  let size = 0;
  for (const position of walkFile(path, walk)) size = position;
  const { end, damagedBytes } = walk;
  if (damagedBytes > 0) warnings.push(`${path}: ${damagedBytes} damaged bytes were skipped`);
  if (size > end) {
    warnings.push(`${path}: ${size - end} bytes of an unfinished write at its end were dropped`);
    cutOff(path, end);
  }
  entries.evict(maxPeers);
  return { entries, end, damaged: damagedBytes > 0 };
}

/** Drives a walk over a file; yields the position reached after each piece. Throws ConfigError. */
function* walkFile(path: string, walk: JournalWalk): Generator<number> {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    throw fileError("read the file", path, error);
  }
  try {
    for (let count = -1; count !== 0; ) {
      const { room, position } = walk;
      count = readSync(file, room, 0, room.length, position);
      walk.filled(count);
      yield position + count;
    }
  } catch (error) {
    throw fsCode(error) === "" ? error : fileError("read the file", path, error);
  } finally {
    closeSync(file);
  }
}

/** True if the file begins as ours do; if it does not, it is set aside. */
function isUsable(path: string, warnings: string[]): boolean {
  try {
    const file = openSync(path, "r");
    try {
      // Empty is what a crash leaves between making the file and writing to it.
      if (fstatSync(file).size === 0) return false;
      const header = new Uint8Array(JOURNAL_HEADER_BYTES);
      if (readSync(file, header) === JOURNAL_HEADER_BYTES && hasJournalHeader(header)) return true;
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (fsCode(error) === "ENOENT") return false;
    throw fileError("read the file", path, error);
  }
  const aside = freeName(`${path}.damaged-`);
  try {
    renameSync(path, aside);
  } catch (error) {
    throw fileError("set the damaged file aside", path, error);
  }
  warnings.push(`${path} is damaged: it was set aside as ${aside}; peers are learned anew as they say HELLO`);
  return false;
}

function freeName(prefix: string): string {
  for (let n = 1; ; n++) if (!existsSync(`${prefix}${n}`)) return `${prefix}${n}`;
}

function cutOff(path: string, end: number): void {
  try {
    truncateSync(path, end);
  } catch (error) {
    throw fileError("repair the file", path, error);
  }
}

/** The peers of `entries` in the file `path`, in no particular order, decoded as they are asked for. */
export function* storedPeers(path: string, entries: CacheEntries): Generator<CachedPeer> {
  let batch: CachedPeer[] = [];
  const walk = new JournalWalk(MAX_RECORD_BYTES, PIECE_BYTES, (record, offset) => {
    if (entries.offset(readAddress(record, RECORD_ADDRESS_OFFSET)) !== offset) return;
    const decoded = decodePutRecord(record);
    if (decoded.ok) batch.push(decoded.value);
  });
  for (const _position of walkFile(path, walk)) {
    yield* batch;
    batch = [];
  }
}

/** The `count` most recently heard peers of `entries` in the file `path`, these first. */
export function* recentPeers(path: string, entries: CacheEntries, count: number): Generator<CachedPeer> {
  const file = openSync(path, "r");
  try {
    for (const { offset, length } of entries.newest(count)) {
      const record = new Uint8Array(length);
      readSync(file, record, 0, length, offset);
      const decoded = decodePutRecord(record);
      if (decoded.ok) yield decoded.value;
    }
  } finally {
    closeSync(file);
  }
}
