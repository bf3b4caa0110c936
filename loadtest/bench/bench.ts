/**
 * `npm run bench`: how much our root costs per relayed packet, how fast it is, and what newcomers do to it, beside any
 * other ZeroTier root in the same minutes on the same machine. README.md says how to read the figures.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import type { Identity } from "../../src/identity/identity.ts";
import { obtainIdentities } from "../udp/identities.ts";
import { drive, highestRate, joinRate, latencyAt, loadRing, stormDuring, warmUp } from "./drive.ts";
import { type BenchOptions, parseOptions, USAGE, UsageError } from "./options.ts";
import { preloadedAddress } from "./preload.ts";
import { parseCpuModel, residentBytes } from "./process-figures.ts";
import { type BenchResults, formatResults } from "./results.ts";
import { type Contender, Session } from "./session.ts";
import { FEW_PEERS, type Load, planTraffic } from "./traffic.ts";

/** Above this, peers are preloaded into our root instead of greeting. */
const MAX_GREETING_PEERS = 2000;
/** The most that a baseline is given, because each of them has to be greeted and checked. */
const BASELINE_PEERS = 1000;
const WARM_UP_SECONDS = 45;
const STORM_ACTIVE_PEERS = 32;
const STORM_JOINS_PER_SECOND = 25;
const STORM_SECONDS = 4;
const JOIN_SECONDS = 6;
const JOIN_PEERS = 700;
const PROBERS = 2;
const IDENTITIES_PER_FILE_WRITE = 40;
const GREET_SECONDS = 120;
const LATENCY_SECONDS = 2;
const PLAN_PACKETS = 8192;
const SETTLE_MEMORY_MS = 3000;
/** Preloaded paths live for four minutes; a series that takes longer starts the root again. */
const PRELOADED_LIFE_MS = 150_000;
const EXIT_USAGE = 2;

let progressShown = "";

/** One line on stderr that overwrites itself on a terminal, and is a line of its own elsewhere. */
function progress(text: string): void {
  if (text === progressShown) return;
  progressShown = text;
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
}

async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Identities with secrets, kept in the cache directory. */
async function identitiesFor(options: BenchOptions, count: number): Promise<Identity[]> {
  mkdirSync(options.cache, { recursive: true });
  const file = join(options.cache, "identities.txt");
  let identities: Identity[] = [];
  for (let wanted = Math.min(count, IDENTITIES_PER_FILE_WRITE); ; ) {
    identities = await obtainIdentities(wanted, file, (made, of) =>
      progress(`making identities, once: ${wanted - of + made} of ${count}`),
    );
    if (wanted >= count) return identities;
    wanted = Math.min(count, wanted + IDENTITIES_PER_FILE_WRITE);
  }
}

/** Runs the benchmark. */
class Bench {
  readonly #options: BenchOptions;
  readonly #session: Session;
  readonly #results: BenchResults;

  constructor(options: BenchOptions, session: Session, results: BenchResults) {
    this.#options = options;
    this.#session = session;
    this.#results = results;
  }

  async run(): Promise<void> {
    const { parts, peers } = this.#options;
    if (parts.includes("relay")) {
      const greeting = peers.filter((count) => count <= MAX_GREETING_PEERS);
      if (greeting.length > 0) await this.#relayGreeted(greeting);
      for (const count of peers.filter((each) => each > MAX_GREETING_PEERS)) await this.#relayPreloaded(count);
    }
    if (parts.includes("storm")) await this.#storms();
  }

  /** Cells whose peers all greet, in both roots. */
  async #relayGreeted(counts: readonly number[]): Promise<void> {
    const contenders = await this.#start(0);
    try {
      for (const count of counts) {
        for (const contender of contenders) await this.#greet(contender, count, count === counts.at(-1));
        await this.#cells(contenders, count, () => count);
      }
    } finally {
      for (const contender of contenders) await contender.stop();
    }
  }

  /** Cells whose peers our root remembers; the baseline has as many as can greet. */
  async #relayPreloaded(count: number): Promise<void> {
    const loads = this.#options.loads;
    const empty = await this.#session.startOurs(0);
    await pause(SETTLE_MEMORY_MS);
    const before = residentBytes(empty.pid);
    await empty.stop();
    for (const [index, load] of loads.entries()) {
      progress(`${count} peers, ${load}: preloading`);
      const contenders = await this.#start(count);
      const startedAt = performance.now();
      try {
        for (const contender of contenders) await this.#greet(contender, contender.ours ? 0 : BASELINE_PEERS, false);
        const ours = contenders.find((contender) => contender.ours);
        if (index === 0 && ours !== undefined) {
          await pause(SETTLE_MEMORY_MS);
          this.#results.memory.push({
            root: ours.name,
            peers: count,
            how: "preloaded, against an empty root",
            bytesPerPeer: (residentBytes(ours.pid) - before) / count,
          });
        }
        await this.#cells(contenders, count, ({ ours }) => (ours ? count : BASELINE_PEERS), [load]);
        if (index === 0 && ours !== undefined) {
          this.#results.memory.push({
            root: ours.name,
            peers: count,
            how: "the same, when all have talked (garbage included)",
            bytesPerPeer: (residentBytes(ours.pid) - before) / count,
          });
        }
        const took = performance.now() - startedAt;
        if (took > PRELOADED_LIFE_MS)
          this.#note(`${count} peers, ${load}: ${Math.round(took / 1000)} s, so that paths may have expired`);
      } finally {
        for (const contender of contenders) await contender.stop();
      }
    }
  }

  /** All rounds of the cells of one number of peers. */
  async #cells(
    contenders: readonly Contender[],
    peers: number,
    active: (contender: Contender) => number,
    loads: readonly Load[] = this.#options.loads,
  ): Promise<void> {
    const { rounds } = this.#options;
    for (const load of loads) {
      for (const offload of peers <= FEW_PEERS ? [true, false] : [true]) {
        for (let round = 0; round < rounds; round++) {
          const order = round % 2 === 0 ? contenders : [...contenders].reverse();
          for (const contender of order) {
            progress(
              `${peers} peers, ${load}${offload ? "" : ", split"}, round ${round + 1} of ${rounds}: ${contender.name}`,
            );
            await this.#cell(contender, peers, active(contender), load, offload, round);
          }
        }
      }
    }
    for (const contender of contenders) this.#session.lab.setOffload(contender.link, true);
  }

  async #cell(
    contender: Contender,
    peers: number,
    activePeers: number,
    load: Load,
    offload: boolean,
    round: number,
  ): Promise<void> {
    const { seconds } = this.#options;
    const { crowd, ring } = contender;
    this.#session.lab.setOffload(contender.link, offload);
    const preloaded = activePeers > MAX_GREETING_PEERS;
    // A preloaded peer has no secret to say HELLO with.
    if (!preloaded) await crowd.refresh();
    const plan = planTraffic(activePeers, load, Math.max(PLAN_PACKETS, activePeers), round + 1);
    loadRing(ring, plan, {
      ends: (index) => crowd.ends(index),
      address: (index) => (preloaded ? preloadedAddress(index) : crowd.address(index)),
    });
    const meanBytes = plan.bytes / plan.packets;
    // What came before has left caches and compiled code for other traffic.
    if (preloaded && round === 0) {
      const { first, windows } = await warmUp(contender, meanBytes, WARM_UP_SECONDS);
      this.#note(
        `${peers} peers, ${load}: the first second, in which every pair was new, cost ${first.cpuMicros.toFixed(1)} us/packet; measured after ${windows} s`,
      );
    } else await drive(contender, meanBytes, seconds / 4, null);
    const saturation = await drive(contender, meanBytes, seconds, null);
    const searching = round === 0 || !preloaded;
    const rate = searching ? await highestRate(contender, meanBytes, saturation.deliveredPerSecond, seconds) : null;
    const measured = round === 0 && rate !== null && rate > 0;
    const latency = measured ? await latencyAt(contender, meanBytes, rate / 2, LATENCY_SECONDS) : null;
    this.#results.relay.push({
      root: contender.name,
      peers,
      activePeers,
      load,
      offload,
      saturation,
      highestRate: rate,
      latency,
    });
  }

  /** Newcomers: alone, and while the root relays. New roots each time, because nobody is new twice. */
  async #storms(): Promise<void> {
    const { rounds, quick, baseline } = this.#options;
    for (let round = 0; round < (quick ? 1 : rounds); round++) {
      if (round > 0 && baseline.kind === "running") break;
      const contenders = await this.#start(0);
      try {
        for (const contender of contenders) {
          await this.#greet(contender, STORM_ACTIVE_PEERS, false);
          progress(`join storm, round ${round + 1}: ${contender.name}`);
          await this.#storm(contender);
        }
      } finally {
        for (const contender of contenders) await contender.stop();
      }
    }
  }

  async #storm(contender: Contender): Promise<void> {
    const { ring, crowd, name } = contender;
    const seconds = this.#options.quick ? STORM_SECONDS / 2 : STORM_SECONDS;
    const plan = planTraffic(STORM_ACTIVE_PEERS, "mix", PLAN_PACKETS, 1);
    loadRing(ring, plan, crowd);
    const meanBytes = plan.bytes / plan.packets;
    await drive(contender, meanBytes, 0.3, null);
    const calmSaturated = await drive(contender, meanBytes, seconds / 2, null);
    const best = await highestRate(contender, meanBytes, calmSaturated.deliveredPerSecond, 0.5);
    const half = (best > 0 ? best : calmSaturated.deliveredPerSecond) / 2;
    const calm = await drive(contender, meanBytes, seconds / 2, half);
    const joins = Math.ceil(STORM_JOINS_PER_SECOND * seconds);
    let next = STORM_ACTIVE_PEERS;
    const during = await stormDuring(contender, meanBytes, seconds, half, next, STORM_JOINS_PER_SECOND);
    next += joins;
    const duringSaturated = await stormDuring(contender, meanBytes, seconds, null, next, STORM_JOINS_PER_SECOND);
    next += joins;
    // What is still being checked would count for what follows.
    await pause(2000);
    while (crowd.poll() > 0);
    const figures = await joinRate(contender, next, JOIN_PEERS, this.#options.quick ? JOIN_SECONDS / 2 : JOIN_SECONDS);
    this.#results.storms.push({ root: name, joins: figures, calm, during, calmSaturated, duringSaturated });
  }

  async #start(preloaded: number): Promise<Contender[]> {
    const ours = await this.#session.startOurs(preloaded);
    const baseline = await this.#session.startBaseline();
    return baseline === null ? [ours] : [ours, baseline];
  }

  /** Has peers greet; `weigh` also says what the newly met ones weigh. */
  async #greet(contender: Contender, count: number, weigh: boolean): Promise<void> {
    const { crowd, name, pid } = contender;
    const known = crowd.greeted(0, count);
    const before = residentBytes(pid);
    const confirmed = await crowd.greet(count, GREET_SECONDS, (done) => progress(`${name}: ${done} peers greeted`));
    if (confirmed < count) this.#note(`${name} holds a path to ${confirmed} of ${count} peers only`);
    if (!weigh || count - known < 500) return;
    await pause(SETTLE_MEMORY_MS);
    this.#results.memory.push({
      root: name,
      peers: count - known,
      how: "growth while they greeted (garbage included)",
      bytesPerPeer: (residentBytes(pid) - before) / (count - known),
    });
  }

  #note(text: string): void {
    this.#results.notes.push(text);
  }
}

function machine(): Record<string, string | number> {
  return {
    CPU: parseCpuModel(readFileSync("/proc/cpuinfo", "utf8")),
    cores: cpus().length,
    kernel: release(),
    Node: process.version,
  };
}

function notes(options: BenchOptions): string[] {
  const found = [
    `roots on CPU ${options.rootCpus}, generator and sink on CPU ${options.generatorCpu}, all at nice -10; medians of ${options.rounds} interleaved rounds of ${options.seconds} s`,
    `"us/packet" is run time of all threads of the root per packet delivered at saturation; "+" behind a saturated rate: less than 1 % was lost, so that the generator was the limit`,
    `"link takes groups": the root's link takes several datagrams in one piece, as a card with UDP segmentation offload; "kernel splits": it does not`,
    `mix: 40 % of 100 B, 15 % of 420 B, 35 % of 1400 B, 10 % head and fragment of 1400 B, in bursts of 1 to 8 per pair`,
  ];
  if (options.peers.some((count) => count > MAX_GREETING_PEERS)) {
    found.push(
      `more than ${MAX_GREETING_PEERS} peers: ours remembers them from its cache; no other root can be filled that way, so the baseline stands there with ${BASELINE_PEERS} peers that greeted`,
    );
  }
  return found;
}

/** How many identities the parts need: probers, active peers, newcomers. */
function identitiesNeeded(options: BenchOptions): number {
  const greeting = options.peers.map((count) => (count > MAX_GREETING_PEERS ? BASELINE_PEERS : count));
  const newcomers = options.quick ? 350 : 2 * STORM_JOINS_PER_SECOND * STORM_SECONDS + JOIN_PEERS;
  const storm = options.parts.includes("storm") ? STORM_ACTIVE_PEERS + newcomers : 0;
  return PROBERS + Math.max(storm, ...(options.parts.includes("relay") ? greeting : [0]));
}

/** The program: exit 0, or 2 for a wrong command line. */
async function main(argv: readonly string[]): Promise<number> {
  if (argv.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  const options = parseOptions(argv);
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    throw new UsageError("the benchmark makes network namespaces: run it as root on Linux");
  }
  const identities = await identitiesFor(options, identitiesNeeded(options));
  execFileSync("taskset", ["-acp", String(options.generatorCpu), String(process.pid)], { stdio: "ignore" });
  execFileSync("renice", ["-n", "-10", "-p", String(process.pid)], { stdio: "ignore" });
  const session = new Session(options, identities);
  process.once("exit", () => session.close());
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));
  const results: BenchResults = {
    date: new Date().toISOString(),
    command: `npm run bench -- ${argv.join(" ")}`,
    machine: machine(),
    notes: notes(options),
    relay: [],
    storms: [],
    memory: [],
  };
  try {
    await new Bench(options, session, results).run();
  } finally {
    if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
    if (options.json !== null) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
    const other = options.baseline.kind === "none" ? null : options.baselineName;
    console.log(formatResults(results, "orrery", other));
    session.close();
  }
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${USAGE}`);
  process.exitCode = EXIT_USAGE;
}
