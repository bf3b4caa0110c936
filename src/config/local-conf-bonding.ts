/**
 * Bonding in local.conf: what the reference would ignore is ignored, with a warning that says why.
 * Facts: local-api.md §5 (`settings.policies` …), controller.md §2 (typing).
 */
import {
  BASE_POLICIES,
  type BasePolicy,
  type BondPolicy,
  type BondSettings,
  FAMILY_PREFERENCES,
  type FamilyPreference,
  type LinkSettings,
  NO_POLICY,
  policyNamed,
  RESELECTIONS,
  type Reselection,
} from "../bonding/policy.ts";
import { ExactNumber, isJsonObject, type JsonObject, type JsonValue } from "../json/json.ts";
import type { Address } from "../protocol/address.ts";
import { policyOf, QUALITY_NAMES, type WrittenPolicy } from "./bonding-settings.ts";
import { looseBoolean, looseInteger } from "./loose.ts";
import { parsePeer } from "./values.ts";

type Ignore = (what: string, why: string) => void;

/** What `settings` says about bonding; undefined if it says nothing. */
export function looseBonding(settings: JsonObject, ignore: Ignore): BondSettings | undefined {
  const policies = new Map<string, BondPolicy>();
  for (const [name, written] of entries(settings["policies"])) {
    const policy = loosePolicy(name, written, ignore);
    if (policy !== null) policies.set(name, policy);
  }
  const named = settings["defaultBondingPolicy"];
  const bonding: BondSettings = { defaultPolicy: typeof named === "string" ? named : "", policies, peers: new Map() };
  const known = (name: string) => name === NO_POLICY || policyNamed(bonding, name) !== null;
  const peers = new Map<Address, string>();
  for (const [text, name] of entries(settings["peerSpecificBonds"])) {
    const peer = parsePeer(text);
    if (peer === null) ignore(`peerSpecificBonds ${JSON.stringify(text)}`, "it is no ZeroTier address");
    else if (typeof name !== "string" || !known(name)) ignore(`peerSpecificBonds ${text}`, "there is no such policy");
    else peers.set(peer, name);
  }
  if (bonding.defaultPolicy === "" && policies.size === 0 && peers.size === 0) return undefined;
  if (bonding.defaultPolicy === "" || known(bonding.defaultPolicy)) return { ...bonding, peers };
  ignore(`defaultBondingPolicy ${JSON.stringify(bonding.defaultPolicy)}`, "there is no such policy");
  return { ...bonding, defaultPolicy: "", peers };
}

function entries(value: JsonValue | undefined): [string, JsonValue | undefined][] {
  return isJsonObject(value) ? Object.entries(value) : [];
}

function isBase(value: JsonValue | undefined): value is BasePolicy {
  return typeof value === "string" && (BASE_POLICIES as string[]).includes(value);
}

function loosePolicy(name: string, written: JsonValue | undefined, ignore: Ignore): BondPolicy | null {
  const what = `policies ${JSON.stringify(name)}`;
  if (isBase(name)) return refuse(ignore, what, "a standard policy has that name");
  if (!isJsonObject(written)) return refuse(ignore, what, "it is no object");
  const { basePolicy } = written;
  if (!isBase(basePolicy)) return refuse(ignore, what, `its basePolicy is none of ${BASE_POLICIES.join(", ")}`);
  // The second name is the one that the reference's older texts have.
  const reselect = written["activeReselect"] ?? written["linkSelectMethod"];
  const known = RESELECTIONS.find((value) => value === reselect);
  if (reselect !== undefined && known === undefined) ignore(`${what} activeReselect`, "it is none that there is");
  const policy: WrittenPolicy = {
    basePolicy,
    failoverInterval: count(written["failoverInterval"]),
    upDelay: count(written["upDelay"]),
    downDelay: count(written["downDelay"]),
    packetsPerLink: count(written["packetsPerLink"]),
    activeReselect: known as Reselection | undefined,
    linkQuality: looseQuality(written["linkQuality"], what, ignore),
    links: Object.fromEntries(
      entries(written["links"]).flatMap(([device, link]) => {
        if (isJsonObject(link)) return [[device, looseLink(link)]];
        ignore(`${what} links ${JSON.stringify(device)}`, "it is no object");
        return [];
      }),
    ),
  };
  return policyOf(policy);
}

function refuse(ignore: Ignore, what: string, why: string): null {
  ignore(what, why);
  return null;
}

const MAX_COUNT = 1_000_000n;

function count(value: JsonValue | undefined): number | undefined {
  if (value === undefined) return undefined;
  const whole = looseInteger(value, 0n);
  return Number(whole > MAX_COUNT ? MAX_COUNT : whole);
}

function looseLink(link: JsonObject): Partial<LinkSettings> {
  const family = count(link["ipvPref"]) ?? 0;
  const { mode, failoverTo } = link;
  return {
    enabled: looseBoolean(link["enabled"], true),
    capacity: count(link["capacity"]) ?? 0,
    ipvPref: (FAMILY_PREFERENCES as readonly number[]).includes(family) ? (family as FamilyPreference) : 0,
    mtu: count(link["mtu"]) ?? 0,
    failoverTo: typeof failoverTo === "string" ? failoverTo : "",
    mode: mode === "primary" || mode === "spare" ? mode : "",
  };
}

/** All eight figures, or none. */
function looseQuality(value: JsonValue | undefined, what: string, ignore: Ignore): WrittenPolicy["linkQuality"] {
  if (!isJsonObject(value)) return undefined;
  const figures = QUALITY_NAMES.map((name) => [name, figureOf(value[name])] as const);
  const good = figures.every(([, figure]) => figure !== null && figure >= 0);
  if (good) return Object.fromEntries(figures) as NonNullable<WrittenPolicy["linkQuality"]>;
  ignore(`${what} linkQuality`, `it needs all of ${QUALITY_NAMES.join(", ")}`);
  return undefined;
}

function figureOf(value: JsonValue | undefined): number | null {
  if (typeof value === "number" || typeof value === "bigint") return Number(value);
  return value instanceof ExactNumber ? Number(value.text) : null;
}
