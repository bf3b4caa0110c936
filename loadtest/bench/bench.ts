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
import { canCompile } from "./c-relay.ts";
import { type BenchOptions, parseOptions, USAGE, UsageError } from "./options.ts";
import { parseCpuModel } from "./process-figures.ts";
import { endProgress, progress } from "./progress.ts";
import { type BenchResults, formatResults } from "./results.ts";
import { BASELINE_PEERS, Bench, identitiesNeeded, MAX_GREETING_PEERS } from "./series.ts";
import { C_RELAY, Session } from "./session.ts";

const IDENTITIES_PER_FILE_WRITE = 40;
const EXIT_USAGE = 2;

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

/** Where the kernel shares the CPU by sessions, the session must be raised too; the roots that we start belong to it. */
function raiseSession(): void {
  const file = `/proc/${process.pid}/autogroup`;
  try {
    const before = / nice (-?\d+)/.exec(readFileSync(file, "utf8"))?.[1] ?? "0";
    writeFileSync(file, "-10");
    process.once("exit", () => writeFileSync(file, before));
  } catch {
    // A kernel without that.
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

/** The program: exit 0, or 2 for a wrong command line. */
async function main(argv: readonly string[]): Promise<number> {
  if (argv.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  let options = parseOptions(argv);
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    throw new UsageError("the benchmark makes network namespaces: run it as root on Linux");
  }
  const noCompiler = options.cRelay && !canCompile();
  if (noCompiler) {
    console.error("NO gcc HERE: the relay in C is left out, and with it the row that compares ours to it");
    options = { ...options, cRelay: false };
  }
  const identities = await identitiesFor(options, identitiesNeeded(options));
  execFileSync("taskset", ["-acp", String(options.generatorCpu), String(process.pid)], { stdio: "ignore" });
  execFileSync("renice", ["-n", "-10", "-p", String(process.pid)], { stdio: "ignore" });
  raiseSession();
  const session = new Session(options, identities);
  process.once("exit", () => session.close());
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));
  const results: BenchResults = {
    date: new Date().toISOString(),
    command: `npm run bench -- ${argv.join(" ")}`,
    machine: machine(),
    notes: [...notes(options), ...(noCompiler ? ["no gcc: the relay in C was left out"] : [])],
    relay: [],
    storms: [],
    memory: [],
  };
  try {
    await new Bench(options, session, results).run();
  } finally {
    endProgress();
    if (options.json !== null) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
    const others = options.baseline.kind === "none" ? [] : [options.baselineName];
    if (options.cRelay) others.push(C_RELAY);
    console.log(formatResults(results, "orrery", others));
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
