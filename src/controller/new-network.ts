/**
 * A new network that is usable and safe as it is: private, with the well-known default rules, and, if there is a subnet
 * for it, with IPv4 addresses for its members. Facts: controller.md §1, §3 (every key of the reference's object).
 */
import type { JsonObject, JsonValue } from "../json/json.ts";
import { DEFAULT_MTU } from "../network/limits.ts";
import { formatNetworkId } from "../network/network-id.ts";
import type { IpPrefix } from "../protocol/inet-address.ts";
import type { NetworkDraft } from "./management.ts";
import { NO_NETWORK_OWN } from "./records.ts";
import { formatPrefix, poolOf } from "./subnets.ts";

const DEFAULT_MULTICAST_LIMIT = 32;

/** The well-known default: Ethernet frames that are neither IP nor ARP stay out, everything else passes. */
const DEFAULT_RULES_SOURCE = `# Only IPv4, ARP and IPv6 pass.
drop
  not ethertype ipv4
  and not ethertype arp
  and not ethertype ipv6
;

accept;
`;

function notEtherType(etherType: number): JsonObject {
  return { etherType, not: true, or: false, type: "MATCH_ETHERTYPE" };
}

/** `DEFAULT_RULES_SOURCE` as the controller keeps it. */
const DEFAULT_RULES: readonly JsonValue[] = [
  notEtherType(0x0800),
  notEtherType(0x0806),
  notEtherType(0x86dd),
  { type: "ACTION_DROP" },
  { type: "ACTION_ACCEPT" },
];

/**
 * The draft of a new network. `subnet`: an IPv4 prefix of at most 30 bits, which becomes its managed route and the pool
 * that its members get addresses from; null for a network without addresses. `now` in ms.
 */
export function newNetwork(id: bigint, now: number, subnet: IpPrefix | null): NetworkDraft {
  const text = formatNetworkId(id);
  const pool = subnet === null ? null : poolOf(subnet);
  return {
    json: {
      authTokens: [null],
      authorizationEndpoint: "",
      capabilities: [],
      clientId: "",
      creationTime: now,
      dns: [],
      enableBroadcast: true,
      id: text,
      ipAssignmentPools: pool === null ? [] : [{ ipRangeEnd: pool.end, ipRangeStart: pool.start }],
      mtu: DEFAULT_MTU,
      multicastLimit: DEFAULT_MULTICAST_LIMIT,
      name: "",
      nwid: text,
      objtype: "network",
      private: true,
      remoteTraceLevel: 0,
      remoteTraceTarget: null,
      revision: 0,
      routes: subnet === null ? [] : [{ target: formatPrefix(subnet), via: null }],
      rules: DEFAULT_RULES,
      rulesSource: DEFAULT_RULES_SOURCE,
      ssoEnabled: false,
      tags: [],
      v4AssignMode: { zt: subnet !== null },
      v6AssignMode: { "6plane": false, rfc4193: false, zt: false },
    },
    own: NO_NETWORK_OWN,
  };
}
