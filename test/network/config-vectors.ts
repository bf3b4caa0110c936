/** The recorded configurations, and how to compare ours with them. */
import assert from "node:assert/strict";
import { type Identity, parseIdentity } from "../../src/identity/identity.ts";
import type { NetworkConfig } from "../../src/network/config.ts";
import { formatNetworkId, parseNetworkId } from "../../src/network/network-id.ts";
import { formatAddress, parseAddress } from "../../src/protocol/address.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import { formatIp, type IpPrefix } from "../../src/protocol/inet-address.ts";
import { vectors } from "../protocol/fixtures.ts";
import type { RecordedMembership } from "./credential-vectors.ts";

export interface RecordedConfig {
  networkId: string;
  timestamp: number;
  credentialTimeMaxDelta: number;
  revision: number;
  issuedTo: string;
  remoteTraceTarget: string;
  remoteTraceLevel: number;
  flags: string;
  mtu: number;
  multicastLimit: number;
  type: number;
  nameHex: string;
  specialists: string[];
  routes: { target: string; via: string; flags: number; metric: number }[];
  staticIps: string[];
  rules: object[];
  capabilityIdsInOrder: number[];
  tagsInOrder: { id: number; value: number }[];
  ownershipCount: number;
  com: RecordedMembership;
  dns: { domain: string; servers: string[] };
  ssoVersion?: number;
  ssoEnabled?: boolean;
}

interface ConfigVectors {
  networkId: string;
  controllerSecret: string;
  member: string;
  dictionaries: { name: string; config: RecordedConfig; dictHex: string; decoded: RecordedConfig }[];
  decodeCases: { name: string; dictHex: string; decodes: boolean; decoded?: RecordedConfig }[];
  requests: { name: string; sent: { payloadHex: string }[]; metadata: string; trailingHex: string }[];
  chunkedDelivery: {
    name: string;
    requestPacketId: string;
    packets: { payloadHex: string; updateId: string; totalLength: number; chunkIndex: number; chunkLength: number }[];
  }[];
  reassembly: {
    name: string;
    steps: {
      step: string;
      payloadHex: string;
      offset: number;
      source: string;
      result: string;
      forwarded: { to: string; payloadHex: string }[];
    }[];
    revisionAfter: number;
    mtuAfter: number;
  }[];
  adHoc: { networkId: string; member: string; status: number; hasConfig: boolean; config?: RecordedConfig }[];
}

export const recordedConfigs = vectors<ConfigVectors>("netconf");
export const CONTROLLER: Identity = parseIdentity(recordedConfigs.controllerSecret) ?? assert.fail();
export const MEMBER = parseAddress(recordedConfigs.member) ?? assert.fail();
export const NETWORK_ID = parseNetworkId(recordedConfigs.networkId) ?? assert.fail();

function text(ip: Uint8Array | null, number: number): string {
  return ip === null ? "" : `${formatIp(ip)}/${number}`;
}

function prefixText({ ip, bits }: IpPrefix): string {
  return text(ip, bits);
}

/** Rules in an encoded table without lengths that lead astray. */
function countRules(table: Uint8Array): number {
  let count = 0;
  for (let offset = 0; offset < table.length; offset += 2 + table[offset + 1]!) count++;
  return count;
}

/** What is compared: all but the rules' meaning, which is `rules/`'s business, so they are counted. */
export interface ComparableConfig extends Omit<RecordedConfig, "rules" | "ssoVersion" | "ssoEnabled"> {
  rules: number;
  sso: [version: number, enabled: boolean];
}

export function comparable(config: NetworkConfig): ComparableConfig {
  const { membership } = config;
  return {
    networkId: formatNetworkId(config.networkId),
    timestamp: Number(config.timestamp),
    credentialTimeMaxDelta: Number(config.credentialTimeMaxDelta),
    revision: Number(config.revision),
    issuedTo: formatAddress(config.issuedTo),
    remoteTraceTarget: formatAddress(config.remoteTraceTarget),
    remoteTraceLevel: config.remoteTraceLevel,
    flags: config.flags.toString(16).padStart(16, "0"),
    mtu: config.mtu,
    multicastLimit: config.multicastLimit,
    type: config.isPublic ? 1 : 0,
    nameHex: toHex(new TextEncoder().encode(config.name)),
    specialists: config.specialists.map(
      ({ address, roles }) => roles.toString(16).padStart(6, "0") + formatAddress(address),
    ),
    routes: config.routes.map(({ target, via, flags, metric }) => ({
      target: prefixText(target),
      via: text(via, 0),
      flags,
      metric,
    })),
    staticIps: config.staticIps.map(prefixText),
    rules: countRules(config.rules),
    capabilityIdsInOrder: config.capabilities.map(({ id }) => id),
    tagsInOrder: config.tags.map(({ id, value }) => ({ id, value })),
    ownershipCount: config.ownerships.length,
    com: {
      qualifiers: (membership?.qualifiers ?? []).map(({ id, value, maxDelta }) => ({
        id: Number(id),
        value: value.toString(16).padStart(16, "0"),
        maxDelta: maxDelta.toString(16).padStart(16, "0"),
      })),
      signedBy: formatAddress(membership?.signedBy ?? 0),
    },
    dns: { domain: config.dns.domain, servers: config.dns.servers.map((ip) => text(ip, 0)) },
    sso: [config.sso.version, config.sso.enabled],
  };
}

/** A recorded configuration in the same form. Slots without an address are not kept here. */
export function comparableRecord(config: RecordedConfig): ComparableConfig {
  const { rules, ssoVersion = 0, ssoEnabled = false, staticIps, dns, ...rest } = config;
  const record = {
    ...rest,
    staticIps: staticIps.filter((ip) => ip !== ""),
    dns: { domain: dns.domain, servers: dns.servers.filter((ip) => ip !== "") },
    rules: rules.length,
    sso: [ssoVersion, ssoEnabled] as [number, boolean],
  };
  // Only ad-hoc records say the name a second time, as text.
  delete (record as { nameText?: string }).nameText;
  return record;
}
