/**
 * Bonding as an operator writes it: `settings.defaultBondingPolicy`, `policies` and `peerSpecificBonds` in local.conf,
 * loosely typed as there; `bonding` in orrery.yaml, strictly, with the same names inside. Facts: local-api.md §5.
 */
import { z } from "zod";
import {
  BASE_POLICIES,
  type BasePolicy,
  type BondPolicy,
  type BondSettings,
  DEFAULT_LINK,
  FAMILY_PREFERENCES,
  type LinkSettings,
  MAX_FAILOVER_MS,
  MIN_FAILOVER_MS,
  makePolicy,
  type PolicyChanges,
  type QualityLimits,
  RESELECTIONS,
  type Reselection,
} from "../bonding/policy.ts";
import { formatAddress } from "../protocol/address.ts";
import { described } from "./key.ts";
import type { Shown } from "./show.ts";
import { integer, parsePeer } from "./values.ts";

const MAX_POLICIES = 64;
const MAX_LINKS = 64;
const MAX_DELAY_MS = 600_000;
const MAX_CAPACITY = 1_000_000;
const MAX_MTU = 65_535;

/** The eight figures of `linkQuality` by their names in the files. */
export const QUALITY_NAMES = [
  "lat_max",
  "pdv_max",
  "plr_max",
  "per_max",
  "lat_weight",
  "pdv_weight",
  "plr_weight",
  "per_weight",
] as const;
type QualityFigures = Readonly<Record<(typeof QUALITY_NAMES)[number], number>>;

/** Limits and weights out of their eight figures. */
export function qualityOf(figures: QualityFigures): QualityLimits {
  return {
    latencyMs: figures.lat_max,
    varianceMs: figures.pdv_max,
    loss: figures.plr_max,
    error: figures.per_max,
    weights: {
      latency: figures.lat_weight,
      variance: figures.pdv_weight,
      loss: figures.plr_weight,
      error: figures.per_weight,
    },
  };
}

/** A policy as both files have it, after their own typing. What is undefined is left at its default. */
export interface WrittenPolicy {
  readonly basePolicy: BasePolicy;
  readonly failoverInterval?: number | undefined;
  readonly upDelay?: number | undefined;
  readonly downDelay?: number | undefined;
  readonly packetsPerLink?: number | undefined;
  readonly activeReselect?: Reselection | undefined;
  readonly linkQuality?: QualityFigures | undefined;
  readonly links?: Readonly<Record<string, Partial<Record<keyof LinkSettings, unknown>>>> | undefined;
}

/** The policy that is meant. */
export function policyOf(written: WrittenPolicy): BondPolicy {
  const { failoverInterval, upDelay, downDelay, packetsPerLink, activeReselect, linkQuality, links = {} } = written;
  const changes: Record<string, unknown> = {
    failoverMs: failoverInterval,
    upDelayMs: upDelay,
    downDelayMs: downDelay,
    packetsPerLink,
    reselect: activeReselect,
    quality: linkQuality && qualityOf(linkQuality),
    links: new Map(Object.entries(links).map(([name, link]) => [name, { ...DEFAULT_LINK, ...defined(link) }])),
  };
  return makePolicy(written.basePolicy, defined(changes) as PolicyChanges);
}

function defined(values: object): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

const figure = z.number().min(0).max(1_000_000);
const linkSchema = z.strictObject({
  enabled: z.boolean().optional(),
  capacity: integer(0, MAX_CAPACITY).optional(),
  ipvPref: z.union(FAMILY_PREFERENCES.map((value) => z.literal(value))).optional(),
  mtu: integer(0, MAX_MTU).optional(),
  failoverTo: z.string().optional(),
  mode: z.enum(["primary", "spare"]).optional(),
});
const policySchema = z
  .strictObject({
    basePolicy: z.enum(BASE_POLICIES),
    failoverInterval: integer(MIN_FAILOVER_MS, MAX_FAILOVER_MS).optional(),
    upDelay: integer(0, MAX_DELAY_MS).optional(),
    downDelay: integer(0, MAX_DELAY_MS).optional(),
    packetsPerLink: integer(0, MAX_CAPACITY).optional(),
    activeReselect: z.enum(RESELECTIONS).optional(),
    linkQuality: z
      .strictObject(
        Object.fromEntries(QUALITY_NAMES.map((name) => [name, figure])) as Record<
          (typeof QUALITY_NAMES)[number],
          typeof figure
        >,
      )
      .optional(),
    links: z
      .record(z.string(), linkSchema)
      .refine((links) => Object.keys(links).length <= MAX_LINKS)
      .optional(),
  })
  .transform(policyOf);

/** `bonding` of orrery.yaml. */
export const bondingSchema = z
  .strictObject({
    defaultPolicy: described(z.string(), { expected: "the name of a policy", example: "active-backup" }).optional(),
    policies: described(
      z
        .record(
          z.string().refine((name) => !(BASE_POLICIES as string[]).includes(name)),
          policySchema,
        )
        .refine((map) => Object.keys(map).length <= MAX_POLICIES),
      {
        expected: "a map of policies as in local.conf",
        mapKey: "a name that no standard policy has",
        example: "{fast: {basePolicy: active-backup, failoverInterval: 500}}",
      },
    ).optional(),
    peers: described(
      z.record(
        z.string().refine((text) => parsePeer(text) !== null),
        z.string(),
      ),
      { expected: "a map of peers", mapKey: "an address of ten hex digits", example: "{8056c2e21c: balance-xor}" },
    ).optional(),
  })
  .transform(
    ({ defaultPolicy = "", policies = {}, peers = {} }): BondSettings => ({
      defaultPolicy,
      policies: new Map(Object.entries(policies)),
      peers: new Map(Object.entries(peers).map(([peer, name]) => [parsePeer(peer)!, name])),
    }),
  );

/** As an operator reads it. */
export function showBonding({ defaultPolicy, policies, peers }: BondSettings): Shown {
  return {
    defaultPolicy,
    policies: Object.fromEntries([...policies].map(([name, policy]) => [name, showPolicy(policy)])),
    peers: Object.fromEntries([...peers].map(([peer, name]) => [formatAddress(peer), name])),
  };
}

function showPolicy({
  base,
  failoverMs,
  upDelayMs,
  downDelayMs,
  packetsPerLink,
  reselect,
  quality,
  links,
}: BondPolicy) {
  const { weights } = quality;
  return {
    basePolicy: base,
    failoverInterval: failoverMs,
    upDelay: upDelayMs,
    downDelay: downDelayMs,
    packetsPerLink,
    activeReselect: reselect,
    linkQuality: {
      lat_max: quality.latencyMs,
      pdv_max: quality.varianceMs,
      plr_max: quality.loss,
      per_max: quality.error,
      lat_weight: weights.latency,
      pdv_weight: weights.variance,
      plr_weight: weights.loss,
      per_weight: weights.error,
    },
    links: Object.fromEntries([...links].map(([name, link]) => [name, { ...link } as Shown])),
  };
}
