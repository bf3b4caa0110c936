/** What single parts are started with, out of the configuration of the whole. */
import type { Config } from "../config/load.ts";
import { PhysicalRules } from "../node/physical.ts";

/** Which local addresses are to be bound. */
export function listenAddresses({ listen, physical }: Config) {
  return {
    bind: listen.bind,
    interfacePrefixBlacklist: listen.interfacePrefixBlacklist,
    blacklist: physical.filter(({ blacklist }) => blacklist).map(({ prefix }) => prefix),
  };
}

export function physicalRules({ physical, virtual }: Config): PhysicalRules {
  return new PhysicalRules(physical, virtual);
}

/** The node's bounds. */
export function nodeLimits({ limits, lowBandwidthMode }: Config) {
  return {
    maxPeers: limits.maxPeers,
    identityGate: {
      perPrefixPerMinute: limits.identityPerPrefixPerMinute,
      perPrefixBurst: limits.identityPerPrefixBurst,
      perSecond: limits.identityPerSecond,
    },
    maxValidations: limits.identityQueue,
    lowBandwidth: lowBandwidthMode,
  };
}
