/** The series of a benchmark: which cells are measured in which order, and what happens between them. */

import { PROBERS } from "./crowd.ts";
import {
  drive,
  FOREIGN_SHARE_MAX,
  highestRate,
  joinRate,
  latencyAt,
  loadRing,
  saturate,
  stormDuring,
  waitForQuiet,
  warmUp,
} from "./drive.ts";
import type { BenchOptions } from "./options.ts";
import { preloadedAddress } from "./preload.ts";
import { residentBytes } from "./process-figures.ts";
import { progress } from "./progress.ts";
import type { BenchResults } from "./results.ts";
import type { Contender, Session } from "./session.ts";
import { FEW_PEERS, type Load, planTraffic } from "./traffic.ts";

/** Above this, peers are preloaded into our root instead of greeting. */
export const MAX_GREETING_PEERS = 2000;
/** The most that a baseline is given, because each of them has to be greeted and checked. */
export const BASELINE_PEERS = 1000;
const WARM_UP_SECONDS = 45;
const STORM_ACTIVE_PEERS = 32;
const STORM_JOINS_PER_SECOND = 25;
const STORM_SECONDS = 4;
/** Newcomers cannot be had twice, so a storm waits for a quiet machine. */
const STORM_QUIET_MS = 15_000;
const JOIN_SECONDS = 6;
const JOIN_PEERS = 700;
const GREET_SECONDS = 120;
const LATENCY_SECONDS = 2;
const PLAN_PACKETS = 8192;
const SETTLE_MEMORY_MS = 3000;
/** Preloaded paths live for four minutes; a series that takes longer starts the root again. */
const PRELOADED_LIFE_MS = 150_000;

/** How many identities the parts need: probers, active peers, newcomers. */
export function identitiesNeeded(options: BenchOptions): number {
  const greeting = options.peers.map((count) => (count > MAX_GREETING_PEERS ? BASELINE_PEERS : count));
  const newcomers = options.quick ? 350 : 2 * STORM_JOINS_PER_SECOND * STORM_SECONDS + JOIN_PEERS;
  const storm = options.parts.includes("storm") ? STORM_ACTIVE_PEERS + newcomers : 0;
  return PROBERS + Math.max(storm, ...(options.parts.includes("relay") ? greeting : [0]));
}

async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Runs the parts and collects what they measure. */
export class Bench {
  readonly #options: BenchOptions;
  readonly #session: Session;
  readonly #results: BenchResults;
  /** Windows that counted although others used the root's CPUs. */
  #disturbed = 0;

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
    const windows = this.#results.relay.length;
    if (this.#disturbed > 0) {
      this.#note(
        `in ${this.#disturbed} of ${windows} windows others used more than a tenth of the roots' CPU, and repeating did not help: trust CPU, not rates`,
      );
    }
  }

  /** Cells whose peers all greet, in both roots. */
  async #relayGreeted(counts: readonly number[]): Promise<void> {
    const contenders = await this.#start(0);
    const relay = await this.#session.startRelay(0);
    if (relay !== null) contenders.push(relay);
    try {
      for (const count of counts) {
        for (const contender of contenders) {
          if (contender.greets) await this.#greet(contender, count, count === counts.at(-1));
        }
        await this.#cells(contenders, count, () => count);
      }
    } finally {
      for (const contender of contenders) await contender.stop();
    }
  }

  /** Cells whose peers our root remembers; the baseline has as many as can greet. */
  async #relayPreloaded(count: number): Promise<void> {
    const { loads } = this.#options;
    const empty = await this.#session.startOurs(0);
    await pause(SETTLE_MEMORY_MS);
    const before = residentBytes(empty.pid);
    await empty.stop();
    const baseline = await this.#session.startBaseline();
    const relay = await this.#session.startRelay(count);
    const others = [baseline, relay].filter((contender) => contender !== null);
    try {
      if (baseline !== null) await this.#greet(baseline, BASELINE_PEERS, false);
      for (const load of loads) await this.#preloadedLoad(count, load, others, before);
    } finally {
      for (const contender of others) await contender.stop();
    }
  }

  /** One load of many peers, on a new root of ours: paths that nobody confirms live for minutes only. */
  async #preloadedLoad(count: number, load: Load, others: readonly Contender[], emptyBytes: number): Promise<void> {
    progress(`${count} peers, ${load}: preloading`);
    const ours = await this.#session.startOurs(count);
    const startedAt = performance.now();
    const weigh = (how: string) => {
      if (load !== this.#options.loads[0]) return;
      const bytesPerPeer = (residentBytes(ours.pid) - emptyBytes) / count;
      this.#results.memory.push({ root: ours.name, peers: count, how, bytesPerPeer });
    };
    try {
      await this.#greet(ours, 0, false);
      await pause(SETTLE_MEMORY_MS);
      weigh("preloaded, against an empty root");
      const active = (contender: Contender) => (contender.remembers ? count : BASELINE_PEERS);
      await this.#cells([ours, ...others], count, active, [load]);
      weigh("the same, when all have talked (garbage included)");
      const took = performance.now() - startedAt;
      if (took > PRELOADED_LIFE_MS) {
        this.#note(`${count} peers, ${load}: ${Math.round(took / 1000)} s, so that paths may have expired`);
      }
    } finally {
      await ours.stop();
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
      for (const offload of peers <= FEW_PEERS && load !== "mix" ? [true, false] : [true]) {
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
    const saturation = await saturate(contender, meanBytes, seconds);
    if (saturation.foreignShare > FOREIGN_SHARE_MAX) this.#disturbed++;
    // Looking for it takes longest.
    const searching = round === 0;
    const rate = searching
      ? await highestRate(contender, meanBytes, saturation.deliveredPerSecond, seconds * 0.6)
      : null;
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
    const calmSaturated = await saturate(contender, meanBytes, seconds / 2);
    const best = await highestRate(contender, meanBytes, calmSaturated.deliveredPerSecond, 0.5);
    const half = (best > 0 ? best : calmSaturated.deliveredPerSecond) / 2;
    await waitForQuiet(STORM_QUIET_MS);
    const calm = await drive(contender, meanBytes, seconds / 2, half);
    const joins = Math.ceil(STORM_JOINS_PER_SECOND * seconds);
    let next = STORM_ACTIVE_PEERS;
    await waitForQuiet(STORM_QUIET_MS);
    const during = await stormDuring(contender, meanBytes, seconds, half, next, STORM_JOINS_PER_SECOND);
    next += joins;
    await waitForQuiet(STORM_QUIET_MS);
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
