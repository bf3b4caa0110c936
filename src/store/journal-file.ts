/**
 * The open journal of the peer cache: appends groups of changes, knows where each peer's latest record lies, and
 * rewrites itself without what is out of date. One operation at a time; the caller sees to that.
 */
import * as fs from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import type { CachedPeer, Millis } from "../node/ports.ts";
import { type Address, readAddress } from "../protocol/address.ts";
import { Writer } from "../protocol/bytes.ts";
import { fileError, SECRET_MODE, syncDirectory } from "./atomic-file.ts";
import { CacheEntries } from "./cache-entries.ts";
import { JOURNAL_HEADER_BYTES, JournalWalk, journalHeader, type Span, writeFramed } from "./journal.ts";
import {
  MAX_RECORD_BYTES,
  RECORD_ADDRESS_OFFSET,
  summariseRecord,
  writePutRecord,
  writeRemoveRecord,
} from "./peer-record.ts";

const write = promisify(fs.write);
const read = promisify(fs.read);
const sync = promisify(fs.fdatasync);
const truncate = promisify(fs.ftruncate);
const openFile = promisify(fs.open);
const closeFile = promisify(fs.close);

/** Smaller files are not worth rewriting. */
const MIN_COMPACTION_BYTES = 1 << 20;
/** What is copied at a time: a rewrite must not hold up the packets. */
const PIECE_BYTES = 1 << 16;
const TYPICAL_RECORD_BYTES = 160;

async function writeAll(file: number, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await write(file, bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

export class JournalFile {
  readonly path: string;
  /** The last word about each peer. */
  entries: CacheEntries;
  /** Length of the file as far as it is confirmed: where the next group goes. */
  bytes: number;
  compactions = 0;
  #file: number;
  #rewriteAnyway: boolean;
  /** After a failed compaction: the length from which the next one is tried. */
  #notBelow = 0;

  private constructor(path: string, file: number, entries: CacheEntries, end: number, rewrite: boolean) {
    this.path = path;
    this.entries = entries;
    this.bytes = end;
    this.#file = file;
    this.#rewriteAnyway = rewrite;
  }

  /**
   * Opens the file that `entries` describe and that is sound up to `end`; 0 = make a new one. `rewrite` asks for a
   * compaction at the first occasion. Throws ConfigError.
   */
  static open(path: string, entries: CacheEntries, end: number, rewrite: boolean): JournalFile {
    try {
      const file = fs.openSync(path, end === 0 ? "w+" : "r+", SECRET_MODE);
      if (end === 0) {
        fs.writeSync(file, journalHeader());
        fs.fsyncSync(file);
        syncDirectory(dirname(path));
      }
      return new JournalFile(path, file, entries, Math.max(end, JOURNAL_HEADER_BYTES), rewrite);
    } catch (error) {
      throw fileError("open the file", path, error);
    }
  }

  /**
   * Writes a group of changes (null = remove) and waits for the disk. Rejects with the disk's error; then nothing of
   * the group counts and the same can be tried again.
   */
  async append(group: ReadonlyMap<Address, CachedPeer | null>): Promise<void> {
    const writer = new Writer(group.size * TYPICAL_RECORD_BYTES);
    const changed: [Address, CachedPeer, Span][] = [];
    const removed: Address[] = [];
    for (const [address, peer] of group) {
      if (peer === null) {
        if (!this.entries.has(address)) continue;
        writeFramed(writer, (to) => writeRemoveRecord(to, address));
        removed.push(address);
      } else {
        const { offset, length } = writeFramed(writer, (to) => writePutRecord(to, peer));
        changed.push([address, peer, { offset: this.bytes + offset, length }]);
      }
    }
    if (writer.length === 0) return;
    try {
      await writeAll(this.#file, writer.finish(), this.bytes);
      await sync(this.#file);
    } catch (error) {
      // Half a group must not be taken for a newer one at the next start.
      await truncate(this.#file, this.bytes).catch(() => {});
      throw error;
    }
    this.bytes += writer.length;
    for (const [address, peer, span] of changed) this.entries.set(address, span, peer.lastReceive);
    for (const address of removed) this.entries.delete(address);
  }

  #worthRewriting(maxPeers: number): boolean {
    const outdated = this.bytes > MIN_COMPACTION_BYTES && this.bytes > 2 * this.entries.liveBytes;
    const crowded = this.entries.size > maxPeers + Math.max(16, maxPeers >> 3);
    return this.#rewriteAnyway || outdated || crowded;
  }

  /**
   * Rewrites the file with the latest record of each of the `maxPeers` most recently heard peers, if that gains
   * enough. Rejects with the disk's error; the old file then goes on.
   */
  async compactIfWorthwhile(maxPeers: number): Promise<void> {
    if (this.bytes < this.#notBelow || !this.#worthRewriting(maxPeers)) return;
    this.#notBelow = this.bytes + MIN_COMPACTION_BYTES;
    const kept = new CacheEntries(maxPeers + (maxPeers >> 3));
    const temporary = `${this.path}.new`;
    const file = await openFile(temporary, "w+", SECRET_MODE);
    let end: number;
    try {
      end = await this.#copy(kept, this.entries.heardSince(maxPeers), file);
      await sync(file);
      fs.renameSync(temporary, this.path);
    } catch (error) {
      await closeFile(file).catch(() => {});
      fs.rmSync(temporary, { force: true });
      throw error;
    }
    const old = this.#file;
    this.#file = file;
    this.entries = kept;
    this.bytes = end;
    this.#rewriteAnyway = false;
    this.#notBelow = 0;
    this.compactions++;
    await closeFile(old).catch(() => {});
    syncDirectory(dirname(this.path));
  }

  /**
   * Copies to `file` the records that are the last word about a peer heard since `heardSince`, and notes in `kept`
   * where they are there. Returns the copy's length.
   */
  async #copy(kept: CacheEntries, heardSince: Millis, file: number): Promise<number> {
    let piece = new Writer(PIECE_BYTES).bytes(journalHeader());
    let position = 0;
    const walk = new JournalWalk(MAX_RECORD_BYTES, PIECE_BYTES, (record, offset) => {
      const lastReceive = summariseRecord(record)?.lastReceive ?? null;
      if (lastReceive === null || lastReceive < heardSince) return;
      const address = readAddress(record, RECORD_ADDRESS_OFFSET);
      if (this.entries.offset(address) !== offset) return;
      const copied = writeFramed(piece, (to) => to.bytes(record));
      kept.set(address, { offset: position + copied.offset, length: record.length }, lastReceive);
    });
    for (let left = this.bytes - walk.position; left > 0; ) {
      const { room } = walk;
      const { bytesRead } = await read(this.#file, room, 0, Math.min(room.length, left), walk.position);
      if (bytesRead === 0) throw new Error("the journal is shorter than it was written");
      left -= bytesRead;
      walk.filled(bytesRead);
      if (left === 0) walk.filled(0);
      await writeAll(file, piece.finish(), position);
      position += piece.length;
      piece = new Writer(PIECE_BYTES);
    }
    return position;
  }

  /** Closes the file; never rejects. */
  close(): Promise<void> {
    return closeFile(this.#file).catch(() => {});
  }
}
