/**
 * The reference's peer cache, one file per peer: read when a home is taken over, written when it may be handed
 * back. Facts: vl1-behaviour.md §3.1.
 */
import { lstatSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CachedPeer, Millis } from "../node/ports.ts";
import { type Address, formatAddress, parseAddress } from "../protocol/address.ts";
import { bytesEqual } from "../protocol/bytes.ts";
import { fsCode, PUBLIC_MODE } from "./atomic-file.ts";
import { decodePeerFile, encodePeerFile, MAX_PEER_FILE_BYTES } from "./peer-record.ts";

/** The reference deletes older files. */
const MAX_AGE_MS = 30 * 24 * 3600 * 1000;
export const MAX_EXPORTED_PEERS = 4096;
/** A damaged directory is told in a few lines, not in thousands. */
const MAX_NAMED_WARNINGS = 5;

interface PeerFile {
  readonly path: string;
  readonly address: Address;
  readonly modified: Millis;
}

export interface PeerImport {
  readonly peers: CachedPeer[];
  readonly warnings: string[];
}

class Complaints {
  readonly #lines: string[] = [];
  #unnamed = 0;

  add(path: string, problem: string): void {
    if (this.#lines.length < MAX_NAMED_WARNINGS) this.#lines.push(`${path} was skipped: ${problem}`);
    else this.#unnamed++;
  }

  get lines(): string[] {
    return this.#unnamed === 0 ? this.#lines : [...this.#lines, `${this.#unnamed} more peer files were skipped`];
  }
}

/** Regular files named like a peer and modified between the two times, latest first. */
function listPeerFiles(directory: string, after: Millis, now: Millis, complaints: Complaints): PeerFile[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    if (fsCode(error) !== "ENOENT") complaints.add(directory, `it cannot be read (${fsCode(error)})`);
    return [];
  }
  const files: PeerFile[] = [];
  for (const name of names) {
    const address = /^[0-9a-f]{10}\.peer$/.test(name) ? parseAddress(name.slice(0, 10)) : null;
    if (address === null) continue;
    const path = join(directory, name);
    try {
      const status = lstatSync(path);
      const modified = Math.floor(status.mtimeMs);
      if (modified <= after || modified < now - MAX_AGE_MS) continue;
      if (!status.isFile()) complaints.add(path, "it is no file");
      else if (status.size > MAX_PEER_FILE_BYTES) complaints.add(path, `it has ${status.size} bytes`);
      else files.push({ path, address, modified: Math.min(modified, now) });
    } catch (error) {
      complaints.add(path, `it cannot be read (${fsCode(error)})`);
    }
  }
  return files.sort((a, b) => b.modified - a.modified);
}

function importFile({ path, address, modified }: PeerFile, complaints: Complaints): CachedPeer | null {
  try {
    const decoded = decodePeerFile(readFileSync(path), modified);
    if (!decoded.ok) complaints.add(path, `it holds no peer (${decoded.code} at byte ${decoded.offset})`);
    else if (decoded.value.identity.address === address) return decoded.value;
    else complaints.add(path, `it holds ${formatAddress(decoded.value.identity.address)}`);
  } catch (error) {
    complaints.add(path, `it cannot be read (${fsCode(error)})`);
  }
  return null;
}

/**
 * Reads the peers of `directory` whose files were modified after `after` and within the last 30 days, at most
 * `maxPeers` of them, the latest first. Files that are damaged, too large, links or under another peer's name are
 * skipped with a warning; nothing is thrown.
 */
export function importPeers(directory: string, after: Millis, now: Millis, maxPeers: number): PeerImport {
  const complaints = new Complaints();
  const peers: CachedPeer[] = [];
  for (const file of listPeerFiles(directory, after, now, complaints)) {
    if (peers.length >= maxPeers) break;
    const peer = importFile(file, complaints);
    if (peer !== null) peers.push(peer);
  }
  return { peers, warnings: complaints.lines };
}

/**
 * Writes the first 4096 of `peers` (give the most recent first) as the reference's files, dated by their last
 * receive so that it expires them as if it had written them. Unchanged files are only dated. Throws what the file
 * system throws.
 */
export function exportPeers(directory: string, peers: Iterable<CachedPeer>): number {
  let written = 0;
  for (const peer of peers) {
    if (written >= MAX_EXPORTED_PEERS) break;
    const path = join(directory, `${formatAddress(peer.identity.address)}.peer`);
    const bytes = encodePeerFile(peer);
    if (!holds(path, bytes)) writeFileSync(path, bytes, { mode: PUBLIC_MODE });
    const seconds = peer.lastReceive / 1000;
    utimesSync(path, seconds, seconds);
    written++;
  }
  return written;
}

function holds(path: string, bytes: Uint8Array): boolean {
  try {
    return bytesEqual(readFileSync(path), bytes);
  } catch {
    return false;
  }
}
