/** Our own daemon as a user runs it: `node dist/main.js`, in a namespace of the laboratory. */
import { type ChildProcess, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { formatIdentity, type Identity } from "../../src/identity/identity.ts";
import type { World } from "../../src/world/world.ts";
import type { Host, Lab } from "./lab.ts";

const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
export const ROOT_PORT = 9993;
const START_TIMEOUT_MS = 15_000;

/** A scratch directory that disappears with the test process. */
export function scratchDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "orrery-e2e-"));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** One root, or another node: its home, and its process while it runs. */
export class RootDaemon {
  readonly host: Host;
  readonly home: string;
  readonly #lab: Lab;
  #child: ChildProcess | null = null;
  #output = "";

  private constructor(lab: Lab, host: Host) {
    this.#lab = lab;
    this.host = host;
    this.home = join(scratchDirectory(), "home");
  }

  /** A root whose home `init` prepares: identity, planet and tokens are the program's own. */
  static init(lab: Lab, host: Host): RootDaemon {
    const daemon = new RootDaemon(lab, host);
    daemon.command("init", "--home", daemon.home, ...endpointsOf(host).flatMap((endpoint) => ["--endpoint", endpoint]));
    return daemon;
  }

  /** A root with a given identity in a given planet, as when several roots share one. */
  static withPlanet(lab: Lab, host: Host, identity: Identity, planet: World): RootDaemon {
    const daemon = new RootDaemon(lab, host);
    mkdirSync(daemon.home);
    writeFileSync(join(daemon.home, "identity.secret"), formatIdentity(identity, true), { mode: 0o600 });
    writeFileSync(join(daemon.home, "identity.public"), formatIdentity(identity));
    writeFileSync(join(daemon.home, "planet"), planet.bytes);
    return daemon;
  }

  /** A node that lives on somebody else's planet: its home has that file and nothing else. */
  static nodeOn(lab: Lab, host: Host, planetFile: string): RootDaemon {
    const daemon = new RootDaemon(lab, host);
    mkdirSync(daemon.home);
    copyFileSync(planetFile, join(daemon.home, "planet"));
    return daemon;
  }

  /** The file that clients of this root need. */
  get planetFile(): string {
    return join(this.home, "planet");
  }

  /** Ten hex digits. */
  get address(): string {
    return readFileSync(join(this.home, "identity.public"), "utf8").slice(0, 10);
  }

  /** Runs `orrery <args>` to its end in the root's namespace and gives its stdout. Throws if it fails. */
  command(...args: string[]): string {
    const argv = ["netns", "exec", this.host.namespace, process.execPath, MAIN, ...args];
    const result = spawnSync("ip", argv, { encoding: "utf8" });
    if (result.status !== 0) throw new Error(`orrery ${args.join(" ")} ended with ${result.status}: ${result.stderr}`);
    return result.stdout;
  }

  /**
   * Its orrery.yaml from the next start on. Environment variables go before it, for all roots of a test run: with
   * ORRERY_DATAPLANE_WORKERS=0 everything is relayed without threads.
   */
  configure(yaml: string): void {
    writeFileSync(join(this.home, "orrery.yaml"), yaml);
  }

  /** Starts it and waits until its UDP port is open. Gives the milliseconds that took. */
  async start(): Promise<number> {
    const started = performance.now();
    const args = [MAIN, "up", "--home", this.home, "--port", String(ROOT_PORT)];
    const child = this.#lab.spawn(this.host, process.execPath, args);
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data) => this.#remember(String(data)));
    while (!udpPortIsOpen(child.pid!, ROOT_PORT)) {
      if (child.exitCode !== null) throw new Error(`the root ended with ${child.exitCode}:\n${this.#output}`);
      if (performance.now() - started > START_TIMEOUT_MS) throw new Error(`the root does not start:\n${this.#output}`);
      await sleep(5);
    }
    return performance.now() - started;
  }

  /** Sends a signal and waits for the end. */
  async stop(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
    this.#child = null;
  }

  #remember(text: string): void {
    this.#output = (this.#output + text).slice(-4000);
  }
}

/** `ip/port` of every address of a root. */
export function endpointsOf(host: Host): string[] {
  return [host.ipv4, host.ipv6].filter((ip) => ip !== null).map((ip) => `${ip}/${ROOT_PORT}`);
}

/** Read from the kernel, because a line on stdout is wording and may change. */
function udpPortIsOpen(pid: number, port: number): boolean {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")} `;
  try {
    return ["udp", "udp6"].some((table) => readFileSync(`/proc/${pid}/net/${table}`, "utf8").includes(wanted));
  } catch {
    return false;
  }
}
