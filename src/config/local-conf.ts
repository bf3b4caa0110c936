/**
 * local.conf, the reference's settings: JSON, loosely typed, unknown keys kept. What of it concerns us becomes
 * configuration under orrery.yaml. Facts: local-api.md §5 (keys), controller.md §2 (typing), vl1-behaviour.md §7.2
 * (`physical`, `virtual`, the legacy file trustedpaths).
 */
import { formatJson, isJsonObject, type JsonObject, type JsonValue, newJsonObject } from "../json/json.ts";
import { JsonSyntaxError, parseJson } from "../json/json-parse.ts";
import type { Address } from "../protocol/address.ts";
import { type IpPrefix, parseEndpoint, parseIp } from "../protocol/inet-address.ts";
import { ConfigError } from "./errors.ts";
import { looseBonding } from "./local-conf-bonding.ts";
import { looseBoolean, looseInteger } from "./loose.ts";
import type { ConfigValues } from "./schema.ts";
import {
  type PhysicalSetting,
  parseNetwork,
  parsePeer,
  parsePhysicalPrefix,
  physicalMtu,
  type VirtualSetting,
} from "./values.ts";

const INDENT_SPACES = 4;

/** What a file contributes, and what of it was ignored. */
export interface LooseSettings {
  readonly values: Partial<ConfigValues>;
  readonly warnings: string[];
}

/** Parses the text of local.conf. Throws ConfigError if it is not a JSON object; `file` is how it is called. */
export function parseLocalConf(text: string, file: string): JsonObject {
  const advice = 'write a JSON object, for example {"settings": {}}, or remove the file';
  let value: JsonValue;
  try {
    value = parseJson(text, true);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    const [, line, column, what] = /line (\d+), column (\d+): (?:syntax error while )?(.*)/s.exec(error.message) ?? [];
    throw new ConfigError(`no JSON: ${what}`, { file, line: Number(line), column: Number(column), advice });
  }
  if (isJsonObject(value)) return value;
  throw new ConfigError("holds no JSON object", { file, line: 1, column: 1, advice });
}

/** The file's text: sorted keys, four spaces, no final newline, as the reference writes it. */
export function formatLocalConf(localConf: JsonObject): string {
  return formatJson(localConf, INDENT_SPACES);
}

/** `localConf` with each key of `patch` set in its `settings`; null is stored, not removed (local-api.md §3). */
export function withSettings(localConf: JsonObject, patch: JsonObject): JsonObject {
  const settings = newJsonObject();
  const held = localConf["settings"];
  for (const source of [isJsonObject(held) ? held : {}, patch]) {
    for (const [key, value] of Object.entries(source)) settings[key] = value ?? null;
  }
  const result = newJsonObject();
  for (const [key, value] of Object.entries(localConf)) result[key] = value ?? null;
  result["settings"] = settings;
  return result;
}

/** Collects what of one file is usable. */
class Reader {
  readonly warnings: string[] = [];
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  ignore(what: string, why: string): void {
    this.warnings.push(`${this.#file}: ${what} is ignored: ${why}`);
  }

  /** The items of a list that `parse` understands. */
  list<T>(value: JsonValue | undefined, name: string, kind: string, parse: (text: string) => T | null): T[] {
    if (!Array.isArray(value)) return [];
    const items: T[] = [];
    for (const item of value as readonly JsonValue[]) {
      const parsed = typeof item === "string" ? parse(item) : null;
      if (parsed === null) this.ignore(`${name} item ${formatJson(item)}`, `it is no ${kind}`);
      else items.push(parsed);
    }
    return items;
  }

  port(value: JsonValue | undefined, name: string): number | undefined {
    if (value === undefined) return undefined;
    const port = looseInteger(value, 0n);
    if (port <= 65_535n) return Number(port);
    this.ignore(name, "it is no port");
    return undefined;
  }
}

function readSettings(settings: JsonObject, reader: Reader): Partial<ConfigValues> {
  const values: Partial<ConfigValues> = {};
  const primary = reader.port(settings["primaryPort"], "settings.primaryPort");
  if (primary !== undefined) values["listen.port"] = primary;
  const secondary = reader.port(settings["secondaryPort"], "settings.secondaryPort");
  if (!looseBoolean(settings["allowSecondaryPort"], true)) values["listen.secondaryPort"] = "off";
  else if (secondary) values["listen.secondaryPort"] = secondary;
  const tertiary = reader.port(settings["tertiaryPort"], "settings.tertiaryPort");
  if (tertiary) values["listen.tertiaryPort"] = tertiary;
  const mapping = settings["portMappingEnabled"];
  if (mapping !== undefined) values["listen.portMapping"] = looseBoolean(mapping, true);
  if (settings["bind"] !== undefined) {
    values["listen.bind"] = reader.list(settings["bind"], "settings.bind", "IP address", parseIp);
  }
  const prefixes = settings["interfacePrefixBlacklist"];
  if (prefixes !== undefined) {
    const text = (item: string) => (item === "" ? null : item);
    values["listen.interfacePrefixBlacklist"] = reader.list(prefixes, "interfacePrefixBlacklist", "name", text);
  }
  const managers = settings["allowManagementFrom"];
  if (managers !== undefined) {
    values["api.allowManagementFrom"] = reader.list(managers, "allowManagementFrom", "network", parseNetwork);
  }
  const low = settings["lowBandwidthMode"];
  if (low !== undefined) values.lowBandwidthMode = looseBoolean(low, false);
  if (!looseBoolean(settings["allowTcpFallbackRelay"], true)) values["tcpFallback.relay"] = null;
  else if (settings["tcpFallbackRelay"] !== undefined) {
    const relay = reader.list([settings["tcpFallbackRelay"]], "settings.tcpFallbackRelay", "endpoint", parseEndpoint);
    if (relay[0] !== undefined) values["tcpFallback.relay"] = relay[0];
  }
  const force = settings["forceTcpRelay"];
  if (force !== undefined) values["tcpFallback.force"] = looseBoolean(force, false);
  const bonding = looseBonding(settings, (what, why) => reader.ignore(`settings.${what}`, why));
  if (bonding !== undefined) values.bonding = bonding;
  return values;
}

function readPhysical(physical: JsonObject, reader: Reader): PhysicalSetting[] {
  const settings: PhysicalSetting[] = [];
  for (const [text, entry] of Object.entries(physical)) {
    const prefix = parsePhysicalPrefix(text);
    if (prefix === null || !isJsonObject(entry)) {
      reader.ignore(`physical ${JSON.stringify(text)}`, prefix === null ? "it is no ip/bits" : "it is no object");
      continue;
    }
    // Numbers above the largest MTU, the unsigned form of negative ones among them, are cut by physicalMtu.
    const mtu = BigInt.asIntN(64, looseInteger(entry["mtu"], 0n));
    settings.push({
      prefix,
      blacklist: looseBoolean(entry["blacklist"], false),
      trustedPathId: looseInteger(entry["trustedPathId"], 0n),
      mtu: physicalMtu(Number(mtu)),
    });
  }
  return settings;
}

function readVirtual(virtual: JsonObject, reader: Reader): Map<Address, VirtualSetting> {
  const settings = new Map<Address, VirtualSetting>();
  for (const [text, entry] of Object.entries(virtual)) {
    const peer = parsePeer(text);
    if (peer === null || !isJsonObject(entry)) {
      reader.ignore(`virtual ${JSON.stringify(text)}`, peer === null ? "it is no ZeroTier address" : "it is no object");
      continue;
    }
    settings.set(peer, {
      try: reader.list(entry["try"], `virtual ${text} try`, "endpoint ip/port", parseEndpoint),
      blacklist: reader.list<IpPrefix>(entry["blacklist"], `virtual ${text} blacklist`, "network", parseNetwork),
    });
  }
  return settings;
}

/** What local.conf says about us. Entries that the reference would ignore are ignored, with a warning. */
export function settingsOf(localConf: JsonObject, file: string): LooseSettings {
  const reader = new Reader(file);
  const { settings, physical, virtual } = localConf;
  const values = isJsonObject(settings) ? readSettings(settings, reader) : {};
  if (isJsonObject(physical)) values.physical = readPhysical(physical, reader);
  if (isJsonObject(virtual)) values.virtual = readVirtual(virtual, reader);
  return { values, warnings: reader.warnings };
}

/** The legacy file `trustedpaths`: lines `<hex id>=<ip/bits>`; others and comments (#) are ignored. */
export function parseTrustedPaths(text: string, file: string): LooseSettings {
  const reader = new Reader(file);
  const physical: PhysicalSetting[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const content = line.trim();
    if (content === "" || content.startsWith("#")) continue;
    const [, id, network] = /^([0-9a-fA-F]{1,16})\s*=\s*(\S+)$/.exec(content) ?? [];
    const prefix = network === undefined ? null : parsePhysicalPrefix(network);
    if (prefix === null) reader.ignore(`line ${index + 1}`, "it is not <hex id>=<ip/bits>");
    else physical.push({ prefix, blacklist: false, trustedPathId: BigInt(`0x${id}`), mtu: physicalMtu(0) });
  }
  return { values: physical.length === 0 ? {} : { physical }, warnings: reader.warnings };
}
