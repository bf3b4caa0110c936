/** Programs and directories that do not outlive this process, however it ends (but by SIGKILL). */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const children = new Set<ChildProcess>();
const directories: string[] = [];

process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  // A program that was just killed may still be writing.
  for (const directory of directories) {
    rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }
});
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => process.exit(1));

/** Starts a program. Its stdin is closed, its stderr is ours. */
export function spawnOwned(command: string, args: readonly string[], stdout: "pipe" | "ignore"): ChildProcess {
  const child = spawn(command, args, { stdio: ["ignore", stdout, "inherit"] });
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

/** Asks a program to end and waits for it; harmless when it has ended already. */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}

/** A new empty directory. */
export function ownDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "orrery-telemetry-"));
  directories.push(directory);
  return directory;
}
