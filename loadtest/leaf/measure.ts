/** What passes between two leaves: iperf3 and ping as processes beside them, and what the kernel says of their CPU. */
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { residentBytes, runNanoseconds } from "../bench/process-figures.ts";
import { inside, type Lab, type Place } from "./lab.ts";
import type { Test } from "./options.ts";
import type { RunningLeaf } from "./programs.ts";

export const IPERF_PORT = 5201;
const UDP_PAYLOAD_BYTES = 1200;
const DIRECT_WAIT_MS = 30_000;
/** Bytes of our pings that may pass the root while the path counts as direct: its own keep-alive is less. */
const DIRECT_SLACK_BYTES = 8000;

/** One test of one pair, in the direction from → to. */
export interface Figures {
  readonly test: Test;
  readonly from: string;
  readonly to: string;
  readonly mbits: number;
  /** Microseconds of CPU per kilobyte that arrived: all threads of the sending and of the receiving leaf. */
  readonly senderUsPerKb: number;
  readonly receiverUsPerKb: number;
  /** Of the datagrams, %; 0 for TCP. */
  readonly lostPercent: number;
  readonly retransmits: number;
  /** Round trips meanwhile, ms; NaN if nobody asked. */
  readonly pingP50: number;
  readonly pingP99: number;
  readonly senderRss: number;
  readonly receiverRss: number;
}

/** The parts of iperf3's JSON that we read. */
interface IperfReport {
  readonly error?: string;
  readonly end?: {
    readonly sum?: IperfSum;
    readonly sum_received?: IperfSum;
    readonly sum_sent?: IperfSum;
  };
}

interface IperfSum {
  readonly bytes?: number;
  readonly seconds?: number;
  readonly bits_per_second?: number;
  readonly lost_percent?: number;
  readonly retransmits?: number;
}

/** Bytes that arrived, their rate, loss and retransmissions, out of iperf3's JSON. Throws what iperf3 complains about. */
export function parseIperf(text: string): { bytes: number; mbits: number; lostPercent: number; retransmits: number } {
  const report = JSON.parse(text) as IperfReport;
  if (report.error !== undefined) throw new Error(`iperf3: ${report.error}`);
  const { sum, sum_received: received, sum_sent: sent } = report.end ?? {};
  const lostPercent = sum?.lost_percent ?? received?.lost_percent ?? 0;
  const arrived = received ?? sum;
  // UDP: older versions count in `sum` what was sent.
  const share = received === undefined ? 1 - lostPercent / 100 : 1;
  return {
    bytes: (arrived?.bytes ?? 0) * share,
    mbits: ((arrived?.bits_per_second ?? 0) * share) / 1e6,
    lostPercent,
    retransmits: sent?.retransmits ?? 0,
  };
}

/** Round trips in ms, ascending, out of ping's output. */
export function parsePing(text: string): number[] {
  return [...text.matchAll(/time=([\d.]+) ms/g)].map(([, ms]) => Number(ms)).sort((a, b) => a - b);
}

/** The value at `share` (0 … 1) of ascending numbers; NaN of none. */
export function quantile(ascending: readonly number[], share: number): number {
  return ascending[Math.min(Math.floor(ascending.length * share), ascending.length - 1)] ?? Number.NaN;
}

/** Runs a command in a place to its end; gives what it wrote. */
export async function output(place: Place, command: readonly string[]): Promise<string> {
  const [program, ...args] = inside(place, command);
  const child = spawn(program!, args, { stdio: ["ignore", "pipe", "ignore"] });
  let text = "";
  child.stdout.on("data", (data) => {
    text += String(data);
  });
  await new Promise<void>((resolve, reject) => child.once("close", () => resolve()).once("error", reject));
  return text;
}

/** Waits until pings no longer pass the root. False if they still do after a while. */
export async function becomeDirect(lab: Lab, from: RunningLeaf, to: RunningLeaf): Promise<boolean> {
  for (const end = performance.now() + DIRECT_WAIT_MS; performance.now() < end; await sleep(200)) {
    const before = lab.rootBytes;
    const text = await output(from.place, ["ping", "-n", "-c", "20", "-i", "0.05", "-s", "1000", to.ip]);
    if (parsePing(text).length >= 19 && lab.rootBytes - before < DIRECT_SLACK_BYTES) return true;
  }
  return false;
}

/** One test of `seconds`. */
export async function measure(
  test: Test,
  from: RunningLeaf,
  to: RunningLeaf,
  seconds: number,
  udpMbits: number,
): Promise<Figures> {
  const kind = {
    tcp: [],
    tcp4: ["-P", "4"],
    ping: [],
    udp: ["-u", "-l", String(UDP_PAYLOAD_BYTES), "-b", `${udpMbits}M`],
  }[test];
  const iperf = ["iperf3", "-c", to.ip, "-p", String(IPERF_PORT), "-t", String(seconds), "-J", ...kind];
  const pings =
    test === "ping" ? output(from.place, ["ping", "-n", "-i", "0.01", "-w", String(Math.floor(seconds)), to.ip]) : "";
  const before = [runNanoseconds(from.pid), runNanoseconds(to.pid)] as const;
  const result = parseIperf(await output(from.place, iperf));
  const after = [runNanoseconds(from.pid), runNanoseconds(to.pid)] as const;
  const times = parsePing(await pings);
  const kilobytes = Math.max(result.bytes / 1000, 1);
  return {
    test,
    from: from.program,
    to: to.program,
    mbits: result.mbits,
    senderUsPerKb: (after[0] - before[0]) / 1000 / kilobytes,
    receiverUsPerKb: (after[1] - before[1]) / 1000 / kilobytes,
    lostPercent: result.lostPercent,
    retransmits: result.retransmits,
    pingP50: quantile(times, 0.5),
    pingP99: quantile(times, 0.99),
    senderRss: residentBytes(from.pid),
    receiverRss: residentBytes(to.pid),
  };
}
