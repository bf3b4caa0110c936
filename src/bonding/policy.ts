/**
 * Bonding policies: the five standard ones, and what an operator makes of them. Names and defaults are the reference's.
 * Facts: vl1-behaviour.md §8, local-api.md §5 (`policies`).
 */
import type { Address } from "../protocol/address.ts";

/** The standard policies, by their code on the service API (local-api.md §3). */
export const POLICY_CODES = {
  "active-backup": 1,
  broadcast: 2,
  "balance-rr": 3,
  "balance-xor": 4,
  "balance-aware": 5,
} as const;
export type BasePolicy = keyof typeof POLICY_CODES;
export const BASE_POLICIES = Object.keys(POLICY_CODES) as BasePolicy[];

/** No bond, whatever the default is. */
export const NO_POLICY = "none";

/** When an active-backup bond leaves a link that works: see `ActiveBackup.review`. */
export const RESELECTIONS = ["always", "better", "failure", "optimize"] as const;
export type Reselection = (typeof RESELECTIONS)[number];

/** Which address families a link may use: any, only one, or one rather than the other (46: IPv4 rather than IPv6). */
export const FAMILY_PREFERENCES = [0, 4, 6, 46, 64] as const;
export type FamilyPreference = (typeof FAMILY_PREFERENCES)[number];

/** What is set for one interface. */
export interface LinkSettings {
  readonly enabled: boolean;
  /** Share of the load, in any unit that all links have in common; 0 = not told, counts as 1. */
  readonly capacity: number;
  readonly ipvPref: FamilyPreference;
  /** Bytes of UDP payload; 0 = as elsewhere. */
  readonly mtu: number;
  /** The interface to go to when this one fails; "" = the best. */
  readonly failoverTo: string;
  readonly mode: "primary" | "spare" | "";
}

export const DEFAULT_LINK: LinkSettings = {
  enabled: true,
  capacity: 0,
  ipvPref: 0,
  mtu: 0,
  failoverTo: "",
  mode: "",
};

/** The worst that a link may be before flows avoid it, and how much each figure counts in its quality. */
export interface QualityLimits {
  readonly latencyMs: number;
  readonly varianceMs: number;
  /** Ratios, 0 … 1. */
  readonly loss: number;
  readonly error: number;
  readonly weights: {
    readonly latency: number;
    readonly variance: number;
    readonly loss: number;
    readonly error: number;
  };
}

export interface BondPolicy {
  readonly base: BasePolicy;
  /** How long a link may be silent before it counts as dead, ms. */
  readonly failoverMs: number;
  /** How long a link must have worked again before it is used, ms. */
  readonly upDelayMs: number;
  /** How long a dead link is used all the same, ms. */
  readonly downDelayMs: number;
  /** balance-rr: packets in a row on one link; 0 = a random link for each. */
  readonly packetsPerLink: number;
  readonly quality: QualityLimits;
  readonly reselect: Reselection;
  /** By name of the interface. Interfaces that are not named are used with the defaults. */
  readonly links: ReadonlyMap<string, LinkSettings>;
}

/** What an operator may say of a policy; what is left out is the default's. */
export type PolicyChanges = Partial<Omit<BondPolicy, "base">>;

/** Shorter intervals are lengthened to this. */
export const MIN_FAILOVER_MS = 500;
export const MAX_FAILOVER_MS = 60_000;
const DEFAULT_FAILOVER_MS = 5000;
const DEFAULT_PACKETS_PER_LINK = 64;
const DEFAULT_QUALITY: QualityLimits = {
  latencyMs: 500,
  varianceMs: 100,
  loss: 0.001,
  error: 0.0001,
  weights: { latency: 0.25, variance: 0.25, loss: 0.25, error: 0.25 },
};

/** A policy like `base` with some of it changed. */
export function makePolicy(base: BasePolicy, changes: PolicyChanges = {}): BondPolicy {
  const failoverMs = Math.min(Math.max(changes.failoverMs ?? DEFAULT_FAILOVER_MS, MIN_FAILOVER_MS), MAX_FAILOVER_MS);
  return {
    upDelayMs: 0,
    downDelayMs: 0,
    packetsPerLink: DEFAULT_PACKETS_PER_LINK,
    quality: DEFAULT_QUALITY,
    reselect: "always",
    links: new Map(),
    ...changes,
    base,
    failoverMs,
  };
}

/** Who is bonded, and how. */
export interface BondSettings {
  /** Name of a policy; "" or "none" = nobody is bonded unless `peers` says so. */
  readonly defaultPolicy: string;
  /** The operator's own, by name. */
  readonly policies: ReadonlyMap<string, BondPolicy>;
  /** Name of a policy for single peers. */
  readonly peers: ReadonlyMap<Address, string>;
}

export const NO_BONDING: BondSettings = { defaultPolicy: "", policies: new Map(), peers: new Map() };

const STANDARD: ReadonlyMap<string, BondPolicy> = new Map(BASE_POLICIES.map((base) => [base, makePolicy(base)]));

/** The policy of that name, or null if there is none. A standard name is never somebody's own policy. */
export function policyNamed({ policies }: BondSettings, name: string): BondPolicy | null {
  return STANDARD.get(name) ?? policies.get(name) ?? null;
}

/** How a peer is to be bonded; null = not at all. */
export function policyFor(settings: BondSettings, peer: Address): BondPolicy | null {
  return policyNamed(settings, settings.peers.get(peer) ?? settings.defaultPolicy);
}

/** True if anybody may be bonded. */
export function isBonding(settings: BondSettings): boolean {
  if (policyNamed(settings, settings.defaultPolicy) !== null) return true;
  for (const name of settings.peers.values()) if (policyNamed(settings, name) !== null) return true;
  return false;
}

/** Names that are used and mean nothing. */
export function unknownPolicies(settings: BondSettings): string[] {
  const used = new Set([settings.defaultPolicy, ...settings.peers.values()]);
  return [...used].filter((name) => name !== "" && name !== NO_POLICY && policyNamed(settings, name) === null);
}
