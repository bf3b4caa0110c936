/**
 * Which local addresses a node binds. Facts: vl1-behaviour.md §7 (interfaces named lo*, zt*, tun*, tap*, those
 * with configured name prefixes and blacklisted addresses are skipped) and §3.4 (scopes that make a path).
 */
import { networkInterfaces } from "node:os";
import { type IpPrefix, IpScope, ipScope, parseIp, prefixContains } from "../protocol/inet-address.ts";

/** One address of one network interface. `ip` has 4 or 16 bytes. */
export interface InterfaceAddress {
  readonly name: string;
  readonly ip: Uint8Array;
}

/** What the operator excludes. */
export interface InterfaceFilter {
  /** Interfaces whose name starts with one of these are skipped. */
  readonly interfacePrefixBlacklist: readonly string[];
  /** Addresses inside one of these are skipped. */
  readonly blacklist: readonly IpPrefix[];
}

/** Virtual interfaces, our own among them: a path through one would run through a tunnel that needs the path. */
const SKIPPED_NAME_PREFIXES = ["lo", "zt", "tun", "tap"];

const BINDABLE_SCOPES: ReadonlySet<IpScope> = new Set([
  IpScope.PSEUDO_PRIVATE,
  IpScope.GLOBAL,
  IpScope.SHARED,
  IpScope.PRIVATE,
]);

/** Every address of every interface that is up, in the system's order. Zones (`%eth0`) are cut off. */
export function systemAddresses(): InterfaceAddress[] {
  const found: InterfaceAddress[] = [];
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    for (const { address } of addresses ?? []) {
      const ip = parseIp(address.split("%")[0]!);
      if (ip !== null) found.push({ name, ip });
    }
  }
  return found;
}

/** Those of `all` that a node binds and may tell others about; see the head of this file. */
export function localAddresses(
  filter: InterfaceFilter,
  all: readonly InterfaceAddress[] = systemAddresses(),
): InterfaceAddress[] {
  const names = [...SKIPPED_NAME_PREFIXES, ...filter.interfacePrefixBlacklist];
  return all.filter(
    ({ name, ip }) =>
      BINDABLE_SCOPES.has(ipScope(ip)) &&
      !names.some((prefix) => name.startsWith(prefix)) &&
      !filter.blacklist.some((prefix) => prefixContains(prefix, ip)),
  );
}
