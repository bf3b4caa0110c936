/**
 * The open journal of the peer cache: appends groups of changes, knows where each peer's latest record lies, and
 * rewrites itself without what is out of date. One operation at a time; the caller sees to that.
 */
import * as fs from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import type { CachedPeer } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";
import { Writer } from "../protocol/bytes.ts";
import { fileError, SECRET_MODE, syncDirectory } from "./atomic-file.ts";
import { FRAME_BYTES, JOURNAL_HEADER_BYTES, journalHeader, writeFramed } from "./journal.ts";
import { type CacheEntries, type CacheEntry, evict } from "./peer-index.ts";
import { writePutRecord, writeRemoveRecord } from "./peer-record.ts";

const write = promisify(fs.write);
const read = promisify(fs.read);
const sync = promisify(fs.fdatasync);
const truncate = promisify(fs.ftruncate);
const openFile = promisify(fs.open);
const closeFile = promisify(fs.close);

/** Smaller files are not worth rewriting. */
const MIN_COMPACTION_BYTES = 1 << 20;
const CHUNK_BYTES = 1 << 20;
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
  #liveBytes: number;
  #rewriteAnyway: boolean;
  /** After a failed compaction: the length from which the next one is tried. */
  #notBelow = 0;

  private constructor(path: string, file: number, entries: CacheEntries, end: number, rewrite: boolean) {
    this.path = path;
    this.entries = entries;
    this.bytes = end;
    this.#file = file;
    this.#rewriteAnyway = rewrite;
    this.#liveBytes = 0;
    for (const entry of entries.values()) this.#liveBytes += FRAME_BYTES + entry.length;
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
    const changed: [Address, CacheEntry | null][] = [];
    for (const [address, peer] of group) {
      if (peer === null) {
        if (!this.entries.has(address)) continue;
        writeFramed(writer, (to) => writeRemoveRecord(to, address));
        changed.push([address, null]);
      } else {
        const { offset, length } = writeFramed(writer, (to) => writePutRecord(to, peer));
        changed.push([address, { offset: this.bytes + offset, length, lastReceive: peer.lastReceive }]);
      }
    }
    if (changed.length === 0) return;
    try {
      await writeAll(this.#file, writer.finish(), this.bytes);
      await sync(this.#file);
    } catch (error) {
      // Half a group must not be taken for a newer one at the next start.
      await truncate(this.#file, this.bytes).catch(() => {});
      throw error;
    }
    this.bytes += writer.length;
    for (const [address, entry] of changed) this.#apply(address, entry);
  }

  #apply(address: Address, entry: CacheEntry | null): void {
    const previous = this.entries.get(address);
    if (previous !== undefined) this.#liveBytes -= FRAME_BYTES + previous.length;
    if (entry === null) {
      this.entries.delete(address);
    } else {
      this.entries.set(address, entry);
      this.#liveBytes += FRAME_BYTES + entry.length;
    }
  }

  #worthRewriting(maxPeers: number): boolean {
    const outdated = this.bytes > MIN_COMPACTION_BYTES && this.bytes > 2 * this.#liveBytes;
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
    const kept = new Map(this.entries);
    evict(kept, maxPeers);
    const temporary = `${this.path}.new`;
    const file = await openFile(temporary, "w+", SECRET_MODE);
    try {
      const end = await this.#copy(kept, file);
      await sync(file);
      fs.renameSync(temporary, this.path);
      syncDirectory(dirname(this.path));
      await closeFile(this.#file).catch(() => {});
      this.#file = file;
      this.entries = kept;
      this.bytes = end;
      this.#liveBytes = end - JOURNAL_HEADER_BYTES;
      this.#rewriteAnyway = false;
      this.#notBelow = 0;
      this.compactions++;
    } catch (error) {
      await closeFile(file).catch(() => {});
      fs.rmSync(temporary, { force: true });
      throw error;
    }
  }

  /** Copies the records of `entries` to `file` and points the entries at the copies. Returns the copy's length. */
  async #copy(entries: CacheEntries, file: number): Promise<number> {
    const old = new Uint8Array(this.bytes);
    for (let done = 0; done < old.length; ) {
      const { bytesRead } = await read(this.#file, old, done, old.length - done, done);
      if (bytesRead === 0) throw new Error("the journal is shorter than it was written");
      done += bytesRead;
    }
    let chunk = new Writer(CHUNK_BYTES).bytes(journalHeader());
    let position = 0;
    for (const [address, entry] of [...entries].sort(([, a], [, b]) => a.offset - b.offset)) {
      entries.set(address, { ...entry, offset: position + chunk.length + FRAME_BYTES });
      chunk.bytes(old.subarray(entry.offset - FRAME_BYTES, entry.offset + entry.length));
      if (chunk.length < CHUNK_BYTES) continue;
      await writeAll(file, chunk.finish(), position);
      position += chunk.length;
      chunk = new Writer(CHUNK_BYTES);
    }
    await writeAll(file, chunk.finish(), position);
    return position + chunk.length;
  }

  /** Closes the file; never rejects. */
  close(): Promise<void> {
    return closeFile(this.#file).catch(() => {});
  }
}
