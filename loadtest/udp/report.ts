/**
 * What the generator measured, and how it is printed. Pure: no clock, no I/O. Memory is bounded whatever is
 * recorded: latencies go into a histogram of fixed size, sequence numbers into a bitmap allocated once.
 */

/** Sub-buckets per power of two: a percentile is exact to 1/16 of its value. */
const SUB_BUCKETS = 16;
/** Powers of two from 1 µs upward; the last one holds everything above some 67 s. */
const OCTAVES = 27;

/** Latencies by logarithmic bucket. Recorded in milliseconds, kept in microseconds. */
export class LatencyHistogram {
  readonly #buckets = new Float64Array(OCTAVES * SUB_BUCKETS);
  #count = 0;
  #sum = 0;
  #max = 0;

  /** Number of values recorded. */
  get count(): number {
    return this.#count;
  }

  /** Records one latency in milliseconds; negative ones (a clock set back) count as 0. */
  record(milliseconds: number): void {
    const micros = Math.max(0, milliseconds * 1000);
    this.#count++;
    this.#sum += micros;
    if (micros > this.#max) this.#max = micros;
    const octave = micros < 1 ? 0 : Math.min(OCTAVES - 1, Math.floor(Math.log2(micros)));
    const within = Math.min(SUB_BUCKETS - 1, Math.max(0, Math.floor((micros / 2 ** octave - 1) * SUB_BUCKETS)));
    const index = octave * SUB_BUCKETS + within;
    this.#buckets[index] = this.#buckets[index]! + 1;
  }

  /**
   * The latency in milliseconds below which the share `fraction` (0 … 1) of all values lies, rounded up to the end
   * of its bucket and never above the largest value seen; 0 when nothing was recorded.
   */
  percentile(fraction: number): number {
    if (this.#count === 0) return 0;
    const wanted = Math.max(1, Math.ceil(fraction * this.#count));
    let seen = 0;
    for (let i = 0; i < this.#buckets.length; i++) {
      seen += this.#buckets[i]!;
      if (seen < wanted) continue;
      const octave = Math.floor(i / SUB_BUCKETS);
      const end = 2 ** octave * (1 + ((i % SUB_BUCKETS) + 1) / SUB_BUCKETS);
      return Math.min(end, this.#max) / 1000;
    }
    return this.#max / 1000;
  }

  /** The usual figures, in milliseconds. */
  summary(): LatencySummary {
    const mean = this.#count === 0 ? 0 : this.#sum / this.#count / 1000;
    return {
      count: this.#count,
      mean: round(mean),
      p50: round(this.percentile(0.5)),
      p90: round(this.percentile(0.9)),
      p99: round(this.percentile(0.99)),
      p999: round(this.percentile(0.999)),
      max: round(this.#max / 1000),
    };
  }
}

/** Latency figures in milliseconds. */
export interface LatencySummary {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Which numbers of a sequence have arrived: tells losses from duplicates and from numbers nobody sent. */
export class SequenceLedger {
  readonly #bits: Uint8Array;
  readonly #capacity: number;
  /** Distinct numbers seen. */
  received = 0;
  /** Numbers seen again. */
  duplicates = 0;
  /** Numbers that arrived behind a later one of the same sender; counted by the receiver. */
  reordered = 0;
  /** Numbers beyond the capacity: not ours. */
  foreign = 0;

  /** `capacity`: how many numbers, counted from 0, will be sent at most. */
  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#bits = new Uint8Array((capacity + 7) >> 3);
  }

  /** Marks `sequence` as arrived. True if that is news. */
  mark(sequence: number): boolean {
    if (sequence < 0 || sequence >= this.#capacity) {
      this.foreign++;
      return false;
    }
    const byte = sequence >> 3;
    const bit = 1 << (sequence & 7);
    if ((this.#bits[byte]! & bit) !== 0) {
      this.duplicates++;
      return false;
    }
    this.#bits[byte] = this.#bits[byte]! | bit;
    this.received++;
    return true;
  }
}

/** A request and reply kind: HELLO and its OK, ECHO and its OK. */
export interface ExchangeReport {
  readonly sent: number;
  readonly answered: number;
  readonly seconds: number;
  readonly answeredPerSecond: number;
  readonly latencyMs: LatencySummary;
}

/** Traffic between pairs of synthetic peers, relayed by the root. */
export interface RelayReport {
  readonly pairs: number;
  readonly packetBytes: number;
  readonly sent: number;
  readonly received: number;
  readonly lost: number;
  /** 0 … 1 */
  readonly lossRatio: number;
  readonly duplicates: number;
  readonly reordered: number;
  readonly seconds: number;
  readonly sentPerSecond: number;
  readonly receivedPerSecond: number;
  /** UDP payload that arrived, in megabits per second. */
  readonly receivedMegabits: number;
  readonly latencyMs: LatencySummary;
}

/** The outcome of one run. */
export interface Report {
  readonly target: string;
  readonly mode: string;
  readonly peers: number;
  /** Peers whose HELLO was answered. */
  readonly greeted: number;
  /** Peers whom the root asked in turn, so that it holds a direct path to them. */
  readonly confirmed: number;
  /** HELLOs of the greeting phase: unknown identities, so the root's gate and its memory-hard check are in it. */
  readonly greeting: ExchangeReport;
  readonly hello: ExchangeReport | null;
  readonly echo: ExchangeReport | null;
  readonly relay: RelayReport | null;
  /** RENDEZVOUS packets received. Synthetic peers ignore them, so that their traffic stays relayed. */
  readonly introductions: number;
  /** Datagrams that could not be read or whose MAC was wrong. */
  readonly unreadable: number;
  /** Errors reported by the sockets. */
  readonly socketErrors: number;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** Builds an exchange's figures; `seconds` is the time the requests were spread over. */
export function exchangeReport(
  sent: number,
  answered: number,
  seconds: number,
  latency: LatencyHistogram,
): ExchangeReport {
  return {
    sent,
    answered,
    seconds: round(seconds),
    answeredPerSecond: seconds > 0 ? Math.round(answered / seconds) : 0,
    latencyMs: latency.summary(),
  };
}

/** Builds the relay's figures. `seconds` is the time during which packets were sent. */
export function relayReport(
  pairs: number,
  packetBytes: number,
  sent: number,
  ledger: SequenceLedger,
  seconds: number,
  latency: LatencyHistogram,
): RelayReport {
  const lost = Math.max(0, sent - ledger.received);
  const perSecond = (count: number) => (seconds > 0 ? Math.round(count / seconds) : 0);
  return {
    pairs,
    packetBytes,
    sent,
    received: ledger.received,
    lost,
    lossRatio: sent > 0 ? Math.round((lost / sent) * 1e6) / 1e6 : 0,
    duplicates: ledger.duplicates,
    reordered: ledger.reordered,
    seconds: round(seconds),
    sentPerSecond: perSecond(sent),
    receivedPerSecond: perSecond(ledger.received),
    receivedMegabits: seconds > 0 ? round((ledger.received * packetBytes * 8) / seconds / 1e6) : 0,
    latencyMs: latency.summary(),
  };
}

/** Limits that a run can be held to. */
export interface Thresholds {
  /** 0 … 1 */
  readonly maxLossRatio: number | null;
  readonly maxP99Ms: number | null;
}

/** What of a report breaks the thresholds, as sentences; empty when all is well. */
export function brokenThresholds(report: Report, thresholds: Thresholds): string[] {
  const broken: string[] = [];
  if (report.greeted < report.peers) broken.push(`only ${report.greeted} of ${report.peers} peers were answered`);
  const { relay } = report;
  if (relay !== null && report.confirmed < report.greeted) {
    broken.push(`the root confirmed the paths of only ${report.confirmed} of ${report.greeted} peers`);
  }
  const measured = relay ?? report.echo ?? report.hello;
  if (relay !== null && thresholds.maxLossRatio !== null && relay.lossRatio > thresholds.maxLossRatio) {
    broken.push(`loss is ${relay.lossRatio}, the limit is ${thresholds.maxLossRatio}`);
  }
  if (measured !== null && thresholds.maxP99Ms !== null && measured.latencyMs.p99 > thresholds.maxP99Ms) {
    broken.push(`p99 is ${measured.latencyMs.p99} ms, the limit is ${thresholds.maxP99Ms} ms`);
  }
  return broken;
}

function latencyText(latency: LatencySummary): string {
  return `p50 ${latency.p50}  p90 ${latency.p90}  p99 ${latency.p99}  p99.9 ${latency.p999}  max ${latency.max} ms`;
}

function exchangeRows(name: string, exchange: ExchangeReport): [string, string][] {
  return [
    [name, `${exchange.answered} of ${exchange.sent} answered in ${exchange.seconds} s`],
    ["", `${exchange.answeredPerSecond}/s`],
    ["", latencyText(exchange.latencyMs)],
  ];
}

/** The report as an aligned table of two columns, for people. */
export function formatReport(report: Report): string {
  const rows: [string, string][] = [
    ["target", report.target],
    ["peers", `${report.peers}, greeted ${report.greeted}, path confirmed by the root ${report.confirmed}`],
    ...exchangeRows("greeting", report.greeting),
  ];
  if (report.hello !== null) rows.push(...exchangeRows("hello", report.hello));
  if (report.echo !== null) rows.push(...exchangeRows("echo", report.echo));
  const { relay } = report;
  if (relay !== null) {
    rows.push(
      ["relay", `${relay.pairs} pairs, ${relay.packetBytes} bytes a packet, ${relay.seconds} s`],
      ["", `sent ${relay.sent} (${relay.sentPerSecond}/s), received ${relay.received} (${relay.receivedPerSecond}/s)`],
      ["", `${relay.receivedMegabits} Mbit/s received`],
      [
        "",
        `lost ${relay.lost} (${(relay.lossRatio * 100).toFixed(3)} %), twice ${relay.duplicates}, out of order ${relay.reordered}`,
      ],
      ["", latencyText(relay.latencyMs)],
    );
  }
  rows.push(
    ["introductions", `${report.introductions} (ignored)`],
    ["unreadable", String(report.unreadable)],
    ["socket errors", String(report.socketErrors)],
  );
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, text]) => `${name.padEnd(width)}${text}`).join("\n");
}
