/**
 * What a match asks of a frame, field by field, so that matches can be held against each other without a frame.
 * Facts: vl2-rules.md §3. Tags, chance and integers somewhere in the frame ask nothing that could be held against
 * another match.
 */
import { BROADCAST_MAC, EtherType } from "../../protocol/ethernet.ts";
import { IpProtocol } from "./frame.ts";
import type { Interval } from "./interval-set.ts";
import {
  CHARACTERISTIC_BROADCAST,
  CHARACTERISTIC_MULTICAST,
  type CharacteristicsMatch,
  ICMP_CODE_SIGNIFICANT,
  type IpMatch,
  type Rule,
} from "./rule.ts";

/** A port or ICMP type that is not there. */
const ABSENT = -1n;

const U8: Interval = [0n, 0xffn];
const U16: Interval = [0n, 0xffffn];
const U32: Interval = [0n, 0xffff_ffffn];
const U40: Interval = [0n, 0xff_ffff_ffffn];
const U48: Interval = [0n, 0xffff_ffff_ffffn];
const U128: Interval = [0n, (1n << 128n) - 1n];

/** The fields, and all values that each can have in a frame that gets as far as rules. */
export const FIELD_VALUES = {
  sender: U40,
  receiver: U40,
  sourceMac: U48,
  destinationMac: U48,
  etherType: U16,
  // What the reference takes every frame's VLAN, priority and eligibility for.
  vlan: [0n, 0n],
  vlanPcp: [0n, 0n],
  vlanDei: [0n, 0n],
  size: U16,
  ipv4Source: U32,
  ipv4Destination: U32,
  ipv6Source: U128,
  ipv6Destination: U128,
  serviceClass: U8,
  protocol: U8,
  sourcePort: [ABSENT, 0xffffn],
  destinationPort: [ABSENT, 0xffffn],
  icmpType: U8,
  icmpCode: U8,
} as const satisfies Record<string, Interval>;
export type Field = keyof typeof FIELD_VALUES;

export interface Restriction {
  readonly field: Field;
  /** Ascending and disjoint; empty for "never". */
  readonly values: readonly Interval[];
}

/** A match as restrictions: all of `always`, and `soft` or, with NOT, its opposite. */
export interface Requirement {
  /** Without these the result is a hard no, whatever NOT says. */
  readonly always: readonly Restriction[];
  /** Null if it asks nothing of a field. */
  readonly soft: Restriction | null;
}

const NOTHING: Requirement = { always: [], soft: null };

const IP_FAMILIES: Restriction = {
  field: "etherType",
  values: [one(EtherType.IPV4), one(EtherType.IPV6)],
};
const IPV4: readonly Restriction[] = [
  { field: "etherType", values: [one(EtherType.IPV4)] },
  { field: "size", values: [[20n, U16[1]]] },
];
const IPV6: readonly Restriction[] = [
  { field: "etherType", values: [one(EtherType.IPV6)] },
  { field: "size", values: [[40n, U16[1]]] },
];
const IP: readonly Restriction[] = [IP_FAMILIES, { field: "size", values: [[20n, U16[1]]] }];
const PORTED: Restriction = {
  field: "protocol",
  values: [one(IpProtocol.TCP), one(IpProtocol.UDP), one(IpProtocol.SCTP), one(IpProtocol.UDP_LITE)],
};
const ICMP: readonly Restriction[] = [
  ...IP,
  { field: "protocol", values: [one(IpProtocol.ICMP), one(IpProtocol.ICMPV6)] },
];

function one(value: number): Interval {
  return [BigInt(value), BigInt(value)];
}

function range(start: number, end: number): readonly Interval[] {
  return start <= end ? [[BigInt(start), BigInt(end)]] : [];
}

function only(field: Field, values: readonly Interval[], always: readonly Restriction[] = []): Requirement {
  return { always, soft: { field, values } };
}

/** What `rule`, a match, asks for, its NOT not yet considered. */
export function requirementOf(rule: Rule): Requirement {
  switch (rule.type) {
    case "MATCH_SOURCE_ZEROTIER_ADDRESS":
      return only("sender", [one(rule.zt)]);
    case "MATCH_DEST_ZEROTIER_ADDRESS":
      return only("receiver", [one(rule.zt)]);
    case "MATCH_MAC_SOURCE":
      return only("sourceMac", [one(rule.mac)]);
    case "MATCH_MAC_DEST":
      return only("destinationMac", [one(rule.mac)]);
    case "MATCH_VLAN_ID":
      return only("vlan", [one(rule.vlanId)]);
    case "MATCH_VLAN_PCP":
      return only("vlanPcp", [one(rule.vlanPcp)]);
    case "MATCH_VLAN_DEI":
      return only("vlanDei", [one(rule.vlanDei)]);
    case "MATCH_ETHERTYPE":
      return only("etherType", [one(rule.etherType)]);
    case "MATCH_FRAME_SIZE_RANGE":
      return only("size", range(rule.start, rule.end));
    case "MATCH_IPV4_SOURCE":
      return only("ipv4Source", ipv4Values(rule), IPV4);
    case "MATCH_IPV4_DEST":
      return only("ipv4Destination", ipv4Values(rule), IPV4);
    case "MATCH_IPV6_SOURCE":
      return only("ipv6Source", ipv6Values(rule), IPV6);
    case "MATCH_IPV6_DEST":
      return only("ipv6Destination", ipv6Values(rule), IPV6);
    case "MATCH_IP_TOS":
      return only("serviceClass", classValues(rule.mask, rule.start, rule.end), IP);
    case "MATCH_IP_PROTOCOL":
      return only("protocol", [one(rule.ipProtocol)], IP);
    case "MATCH_IP_SOURCE_PORT_RANGE":
    case "MATCH_IP_DEST_PORT_RANGE": {
      const field = rule.type === "MATCH_IP_SOURCE_PORT_RANGE" ? "sourcePort" : "destinationPort";
      // "not dport 80" holds for what has no ports, "dport 80" only for what has.
      return only(field, range(rule.start, rule.end), rule.not ? IP : [...IP, PORTED]);
    }
    case "MATCH_ICMP": {
      const always: readonly Restriction[] = [...ICMP, { field: "icmpType", values: [one(rule.icmpType)] }];
      const hasCode = (rule.icmpFlags & ICMP_CODE_SIGNIFICANT) !== 0;
      return hasCode ? only("icmpCode", [one(rule.icmpCode)], always) : { always, soft: null };
    }
    case "MATCH_CHARACTERISTICS":
      return characteristics(rule);
    default:
      return NOTHING;
  }
}

function bigOf(ip: Uint8Array): bigint {
  return ip.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/** Bits of the rule behind its prefix do not count. */
function ipv4Values({ ip, bits }: IpMatch): readonly Interval[] {
  const host = BigInt(Math.max(0, 32 - bits));
  const first = (bigOf(ip) >> host) << host;
  return [[first, first + (1n << host) - 1n]];
}

/** Bits of the rule behind its prefix make it match nothing. */
function ipv6Values({ ip, bits }: IpMatch): readonly Interval[] {
  const host = BigInt(Math.max(0, 128 - bits));
  const first = bigOf(ip);
  return (first >> host) << host === first ? [[first, first + (1n << host) - 1n]] : [];
}

function classValues(mask: number, start: number, end: number): readonly Interval[] {
  const values: Interval[] = [];
  for (let value = 0; value <= 0xff; value++) {
    const masked = value & mask;
    if (start <= masked && masked <= end) values.push(one(value));
  }
  return values;
}

/**
 * Flags of TCP, if nothing else will do, need TCP; broadcast needs its MAC. A mask of several is true if one of them is,
 * so little follows from it; its NOT rules out each.
 */
function characteristics({ maskHigh, maskLow, not }: CharacteristicsMatch): Requirement {
  const broadcast: Restriction = { field: "destinationMac", values: [one(BROADCAST_MAC)] };
  // Every broadcast is a multicast.
  const covers = maskHigh & (CHARACTERISTIC_BROADCAST | CHARACTERISTIC_MULTICAST);
  if (not) return covers !== 0 ? { always: [], soft: broadcast } : NOTHING;
  if (maskHigh >>> 0 === CHARACTERISTIC_BROADCAST && maskLow === 0) return { always: [], soft: broadcast };
  const isTcpOnly = maskHigh === 0 && maskLow !== 0 && maskLow <= MAX_TCP_BITS;
  if (!isTcpOnly) return NOTHING;
  return { always: [...IP, { field: "protocol", values: [one(IpProtocol.TCP)] }], soft: null };
}

const MAX_TCP_BITS = 0xfff;
