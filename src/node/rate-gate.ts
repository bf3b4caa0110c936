/**
 * Rate limits. Two shapes: "once per interval" (a time stamp kept by whoever is limited) and token buckets by
 * source prefix for work that strangers can cause.
 * Facts: vl1-behaviour.md §1 (gates), §2.3 (identity gate), §4.6 (a gentler gate is compatible and advisable).
 */
import type { Endpoint } from "../protocol/inet-address.ts";
import type { Millis, Random } from "./ports.ts";

export const WHOIS_GATE_MS = 100;
export const ECHO_GATE_MS = 166;
export const CREDENTIALS_GATE_MS = 1000;
export const BEACON_GATE_MS = 2500;
export const PATH_CONFIRMATION_MS = 1000;
export const PUSH_GATE_MS = 30_000;
export const PUSH_GATE_COUNT = 8;

const BUCKETS = 16_384;

export interface IdentityGateLimits {
  /** Unknown identities from one /24 (IPv4) or /48 (IPv6). */
  readonly perPrefixPerMinute: number;
  readonly perPrefixBurst: number;
  /** Unknown identities in all; the burst is two seconds' worth. */
  readonly perSecond: number;
}

/**
 * How many identities that we do not know may cost us a key agreement and a memory-hard hash. One token bucket per
 * source prefix, in a fixed table hashed with a secret seed (so that nobody can choose whom to collide with), and
 * one for the whole node.
 */
export class IdentityGate {
  readonly #limits: IdentityGateLimits;
  readonly #tokens: Float32Array;
  readonly #refilled: Float64Array;
  readonly #seed: Uint32Array;
  #allTokens: number;
  #allRefilled = 0;

  constructor(limits: IdentityGateLimits, random: Random) {
    this.#limits = limits;
    this.#tokens = new Float32Array(BUCKETS).fill(limits.perPrefixBurst);
    this.#refilled = new Float64Array(BUCKETS);
    const seed = new Uint8Array(16);
    random(seed);
    this.#seed = new Uint32Array(seed.buffer);
    this.#allTokens = limits.perSecond * 2;
  }

  /** Takes one token of the source's prefix and one of the whole; false if either has none. */
  allow(from: Endpoint, now: Millis): boolean {
    const { perPrefixPerMinute, perPrefixBurst, perSecond } = this.#limits;
    const slot = this.#slot(from);
    const since = Math.max(0, now - this.#refilled[slot]!);
    const tokens = Math.min(perPrefixBurst, this.#tokens[slot]! + (since * perPrefixPerMinute) / 60_000);
    this.#refilled[slot] = now;
    this.#tokens[slot] = tokens;
    this.#allTokens = Math.min(
      perSecond * 2,
      this.#allTokens + (Math.max(0, now - this.#allRefilled) * perSecond) / 1000,
    );
    this.#allRefilled = now;
    if (tokens < 1 || this.#allTokens < 1) return false;
    this.#tokens[slot] = tokens - 1;
    this.#allTokens -= 1;
    return true;
  }

  #slot(from: Endpoint): number {
    const bytes = from.family === 4 ? 3 : 6;
    let hash = this.#seed[0]! ^ from.family;
    for (let i = 0; i < bytes; i++) {
      hash = Math.imul(hash ^ from.ip[i]!, 0x85ebca6b) ^ this.#seed[1 + (i % 3)]!;
      hash ^= hash >>> 13;
    }
    hash = Math.imul(hash, 0xc2b2ae35);
    return ((hash ^ (hash >>> 16)) >>> 0) % BUCKETS;
  }
}
