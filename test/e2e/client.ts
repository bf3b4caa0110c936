/**
 * A leaf in a namespace of the laboratory: `test/support/synthetic-client.ts` as a process, spoken to by JSON lines
 * (its head lists them).
 */
import type { ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { formatIdentity, type Identity } from "../../src/identity/identity.ts";
import { formatAddress } from "../../src/protocol/address.ts";
import type { Host, Lab } from "./lab.ts";
import { scratchDirectory } from "./root-daemon.ts";

const PROGRAM = fileURLToPath(new URL("../support/synthetic-client.ts", import.meta.url));

/** What a client says of one peer. `paths` are the direct ones that have not expired, as `ip/port`. */
export interface ClientPeer {
  readonly address: string;
  readonly role: string;
  readonly paths: readonly string[];
}

/** One line of the client's stdout, with when it came (ms, `performance.now`). */
export interface ClientEvent {
  readonly event: string;
  readonly at: number;
  readonly from?: string;
  readonly text?: string;
  readonly timestamp?: string;
  readonly peers?: readonly ClientPeer[];
}

export class Client {
  readonly address: string;
  readonly host: Host;
  readonly events: ClientEvent[] = [];
  readonly startedAt = performance.now();
  readonly #child: ChildProcess;
  #complaints = "";

  constructor(lab: Lab, host: Host, identity: Identity, planetFile: string) {
    this.address = formatAddress(identity.address);
    this.host = host;
    const home = scratchDirectory();
    const identityFile = join(home, "identity.secret");
    writeFileSync(identityFile, formatIdentity(identity, true), { mode: 0o600 });
    const bind = [host.ipv4, host.ipv6].filter((ip) => ip !== null).flatMap((ip) => ["--bind", ip]);
    const args = ["--import", "tsx", PROGRAM, "--planet", planetFile, "--identity", identityFile, ...bind];
    this.#child = lab.spawn(host, process.execPath, args);
    this.#child.stderr?.on("data", (data) => {
      this.#complaints = (this.#complaints + String(data)).slice(-2000);
    });
    createInterface({ input: this.#child.stdout! }).on("line", (line) => {
      if (line.startsWith("{")) this.events.push({ ...JSON.parse(line), at: performance.now() });
    });
  }

  /** Waits for an event, past ones included. */
  async waitFor(what: string, matches: (event: ClientEvent) => boolean, timeoutMs: number): Promise<ClientEvent> {
    return await this.#poll(what, timeoutMs, () => this.events.find(matches));
  }

  /** Waits until it says that it is online, which a node asks itself every 5 s. Gives the milliseconds since its start. */
  async online(timeoutMs = 15_000): Promise<number> {
    const event = await this.waitFor("to be online", ({ event }) => event === "online", timeoutMs);
    return event.at - this.startedAt;
  }

  /** Waits until it has a path to a root in every family of its host: from then on it can send and be found by both. */
  async connected(timeoutMs = 15_000): Promise<void> {
    await this.waitFor("its start", ({ event }) => event === "up", timeoutMs);
    const wanted = this.host.ipv6 === null ? 1 : 2;
    const end = performance.now() + timeoutMs;
    for (;;) {
      const root = (await this.peers()).find(({ role, paths }) => role === "PLANET" && paths.length > 0);
      const families = new Set(root?.paths.map((path) => (path.includes(":") ? 6 : 4)));
      if (families.size === wanted) return;
      if (performance.now() > end) throw new Error(`client ${this.address} finds no root: ${this.#complaints}`);
      await sleep(20);
    }
  }

  send(to: Client, text: string): void {
    this.#command({ cmd: "send", to: to.address, text });
  }

  /** Waits until a text of `from` has come. */
  async message(from: Client, text: string, timeoutMs = 8000): Promise<ClientEvent> {
    return await this.waitFor(
      `"${text}" from ${from.address}`,
      (event) => event.event === "message" && event.from === from.address && event.text === text,
      timeoutMs,
    );
  }

  /** Texts of `from` so far, in the order they came. */
  texts(from: Client): string[] {
    return this.events.flatMap(({ event, from: sender, text }) =>
      event === "message" && sender === from.address ? [text!] : [],
    );
  }

  /** What it says now of everybody it knows. */
  async peers(timeoutMs = 3000): Promise<readonly ClientPeer[]> {
    const asked = this.events.length;
    this.#command({ cmd: "peers" });
    const { peers } = await this.#poll("its list of peers", timeoutMs, () =>
      this.events.slice(asked).find(({ event }) => event === "peers"),
    );
    return peers ?? [];
  }

  /** Its direct paths to another node; empty if it does not know that node. */
  async pathsTo(other: { address: string }): Promise<readonly string[]> {
    return (await this.peers()).find(({ address }) => address === other.address)?.paths ?? [];
  }

  /** Waits until it has a direct path to `other`. Gives the paths. */
  async directTo(other: Client, timeoutMs: number): Promise<readonly string[]> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const paths = await this.pathsTo(other);
      if (paths.length > 0) return paths;
      if (performance.now() > end) throw new Error(`${this.address} has no direct path to ${other.address}`);
      await sleep(50);
    }
  }

  async #poll<T>(what: string, timeoutMs: number, look: () => T | undefined): Promise<T> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (this.#child.exitCode !== null || this.#child.signalCode !== null)
        throw new Error(`client ${this.address} has ended: ${this.#complaints}`);
      if (performance.now() > end) {
        throw new Error(`client ${this.address} waited ${timeoutMs} ms for ${what}; ${this.#complaints}`);
      }
      await sleep(5);
    }
  }

  #command(command: Record<string, string>): void {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
  }
}
