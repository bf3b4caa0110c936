/**
 * The memory of peers that survives restarts: `peers.cache`, an append-only journal (journal.ts) that is rewritten
 * when half of it is out of date. A root without it is deaf to its clients for minutes (vl1-behaviour.md §4.6).
 *
 * What `put` is told is collected by address and written in groups, at most 200 ms later; what `flush` has
 * confirmed survives kill -9 and, the disk being honest, a power cut. In memory there is one small entry per peer;
 * keys and paths stay in the file.
 */
import { rmSync, statSync } from "node:fs";
import type { CachedPeer, Millis, PeerCache } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";
import { fsCode } from "./atomic-file.ts";
import type { Home } from "./files.ts";
import { JournalFile } from "./journal-file.ts";
import { loadJournal, recentPeers, storedPeers } from "./peer-index.ts";
import { exportPeers, importPeers, MAX_EXPORTED_PEERS } from "./peers-directory.ts";

export interface PeerCacheOptions {
  /** More than this are forgotten, the least recently heard first. */
  readonly maxPeers: number;
  /** The time at opening. */
  readonly now: Millis;
  /** Told once per kind of trouble that arises later, such as a full disk. */
  readonly warn?: (text: string) => void;
}

export interface OpenedPeerCache {
  readonly cache: FilePeerCache;
  /** What it remembers, in no particular order, read as it is asked for. */
  readonly peers: Iterable<CachedPeer>;
  /** What was wrong with the files, for the log. */
  readonly warnings: string[];
}

/** For metrics. */
export interface PeerCacheStatistics {
  readonly peers: number;
  readonly maxPeers: number;
  /** Changes not yet on disk. */
  readonly pending: number;
  readonly fileBytes: number;
  /** Groups written; monotonic. */
  readonly commits: number;
  readonly compactions: number;
  readonly failures: number;
  /** The last write failed and is being tried again. */
  readonly failing: boolean;
}

/** Null = forget the peer. */
type Changes = Map<Address, CachedPeer | null>;

const COMMIT_DELAY_MS = 150;
const RETRY_DELAY_MS = 5000;
/** Peers per write: encoding more at once would hold up the packets. */
const GROUP_PEERS = 1024;

export class FilePeerCache implements PeerCache {
  readonly #home: Home;
  readonly #options: PeerCacheOptions;
  readonly #file: JournalFile;
  /** In order of the first change, so that the oldest is written first. */
  #pending: Changes = new Map();
  /** The group that is being written now. */
  #writing: Changes = new Map();
  #timer: NodeJS.Timeout | null = null;
  #work: Promise<void> = Promise.resolve();
  #closing: Promise<void> | null = null;
  #commits = 0;
  #failures = 0;
  #failing = false;

  private constructor(home: Home, options: PeerCacheOptions, file: JournalFile) {
    this.#home = home;
    this.#options = options;
    this.#file = file;
  }

  /**
   * Opens the cache of a home and gives what it remembers. A damaged tail is dropped, a damaged file is set aside;
   * without a cache the reference's `peers.d` is read, and with one those of its files that are newer, because then
   * the reference ran in between. Throws ConfigError only if the directory cannot be written.
   */
  static open(home: Home, options: PeerCacheOptions): OpenedPeerCache {
    const path = home.file("peers.cache");
    const warnings: string[] = [];
    rmSync(`${path}.new`, { force: true });
    const { maxPeers, now } = options;
    // Before the file is touched: the reference's files are compared with it.
    const modified = modifiedAt(path);
    const loaded = loadJournal(path, maxPeers, warnings);
    const file = JournalFile.open(path, loaded.entries, loaded.end, loaded.damaged);
    const cache = new FilePeerCache(home, options, file);
    const imported = importPeers(home.file("peers.d"), loaded.end === 0 ? 0 : modified, now, maxPeers);
    warnings.push(...imported.warnings);
    for (const peer of imported.peers) cache.put(peer);
    return { cache, peers: { [Symbol.iterator]: () => cache.#read(imported.peers) }, warnings };
  }

  /** Peers that were imported count more than what the file says of them. */
  *#read(imported: readonly CachedPeer[]): Generator<CachedPeer> {
    yield* imported;
    const newer = new Set(imported.map((peer) => peer.identity.address));
    for (const peer of storedPeers(this.#file.path, this.#file.entries)) {
      if (!newer.has(peer.identity.address)) yield peer;
    }
  }

  /** Peers remembered, those not yet written included. */
  get size(): number {
    let size = this.#file.entries.size;
    for (const [address, peer] of new Map([...this.#writing, ...this.#pending])) {
      if ((peer !== null) !== this.#file.entries.has(address)) size += peer === null ? -1 : 1;
    }
    return size;
  }

  get statistics(): PeerCacheStatistics {
    return {
      peers: this.size,
      maxPeers: this.#options.maxPeers,
      pending: this.#pending.size + this.#writing.size,
      fileBytes: this.#file.bytes,
      commits: this.#commits,
      compactions: this.#file.compactions,
      failures: this.#failures,
      failing: this.#failing,
    };
  }

  put(peer: CachedPeer): void {
    this.#change(peer.identity.address, peer);
  }

  remove(address: Address): void {
    this.#change(address, null);
  }

  #change(address: Address, peer: CachedPeer | null): void {
    if (this.#closing !== null) return;
    this.#pending.set(address, peer);
    // Only a disk that refuses lets this grow: then the oldest change is given up.
    if (this.#pending.size > this.#options.maxPeers) {
      const [oldest] = this.#pending.keys();
      this.#pending.delete(oldest!);
    }
    this.#schedule(this.#failing ? RETRY_DELAY_MS : COMMIT_DELAY_MS);
  }

  #schedule(delayMs: number): void {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#commitAll().catch(() => this.#schedule(RETRY_DELAY_MS));
    }, delayMs);
    this.#timer.unref();
  }

  /** Resolves when everything put or removed before the call is on disk; rejects with the disk's error. */
  flush(): Promise<void> {
    return this.#commitAll();
  }

  /** Commits run one after the other; a failed one does not stop the next. */
  #commitAll(): Promise<void> {
    const work = this.#work.then(() => this.#commit());
    this.#work = work.catch(() => {});
    return work;
  }

  async #commit(): Promise<void> {
    try {
      while (this.#pending.size > 0) await this.#commitGroup();
      this.#failing = false;
    } catch (error) {
      this.#failures++;
      if (!this.#failing) this.#options.warn?.(`${this.#file.path} cannot be written (${fsCode(error)}): retrying`);
      this.#failing = true;
      throw error;
    }
    await this.#compact();
  }

  /** What was put is safe by now: a failure only means that the file stays as long as it is. */
  async #compact(): Promise<void> {
    try {
      await this.#file.compactIfWorthwhile(this.#options.maxPeers);
    } catch (error) {
      this.#failures++;
      this.#options.warn?.(`${this.#file.path} cannot be rewritten (${fsCode(error)}): it keeps growing`);
    }
  }

  async #commitGroup(): Promise<void> {
    const group: Changes = new Map();
    for (const [address, peer] of this.#pending) {
      if (group.size >= GROUP_PEERS) break;
      group.set(address, peer);
      this.#pending.delete(address);
    }
    this.#writing = group;
    try {
      await this.#file.append(group);
      this.#commits++;
    } catch (error) {
      // What changed meanwhile is newer than what failed.
      this.#pending = new Map([...group, ...this.#pending]);
      throw error;
    } finally {
      this.#writing = new Map();
    }
  }

  /**
   * Writes what is pending, hands the most recent peers back to `peers.d` if the home has that directory, and closes
   * the file. Never rejects: trouble is told to `warn`. Later puts are ignored.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    try {
      await this.#commitAll();
      if (this.#home.hasPeersDirectory)
        exportPeers(this.#home.file("peers.d"), recentPeers(this.#file.path, this.#file.entries, MAX_EXPORTED_PEERS));
    } catch (error) {
      this.#options.warn?.(`peers could not be saved completely (${fsCode(error)})`);
    } finally {
      await this.#file.close();
    }
  }
}

/** Modification time of a file in ms since the epoch; 0 if there is none. */
function modifiedAt(path: string): Millis {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}
