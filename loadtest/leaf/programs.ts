/** Starting what is measured: a root and controller of ours, and leaves of ours or of others. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { inside, type Lab, networkAddress, type Place } from "./lab.ts";

const PORT = 9993;
const WAIT_MS = 60_000;
const STOP_MS = 10_000;
const POLL_MS = 100;
/** Kept of what a program that failed had to say. */
const LOG_TAIL_BYTES = 2000;

const live = new Set<ChildProcess>();

/** Ends what still runs, at once; for exits on which nothing can be waited for. */
export function killPrograms(): void {
  for (const child of live) child.kill("SIGKILL");
}

/** Asks everything to end and waits for it: profiles are written then. */
export async function stopPrograms(): Promise<void> {
  for (const child of live) child.kill("SIGTERM");
  for (const end = performance.now() + STOP_MS; live.size > 0 && performance.now() < end; ) await sleep(POLL_MS);
  killPrograms();
}

/** Starts a program in a place; what it says goes to a file of its home. */
export function startProgram(place: Place, command: readonly string[], home: string): ChildProcess {
  const log = openSync(join(home, "bench-output.log"), "a");
  const [program, ...args] = inside(place, command);
  const child = spawn(program!, args, { stdio: ["ignore", log, log] });
  closeSync(log);
  live.add(child);
  child.once("exit", () => live.delete(child));
  return child;
}

/** Our root and controller, with one network. */
export interface Controller {
  readonly home: string;
  readonly network: string;
  /** True, or throws. */
  authorize(address: string): true;
}

export async function startController(lab: Lab, program: string, home: string): Promise<Controller> {
  const ours = (...args: string[]): string => {
    const [command, ...rest] = inside(lab.root, [process.execPath, program, ...args]);
    return execFileSync(command!, rest, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  };
  ours("init", "--home", home, "--endpoint", `${lab.root.ip}/${PORT}`);
  startProgram(lab.root, [process.execPath, program, "up", "--home", home, "--port", String(PORT)], home);
  const create = () =>
    (JSON.parse(ours("network", "create", "--name", "bench", "--json", "--home", home)) as { id: string }).id;
  const network = await until("the controller", home, () => attempt(create));
  const authorize = (address: string): true => {
    ours("member", "authorize", network, address, "--home", home);
    return true;
  };
  return { home, network, authorize };
}

/** A leaf that has an address in the network. */
export interface RunningLeaf {
  readonly program: string;
  readonly place: Place;
  readonly pid: number;
  /** In the network. */
  readonly ip: string;
}

/** Makes a home, starts the leaf and waits until it has an address. Throws with the end of its output otherwise. */
export async function startLeaf(
  name: string,
  command: string,
  place: Place,
  home: string,
  controller: Controller,
): Promise<RunningLeaf> {
  mkdirSync(join(home, "networks.d"), { recursive: true });
  copyFileSync(join(controller.home, "planet"), join(home, "planet"));
  writeFileSync(join(home, "networks.d", `${controller.network}.conf`), "");
  const words = command.trim().split(/\s+/);
  const filled = words.map((word) => word.replaceAll("{home}", home).replaceAll("{port}", String(PORT)));
  const child = startProgram(place, filled, home);
  const identity = join(home, "identity.public");
  const address = await until(`${name}'s identity`, home, () =>
    existsSync(identity) ? readFileSync(identity, "utf8").slice(0, 10) : null,
  );
  await until(`${name} to be admitted`, home, () => attempt(() => controller.authorize(address)));
  const ip = await until(`${name}'s address`, home, () => networkAddress(place));
  return { program: name, place, pid: child.pid!, ip };
}

function attempt<T>(run: () => T): T | null {
  try {
    return run();
  } catch {
    return null;
  }
}

async function until<T>(what: string, home: string, find: () => T | null): Promise<T> {
  const end = performance.now() + WAIT_MS;
  for (;;) {
    const found = find();
    if (found !== null) return found;
    if (performance.now() > end) {
      const log = join(home, "bench-output.log");
      const tail = existsSync(log) ? readFileSync(log, "utf8").slice(-LOG_TAIL_BYTES) : "";
      throw new Error(`waited ${WAIT_MS} ms for ${what}. The program said:\n${tail}`);
    }
    await sleep(POLL_MS);
  }
}
