/**
 * One match for one frame. Facts: vl2-rules.md §3–§5.
 *
 * Most results are soft: NOT inverts them. Hard ones stay what they are, because the frame (or what is known of the
 * sender) does not even have what the match is about.
 */
import { BROADCAST_MAC, EtherType, isMulticastMac } from "../../protocol/ethernet.ts";
import type { RuleContext } from "./evaluate.ts";
import { type FrameView, IpProtocol, NO_PROTOCOL } from "./frame.ts";
import {
  CHARACTERISTIC_BROADCAST,
  CHARACTERISTIC_INBOUND,
  CHARACTERISTIC_MULTICAST,
  CHARACTERISTIC_SENDER_IP_AUTHENTICATED,
  CHARACTERISTIC_SENDER_MAC_AUTHENTICATED,
  ICMP_CODE_SIGNIFICANT,
  type IcmpMatch,
  type IntegerRangeMatch,
  type IpMatch,
  type Rule,
  type TagMatch,
} from "./rule.ts";

export const SOFT_NO = 0;
export const SOFT_YES = 1;
export const HARD_NO = 2;
export const HARD_YES = 3;
/** A hard yes that also spares the frame the next DROP: the receiver knows more and decides. */
export const YES_AND_SKIP_DROP = 4;
export type MatchOutcome = 0 | 1 | 2 | 3 | 4;

const ARP_BYTES = 28;
const NEIGHBOR_MESSAGE_BYTES = 64;
const NEIGHBOR_SOLICITATION = 0x87;
const NEIGHBOR_ADVERTISEMENT = 0x88;
const NEIGHBOR_TARGET_AT = 48;
const ICMPV6_AT = 40;
const ARP_SENDER_AT = 14;

function soft(yes: boolean): MatchOutcome {
  return yes ? SOFT_YES : SOFT_NO;
}

/** `rule` is a match; `superAccept`: a TEE, WATCH or REDIRECT to this node was passed. */
export function matchRule(rule: Rule, frame: FrameView, context: RuleContext, superAccept: boolean): MatchOutcome {
  switch (rule.type) {
    case "MATCH_SOURCE_ZEROTIER_ADDRESS":
      return soft(rule.zt === context.source);
    case "MATCH_DEST_ZEROTIER_ADDRESS":
      return soft(rule.zt === context.destination);
    case "MATCH_VLAN_ID":
      return soft(rule.vlanId === frame.vlanId);
    case "MATCH_VLAN_PCP":
      return soft(rule.vlanPcp === 0);
    case "MATCH_VLAN_DEI":
      return soft(rule.vlanDei === 0);
    case "MATCH_MAC_SOURCE":
      return soft(rule.mac === context.sourceMac);
    case "MATCH_MAC_DEST":
      return soft(rule.mac === context.destinationMac);
    case "MATCH_IPV4_SOURCE":
      return frame.isV4 ? soft(inV4Prefix(rule, frame.data, 12)) : HARD_NO;
    case "MATCH_IPV4_DEST":
      return frame.isV4 ? soft(inV4Prefix(rule, frame.data, 16)) : HARD_NO;
    case "MATCH_IPV6_SOURCE":
      return frame.isV6 ? soft(inV6Prefix(rule, frame.data, 8)) : HARD_NO;
    case "MATCH_IPV6_DEST":
      return frame.isV6 ? soft(inV6Prefix(rule, frame.data, 24)) : HARD_NO;
    case "MATCH_IP_TOS": {
      const tos = typeOfService(frame);
      if (tos < 0) return HARD_NO;
      const masked = tos & rule.mask;
      return soft(masked >= rule.start && masked <= rule.end);
    }
    case "MATCH_IP_PROTOCOL":
      if (frame.isV4) return soft(frame.v4Protocol === rule.ipProtocol);
      if (!frame.claimsV6 || frame.v6Protocol === NO_PROTOCOL) return HARD_NO;
      return soft(frame.v6Protocol === rule.ipProtocol);
    case "MATCH_ETHERTYPE":
      return soft(frame.etherType === rule.etherType);
    case "MATCH_ICMP":
      return matchIcmp(rule, frame);
    case "MATCH_IP_SOURCE_PORT_RANGE":
      return matchPort(rule.start, rule.end, frame, 0);
    case "MATCH_IP_DEST_PORT_RANGE":
      return matchPort(rule.start, rule.end, frame, 2);
    case "MATCH_CHARACTERISTICS":
      return soft(hasCharacteristics(rule.maskHigh, rule.maskLow, frame, context));
    case "MATCH_FRAME_SIZE_RANGE":
      return soft(frame.length >= rule.start && frame.length <= rule.end);
    case "MATCH_RANDOM":
      return soft(context.random() <= rule.probability);
    case "MATCH_TAGS_DIFFERENCE":
    case "MATCH_TAGS_BITWISE_AND":
    case "MATCH_TAGS_BITWISE_OR":
    case "MATCH_TAGS_BITWISE_XOR":
    case "MATCH_TAGS_EQUAL":
      return matchTags(rule, context, superAccept);
    case "MATCH_TAG_SENDER":
    case "MATCH_TAG_RECEIVER":
      return matchOneTag(rule, context, superAccept);
    case "MATCH_INTEGER_RANGE":
      return soft(inIntegerRange(rule, frame.data));
    default:
      return soft(context.unknownRulesMatch);
  }
}

/** Host bits of the rule do not count. */
function inV4Prefix({ ip, bits }: IpMatch, data: Uint8Array, at: number): boolean {
  for (let i = 0, left = bits; i < 4 && left > 0; i++, left -= 8) {
    const mask = left >= 8 ? 0xff : 0xff << (8 - left);
    if (((ip[i]! ^ data[at + i]!) & mask & 0xff) !== 0) return false;
  }
  return true;
}

/** Host bits of the rule count: set, they make it never match. */
function inV6Prefix({ ip, bits }: IpMatch, data: Uint8Array, at: number): boolean {
  for (let i = 0, left = bits; i < 16; i++, left -= 8) {
    const mask = left >= 8 ? 0xff : left <= 0 ? 0 : (0xff << (8 - left)) & 0xff;
    if ((data[at + i]! & mask) !== ip[i]) return false;
  }
  return true;
}

/** TOS or traffic class; −1 if the frame has none. */
export function typeOfService(frame: FrameView): number {
  if (frame.isV4) return frame.data[1]!;
  if (frame.isV6) return ((frame.data[0]! << 4) & 0xf0) | (frame.data[1]! >> 4);
  return -1;
}

function matchIcmp(rule: IcmpMatch, frame: FrameView): MatchOutcome {
  let at: number;
  if (frame.isV4) {
    if (frame.v4Protocol !== IpProtocol.ICMP) return HARD_NO;
    at = frame.v4Position;
  } else {
    if (!frame.claimsV6 || frame.v6Protocol !== IpProtocol.ICMPV6) return HARD_NO;
    at = frame.v6Position;
  }
  if (frame.length < at + 2 || frame.data[at] !== rule.icmpType) return HARD_NO;
  if ((rule.icmpFlags & ICMP_CODE_SIGNIFICANT) === 0) return HARD_YES;
  return soft(frame.data[at + 1] === rule.icmpCode);
}

function hasPorts(protocol: number): boolean {
  return (
    protocol === IpProtocol.TCP ||
    protocol === IpProtocol.UDP ||
    protocol === IpProtocol.SCTP ||
    protocol === IpProtocol.UDP_LITE
  );
}

/** `offset` within the transport header: 0 source, 2 destination. */
function matchPort(start: number, end: number, frame: FrameView, offset: number): MatchOutcome {
  if (frame.isV4) {
    const at = frame.v4Position;
    if (!hasPorts(frame.v4Protocol) || frame.length <= at + 4) return SOFT_NO;
    const port = frame.u16(at + offset);
    return soft(port >= start && port <= end);
  }
  if (!frame.claimsV6 || frame.v6Protocol === NO_PROTOCOL) return HARD_NO;
  const at = frame.v6Position;
  if (!hasPorts(frame.v6Protocol) || frame.length <= at + 4) return SOFT_NO;
  const port = frame.u16(at + offset);
  return soft(port > 0 && port >= start && port <= end);
}

/** Any overlap of the frame's characteristics with the mask. */
function hasCharacteristics(maskHigh: number, maskLow: number, frame: FrameView, context: RuleContext): boolean {
  if ((maskHigh & CHARACTERISTIC_INBOUND) !== 0 && context.inbound) return true;
  if ((maskHigh & CHARACTERISTIC_MULTICAST) !== 0 && isMulticastMac(context.destinationMac)) return true;
  if ((maskHigh & CHARACTERISTIC_BROADCAST) !== 0 && context.destinationMac === BROADCAST_MAC) return true;
  if ((maskHigh & CHARACTERISTIC_SENDER_IP_AUTHENTICATED) !== 0 && senderIpIsAuthentic(frame, context)) return true;
  if ((maskHigh & CHARACTERISTIC_SENDER_MAC_AUTHENTICATED) !== 0 && context.senderOwnsMac(context.sourceMac))
    return true;
  return maskLow !== 0 && (tcpBits(frame) & maskLow) !== 0;
}

/** Low nibble of the 13th byte and the flags byte of a TCP header; missing bytes count as 0. */
export function tcpBits(frame: FrameView): number {
  let at: number;
  if (frame.isV4) {
    if (frame.v4Protocol !== IpProtocol.TCP) return 0;
    at = frame.v4Position;
  } else {
    if (!frame.claimsV6 || frame.v6Protocol !== IpProtocol.TCP) return 0;
    at = frame.v6Position;
    if (frame.length <= at + 14) return 0;
  }
  return ((frame.byte(at + 12) & 0x0f) << 8) | frame.byte(at + 13);
}

function senderIpIsAuthentic(frame: FrameView, context: RuleContext): boolean {
  if (isNeighborSolicitation(frame)) return true;
  const ip = senderIpOf(frame);
  return ip !== null && context.senderOwnsIp(ip);
}

function isNeighborMessage(frame: FrameView, type: number): boolean {
  const { data } = frame;
  return (
    frame.isV6 && data[6] === IpProtocol.ICMPV6 && data.length >= NEIGHBOR_MESSAGE_BYTES && data[ICMPV6_AT] === type
  );
}

/** These are authentic whoever sends them. */
export function isNeighborSolicitation(frame: FrameView): boolean {
  return isNeighborMessage(frame, NEIGHBOR_SOLICITATION);
}

/** The address that the sender says is its own, valid until the next one is asked for; null for none and for all zeros. */
export function senderIpOf(frame: FrameView): Uint8Array | null {
  let ip: Uint8Array;
  if (frame.isV4) ip = frame.ip(12, 4);
  else if (frame.isV6) ip = frame.ip(isNeighborMessage(frame, NEIGHBOR_ADVERTISEMENT) ? NEIGHBOR_TARGET_AT : 8, 16);
  else if (frame.etherType === EtherType.ARP && frame.length >= ARP_BYTES) ip = frame.ip(ARP_SENDER_AT, 4);
  else return null;
  for (let i = 0; i < ip.length; i++) if (ip[i] !== 0) return ip;
  return null;
}

function matchTags(rule: TagMatch, context: RuleContext, superAccept: boolean): MatchOutcome {
  const local = context.localTag(rule.id);
  if (local === undefined) return HARD_NO;
  const remote = context.remoteTag(rule.id);
  if (remote === undefined) return context.inbound && !superAccept ? HARD_NO : YES_AND_SKIP_DROP;
  switch (rule.type) {
    case "MATCH_TAGS_DIFFERENCE":
      return soft(Math.abs(local - remote) <= rule.value);
    case "MATCH_TAGS_BITWISE_AND":
      return soft((local & remote) >>> 0 === rule.value);
    case "MATCH_TAGS_BITWISE_OR":
      return soft((local | remote) >>> 0 === rule.value);
    case "MATCH_TAGS_BITWISE_XOR":
      return soft((local ^ remote) >>> 0 === rule.value);
    default:
      return soft(local === rule.value && remote === rule.value);
  }
}

function matchOneTag(rule: TagMatch, context: RuleContext, superAccept: boolean): MatchOutcome {
  if (superAccept) return YES_AND_SKIP_DROP;
  const ofSender = rule.type === "MATCH_TAG_SENDER";
  if (ofSender === context.inbound) {
    const remote = context.remoteTag(rule.id);
    if (remote !== undefined) return soft(remote === rule.value);
    return ofSender ? HARD_NO : YES_AND_SKIP_DROP;
  }
  const local = context.localTag(rule.id);
  return local === undefined ? HARD_NO : soft(local === rule.value);
}

/** The field as the reference reads it (§5): big-endian ones are right-aligned in eight bytes. */
export function integerIn({ idx, bits, little }: IntegerRangeMatch, data: Uint8Array): bigint {
  const bytes = Math.ceil(bits / 8);
  const start = little ? idx : idx + 8 - bytes;
  if (start + bytes > data.length) return 0n;
  let value = 0n;
  for (let i = 0; i < bytes; i++) {
    const byte = data[little ? start + bytes - 1 - i : start + i]!;
    value = (value << 8n) | BigInt(byte);
  }
  return little ? value >> BigInt(8 * bytes - bits) : BigInt.asUintN(bits, value);
}

function inIntegerRange(rule: IntegerRangeMatch, data: Uint8Array): boolean {
  const value = integerIn(rule, data);
  // The end is a distance from the start on the wire, so it may lie beyond 64 bits.
  const span = BigInt.asUintN(64, rule.end - rule.start);
  return value >= rule.start && value <= rule.start + span;
}
