/**
 * What this host lets a network do to it. Facts: vl2-networks.md §6.1, local-api.md §3 (network object).
 *
 * As a file: `key=value` lines. A value of `allowManaged` longer than 5 characters is a list of prefixes.
 */
import { Dictionary, DictionaryWriter } from "../protocol/dictionary.ts";
import { type IpPrefix, IpScope, ipScope, parsePrefix, prefixContains } from "../protocol/inet-address.ts";

export interface LocalSettings {
  /** Addresses and routes of the network are applied. */
  readonly allowManaged: boolean;
  /** If not empty, only those inside one of these. */
  readonly managedPrefixes: readonly IpPrefix[];
  /** Also such as everybody on the internet could reach. */
  readonly allowGlobal: boolean;
  /** Also a default route. */
  readonly allowDefault: boolean;
  /** The network's DNS servers are used for its domain. */
  readonly allowDns: boolean;
}

export const DEFAULT_LOCAL_SETTINGS: LocalSettings = {
  allowManaged: true,
  managedPrefixes: [],
  allowGlobal: false,
  allowDefault: false,
  allowDns: false,
};

/** A longer value of `allowManaged` is no boolean. */
const LONGEST_BOOLEAN = 5;
const MAX_PREFIXES = 128;

/** Reads the file's bytes; whatever is missing or makes no sense has its default. */
export function decodeLocalSettings(bytes: Uint8Array): LocalSettings {
  const dictionary = new Dictionary(bytes);
  const managed = dictionary.text("allowManaged", bytes.length) ?? "";
  const listed = managed.length > LONGEST_BOOLEAN;
  const prefixes = listed ? managed.split(",").flatMap((text) => parsePrefix(text.trim()) ?? []) : [];
  return {
    allowManaged: listed || dictionary.bool("allowManaged", DEFAULT_LOCAL_SETTINGS.allowManaged),
    managedPrefixes: prefixes.slice(0, MAX_PREFIXES),
    allowGlobal: dictionary.bool("allowGlobal", DEFAULT_LOCAL_SETTINGS.allowGlobal),
    allowDefault: dictionary.bool("allowDefault", DEFAULT_LOCAL_SETTINGS.allowDefault),
    allowDns: dictionary.bool("allowDNS", DEFAULT_LOCAL_SETTINGS.allowDns),
  };
}

/** A list of prefixes is written as 1, as the reference does it. */
export function encodeLocalSettings(settings: LocalSettings): Uint8Array {
  return new DictionaryWriter()
    .bool("allowManaged", settings.allowManaged)
    .bool("allowGlobal", settings.allowGlobal)
    .bool("allowDefault", settings.allowDefault)
    .bool("allowDNS", settings.allowDns)
    .finish();
}

/** Whether a managed address or the target of a managed route may be applied. */
export function mayApply(settings: LocalSettings, target: IpPrefix): boolean {
  if (!settings.allowManaged) return false;
  const { managedPrefixes } = settings;
  const listed = managedPrefixes.some((prefix) => prefix.bits <= target.bits && prefixContains(prefix, target.ip));
  if (managedPrefixes.length > 0 && !listed) return false;
  if (target.bits === 0 && target.ip.every((byte) => byte === 0)) return settings.allowDefault;
  switch (ipScope(target.ip)) {
    case IpScope.NONE:
    case IpScope.MULTICAST:
    case IpScope.LOOPBACK:
    case IpScope.LINK_LOCAL:
      return false;
    case IpScope.GLOBAL:
      return settings.allowGlobal;
    default:
      return true;
  }
}
