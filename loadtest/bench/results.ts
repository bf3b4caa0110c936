/** What was measured, summed up and printed. Pure. */
import type { LatencySummary } from "../udp/report.ts";
import type { JoinFigures, Window } from "./drive.ts";
import type { Load } from "./traffic.ts";

/** One window of saturation, or what was found between two of them. */
export interface RelaySample {
  readonly root: string;
  /** Active peers as the row says; `activePeers` is what this root really had. */
  readonly peers: number;
  readonly activePeers: number;
  readonly load: Load;
  /** True if the link takes several datagrams in one piece. */
  readonly offload: boolean;
  readonly saturation: Window;
  /** Packets/s under the loss limit, if it was looked for in this round. */
  readonly highestRate: number | null;
  readonly latency: LatencySummary | null;
}

/** One storm. */
export interface StormSample {
  readonly root: string;
  readonly joins: JoinFigures;
  readonly calm: Window;
  readonly during: Window;
  readonly calmSaturated: Window;
  readonly duringSaturated: Window;
}

export interface MemorySample {
  readonly root: string;
  readonly peers: number;
  readonly how: string;
  readonly bytesPerPeer: number;
}

export interface BenchResults {
  readonly date: string;
  readonly command: string;
  readonly machine: Record<string, string | number>;
  readonly notes: string[];
  readonly relay: RelaySample[];
  readonly storms: StormSample[];
  readonly memory: MemorySample[];
}

/** The median of what numbers there are; NaN if there are none. */
export function median(values: readonly (number | null)[]): number {
  const sorted = values
    .filter((value): value is number => value !== null && !Number.isNaN(value))
    .sort((a, b) => a - b);
  if (sorted.length === 0) return Number.NaN;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Lines of equal columns, which Markdown takes for a table. The first row is the head. */
export function table(rows: readonly (readonly string[])[]): string {
  const [head = []] = rows;
  const widths = head.map((_, column) => Math.max(3, ...rows.map((row) => [...(row[column] ?? "")].length)));
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => (cells[column] ?? "").padEnd(width)).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  return [line(head), rule, ...rows.slice(1).map(line)].join("\n");
}

function figure(value: number, digits: number): string {
  return Number.isNaN(value) ? "-" : value.toFixed(digits);
}

/** `numerator / denominator` as "x1.23". */
function ratio(numerator: number, denominator: number): string {
  const value = numerator / denominator;
  return Number.isFinite(value) ? `x${value.toFixed(2)}` : "-";
}

interface Cell {
  readonly cpu: number;
  readonly saturated: number;
  readonly saturatedLoss: number;
  readonly rate: number;
  readonly latency: readonly [number, number, number];
  readonly activePeers: number;
  readonly rounds: number;
}

function summarize(samples: readonly RelaySample[]): Cell | null {
  const [first] = samples;
  if (first === undefined) return null;
  const latency = (pick: (summary: LatencySummary) => number) =>
    median(samples.map(({ latency: summary }) => (summary === null ? null : pick(summary))));
  return {
    cpu: median(samples.map(({ saturation }) => saturation.cpuMicros)),
    saturated: median(samples.map(({ saturation }) => saturation.deliveredPerSecond)),
    saturatedLoss: median(samples.map(({ saturation }) => saturation.lossRatio)),
    rate: median(samples.map(({ highestRate }) => highestRate)),
    latency: [latency(({ p50 }) => p50), latency(({ p99 }) => p99), latency(({ p999 }) => p999)],
    activePeers: first.activePeers,
    rounds: samples.length,
  };
}

function cellColumns(cell: Cell | null): string[] {
  if (cell === null) return ["-", "-", "-", "-"];
  const enough = cell.saturatedLoss < 0.01 ? "+" : "";
  return [
    figure(cell.cpu, 2),
    `${figure(cell.saturated / 1000, 0)}${enough}`,
    figure(cell.rate / 1000, 0),
    cell.latency.map((value) => figure(value, 2)).join(" / "),
  ];
}

/** CPU, rates and latencies by cell, ours beside the other's. */
export function relayTable(samples: readonly RelaySample[], ours: string, other: string | null): string {
  const names = other === null ? [ours] : [ours, other];
  const head = ["active peers", "load", "link"];
  for (const name of names) {
    head.push(`${name}: us/packet`, "saturated k/s", "<0.5 % loss k/s", "p50 / p99 / p99.9 ms at half");
  }
  if (other !== null) head.push("CPU ratio", "rate ratio");
  const rows = [head];
  const keys = new Map(samples.map((sample) => [`${sample.peers} ${sample.load} ${sample.offload}`, sample]));
  for (const { peers, load, offload } of keys.values()) {
    const cells = names.map((name) =>
      summarize(
        samples.filter(
          (sample) =>
            sample.root === name && sample.peers === peers && sample.load === load && sample.offload === offload,
        ),
      ),
    );
    const [mine, theirs] = cells;
    const fewer = theirs !== null && theirs !== undefined && theirs.activePeers !== peers;
    const row = [
      `${peers}${fewer ? ` (${other}: ${theirs.activePeers})` : ""}`,
      load === "mix" ? "mix" : `${load} B`,
      offload ? "takes groups" : "kernel splits",
      ...cells.flatMap(cellColumns),
    ];
    if (other !== null) {
      const both = mine !== null && mine !== undefined && theirs !== null && theirs !== undefined;
      row.push(both ? ratio(theirs.cpu, mine.cpu) : "-", both ? ratio(mine.rate, theirs.rate) : "-");
    }
    rows.push(row);
  }
  return table(rows);
}

/** What a stream of newcomers costs and does to the relay. */
export function stormTable(samples: readonly StormSample[]): string {
  const rows = [
    [
      "root",
      "new identities/s",
      "CPU ms each",
      "per s and core",
      "kept at half load",
      "kept at saturation",
      "joined during it",
      "rounds",
    ],
  ];
  for (const root of new Set(samples.map((sample) => sample.root))) {
    const own = samples.filter((sample) => sample.root === root);
    const cpu = median(own.map(({ joins }) => joins.cpuMillis));
    rows.push([
      root,
      figure(median(own.map(({ joins }) => joins.acceptedPerSecond)), 1),
      figure(cpu, 1),
      figure(1000 / cpu, 0),
      figure(median(own.map(({ calm, during }) => during.deliveredPerSecond / calm.deliveredPerSecond)), 3),
      figure(
        median(
          own.map(
            ({ calmSaturated, duringSaturated }) =>
              duringSaturated.deliveredPerSecond / calmSaturated.deliveredPerSecond,
          ),
        ),
        3,
      ),
      own.map(({ during, duringSaturated }) => `${during.joined} + ${duringSaturated.joined}`).join(", "),
      String(own.length),
    ]);
  }
  return table(rows);
}

export function memoryTable(samples: readonly MemorySample[]): string {
  const rows = [["root", "peers", "how", "resident bytes per peer"]];
  for (const { root, peers, how, bytesPerPeer } of samples) {
    rows.push([root, String(peers), how, figure(bytesPerPeer, 0)]);
  }
  return table(rows);
}

/** Everything for people: machine, notes, tables. Markdown. */
export function formatResults(results: BenchResults, ours: string, others: readonly string[]): string {
  const parts = [
    `${results.date}: ${Object.entries(results.machine)
      .map(([name, value]) => `${name} ${value}`)
      .join(", ")}`,
    `Command: \`${results.command}\``,
    results.notes.map((note) => `* ${note}`).join("\n"),
  ];
  if (results.relay.length > 0) {
    for (const other of others.length > 0 ? others : [null]) {
      const beside = other === null ? "" : `, ${ours} beside ${other}`;
      parts.push(`Relay${beside}:\n\n${relayTable(results.relay, ours, other)}`);
    }
  }
  if (results.storms.length > 0) parts.push(`Newcomers:\n\n${stormTable(results.storms)}`);
  if (results.memory.length > 0) parts.push(`Memory:\n\n${memoryTable(results.memory)}`);
  return parts.join("\n\n");
}
