/** Starting and stopping the roots under test: our own and, beside it, whatever else speaks the protocol. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Identity, parseIdentity } from "../../src/identity/identity.ts";
import type { Link } from "./lab.ts";
import { listensOn } from "./process-figures.ts";

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;
const NICE = "-10";
/** Kept of what a root that failed had to say. */
const LOG_TAIL_BYTES = 2000;

/** A root that listens. */
export interface RunningRoot {
  readonly pid: number;
  readonly identity: Identity;
  readonly port: number;
  readonly stop: () => Promise<void>;
}

/** Makes a home with an identity and a planet of its own in which this root is the only one. */
export function makeHome(program: string, home: string, link: Link, port: number): void {
  execFileSync(process.execPath, [program, "init", "--home", home, "--endpoint", `${link.rootIpText}/${port}`], {
    stdio: ["ignore", "ignore", "pipe"],
  });
}

/** Settings for our own root under load: no gate in the way, everything else as delivered. */
export function ourConfiguration(maxPeers: number, workers: string | null): string {
  const lines = [
    "limits:",
    `  maxPeers: ${Math.max(200_000, 2 * maxPeers)}`,
    `  cachePeers: ${Math.max(200_000, 2 * maxPeers)}`,
    "  identityPerPrefixPerMinute: 60000",
    "  identityPerPrefixBurst: 60000",
    "  identityQueue: 4096",
    "log:",
    "  level: warn",
  ];
  if (workers !== null) lines.push("dataplane:", `  workers: ${workers}`);
  return `${lines.join("\n")}\n`;
}

export function writeConfiguration(home: string, yaml: string): void {
  writeFileSync(join(home, "orrery.yaml"), yaml);
}

/** The words of a command in which {home} and {port} stand for what they say. No shell is involved. */
export function commandWords(command: string, home: string, port: number): string[] {
  return command
    .trim()
    .split(/\s+/)
    .map((word) => word.replaceAll("{home}", home).replaceAll("{port}", String(port)));
}

/** Starts a root in the namespace of its link on `cpus`. Throws with the end of its output if it does not listen. */
export async function startRoot(
  command: readonly string[],
  home: string,
  link: Link,
  port: number,
  cpus: string,
): Promise<RunningRoot> {
  const identity = readIdentity(join(home, "identity.public"));
  const logPath = join(home, "bench-output.log");
  const log = openSync(logPath, "w");
  const words = [...link.enter, "taskset", "-c", cpus, "nice", "-n", NICE, ...command];
  const child = spawn(words[0]!, words.slice(1), { stdio: ["ignore", log, log] });
  closeSync(log);
  const failed = new Promise<never>((_, reject) => child.once("error", reject));
  failed.catch(() => undefined);
  live.add(child);
  child.once("exit", () => live.delete(child));
  const deadline = performance.now() + START_TIMEOUT_MS;
  // Every wrapper replaces itself by the next command, so that the process keeps its id.
  while (child.pid === undefined || !listensOn(child.pid, port)) {
    if (child.exitCode !== null || performance.now() > deadline) {
      await stopChild(child);
      const tail = readFileSync(logPath, "utf8").slice(-LOG_TAIL_BYTES);
      throw new Error(`"${command.join(" ")}" does not listen on port ${port}. It said:\n${tail}`);
    }
    await Promise.race([sleep(50), failed]);
  }
  await sleep(500);
  return { pid: child.pid, identity, port, stop: () => stopChild(child) };
}

/** A root that somebody else has started and will stop. */
export function runningRoot(pid: number, identityFile: string, port: number): RunningRoot {
  return { pid, identity: readIdentity(identityFile), port, stop: () => Promise.resolve() };
}

/** Ends what still runs, at once; for exits on which nothing can be waited for. */
export function killRoots(): void {
  for (const child of live) child.kill("SIGKILL");
}

const live = new Set<ChildProcess>();

export function readIdentity(path: string): Identity {
  const identity = parseIdentity(readFileSync(path, "utf8").trim());
  if (identity === null) throw new Error(`${path} holds no identity`);
  return identity;
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  await Promise.race([ended, sleep(STOP_TIMEOUT_MS)]);
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await ended;
}
