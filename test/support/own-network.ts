/**
 * A network namespace for one test file: this thread, and the processes and threads that it starts afterwards, are
 * alone in it, with nothing but a loopback device. It goes with the process.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { loadLibc } from "../../src/io/linux/libc.ts";

const CLONE_NEWNET = 0x40000000;

interface Koffi {
  load(path: null): { func(declaration: string): (flags: number) => number };
}

/** Enters a namespace of our own. Why that cannot be, or false. Said aloud, because a silent skip looks like success. */
export function enterOwnNetwork(): string | false {
  const reason = findObstacle();
  if (reason !== false) process.stderr.write(`\nNO NETWORK OF OUR OWN, these tests are skipped: ${reason}\n\n`);
  return reason;
}

function findObstacle(): string | false {
  if (loadLibc() === null) return "this needs 64-bit Linux and the package koffi";
  if (process.getuid?.() !== 0) return "this needs root";
  if (!existsSync("/dev/net/tun")) return "/dev/net/tun is missing";
  if (spawnSync("ip", ["-V"]).status !== 0) return 'the command "ip" is missing';
  const koffi = createRequire(import.meta.url)("koffi") as Koffi;
  if (koffi.load(null).func("int unshare(int flags)")(CLONE_NEWNET) !== 0) return "namespaces are not possible here";
  ip("link set lo up");
  return false;
}

/** Runs `ip` with these words; what it printed. Throws if it fails. */
export function ip(words: string): string {
  return execFileSync("ip", words.split(" "), { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** Runs `ip -j` with these words. */
export function ipJson<T>(words: string): T[] {
  return JSON.parse(ip(`-j ${words}`) || "[]") as T[];
}
