/**
 * Files that are either the old or the new content, whatever happens: written beside, synced, renamed. All calls
 * are synchronous; they happen at start and when a world or a setting changes.
 */
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { ConfigError } from "../config/errors.ts";
import { bytesEqual } from "../protocol/bytes.ts";

/** Mode of files that hold a secret. */
export const SECRET_MODE = 0o600;
/** Mode of everything else, as the reference has it. */
export const PUBLIC_MODE = 0o644;

/** The system's error code of something thrown by node:fs, or "". */
export function fsCode(error: unknown): string {
  return (error as NodeJS.ErrnoException | null)?.code ?? "";
}

const ADVICE: Readonly<Record<string, string>> = {
  EACCES: "run orrery as the user who owns the home directory, or change its owner",
  EPERM: "run orrery as the user who owns the home directory, or change its owner",
  EROFS: "the file system is mounted read-only: mount it read-write or choose another --home",
  ENOSPC: "the disk is full: make room and start again",
  EDQUOT: "the disk quota is used up: make room and start again",
  ENOTDIR: "a part of the path is a file: choose another --home or move that file away",
  EISDIR: "it is a directory: move it away",
};

/** What was tried on which path, and what to do, as the operator reads it. */
export function fileError(verb: string, path: string, error: unknown): ConfigError {
  const code = fsCode(error);
  const advice = ADVICE[code] ?? "see the system's log for the cause";
  return new ConfigError(`cannot ${verb} (${code || String(error)})`, { file: path, advice });
}

/** The file's bytes, or null if there is none. Throws ConfigError if it cannot be read or exceeds `maxBytes`. */
export function readIfPresent(path: string, maxBytes: number): Uint8Array | null {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (fsCode(error) === "ENOENT") return null;
    throw fileError("read the file", path, error);
  }
  if (bytes.length <= maxBytes) return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  throw new ConfigError(`has ${bytes.length} bytes, and at most ${maxBytes} make sense`, {
    file: path,
    advice: "this is not the file it should be: move it away or restore it from a backup",
  });
}

/** The file as text (UTF-8), or null if there is none. Throws as `readIfPresent`. */
export function readTextIfPresent(path: string, maxBytes: number): string | null {
  const bytes = readIfPresent(path, maxBytes);
  return bytes === null ? null : new TextDecoder().decode(bytes);
}

/** Makes a directory and its parents; an existing one keeps its mode. Throws ConfigError. */
export function makeDirectory(path: string, mode: number): void {
  try {
    makeWithParents(path, mode);
  } catch (error) {
    throw fileError("make the directory", path, error);
  }
}

/** As mkdir -p. Node's own recursive form never returns where a file system answers ENOENT to everything (/proc). */
function makeWithParents(path: string, mode: number): void {
  if (existsSync(path)) return;
  const parent = dirname(path);
  if (parent !== path) makeWithParents(parent, mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (fsCode(error) !== "EEXIST") throw error;
  }
}

/** Takes away what group and others may do with a secret. Returns true if they could; failing to is no error. */
export function tightenSecret(path: string): boolean {
  try {
    if ((statSync(path).mode & 0o077) === 0) return false;
    chmodSync(path, SECRET_MODE);
    return true;
  } catch {
    return false;
  }
}

function syncedWrite(path: string, bytes: Uint8Array, mode: number): void {
  const file = openSync(path, "w", mode);
  try {
    writeFileSync(file, bytes);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Makes a rename durable. Some systems cannot open directories; the rename itself has happened by then. */
export function syncDirectory(path: string): void {
  try {
    const directory = openSync(path, "r");
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
  } catch {
    // See above.
  }
}

/** Where a path really lies: a link to a file (a mounted secret) stays a link when the file is replaced. */
function resolved(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function replaceFile(path: string, bytes: Uint8Array, mode: number): void {
  const temporary = join(dirname(path), `.${basename(path)}.new-${process.pid}`);
  try {
    rmSync(temporary, { force: true });
    syncedWrite(temporary, bytes, mode);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    // A single file mounted into a container cannot be renamed over, only written to.
    if (fsCode(error) !== "EBUSY") throw error;
    syncedWrite(path, bytes, mode);
  }
  syncDirectory(dirname(path));
}

/**
 * Replaces a file's content atomically and durably unless it has that content already. Returns true if it was
 * written. Throws ConfigError.
 */
export function writeIfChanged(path: string, content: Uint8Array | string, mode: number): boolean {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const target = resolved(path);
  try {
    if (bytesEqual(readFileSync(target), bytes)) return false;
  } catch {
    // Absent or unreadable: the write below tells which.
  }
  try {
    replaceFile(target, bytes, mode);
    return true;
  } catch (error) {
    throw fileError("write the file", path, error);
  }
}

/** Removes a file if it is there. Throws ConfigError. */
export function removeIfPresent(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch (error) {
    throw fileError("remove the file", path, error);
  }
}
