/**
 * One process per home. The file is the reference's (local-api.md §7: decimal, no newline, removed at exit); it is
 * put in place by a hard link, which fails if somebody else was faster.
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { ConfigError } from "../config/errors.ts";
import { fileError, fsCode, PUBLIC_MODE } from "./atomic-file.ts";

/** Programs that may be running on a home. Any other process that has the pid by now got it after a restart. */
const HOLDER_COMMAND = /node|orrery|zerotier/i;

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}

/** True if process `pid` runs and may be one that uses a home. */
function mayHold(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (fsCode(error) !== "EPERM") return false;
  }
  let command: string;
  try {
    command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return true;
  }
  return HOLDER_COMMAND.test(command);
}

/** The pid of a live process that holds the file, or null if it is absent, damaged, stale or our own. */
function liveHolder(text: string): number | null {
  if (!/^[1-9][0-9]{0,9}$/.test(text)) return null;
  const pid = Number(text);
  return pid !== process.pid && mayHold(pid) ? pid : null;
}

function refuse(path: string, pid: number | string): never {
  throw new ConfigError(`process ${pid} already runs on this home directory`, {
    file: path,
    advice: `stop it first (kill ${pid}), or give this one another home with --home`,
  });
}

/** Links our pid into place; false if a file is there. */
function link(path: string): boolean {
  const temporary = `${path}.${process.pid}`;
  try {
    writeFileSync(temporary, String(process.pid), { mode: PUBLIC_MODE });
    try {
      linkSync(temporary, path);
    } catch (error) {
      if (fsCode(error) === "EEXIST") return false;
      // No hard links on this file system: an exclusive create is the next best.
      writeFileSync(path, String(process.pid), { mode: PUBLIC_MODE, flag: "wx" });
    }
    return true;
  } catch (error) {
    if (fsCode(error) === "EEXIST") return false;
    throw fileError("write the file", path, error);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Moves a stale file away; if another process replaced it meanwhile, its file is put back. */
function discard(path: string, stale: string): void {
  const aside = `${path}.stale-${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (fsCode(error) === "ENOENT") return;
    throw fileError("replace the file", path, error);
  }
  const moved = readText(aside);
  if (moved !== stale) {
    renameSync(aside, path);
    refuse(path, moved);
  }
  rmSync(aside, { force: true });
}

/**
 * Writes our pid into `path`, replacing what a dead process left. Throws ConfigError if a live one holds it or the
 * file cannot be written.
 */
export function acquirePidFile(path: string): void {
  for (let attempt = 0; attempt < 10; attempt++) {
    if (link(path)) return;
    const text = readText(path);
    const holder = liveHolder(text);
    if (holder !== null) refuse(path, holder);
    discard(path, text);
  }
  throw new ConfigError("other processes keep writing this file", {
    file: path,
    advice: "start only one process on this home directory",
  });
}

/** Removes the file if it is ours. */
export function releasePidFile(path: string): void {
  if (readText(path) === String(process.pid)) rmSync(path, { force: true });
}
