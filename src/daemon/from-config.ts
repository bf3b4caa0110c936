/** What single parts are started with, out of the configuration of the whole. */
import type { Config, LoadedConfig } from "../config/load.ts";
import type { ServiceConfig } from "../http/service.ts";
import { type InterfaceAddress, systemAddresses } from "../io/interfaces.ts";
import type { Transport } from "../io/transport.ts";
import { PhysicalRules } from "../node/physical.ts";
import type { LeafRole } from "./leaf-role.ts";
import { portWithRole } from "./nat-traversal.ts";
import type { TcpRole } from "./tcp-role.ts";

/** Which local addresses are to be bound. */
export function listenAddresses({ listen, physical }: Config) {
  return {
    bind: listen.bind,
    interfacePrefixBlacklist: listen.interfacePrefixBlacklist,
    blacklist: physical.filter(({ blacklist }) => blacklist).map(({ prefix }) => prefix),
  };
}

/** The addresses of interfaces that carry packets of the node: not those of its own networks, whatever their names. */
export function physicalAddresses(leaf: () => LeafRole | undefined): () => InterfaceAddress[] {
  return () => systemAddresses().filter(({ name }) => leaf()?.hasInterface(name) !== true);
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

/** What the service API tells of the configuration and of the sockets. */
export function serviceConfig(
  { localConf, config }: LoadedConfig,
  transport: Transport,
  tcp: TcpRole,
  homeDir: string,
): ServiceConfig {
  return {
    localConf,
    primaryPort: portWithRole(transport, "primary"),
    secondaryPort: portWithRole(transport, "secondary"),
    tertiaryPort: portWithRole(transport, "tertiary"),
    homeDir,
    listeningOn: transport.sockets().map(({ local }) => local),
    ...tcp.fallback,
    portMappingEnabled: config.listen.portMapping,
  };
}
