/** The table of a run: medians over the rounds, one line for each test and pair. */
import type { Figures } from "./measure.ts";

/** The middle value, the mean of two; NaN of none. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

const COLUMNS = ["test", "from → to", "Mbit/s", "lost %", "retransmits", "CPU µs/kB", "ping p50 / p99 ms", "RSS MB"];

/** A Markdown table. "CPU" is the sender's and the receiver's. */
export function formatTable(all: readonly Figures[]): string {
  const groups = new Map<string, Figures[]>();
  for (const one of all) {
    const key = `${one.test} ${one.from} ${one.to}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  const rows = [...groups.values()].map((rounds) => {
    const of = (pick: (figures: Figures) => number, digits: number) => median(rounds.map(pick)).toFixed(digits);
    const { test, from, to } = rounds[0]!;
    const megabytes = (pick: (figures: Figures) => number) => (median(rounds.map(pick)) / 1e6).toFixed(0);
    return [
      test,
      `${from} → ${to}`,
      of(({ mbits }) => mbits, 0),
      test === "udp" ? of(({ lostPercent }) => lostPercent, 2) : "",
      test === "udp" ? "" : of(({ retransmits }) => retransmits, 0),
      `${of(({ senderUsPerKb }) => senderUsPerKb, 2)} + ${of(({ receiverUsPerKb }) => receiverUsPerKb, 2)}`,
      test === "ping" ? `${of(({ pingP50 }) => pingP50, 2)} / ${of(({ pingP99 }) => pingP99, 2)}` : "",
      `${megabytes(({ senderRss }) => senderRss)} + ${megabytes(({ receiverRss }) => receiverRss)}`,
    ];
  });
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(COLUMNS), line(COLUMNS.map(() => "---")), ...rows.map(line)].join("\n");
}
