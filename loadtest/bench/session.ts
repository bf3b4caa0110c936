/** One benchmark's roots: brought up with a crowd and a sink on their links, taken down again, cleaned up after. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Identity } from "../../src/identity/identity.ts";
import { compileRelay, relayCommand, type TableEntry, writeTable } from "./c-relay.ts";
import { Crowd, PROBERS } from "./crowd.ts";
import type { Target } from "./drive.ts";
import { FrameRing } from "./frame-ring.ts";
import { Lab, type Link } from "./lab.ts";
import type { BenchOptions } from "./options.ts";
import { preloadedAddress, preloadPeers } from "./preload.ts";
import {
  commandWords,
  killRoots,
  makeHome,
  ourConfiguration,
  type RunningRoot,
  readIdentity,
  runningRoot,
  startRoot,
  writeConfiguration,
} from "./roots.ts";
import { Sink } from "./sink.ts";

const ROOT_PORT = 9993;
/** The peers' port on the first link; each link has ten. */
const PEERS_PORT = 21_000;
const PORTS_PER_LINK = 10;

/** How the tables call the relay in C. */
export const C_RELAY = "C recvmmsg";

/** A root that is up, and how to take it down. */
export interface Contender extends Target {
  /** True if it can be told of peers that it never met, so that there may be more of them than have identities. */
  readonly remembers: boolean;
  /** True if peers have to say HELLO before anything is relayed to them. */
  readonly greets: boolean;
  readonly link: Link;
  readonly stop: () => Promise<void>;
}

interface Lane {
  readonly link: Link;
  readonly ring: FrameRing;
  readonly port: number;
}

/** Owns namespaces, processes and files of a run. */
export class Session {
  readonly lab: Lab;
  readonly #options: BenchOptions;
  readonly #identities: readonly Identity[];
  readonly #directory: string;
  readonly #ours: Lane;
  readonly #baseline: Lane | null;
  readonly #relay: Lane | null;
  #homes = 0;

  constructor(options: BenchOptions, identities: readonly Identity[]) {
    this.#options = options;
    this.#identities = identities;
    this.#directory = mkdtempSync(join(tmpdir(), "orrery-bench-"));
    try {
      this.lab = new Lab();
      this.#ours = this.#lane(0, this.lab.link("ours"));
      const { baseline } = options;
      if (baseline.kind === "none") this.#baseline = null;
      else if (baseline.kind === "command") this.#baseline = this.#lane(1, this.lab.link("base"));
      else this.#baseline = this.#lane(1, this.lab.linkTo("base", baseline.pid, baseline.ip));
      this.#relay = options.cRelay ? this.#lane(2, this.lab.link("c")) : null;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Starts our root on a new home, which remembers `preloaded` peers. */
  async startOurs(preloaded: number): Promise<Contender> {
    const { program, workers, rootCpus } = this.#options;
    const path = resolve(program);
    const home = this.#home();
    makeHome(path, home, this.#ours.link, ROOT_PORT);
    writeConfiguration(home, ourConfiguration(preloaded, workers));
    if (preloaded > 0) {
      // The crowd's addresses without a crowd: the same that its `ends` will say.
      const probe = this.#crowd(this.#ours, this.#identities[0]!, ROOT_PORT);
      await preloadPeers(home, preloaded, (index) => probe.ends(index));
      probe.close();
    }
    const command = [process.execPath, path, "up", "--home", home, "--port", String(ROOT_PORT)];
    const root = await startRoot(command, home, this.#ours.link, ROOT_PORT, rootCpus);
    return this.#contender(this.#ours, "orrery", root, true, true);
  }

  /** Starts the relay in C, which knows everybody: those with identities, and `preloaded` others. Null if not asked for. */
  async startRelay(preloaded: number): Promise<Contender | null> {
    const lane = this.#relay;
    if (lane === null) return null;
    const home = this.#home();
    // For an address of its own.
    makeHome(resolve(this.#options.program), home, lane.link, ROOT_PORT);
    const identity = readIdentity(join(home, "identity.public"));
    const crowd = this.#crowd(lane, identity, ROOT_PORT);
    const entry = (address: number, index: number): TableEntry => {
      const { sourceIp, sourcePort } = crowd.ends(index);
      return { address, ip: sourceIp, port: sourcePort };
    };
    const table = join(home, "table");
    writeTable(table, [
      ...this.#identities.map(({ address }, i) => entry(address, i - PROBERS)),
      ...Array.from({ length: preloaded }, (_, index) => entry(preloadedAddress(index), index)),
    ]);
    crowd.close();
    const command = relayCommand(compileRelay(home), ROOT_PORT, identity.address, table);
    const root = await startRoot(command, home, lane.link, ROOT_PORT, this.#options.rootCpus);
    return this.#contender(lane, C_RELAY, root, true, false);
  }

  /** Starts the other root on a new home, or takes the one that runs. Null if there is none. */
  async startBaseline(): Promise<Contender | null> {
    const { baseline, baselineName, program, rootCpus } = this.#options;
    const lane = this.#baseline;
    if (lane === null || baseline.kind === "none") return null;
    if (baseline.kind === "running") {
      const root = runningRoot(baseline.pid, baseline.identityFile, baseline.port);
      return this.#contender(lane, baselineName, root, false, true);
    }
    const home = this.#home();
    makeHome(resolve(program), home, lane.link, ROOT_PORT);
    const words = commandWords(baseline.command, home, ROOT_PORT);
    const root = await startRoot(words, home, lane.link, ROOT_PORT, rootCpus);
    return this.#contender(lane, baselineName, root, false, true);
  }

  /** Removes all of it. Safe to call twice, and at an exit. */
  close(): void {
    killRoots();
    this.lab?.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #lane(index: number, link: Link): Lane {
    return { link, ring: new FrameRing(link.interfaceIndex), port: PEERS_PORT + index * PORTS_PER_LINK };
  }

  #home(): string {
    const home = join(this.#directory, `home-${this.#homes++}`);
    mkdirSync(home, { mode: 0o700 });
    return home;
  }

  #crowd(lane: Lane, root: Identity, rootPort: number): Crowd {
    return new Crowd({ link: lane.link, root, rootPort, port: lane.port, identities: this.#identities });
  }

  #contender(lane: Lane, name: string, root: RunningRoot, remembers: boolean, greets: boolean): Contender {
    const crowd = this.#crowd(lane, root.identity, root.port);
    const sink = new Sink(lane.link, root.identity.address, lane.port);
    return {
      name,
      remembers,
      greets,
      pid: root.pid,
      cpus: this.#options.rootCpus,
      crowd,
      sink,
      ring: lane.ring,
      link: lane.link,
      stop: async () => {
        crowd.close();
        await root.stop();
      },
    };
  }
}
