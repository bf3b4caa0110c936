/**
 * Networks without a controller: every member makes up the same configuration from the network's id.
 * Facts: vl2-networks.md §1.4.
 */
import { ADDRESS_BYTES, type Address } from "../protocol/address.ts";
import { EtherType } from "../protocol/ethernet.ts";
import { ConfigFlag, type NetworkConfig, NO_DNS } from "./config.ts";
import { NO_SSO } from "./config-sso.ts";
import { sixPlaneAddress } from "./derived-addresses.ts";
import { DEFAULT_MTU } from "./limits.ts";
import { isAdHocHub, isAdHocPortRange, type NetworkId } from "./network-id.ts";
import { encodeRules } from "./rules/codec.ts";
import { IpProtocol } from "./rules/frame.ts";
import type { Rule } from "./rules/rule.ts";

const CREDENTIAL_TIME_MAX_DELTA_MS = 7_200_000n;
const HUB_MULTICAST_LIMIT = 1024;
const HUB_PREFIX_BITS = 8;
const TCP_SYN = 0x02;
const TCP_ACK = 0x10;

/**
 * The configuration as of `now` (ms since the epoch) for `self`; "not_found" if the id makes no sense, null if no
 * configuration is known for ids of its form.
 */
export function adHocConfig(id: NetworkId, self: Address, now: number): NetworkConfig | "not_found" | null {
  if (isAdHocPortRange(id)) return portRange(id, self, now);
  if (isAdHocHub(id)) return hub(id, self, now);
  return null;
}

function portRange(id: NetworkId, self: Address, now: number): NetworkConfig | "not_found" {
  const start = Number((id >> 40n) & 0xffffn);
  const end = Number((id >> 24n) & 0xffffn);
  if (end < start) return "not_found";
  const plain = { not: false, or: false };
  const rules: Rule[] = [
    { type: "MATCH_ETHERTYPE", etherType: EtherType.IPV6, not: true, or: false },
    { type: "ACTION_DROP", ...plain },
    { type: "MATCH_IP_PROTOCOL", ipProtocol: IpProtocol.ICMPV6, ...plain },
    { type: "ACTION_ACCEPT", ...plain },
    { type: "MATCH_IP_PROTOCOL", ipProtocol: IpProtocol.UDP, ...plain },
    { type: "MATCH_IP_PROTOCOL", ipProtocol: IpProtocol.TCP, not: false, or: true },
    { type: "MATCH_IP_DEST_PORT_RANGE", start, end, ...plain },
    { type: "ACTION_ACCEPT", ...plain },
    { type: "MATCH_CHARACTERISTICS", maskHigh: 0, maskLow: TCP_SYN, not: true, or: false },
    { type: "ACTION_ACCEPT", ...plain },
    { type: "MATCH_CHARACTERISTICS", maskHigh: 0, maskLow: TCP_SYN, ...plain },
    { type: "MATCH_CHARACTERISTICS", maskHigh: 0, maskLow: TCP_ACK, ...plain },
    { type: "ACTION_ACCEPT", ...plain },
    { type: "ACTION_DROP", ...plain },
  ];
  const hex = (port: number) => port.toString(16).padStart(4, "0");
  return {
    ...common(id, self, now),
    multicastLimit: 0,
    name: `adhoc-${hex(start)}-${hex(end)}`,
    rules: encodeRules(rules),
  };
}

function hub(id: NetworkId, self: Address, now: number): NetworkConfig {
  const first = Number((id >> 48n) & 0xffn);
  const hubAddress = Number((id >> 8n) & ((1n << BigInt(8 * ADDRESS_BYTES)) - 1n));
  const ip = Uint8Array.of(first, (self >>> 16) & 0xff, (self >>> 8) & 0xff, self & 0xff);
  const base = common(id, self, now);
  return {
    ...base,
    multicastLimit: HUB_MULTICAST_LIMIT,
    name: `adhoc-${first}.0.0.0`,
    staticIps: [...base.staticIps, { family: 4, ip, bits: HUB_PREFIX_BITS }],
    specialists: hubAddress === 0 ? [] : [{ address: hubAddress, roles: 0 }],
    rules: encodeRules([{ type: "ACTION_ACCEPT", not: false, or: false }]),
  };
}

function common(id: NetworkId, self: Address, now: number): NetworkConfig {
  return {
    networkId: id,
    timestamp: BigInt(now),
    credentialTimeMaxDelta: CREDENTIAL_TIME_MAX_DELTA_MS,
    revision: 1n,
    issuedTo: self,
    remoteTraceTarget: 0,
    remoteTraceLevel: 0,
    flags: ConfigFlag.NDP_EMULATION,
    multicastLimit: 0,
    isPublic: true,
    name: "",
    mtu: DEFAULT_MTU,
    membership: null,
    capabilities: [],
    tags: [],
    ownerships: [],
    specialists: [],
    routes: [],
    staticIps: [sixPlaneAddress(id, self)],
    rules: new Uint8Array(0),
    dns: NO_DNS,
    sso: NO_SSO,
  };
}
