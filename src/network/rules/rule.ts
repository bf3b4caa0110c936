/**
 * A rule of a virtual network: an action, or a match that decides whether the next action is taken.
 * Facts: vl2-rules.md §1 (codes and fields), controller.md §4 (limits). Names are those of the controller's JSON.
 *
 * A table is an array of rules: `match match action match action …` (how it is read: `evaluate.ts`).
 */
import type { Address } from "../../protocol/address.ts";
import type { Mac } from "../../protocol/ethernet.ts";

/** Type codes on the wire. 0 … 15 are actions, 16 … 63 matches; what is missing here is unknown to us. */
export const RULE_CODES = {
  ACTION_DROP: 0,
  ACTION_ACCEPT: 1,
  ACTION_TEE: 2,
  ACTION_WATCH: 3,
  ACTION_REDIRECT: 4,
  ACTION_BREAK: 5,
  ACTION_PRIORITY: 6,
  MATCH_SOURCE_ZEROTIER_ADDRESS: 24,
  MATCH_DEST_ZEROTIER_ADDRESS: 25,
  MATCH_VLAN_ID: 26,
  MATCH_VLAN_PCP: 27,
  MATCH_VLAN_DEI: 28,
  MATCH_MAC_SOURCE: 29,
  MATCH_MAC_DEST: 30,
  MATCH_IPV4_SOURCE: 31,
  MATCH_IPV4_DEST: 32,
  MATCH_IPV6_SOURCE: 33,
  MATCH_IPV6_DEST: 34,
  MATCH_IP_TOS: 35,
  MATCH_IP_PROTOCOL: 36,
  MATCH_ETHERTYPE: 37,
  MATCH_ICMP: 38,
  MATCH_IP_SOURCE_PORT_RANGE: 39,
  MATCH_IP_DEST_PORT_RANGE: 40,
  MATCH_CHARACTERISTICS: 41,
  MATCH_FRAME_SIZE_RANGE: 42,
  MATCH_RANDOM: 43,
  MATCH_TAGS_DIFFERENCE: 44,
  MATCH_TAGS_BITWISE_AND: 45,
  MATCH_TAGS_BITWISE_OR: 46,
  MATCH_TAGS_BITWISE_XOR: 47,
  MATCH_TAGS_EQUAL: 48,
  MATCH_TAG_SENDER: 49,
  MATCH_TAG_RECEIVER: 50,
  MATCH_INTEGER_RANGE: 51,
} as const;

/** Name of a rule type that we know. */
export type RuleType = keyof typeof RULE_CODES;

/** Codes above this one are matches. */
export const LAST_ACTION_CODE = 15;
export const LAST_RULE_CODE = 63;

/** Most rules of a network, most rules of a capability, most capabilities and tags of a member (controller.md §4). */
export const MAX_NETWORK_RULES = 1024;
export const MAX_CAPABILITY_RULES = 64;
export const MAX_CAPABILITIES = 128;
export const MAX_TAGS = 128;

/** Bit of `icmpFlags` that makes the code significant. */
export const ICMP_CODE_SIGNIFICANT = 0x01;

/** Bits of MATCH_CHARACTERISTICS in `maskHigh`, that is bits 63 … 59 of the whole (vl2-rules.md §3.1). */
export const CHARACTERISTIC_INBOUND = 0x80000000;
export const CHARACTERISTIC_MULTICAST = 0x40000000;
export const CHARACTERISTIC_BROADCAST = 0x20000000;
export const CHARACTERISTIC_SENDER_IP_AUTHENTICATED = 0x10000000;
export const CHARACTERISTIC_SENDER_MAC_AUTHENTICATED = 0x08000000;

/** Bits that every rule has. Actions carry them too, without effect. */
interface RuleFlags {
  /** The result of the match is inverted, unless it is a hard one. */
  readonly not: boolean;
  /** The match is combined with what is before it by OR instead of AND. */
  readonly or: boolean;
}

export interface PlainAction extends RuleFlags {
  readonly type: "ACTION_DROP" | "ACTION_ACCEPT" | "ACTION_BREAK";
}

/** Sends the frame, or its first `length` bytes (0 = all), to another node as well, or instead (REDIRECT: always all). */
export interface ForwardAction extends RuleFlags {
  readonly type: "ACTION_TEE" | "ACTION_WATCH" | "ACTION_REDIRECT";
  readonly address: Address;
  /** 32 bits without a meaning. */
  readonly flags: number;
  readonly length: number;
}

export interface PriorityAction extends RuleFlags {
  readonly type: "ACTION_PRIORITY";
  /** 0 … 255. Not on the wire: 0 after decoding. */
  readonly bucket: number;
}

export interface ZeroTierAddressMatch extends RuleFlags {
  readonly type: "MATCH_SOURCE_ZEROTIER_ADDRESS" | "MATCH_DEST_ZEROTIER_ADDRESS";
  readonly zt: Address;
}

export interface VlanIdMatch extends RuleFlags {
  readonly type: "MATCH_VLAN_ID";
  readonly vlanId: number;
}

export interface VlanPcpMatch extends RuleFlags {
  readonly type: "MATCH_VLAN_PCP";
  readonly vlanPcp: number;
}

export interface VlanDeiMatch extends RuleFlags {
  readonly type: "MATCH_VLAN_DEI";
  readonly vlanDei: number;
}

export interface MacMatch extends RuleFlags {
  readonly type: "MATCH_MAC_SOURCE" | "MATCH_MAC_DEST";
  readonly mac: Mac;
}

/** `ip` has 4 bytes for the IPv4 types and 16 for the IPv6 ones; `bits` is a byte and may exceed the length of the IP. */
export interface IpMatch extends RuleFlags {
  readonly type: "MATCH_IPV4_SOURCE" | "MATCH_IPV4_DEST" | "MATCH_IPV6_SOURCE" | "MATCH_IPV6_DEST";
  readonly ip: Uint8Array;
  readonly bits: number;
}

export interface IpTosMatch extends RuleFlags {
  readonly type: "MATCH_IP_TOS";
  readonly mask: number;
  readonly start: number;
  readonly end: number;
}

export interface IpProtocolMatch extends RuleFlags {
  readonly type: "MATCH_IP_PROTOCOL";
  readonly ipProtocol: number;
}

export interface EtherTypeMatch extends RuleFlags {
  readonly type: "MATCH_ETHERTYPE";
  readonly etherType: number;
}

export interface IcmpMatch extends RuleFlags {
  readonly type: "MATCH_ICMP";
  readonly icmpType: number;
  /** Without effect unless `icmpFlags` has `ICMP_CODE_SIGNIFICANT`. */
  readonly icmpCode: number;
  readonly icmpFlags: number;
}

/** Both ends are included. */
export interface RangeMatch extends RuleFlags {
  readonly type: "MATCH_IP_SOURCE_PORT_RANGE" | "MATCH_IP_DEST_PORT_RANGE" | "MATCH_FRAME_SIZE_RANGE";
  readonly start: number;
  readonly end: number;
}

/** A mask of 64 bits as two unsigned halves: a bigint would have to be allocated for every frame. */
export interface CharacteristicsMatch extends RuleFlags {
  readonly type: "MATCH_CHARACTERISTICS";
  readonly maskHigh: number;
  readonly maskLow: number;
}

export interface RandomMatch extends RuleFlags {
  readonly type: "MATCH_RANDOM";
  /** 0 … 2^32−1, the latter meaning always. */
  readonly probability: number;
}

export interface TagMatch extends RuleFlags {
  readonly type:
    | "MATCH_TAGS_DIFFERENCE"
    | "MATCH_TAGS_BITWISE_AND"
    | "MATCH_TAGS_BITWISE_OR"
    | "MATCH_TAGS_BITWISE_XOR"
    | "MATCH_TAGS_EQUAL"
    | "MATCH_TAG_SENDER"
    | "MATCH_TAG_RECEIVER";
  readonly id: number;
  readonly value: number;
}

/** An integer of 1 … 64 bits somewhere in the frame (vl2-rules.md §5). */
export interface IntegerRangeMatch extends RuleFlags {
  readonly type: "MATCH_INTEGER_RANGE";
  readonly start: bigint;
  /** Included. After decoding it is less than 2^32 above `start` (modulo 2^64). */
  readonly end: bigint;
  readonly idx: number;
  readonly bits: number;
  readonly little: boolean;
}

/** A type that this version does not know; an action if the code is at most `LAST_ACTION_CODE`. */
export interface UnknownRule extends RuleFlags {
  readonly type: "UNKNOWN";
  readonly code: number;
  /** Its fields as they came, at most 255 bytes. */
  readonly bytes: Uint8Array;
}

export type ActionRule = PlainAction | ForwardAction | PriorityAction;
export type MatchRule =
  | ZeroTierAddressMatch
  | VlanIdMatch
  | VlanPcpMatch
  | VlanDeiMatch
  | MacMatch
  | IpMatch
  | IpTosMatch
  | IpProtocolMatch
  | EtherTypeMatch
  | IcmpMatch
  | RangeMatch
  | CharacteristicsMatch
  | RandomMatch
  | TagMatch
  | IntegerRangeMatch;
export type Rule = ActionRule | MatchRule | UnknownRule;

/** The rules of a capability, as evaluation needs them. */
export interface CapabilityRules {
  readonly id: number;
  readonly rules: readonly Rule[];
}

/** The type code of a rule, without its flags. */
export function ruleCode(rule: Rule): number {
  return rule.type === "UNKNOWN" ? rule.code : RULE_CODES[rule.type];
}
