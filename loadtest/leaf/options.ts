/** The leaf benchmark's command line. */
import { parseArgs } from "node:util";

export const USAGE = `usage: npm run bench:leaf -- [options]        (Linux, as root, with iperf3 and ping: it makes network namespaces)

Joins two leaves of ours and, beside them, two of any other program to one network, and sends TCP and UDP between them.

  --baseline "COMMAND"     start this leaf beside ours; {home} and {port} stand for a home directory with planet and
                           networks.d, and for the UDP port. No shell is involved
  --baseline-name NAME     how the tables call it (default: baseline)
  --program FILE           our program (default: dist/main.js)
  --tests LIST             of tcp, tcp4, udp, ping (default: all; tcp4: four connections; ping: while TCP is under way)
  --rounds N               interleaved rounds (default 3, 1 to 50)
  --seconds S              length of one test (default 3, 1 to 60)
  --udp-rate MBITS         what the UDP test offers (default 100, 1 to 10000), in datagrams of 1,200 bytes
  --profile DIR            write V8's CPU profiles of our two leaves to this directory (it costs a little speed)
  --json FILE              write everything that was measured
  --help`;

/** The operator's mistake; the message says what to write instead. */
export class UsageError extends Error {}

export type Test = "tcp" | "tcp4" | "udp" | "ping";
const TESTS: readonly Test[] = ["tcp", "tcp4", "udp", "ping"];

export interface LeafBenchOptions {
  /** Null: ours alone. */
  readonly baseline: string | null;
  readonly baselineName: string;
  readonly program: string;
  readonly tests: readonly Test[];
  readonly rounds: number;
  readonly seconds: number;
  readonly udpMbits: number;
  readonly profile: string | null;
  readonly json: string | null;
}

/** Parses the arguments behind the program's name. Throws UsageError. */
export function parseOptions(argv: readonly string[]): LeafBenchOptions {
  const { values } = parse(argv);
  return {
    baseline: values.baseline ?? null,
    baselineName: values["baseline-name"] ?? "baseline",
    program: values.program ?? "dist/main.js",
    tests: (values.tests ?? TESTS.join(",")).split(",").map((text) => testOf(text.trim())),
    rounds: bounded(values.rounds ?? "3", 1, 50, "--rounds"),
    seconds: bounded(values.seconds ?? "3", 1, 60, "--seconds"),
    udpMbits: bounded(values["udp-rate"] ?? "100", 1, 10_000, "--udp-rate"),
    profile: values.profile ?? null,
    json: values.json ?? null,
  };
}

const ARGUMENTS = {
  baseline: { type: "string" },
  "baseline-name": { type: "string" },
  program: { type: "string" },
  tests: { type: "string" },
  rounds: { type: "string" },
  seconds: { type: "string" },
  "udp-rate": { type: "string" },
  profile: { type: "string" },
  json: { type: "string" },
} as const;

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: ARGUMENTS, allowPositionals: false });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function testOf(text: string): Test {
  const found = TESTS.find((test) => test === text);
  if (found === undefined) throw new UsageError(`--tests: "${text}" is none of ${TESTS.join(", ")}`);
  return found;
}

function bounded(text: string, low: number, high: number, name: string): number {
  const number = Number(text);
  if (text.trim() === "" || !(number >= low && number <= high)) {
    throw new UsageError(`${name}: "${text}" is not between ${low} and ${high}`);
  }
  return number;
}
