/** Drives one root: at saturation, at a rate, in search of the highest rate without loss, and during a join storm. */
import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { Pacer } from "../udp/pacer.ts";
import type { LatencySummary } from "../udp/report.ts";
import type { Crowd } from "./crowd.ts";
import type { FrameRing, RingSegment } from "./frame-ring.ts";
import { FRAGMENT_HEAD_BYTES, PACKET_HEAD_BYTES, writeFragmentHead, writeHeaders, writePacketHead } from "./frames.ts";
import { busySeconds, runNanoseconds } from "./process-figures.ts";
import type { Sink } from "./sink.ts";
import type { Segment, TrafficPlan } from "./traffic.ts";

/** The share of packets that may be lost at a rate that counts as held. */
export const LOSS_LIMIT = 0.005;
/** A window in which others used more of the root's CPUs is disturbed. */
export const FOREIGN_SHARE_MAX = 0.1;
const DISTURBED_TRIES = 3;
/** The machine is quiet when its CPUs, all together, were busy for less than this share of so long. */
const QUIET_SHARE = 0.1;
const QUIET_STEP_MS = 200;
const QUIET_WAIT_MS = 5000;
/** Halvings of the range of rates in the search for the highest. */
const SEARCH_STEPS = 5;
const SETTLE_STEP_MS = 20;
const SETTLE_MAX_MS = 1500;
/** Packets handed to the kernel between two looks at the clock. */
const STEP_PACKETS = 64;
/** The same while latency is measured: a probe waits for no more than this. */
const FINE_STEP_PACKETS = 8;
const PROBES_PER_SECOND = 500;
/** Warm is who has not become cheaper than by this share, so many times in a row. */
const STEADY_SHARE = 0.95;
const STEADY_WINDOWS = 3;

/** What one root is driven with. */
export interface Target {
  readonly name: string;
  readonly pid: number;
  /** Where it runs, as taskset takes it. */
  readonly cpus: string;
  readonly crowd: Crowd;
  readonly ring: FrameRing;
  readonly sink: Sink;
}

/** One window of load. */
export interface Window {
  readonly offeredPerSecond: number;
  readonly deliveredPerSecond: number;
  readonly lossRatio: number;
  /** Run time of the root's threads per packet delivered, in microseconds. */
  readonly cpuMicros: number;
  /** CPU seconds that the root used per second. */
  readonly cpuShare: number;
  /** CPU seconds that others used per second on the root's CPUs. */
  readonly foreignShare: number;
  /** Datagrams per piece in which they arrived: above 1, the root sent groups and the link took them whole. */
  readonly packetsPerArrival: number;
  /** Newcomers that the root answered during the window, if there were any. */
  readonly joined: number;
}

/** What goes on beside the load. Called often; must return at once. */
export type Beside = (now: number) => void;

/** Prepares the frames of a plan. `ends` and `address` of peer indices may come from elsewhere than the crowd. */
export function loadRing(ring: FrameRing, plan: TrafficPlan, peers: Pick<Crowd, "ends" | "address">): void {
  ring.reset(plan.trains.length, plan.packets);
  let id = 0n;
  for (const { source, segments } of plan.trains) {
    const payload = segments.reduce((sum, segment) => sum + segment.bytes, 0);
    const size = segments.length > 1 ? segments[0]!.bytes : 0;
    const prepared = segments.map((segment) => {
      // A fragment carries the id of the head before it.
      if (segment.kind !== "fragment") id += 0x9e3779b97f4a7c15n;
      return ringSegment(segment, BigInt.asUintN(64, id), peers.address(segment.destination), peers.address(source));
    });
    ring.add((memory, at) => writeHeaders(memory, at, peers.ends(source), payload, size), prepared);
  }
}

function ringSegment(segment: Segment, id: bigint, destination: number, source: number): RingSegment {
  const { bytes, kind } = segment;
  if (kind === "fragment") {
    return {
      bytes,
      headBytes: FRAGMENT_HEAD_BYTES,
      write: (memory, at) => writeFragmentHead(memory, at, id, destination),
    };
  }
  return {
    bytes,
    headBytes: PACKET_HEAD_BYTES,
    write: (memory, at) => writePacketHead(memory, at, id, destination, source, kind === "head"),
  };
}

/**
 * Sends for `seconds`, as fast as possible or at `rate` packets/s, and waits until everything that will arrive has
 * arrived. `meanBytes` is the plan's: it turns bytes into packets.
 */
export async function drive(
  target: Target,
  meanBytes: number,
  seconds: number,
  rate: number | null,
  beside: Beside | null = null,
  step = STEP_PACKETS,
): Promise<Window> {
  const { ring, sink, pid } = target;
  const before = {
    sink: sink.read(),
    packets: ring.sentPackets,
    bytes: ring.sentBytes,
    cpu: runNanoseconds(pid),
    busy: busySeconds(target.cpus),
  };
  const start = performance.now();
  const end = start + seconds * 1000;
  const pacer = rate === null ? null : new Pacer(rate, start);
  let owed = 0;
  for (let now = start; now < end; now = performance.now()) {
    if (pacer === null) owed = step;
    else owed += pacer.due(now);
    for (let turn = 0; owed > 0 && turn < 4; turn++) owed -= ring.send(Math.min(owed, step));
    if (pacer === null) owed = 0;
    beside?.(now);
  }
  const elapsed = (performance.now() - start) / 1000;
  const foreign = busySeconds(target.cpus) - before.busy - (runNanoseconds(pid) - before.cpu) / 1e9;
  let seen = sink.read();
  for (let waited = 0; waited < SETTLE_MAX_MS; waited += SETTLE_STEP_MS) {
    await sleep(SETTLE_STEP_MS);
    const next = sink.read();
    const still = next.payloadBytes === seen.payloadBytes;
    seen = next;
    if (still) break;
  }
  const cpu = runNanoseconds(pid) - before.cpu;
  const delivered = (seen.payloadBytes - before.sink.payloadBytes) / meanBytes;
  const sentBytes = ring.sentBytes - before.bytes;
  return {
    offeredPerSecond: (ring.sentPackets - before.packets) / elapsed,
    deliveredPerSecond: delivered / elapsed,
    lossRatio: sentBytes === 0 ? 0 : 1 - (seen.payloadBytes - before.sink.payloadBytes) / sentBytes,
    cpuMicros: delivered === 0 ? Number.NaN : cpu / 1000 / delivered,
    cpuShare: cpu / 1e9 / elapsed,
    foreignShare: Math.max(0, foreign / elapsed),
    packetsPerArrival: delivered / Math.max(1, seen.arrivals - before.sink.arrivals),
    joined: 0,
  };
}

/** Waits until the machine is quiet, or for `milliseconds`: others' bursts are mostly short. */
export async function waitForQuiet(milliseconds: number): Promise<void> {
  const count = cpus().length;
  const all = `0-${count - 1}`;
  for (let waited = 0; waited < milliseconds; waited += QUIET_STEP_MS) {
    const before = busySeconds(all);
    await sleep(QUIET_STEP_MS);
    if ((busySeconds(all) - before) / (count * QUIET_STEP_MS) < QUIET_SHARE / 1000) return;
  }
}

/**
 * `drive` at saturation, again if others used the root's CPUs meanwhile: the least disturbed of a few tries. Costs per
 * packet stand that, rates do not.
 */
export async function saturate(target: Target, meanBytes: number, seconds: number): Promise<Window> {
  await waitForQuiet(QUIET_WAIT_MS);
  let best = await drive(target, meanBytes, seconds, null);
  for (let tries = 1; tries < DISTURBED_TRIES && best.foreignShare > FOREIGN_SHARE_MAX; tries++) {
    await waitForQuiet(QUIET_WAIT_MS);
    const next = await drive(target, meanBytes, seconds, null);
    if (next.foreignShare < best.foreignShare) best = next;
  }
  return best;
}

/**
 * Saturates in windows of a second until the cost per packet has stopped falling, at most for `seconds`: new pairs are
 * introduced once, caches fill, code is compiled. Returns the first window and how many there were.
 */
export async function warmUp(
  target: Target,
  meanBytes: number,
  seconds: number,
): Promise<{ readonly first: Window; readonly windows: number }> {
  const first = await drive(target, meanBytes, 1, null);
  let last = first;
  let windows = 1;
  for (let steady = 0; windows < seconds && steady < STEADY_WINDOWS; windows++) {
    const next = await drive(target, meanBytes, 1, null);
    steady = next.cpuMicros > last.cpuMicros * STEADY_SHARE ? steady + 1 : 0;
    last = next;
  }
  return { first, windows };
}

/**
 * The highest rate (packets/s) with less than `LOSS_LIMIT` lost, between nothing and `saturated`, to about a thirtieth
 * of that; 0 if none was held.
 */
export async function highestRate(
  target: Target,
  meanBytes: number,
  saturated: number,
  seconds: number,
): Promise<number> {
  const delivered = async (rate: number): Promise<number | null> => {
    for (let tries = 0; tries < 2; tries++) {
      const window = await drive(target, meanBytes, seconds, rate);
      if (window.lossRatio < LOSS_LIMIT) return window.deliveredPerSecond;
      if (window.foreignShare <= FOREIGN_SHARE_MAX) break;
    }
    return null;
  };
  const whole = await delivered(saturated);
  if (whole !== null) return whole;
  let best = 0;
  let [low, high] = [0, saturated];
  for (let step = 0; step < SEARCH_STEPS; step++) {
    const middle = (low + high) / 2;
    const held = await delivered(middle);
    if (held === null) high = middle;
    else {
      low = middle;
      best = Math.max(best, held);
    }
  }
  return best;
}

/** Latency of a separate pair's packets while the load runs at `rate`. */
export async function latencyAt(
  target: Target,
  meanBytes: number,
  rate: number,
  seconds: number,
): Promise<LatencySummary & { readonly lost: number }> {
  const { crowd } = target;
  crowd.takeLatency();
  const probes = new Pacer(PROBES_PER_SECOND, performance.now());
  const beside = (now: number) => {
    for (let due = probes.due(now); due > 0; due--) crowd.sendProbe();
    crowd.pollProbes();
  };
  await drive(target, meanBytes, seconds, rate, beside, FINE_STEP_PACKETS);
  const sent = crowd.probesSent;
  crowd.pollProbes();
  const summary = crowd.takeLatency().summary();
  return { ...summary, lost: sent - summary.count };
}

/**
 * The load (saturation or `rate`) while peers from `first` on join at `joinsPerSecond`. Their keys are made before
 * the window begins.
 */
export async function stormDuring(
  target: Target,
  meanBytes: number,
  seconds: number,
  rate: number | null,
  first: number,
  joinsPerSecond: number,
): Promise<Window> {
  const { crowd } = target;
  const last = Math.min(crowd.size, first + Math.ceil(joinsPerSecond * seconds));
  crowd.prepare(first, last);
  const joins = new Pacer(joinsPerSecond, performance.now());
  let next = first;
  let polled = 0;
  const window = await drive(target, meanBytes, seconds, rate, (now) => {
    for (let due = joins.due(now); due > 0 && next < last; due--) crowd.hello(next++);
    if (now - polled < 1) return;
    polled = now;
    crowd.poll();
  });
  while (crowd.poll() > 0);
  return { ...window, joined: crowd.greeted(first, last) };
}

/** What a root makes of newcomers alone: how many it answers in `seconds`, and what each costs. */
export interface JoinFigures {
  readonly acceptedPerSecond: number;
  /** Run time of the root's threads per newcomer, in milliseconds. */
  readonly cpuMillis: number;
  readonly accepted: number;
}

/** Peers from `first` on say HELLO, more of them than a root can check; ends after `seconds` or when all are in. */
export async function joinRate(target: Target, first: number, count: number, seconds: number): Promise<JoinFigures> {
  const { crowd, pid } = target;
  const last = Math.min(crowd.size, first + count);
  crowd.prepare(first, last);
  const cpu = runNanoseconds(pid);
  const start = performance.now();
  let next = first;
  let accepted = 0;
  while (performance.now() - start < seconds * 1000 && accepted < last - first) {
    for (let i = 0; i < 4 && next < last; i++) crowd.hello(next++);
    await sleep(2);
    while (crowd.poll() > 0);
    accepted = crowd.greeted(first, last);
  }
  const elapsed = (performance.now() - start) / 1000;
  return {
    accepted,
    acceptedPerSecond: accepted / elapsed,
    cpuMillis: (runNanoseconds(pid) - cpu) / 1e6 / Math.max(1, accepted),
  };
}
