/**
 * A node of any implementation in a machine of the laboratory: ours, or another whose command line is given. All are
 * driven through the service API of local-api.md, which they have in common.
 */
import { type ChildProcess, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Host, Lab } from "../e2e/lab.ts";
import { scratchDirectory } from "../e2e/root-daemon.ts";

const PORT = 9993;
const START_MS = 20_000;
const POLL_MS = 100;
const OURS = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

/** How a node is started; {home} and {port} stand for its directory and its port. */
export interface Implementation {
  readonly name: string;
  readonly command: string;
}

export const ORRERY: Implementation = {
  name: "orrery",
  command: `${process.execPath} ${OURS} up --home {home} --port {port}`,
};

/** What GET /network/{id} tells, as far as it is looked at here. */
export interface JoinedNetwork {
  readonly status: string;
  readonly assignedAddresses: readonly string[];
  readonly portDeviceName: string;
  readonly mac: string;
  readonly routes: readonly { readonly target: string }[];
}

/** Waits until `find` gives something that is true. Throws after `limitMs`. */
export async function until<T>(what: string, limitMs: number, find: () => T | null | undefined | false): Promise<T> {
  for (const end = performance.now() + limitMs; ; ) {
    const found = find();
    if (found) return found;
    if (performance.now() > end) throw new Error(`waited ${limitMs / 1000} s for ${what}`);
    await sleep(POLL_MS);
  }
}

/** Runs a command in a machine to its end. Gives what it printed, null if it failed. */
export function run(host: Host, command: string, args: readonly string[], input?: string): string | null {
  const result = spawnSync("ip", ["netns", "exec", host.namespace, command, ...args], { encoding: "utf8", input });
  return result.status === 0 ? result.stdout : null;
}

export class InteropNode {
  readonly host: Host;
  readonly implementation: Implementation;
  readonly home = join(scratchDirectory(), "home");
  readonly #lab: Lab;
  #child: ChildProcess | null = null;
  #output = "";

  /** Its home has a planet file, or gets one later. */
  constructor(lab: Lab, host: Host, implementation: Implementation, planet: Uint8Array | null = null) {
    this.#lab = lab;
    this.host = host;
    this.implementation = implementation;
    mkdirSync(this.home);
    if (planet !== null) writeFileSync(join(this.home, "planet"), planet);
  }

  /** A root of its own planet, by our tools: identity first, then a planet that names it. */
  static root(lab: Lab, host: Host, implementation: Implementation): InteropNode {
    const node = new InteropNode(lab, host, implementation);
    const ours = (...args: string[]) => {
      const result = spawnSync(process.execPath, [OURS, ...args], { encoding: "utf8" });
      if (result.status !== 0) throw new Error(`orrery ${args.join(" ")}: ${result.stderr}`);
      return result.stdout;
    };
    const made = join(scratchDirectory(), "made");
    ours("init", "--home", made, "--endpoint", `${host.ipv4}/${PORT}`);
    const files = implementation === ORRERY ? [] : ["identity.secret", "identity.public", "planet"];
    if (implementation === ORRERY) {
      rmSync(node.home, { recursive: true });
      ours("init", "--home", node.home, "--endpoint", `${host.ipv4}/${PORT}`);
    }
    for (const file of files) copyFileSync(join(made, file), join(node.home, file));
    return node;
  }

  get planet(): Uint8Array {
    return readFileSync(join(this.home, "planet"));
  }

  get address(): string {
    return readFileSync(join(this.home, "identity.public"), "utf8").slice(0, 10);
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get output(): string {
    return this.#output;
  }

  /** Starts it and waits until its API answers. */
  async start(): Promise<void> {
    const words = this.implementation.command.trim().split(/\s+/);
    const [command, ...args] = words.map((word) =>
      word.replaceAll("{home}", this.home).replaceAll("{port}", `${PORT}`),
    );
    const child = this.#lab.spawn(this.host, command!, args);
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (data) => {
        this.#output = (this.#output + String(data)).slice(-1_000_000);
      });
    }
    await until(`${this.implementation.name} to answer on ${this.host.namespace}`, START_MS, () => {
      if (child.exitCode !== null)
        throw new Error(`${command} ended with ${child.exitCode}: ${this.#output.slice(-500)}`);
      return existsSync(join(this.home, "authtoken.secret")) && this.get("/status") !== null;
    });
  }

  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  }

  get(path: string): unknown {
    return this.#call("GET", path);
  }

  post(path: string, body: unknown): unknown {
    return this.#call("POST", path, body);
  }

  network(id: string): JoinedNetwork | null {
    return this.get(`/network/${id}`) as JoinedNetwork | null;
  }

  #call(method: string, path: string, body?: unknown): unknown {
    const token = readFileSync(join(this.home, "authtoken.secret"), "utf8").trim();
    const words = ["-s", "-f", "-m", "5", "-X", method, "-H", `X-ZT1-Auth: ${token}`];
    if (body !== undefined) words.push("-d", JSON.stringify(body));
    const text = run(this.host, "curl", [...words, `http://127.0.0.1:${PORT}${path}`]);
    try {
      return text === null ? null : JSON.parse(text);
    } catch {
      return null;
    }
  }
}
