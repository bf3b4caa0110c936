/** Reading the peer cache's journal at start: which record is the last word about each peer, and what it says. */
import { existsSync, readFileSync, renameSync, truncateSync } from "node:fs";
import type { CachedPeer, Millis } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";
import { fileError, fsCode } from "./atomic-file.ts";
import { hasJournalHeader, JOURNAL_HEADER_BYTES, type Span, scanJournal } from "./journal.ts";
import { decodePutRecord, MAX_RECORD_BYTES, summariseRecord } from "./peer-record.ts";

/** Where a peer's record is in the file, and what decides about forgetting it. */
export interface CacheEntry extends Span {
  readonly lastReceive: Millis;
}

export type CacheEntries = Map<Address, CacheEntry>;

export interface LoadedJournal {
  readonly entries: CacheEntries;
  /** Of the entries, in no particular order. */
  readonly peers: CachedPeer[];
  /** Where to append; 0 if there is no usable file. */
  readonly end: number;
  /** True if the file holds bytes that mean nothing and should be rewritten. */
  readonly damaged: boolean;
}

/**
 * Loads `path`, at most `maxPeers`. Repairs what a crash left: cuts off a damaged tail, sets a file aside whose
 * beginning is not ours. Throws ConfigError if the file cannot be read or repaired.
 */
export function loadJournal(path: string, maxPeers: number, warnings: string[]): LoadedJournal {
  const content = readContent(path, warnings);
  const entries: CacheEntries = new Map();
  if (content === null) return { entries, peers: [], end: 0, damaged: false };
  const { end, damagedBytes, tailBytes } = scanJournal(content, MAX_RECORD_BYTES, ({ offset, length }) => {
    const summary = summariseRecord(content.subarray(offset, offset + length));
    if (summary === null) return;
    if (summary.lastReceive === null) entries.delete(summary.address);
    else entries.set(summary.address, { offset, length, lastReceive: summary.lastReceive });
  });
  if (damagedBytes > 0) warnings.push(`${path}: ${damagedBytes} damaged bytes were skipped`);
  if (tailBytes > 0) {
    warnings.push(`${path}: ${tailBytes} bytes of an unfinished write at its end were dropped`);
    cutOff(path, end);
  }
  evict(entries, maxPeers);
  return { entries, peers: decodeEntries(content, entries), end, damaged: damagedBytes > 0 };
}

/** The file's bytes, or null if there is none or it had to be set aside. */
function readContent(path: string, warnings: string[]): Uint8Array | null {
  try {
    const content = readFileSync(path);
    // Empty is what a crash leaves between making the file and writing to it.
    if (content.length === 0) return null;
    if (content.length >= JOURNAL_HEADER_BYTES && hasJournalHeader(content)) return content;
  } catch (error) {
    if (fsCode(error) === "ENOENT") return null;
    if (fsCode(error) !== "ERR_FS_FILE_TOO_LARGE") throw fileError("read the file", path, error);
  }
  const aside = freeName(`${path}.damaged-`);
  try {
    renameSync(path, aside);
  } catch (error) {
    throw fileError("set the damaged file aside", path, error);
  }
  warnings.push(`${path} is damaged: it was set aside as ${aside}; peers are learned anew as they say HELLO`);
  return null;
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

/** Forgets the least recently heard beyond `maxPeers`. */
export function evict(entries: CacheEntries, maxPeers: number): void {
  if (entries.size <= maxPeers) return;
  const oldestFirst = [...entries].sort(([, a], [, b]) => a.lastReceive - b.lastReceive);
  for (const [address] of oldestFirst.slice(0, entries.size - maxPeers)) entries.delete(address);
}

/** The peers of `entries`; an entry whose record means nothing is deleted. */
function decodeEntries(content: Uint8Array, entries: CacheEntries): CachedPeer[] {
  const peers: CachedPeer[] = [];
  for (const [address, { offset, length }] of entries) {
    const decoded = decodePutRecord(content.subarray(offset, offset + length));
    if (decoded.ok) peers.push(decoded.value);
    else entries.delete(address);
  }
  return peers;
}

/** The peers of `entries` in the file `path`, the most recently heard first, decoded one by one. */
export function* recentPeers(path: string, entries: CacheEntries): Generator<CachedPeer> {
  const content = readFileSync(path);
  for (const { offset, length } of [...entries.values()].sort((a, b) => b.lastReceive - a.lastReceive)) {
    const decoded = decodePutRecord(content.subarray(offset, offset + length));
    if (decoded.ok) yield decoded.value;
  }
}
