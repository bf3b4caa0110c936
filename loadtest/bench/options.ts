/** The benchmark's command line. */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import type { Load } from "./traffic.ts";

export const USAGE = `usage: npm run bench -- [options]        (Linux, as root: it makes network namespaces)

Drives our root and, beside it, any other ZeroTier root in turns with the same traffic, and compares them.

  --quick                  a minute or two: fewer cells, one round
  --baseline "COMMAND"     start this root beside ours; {home} and {port} stand for a home directory with identity
                           and planet, and for the UDP port. No shell is involved
  --baseline-target IP/PORT --baseline-pid PID --baseline-identity FILE
                           a root that runs already, in a network namespace of its own; FILE is its identity.public
  --baseline-name NAME     how the tables call it (default: baseline)
  --program FILE           our program (default: dist/main.js)
  --workers N              our dataplane.workers (default: as configured by default)
  --parts LIST             of relay, storm (default: all)
  --peers LIST             active peers (default: 2,32,1000,100000)
  --loads LIST             of 100, 1400, mix (default: all)
  --c-relay yes|no         put a plain relay in C beside them, compiled here with gcc (default: yes; no with --quick)
  --rounds N               interleaved rounds of each cell (default 3, 1 to 50)
  --seconds S              length of a window of load (default 1, 0.2 to 60)
  --root-cpus LIST         for the roots (default: the last CPU)
  --generator-cpu N        for generator and sink (default 0)
  --cache DIR              keeps the peers' identities (default: node_modules/.cache/orrery-bench)
  --json FILE              write everything that was measured
  --help`;

/** The operator's mistake; the message says what to write instead. */
export class UsageError extends Error {}

export type Part = "relay" | "storm";

/** Where the other root comes from. */
export type Baseline =
  | { readonly kind: "none" }
  | { readonly kind: "command"; readonly command: string }
  | {
      readonly kind: "running";
      readonly ip: { readonly number: number; readonly text: string };
      readonly port: number;
      readonly pid: number;
      readonly identityFile: string;
    };

export interface BenchOptions {
  readonly quick: boolean;
  readonly baseline: Baseline;
  readonly baselineName: string;
  readonly program: string;
  readonly workers: string | null;
  readonly parts: readonly Part[];
  readonly peers: readonly number[];
  readonly loads: readonly Load[];
  readonly rounds: number;
  readonly seconds: number;
  readonly rootCpus: string;
  readonly generatorCpu: number;
  /** Put the relay in C beside them. */
  readonly cRelay: boolean;
  readonly cache: string;
  readonly json: string | null;
}

const PARTS: readonly Part[] = ["relay", "storm"];
const LOADS: readonly Load[] = ["100", "1400", "mix"];
const MAX_PEERS = 1_000_000;

/** Parses the arguments behind the program's name. Throws UsageError. */
export function parseOptions(argv: readonly string[]): BenchOptions {
  const { values } = parse(argv);
  const quick = values.quick === true;
  const list = (text: string | undefined, initial: readonly string[]) =>
    text === undefined ? initial : text.split(",").map((item) => item.trim());
  return {
    quick,
    baseline: baselineOf(values),
    baselineName: values["baseline-name"] ?? "baseline",
    program: values.program ?? "dist/main.js",
    workers: values.workers ?? null,
    parts: list(values.parts, PARTS).map((item) => oneOf(item, PARTS, "--parts")),
    peers: list(values.peers, quick ? ["2", "32"] : ["2", "32", "1000", "100000"])
      .map((item) => bounded(item, 2, MAX_PEERS, "--peers"))
      .sort((a, b) => a - b),
    loads: list(values.loads, quick ? ["1400", "mix"] : LOADS).map((item) => oneOf(item, LOADS, "--loads")),
    rounds: bounded(values.rounds ?? (quick ? "1" : "3"), 1, 50, "--rounds"),
    seconds: bounded(values.seconds ?? (quick ? "0.5" : "1"), 0.2, 60, "--seconds"),
    rootCpus: values["root-cpus"] ?? String(availableParallelism() - 1),
    generatorCpu: bounded(values["generator-cpu"] ?? "0", 0, 4095, "--generator-cpu"),
    cRelay: oneOf(values["c-relay"] ?? (quick ? "no" : "yes"), ["yes", "no"], "--c-relay") === "yes",
    cache: values.cache ?? "node_modules/.cache/orrery-bench",
    json: values.json ?? null,
  };
}

const ARGUMENTS = {
  quick: { type: "boolean" },
  baseline: { type: "string" },
  "baseline-target": { type: "string" },
  "baseline-pid": { type: "string" },
  "baseline-identity": { type: "string" },
  "baseline-name": { type: "string" },
  program: { type: "string" },
  workers: { type: "string" },
  parts: { type: "string" },
  peers: { type: "string" },
  loads: { type: "string" },
  rounds: { type: "string" },
  seconds: { type: "string" },
  "root-cpus": { type: "string" },
  "generator-cpu": { type: "string" },
  "c-relay": { type: "string" },
  cache: { type: "string" },
  json: { type: "string" },
} as const;

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: ARGUMENTS, allowPositionals: false });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function baselineOf(values: ReturnType<typeof parse>["values"]): Baseline {
  const target = values["baseline-target"];
  if (values.baseline !== undefined && target !== undefined) {
    throw new UsageError("give --baseline or --baseline-target, not both");
  }
  if (values.baseline !== undefined) return { kind: "command", command: values.baseline };
  if (target === undefined) return { kind: "none" };
  const identityFile = values["baseline-identity"];
  if (values["baseline-pid"] === undefined || identityFile === undefined) {
    throw new UsageError("--baseline-target needs --baseline-pid and --baseline-identity");
  }
  const [text = "", port = ""] = target.split("/");
  return {
    kind: "running",
    ip: { number: parseIpv4(text), text },
    port: bounded(port, 1, 65535, "the port of --baseline-target"),
    pid: bounded(values["baseline-pid"], 1, 2 ** 22, "--baseline-pid"),
    identityFile,
  };
}

function parseIpv4(text: string): number {
  const octets = text.split(".").map(Number);
  if (octets.length !== 4 || octets.some((octet) => !Number.isInteger(octet) || octet < 0 || octet > 255)) {
    throw new UsageError(`--baseline-target: "${text}" is no IPv4 address`);
  }
  return octets.reduce((number, octet) => number * 256 + octet, 0);
}

function oneOf<T extends string>(text: string, allowed: readonly T[], name: string): T {
  const found = allowed.find((item) => item === text);
  if (found === undefined) throw new UsageError(`${name}: "${text}" is none of ${allowed.join(", ")}`);
  return found;
}

function bounded(text: string, low: number, high: number, name: string): number {
  const number = Number(text);
  if (text.trim() === "" || !(number >= low && number <= high)) {
    throw new UsageError(`${name}: "${text}" is not between ${low} and ${high}`);
  }
  return number;
}
