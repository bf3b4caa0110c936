/**
 * The effective configuration of one home. Five layers, the later over the earlier: defaults, the reference's files
 * (trustedpaths, local.conf), orrery.yaml, environment (ORRERY_LISTEN_PORT …), flags. `physical` and `virtual` are
 * put together entry by entry, everything else key by key.
 */
import { join } from "node:path";
import type { BondSettings } from "../bonding/policy.ts";
import type { JsonObject } from "../json/json.ts";
import type { Address } from "../protocol/address.ts";
import type { Endpoint, IpPrefix } from "../protocol/inet-address.ts";
import type { Reach } from "../root/tcp-relay.ts";
import { ConfigError } from "./errors.ts";
import {
  type ConfigSource,
  environmentLayer,
  Findings,
  type FlagValue,
  flagLayer,
  type Layer,
  localConfLayer,
  trustedPathsLayer,
  yamlLayer,
} from "./layers.ts";
import { type ConfigKey, type ConfigValues, KEY_NAMES, KEYS, type LogLevel } from "./schema.ts";
import { type Shown, showValue } from "./show.ts";
import {
  inMatchingOrder,
  type ListenAddress,
  MAX_PHYSICAL_PREFIXES,
  type PhysicalSetting,
  type VirtualSetting,
} from "./values.ts";

/** What the program runs with. */
export interface Config {
  readonly home: string;
  readonly listen: {
    readonly port: number;
    readonly secondaryPort: "auto" | "off" | number;
    readonly portMapping: boolean;
    readonly tertiaryPort: "auto" | number;
    readonly bind: Uint8Array[];
    readonly interfacePrefixBlacklist: string[];
    readonly receiveBufferBytes: number;
    readonly tcpRelay: ListenAddress | null;
    readonly tcpRelayTo: Reach;
  };
  readonly tcpFallback: { readonly relay: Endpoint | null; readonly force: boolean };
  /** In matching order: the first prefix that contains an address counts (vl1-behaviour.md §7.2). */
  readonly physical: PhysicalSetting[];
  readonly virtual: Map<Address, VirtualSetting>;
  readonly bonding: BondSettings;
  readonly controller: {
    readonly enabled: boolean;
    readonly maxSessions: number;
    readonly cachedNetworks: number;
    readonly cachedMembers: number;
    readonly maxUnderWay: number;
    readonly maxMembers: number;
    readonly maxStrangers: number;
    readonly strangersPerSecond: number;
    readonly auditEntries: number;
  };
  readonly console: {
    readonly listen: ListenAddress | null;
    readonly tls: boolean;
    readonly certFile: string;
    readonly keyFile: string;
  };
  readonly leaf: {
    readonly tap: boolean;
    readonly maxNetworks: number;
    readonly maxMembers: number;
  };
  readonly limits: {
    readonly maxPeers: number;
    readonly cachePeers: number;
    readonly maxPairs: number;
    readonly maxMulticastMembers: number;
    readonly identityThreads: number;
    readonly identityQueue: number;
    readonly identityPerPrefixPerMinute: number;
    readonly identityPerPrefixBurst: number;
    readonly identityPerSecond: number;
    readonly tcpRelayConnections: number;
    readonly tcpRelayPerSource: number;
  };
  readonly dataplane: { readonly workers: "auto" | number; readonly napMicroseconds: number };
  readonly api: { readonly enabled: boolean; readonly allowManagementFrom: IpPrefix[] };
  readonly telemetry: {
    readonly listen: ListenAddress | null;
    readonly metricsFile: boolean;
    readonly peerSeries: number;
  };
  readonly log: { readonly level: LogLevel; readonly pretty: boolean };
  readonly lowBandwidthMode: boolean;
}

export interface ConfigInputs {
  readonly home: string;
  /** Must exist if given; otherwise ORRERY_CONFIG, otherwise `<home>/orrery.yaml` if there is one. */
  readonly file?: string | undefined;
  readonly env?: NodeJS.ProcessEnv;
  readonly flags?: readonly FlagValue[];
}

export interface LoadedConfig {
  readonly config: Config;
  /** The layers that decided about each key: one, or several for `physical` and `virtual`. */
  readonly sources: Readonly<Record<ConfigKey, readonly ConfigSource[]>>;
  /** What was ignored, for the log. */
  readonly warnings: readonly string[];
  /** local.conf as it is, unknown keys included; `{}` if there is none. */
  readonly localConf: JsonObject;
}

/** A key as documentation shows it. */
export interface KeyDescription {
  readonly key: ConfigKey;
  /** True if a reload is enough. */
  readonly hot: boolean;
  readonly help: string;
  readonly default: Shown;
}

/** Every key, in the order of the documentation. */
export const CONFIG_KEYS: readonly KeyDescription[] = KEY_NAMES.map((key) => {
  const { initial, meta } = KEYS[key];
  return { key, hot: meta.hot, help: meta.help, default: showValue(initial) };
});

function prefixKey({ ip, bits }: IpPrefix): string {
  return `${ip.join(".")}/${bits}`;
}

/** The later of two layers wins for a network that both name. */
function mergePhysical(held: readonly PhysicalSetting[], over: readonly PhysicalSetting[]): PhysicalSetting[] {
  const merged = new Map([...held, ...over].map((setting) => [prefixKey(setting.prefix), setting]));
  return inMatchingOrder([...merged.values()]);
}

interface Merged {
  readonly values: ConfigValues;
  readonly sources: Record<ConfigKey, readonly ConfigSource[]>;
}

function defaults(): Merged {
  const values = Object.fromEntries(KEY_NAMES.map((key) => [key, KEYS[key].initial])) as ConfigValues;
  const sources = Object.fromEntries(KEY_NAMES.map((key) => [key, ["default"]])) as unknown as Merged["sources"];
  return { values, sources };
}

function merge(layers: readonly Layer[]): Merged {
  const { values, sources } = defaults();
  const set = values as Record<ConfigKey, unknown>;
  for (const { source, values: layer } of layers) {
    for (const key of KEY_NAMES) {
      if (layer[key] === undefined) continue;
      const first = sources[key][0] === "default";
      const added = key === "physical" || key === "virtual";
      sources[key] = added && !first ? [...sources[key], source] : [source];
      if (key === "physical") set[key] = mergePhysical(values.physical, layer.physical!);
      else if (key === "virtual") set[key] = new Map([...values.virtual, ...layer.virtual!]);
      else set[key] = layer[key];
    }
  }
  return { values, sources };
}

function configOf(home: string, values: ConfigValues): Config {
  return {
    home,
    listen: {
      port: values["listen.port"],
      secondaryPort: values["listen.secondaryPort"],
      portMapping: values["listen.portMapping"],
      tertiaryPort: values["listen.tertiaryPort"],
      bind: values["listen.bind"],
      interfacePrefixBlacklist: values["listen.interfacePrefixBlacklist"],
      receiveBufferBytes: values["listen.receiveBufferBytes"],
      tcpRelay: values["listen.tcpRelay"],
      tcpRelayTo: values["listen.tcpRelayTo"],
    },
    tcpFallback: { relay: values["tcpFallback.relay"], force: values["tcpFallback.force"] },
    physical: values.physical,
    virtual: values.virtual,
    bonding: values.bonding,
    controller: {
      enabled: values["controller.enabled"],
      maxSessions: values["controller.maxSessions"],
      cachedNetworks: values["controller.cachedNetworks"],
      cachedMembers: values["controller.cachedMembers"],
      maxUnderWay: values["controller.maxUnderWay"],
      maxMembers: values["controller.maxMembers"],
      maxStrangers: values["controller.maxStrangers"],
      strangersPerSecond: values["controller.strangersPerSecond"],
      auditEntries: values["controller.auditEntries"],
    },
    leaf: {
      tap: values["leaf.tap"],
      maxNetworks: values["leaf.maxNetworks"],
      maxMembers: values["leaf.maxMembers"],
    },
    console: {
      listen: values["console.listen"],
      tls: values["console.tls"],
      certFile: values["console.certFile"],
      keyFile: values["console.keyFile"],
    },
    limits: {
      maxPeers: values["limits.maxPeers"],
      cachePeers: values["limits.cachePeers"],
      maxPairs: values["limits.maxPairs"],
      maxMulticastMembers: values["limits.maxMulticastMembers"],
      identityThreads: values["limits.identityThreads"],
      identityQueue: values["limits.identityQueue"],
      identityPerPrefixPerMinute: values["limits.identityPerPrefixPerMinute"],
      identityPerPrefixBurst: values["limits.identityPerPrefixBurst"],
      identityPerSecond: values["limits.identityPerSecond"],
      tcpRelayConnections: values["limits.tcpRelayConnections"],
      tcpRelayPerSource: values["limits.tcpRelayPerSource"],
    },
    dataplane: { workers: values["dataplane.workers"], napMicroseconds: values["dataplane.napMicroseconds"] },
    api: { enabled: values["api.enabled"], allowManagementFrom: values["api.allowManagementFrom"] },
    telemetry: {
      listen: values["telemetry.listen"],
      metricsFile: values["telemetry.metricsFile"],
      peerSeries: values["telemetry.peerSeries"],
    },
    log: { level: values["log.level"], pretty: values["log.pretty"] },
    lowBandwidthMode: values.lowBandwidthMode,
  };
}

/** What `key` holds in `config`. */
export function configValue(config: Config, key: ConfigKey): unknown {
  let value: unknown = config;
  for (const part of key.split(".")) value = (value as Record<string, unknown>)[part];
  return value;
}

/** Reads and merges everything. Throws one ConfigError that lists all mistakes there are. */
export function loadConfig(inputs: ConfigInputs): LoadedConfig {
  const findings = new Findings();
  const env = inputs.env ?? {};
  const named = inputs.file ?? env["ORRERY_CONFIG"];
  const { layer: conf, localConf } = localConfLayer(inputs.home, findings);
  const layers = [
    trustedPathsLayer(inputs.home, findings),
    conf,
    yamlLayer(named ?? join(inputs.home, "orrery.yaml"), named !== undefined, findings),
    environmentLayer(env, findings),
    flagLayer(inputs.flags ?? [], findings),
  ];
  if (findings.problems.length > 0) throw ConfigError.of(findings.problems);
  const { values, sources } = merge(layers);
  const surplus = values.physical.length - MAX_PHYSICAL_PREFIXES;
  if (surplus > 0) {
    values.physical = values.physical.slice(0, MAX_PHYSICAL_PREFIXES);
    findings.warnings.push(
      `physical: the last ${surplus} of ${surplus + MAX_PHYSICAL_PREFIXES} networks in matching order are ignored: ` +
        `at most ${MAX_PHYSICAL_PREFIXES} are kept`,
    );
  }
  return { config: configOf(inputs.home, values), sources, warnings: findings.warnings, localConf };
}

/** The keys in which two configurations differ: those that a reload can apply, and those that need a restart. */
export function diffConfig(before: Config, after: Config): { hot: string[]; cold: string[] } {
  const text = (config: Config, key: ConfigKey) => JSON.stringify(showValue(configValue(config, key)));
  const changed = KEY_NAMES.filter((key) => text(before, key) !== text(after, key));
  return {
    hot: changed.filter((key) => KEYS[key].meta.hot),
    cold: changed.filter((key) => !KEYS[key].meta.hot),
  };
}
