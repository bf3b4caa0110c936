/**
 * How good a link is: each side remembers when packets with an odd id left and came, and tells the other how long it
 * held them. From that come latency and loss; the answers to our own questions (ECHO) give latency too, from peers
 * that do not bond. Facts: vl1-behaviour.md §8, vl1-packets.md §5.18.
 */
import type { Millis } from "../node/ports.ts";
import { MAX_QOS_RECORDS, type QosRecord } from "../protocol/messages/qos-measurement.ts";
import { PACKET_ID_BYTES } from "../protocol/packet.ts";
import type { QualityLimits } from "./policy.ts";

const MAX_OUT = 420;
const OUT_LIFETIME_MS = 30_000;
/** Longer holding times do not fit the record. */
const MAX_HOLDING_MS = 0xffff;
const WINDOW = 64;
const MIN_SAMPLES = 4;
/** A peer that told nothing for so long has not lost what it did not tell of. */
const REPORTS_STALE_MS = 60_000;
const LOW_53_BITS = 0x1f_ffff_ffff_ffffn;

/** The low 53 bits of a packet's id. */
function idOf(packet: Uint8Array): number {
  const high = ((packet[1]! & 0x1f) << 16) | (packet[2]! << 8) | packet[3]!;
  const low = ((packet[4]! << 24) | (packet[5]! << 16) | (packet[6]! << 8) | packet[7]!) >>> 0;
  return high * 0x1_0000_0000 + low;
}

export class Measurements {
  /** When the other side last told of our packets on this link; 0 = never. */
  lastReportIn: Millis = 0;
  lastReportOut: Millis;
  readonly #out = new Map<number, Millis>();
  #in: { readonly packetId: bigint; readonly at: Millis }[] = [];
  readonly #latencies = new Float64Array(WINDOW);
  #samples = 0;
  #arrived = 0;
  #lost = 0;
  latencyMs = 0;
  varianceMs = 0;
  lossRatio = 0;

  constructor(now: Millis) {
    this.lastReportOut = now;
  }

  /** True once there are enough samples to say anything. */
  get known(): boolean {
    return this.#samples >= MIN_SAMPLES;
  }

  /** A packet leaves on this link. */
  sent(packet: Uint8Array, now: Millis): void {
    if ((packet[PACKET_ID_BYTES - 1]! & 1) === 0 || this.#out.size >= MAX_OUT) return;
    this.#out.set(idOf(packet), now);
  }

  /** A packet came on this link. True when it is time to tell of those that did. */
  arrived(packetId: bigint, now: Millis): boolean {
    if ((packetId & 1n) === 0n || this.#in.length >= MAX_QOS_RECORDS) return false;
    this.#in.push({ packetId, at: now });
    return this.#in.length === MAX_QOS_RECORDS;
  }

  /** What is to be told now; afterwards it is forgotten. */
  takeReport(now: Millis): QosRecord[] {
    const records = this.#in.map(({ packetId, at }) => ({ packetId, holdingMs: Math.min(now - at, MAX_HOLDING_MS) }));
    this.#in = [];
    this.lastReportOut = now;
    return records;
  }

  /** The other side tells of packets of ours. */
  reported(records: readonly QosRecord[], now: Millis): void {
    this.lastReportIn = now;
    for (const { packetId, holdingMs } of records) {
      const id = Number(packetId & LOW_53_BITS);
      const sentAt = this.#out.get(id);
      if (sentAt === undefined) continue;
      this.#out.delete(id);
      this.#arrived++;
      const roundTrip = now - sentAt - holdingMs;
      if (roundTrip >= 0) this.#sample(roundTrip / 2);
    }
  }

  /** A question of ours was answered after so long. */
  answered(roundTripMs: number): void {
    this.#sample(roundTripMs / 2);
  }

  #sample(latencyMs: number): void {
    this.#latencies[this.#samples % WINDOW] = latencyMs;
    this.#samples++;
  }

  /** Works the figures out anew. */
  estimate(now: Millis): void {
    const reports = now - this.lastReportIn < REPORTS_STALE_MS;
    for (const [id, at] of this.#out) {
      if (now - at < OUT_LIFETIME_MS) break;
      this.#out.delete(id);
      if (reports) this.#lost++;
    }
    const resolved = this.#arrived + this.#lost;
    this.lossRatio = resolved < MIN_SAMPLES ? 0 : this.#lost / resolved;
    // Older losses fade.
    this.#arrived /= 2;
    this.#lost /= 2;
    const count = Math.min(this.#samples, WINDOW);
    if (count < MIN_SAMPLES) return;
    let sum = 0;
    for (let i = 0; i < count; i++) sum += this.#latencies[i]!;
    this.latencyMs = sum / count;
    let squares = 0;
    for (let i = 0; i < count; i++) squares += (this.#latencies[i]! - this.latencyMs) ** 2;
    this.varianceMs = Math.sqrt(squares / count);
  }

  /** True while nothing is known to be worse than allowed. */
  isWithin(limits: QualityLimits): boolean {
    const { latencyMs, varianceMs, lossRatio } = this;
    return latencyMs <= limits.latencyMs && varianceMs <= limits.varianceMs && lossRatio <= limits.loss;
  }

  /** 1 = perfect, 0 = as bad as allowed in everything, or not known. */
  quality(limits: QualityLimits): number {
    if (!this.known) return 0;
    const { weights } = limits;
    const share = (value: number, worst: number, weight: number) =>
      weight * (worst > 0 ? 1 - Math.min(1, value / worst) : 0);
    return (
      share(this.latencyMs, limits.latencyMs, weights.latency) +
      share(this.varianceMs, limits.varianceMs, weights.variance) +
      share(this.lossRatio, limits.loss, weights.loss) +
      share(0, limits.error, weights.error)
    );
  }
}
