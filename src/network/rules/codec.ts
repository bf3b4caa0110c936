/**
 * Rules in bytes, as configurations and capabilities carry them. Facts: vl2-rules.md §1; `vectors/rules.json`.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 1 | type | 0x80 NOT, 0x40 OR, low six bits the code |
 * | 1 | 1 | length F | of the fields |
 * | 2 | F | fields | by type, big-endian; `readRule` and `writeFields` below are the layout |
 *
 * A table is rules one after another, without a count. The reader has the reference's habits, because both ends of a
 * frame have to see the same table: known fields are read where they belong whatever F says, and F alone decides where
 * the next rule begins.
 */
import { Reader, Writer } from "../../protocol/bytes.ts";
import { accept, type Verdict } from "../../protocol/errors.ts";
import { RULE_CODES, type Rule, type RuleType, ruleCode } from "./rule.ts";

const FLAG_NOT = 0x80;
const FLAG_OR = 0x40;
const CODE_MASK = 0x3f;
const FORMAT_LITTLE_ENDIAN = 0x80;
const FORMAT_WIDTH_MASK = 0x3f;
const ADDRESS_MASK = 0xffffffffffn;
const MAX_FIELD_BYTES = 255;

const TYPES: ReadonlyMap<number, RuleType> = new Map(
  Object.entries(RULE_CODES).map(([type, code]) => [code, type as RuleType]),
);

/** Rules, and the offset at which whatever follows them begins (beyond the end if the last F is too large). */
export interface DecodedRules {
  readonly rules: Rule[];
  readonly end: number;
}

function readFields(type: RuleType, not: boolean, or: boolean, reader: Reader): Rule {
  switch (type) {
    case "ACTION_DROP":
    case "ACTION_ACCEPT":
    case "ACTION_BREAK":
      return { type, not, or };
    case "ACTION_TEE":
    case "ACTION_WATCH":
    case "ACTION_REDIRECT":
      return {
        type,
        not,
        or,
        address: Number(reader.u64() & ADDRESS_MASK),
        flags: reader.u32(),
        length: reader.u16(),
      };
    case "ACTION_PRIORITY":
      return { type, not, or, bucket: 0 };
    case "MATCH_SOURCE_ZEROTIER_ADDRESS":
    case "MATCH_DEST_ZEROTIER_ADDRESS":
      return { type, not, or, zt: reader.address() };
    case "MATCH_VLAN_ID":
      return { type, not, or, vlanId: reader.u16() };
    case "MATCH_VLAN_PCP":
      return { type, not, or, vlanPcp: reader.u8() };
    case "MATCH_VLAN_DEI":
      return { type, not, or, vlanDei: reader.u8() };
    case "MATCH_MAC_SOURCE":
    case "MATCH_MAC_DEST":
      return { type, not, or, mac: reader.u48() };
    case "MATCH_IPV4_SOURCE":
    case "MATCH_IPV4_DEST":
      return { type, not, or, ip: new Uint8Array(reader.bytes(4)), bits: reader.u8() };
    case "MATCH_IPV6_SOURCE":
    case "MATCH_IPV6_DEST":
      return { type, not, or, ip: new Uint8Array(reader.bytes(16)), bits: reader.u8() };
    case "MATCH_IP_TOS":
      return { type, not, or, mask: reader.u8(), start: reader.u8(), end: reader.u8() };
    case "MATCH_IP_PROTOCOL":
      return { type, not, or, ipProtocol: reader.u8() };
    case "MATCH_ETHERTYPE":
      return { type, not, or, etherType: reader.u16() };
    case "MATCH_ICMP":
      return { type, not, or, icmpType: reader.u8(), icmpCode: reader.u8(), icmpFlags: reader.u8() };
    case "MATCH_IP_SOURCE_PORT_RANGE":
    case "MATCH_IP_DEST_PORT_RANGE":
    case "MATCH_FRAME_SIZE_RANGE":
      return { type, not, or, start: reader.u16(), end: reader.u16() };
    case "MATCH_CHARACTERISTICS":
      return { type, not, or, maskHigh: reader.u32(), maskLow: reader.u32() };
    case "MATCH_RANDOM":
      return { type, not, or, probability: reader.u32() };
    case "MATCH_INTEGER_RANGE": {
      const start = reader.u64();
      // Only the low 32 bits of the distance are kept.
      const end = BigInt.asUintN(64, start + BigInt.asUintN(32, reader.u64() - start));
      const idx = reader.u16();
      const format = reader.u8();
      const little = (format & FORMAT_LITTLE_ENDIAN) !== 0;
      return { type, not, or, start, end, idx, bits: (format & FORMAT_WIDTH_MASK) + 1, little };
    }
    default:
      return { type, not, or, id: reader.u32(), value: reader.u32() };
  }
}

/**
 * Reads rules from `bytes[offset..]` until `max` of them were read or nothing is left. Refused (`too_short`) when a
 * rule's own fields run over the end. Everything is copied: the rules outlive `bytes`.
 */
export function decodeRulesAt(bytes: Uint8Array, offset: number, max: number): Verdict<DecodedRules> {
  const rules: Rule[] = [];
  let at = offset;
  while (rules.length < max && at < bytes.length) {
    const reader = new Reader(bytes, at);
    const head = reader.u8();
    const length = reader.u8();
    const not = (head & FLAG_NOT) !== 0;
    const or = (head & FLAG_OR) !== 0;
    const code = head & CODE_MASK;
    const type = TYPES.get(code);
    const rule: Rule =
      type === undefined
        ? { type: "UNKNOWN", not, or, code, bytes: bytes.slice(at + 2, at + 2 + length) }
        : readFields(type, not, or, reader);
    if (reader.failed) return reader.refusal();
    rules.push(rule);
    at += 2 + length;
  }
  return accept({ rules, end: at });
}

/** Reads a table of at most `max` rules that is all of `bytes`; what is beyond `max` is left alone. */
export function decodeRules(bytes: Uint8Array, max: number): Verdict<Rule[]> {
  const decoded = decodeRulesAt(bytes, 0, max);
  return decoded.ok ? accept(decoded.value.rules) : decoded;
}

function writeFields(rule: Rule, writer: Writer): void {
  switch (rule.type) {
    case "ACTION_DROP":
    case "ACTION_ACCEPT":
    case "ACTION_BREAK":
    case "ACTION_PRIORITY":
      return;
    case "ACTION_TEE":
    case "ACTION_WATCH":
    case "ACTION_REDIRECT":
      writer.u64(BigInt(rule.address)).u32(rule.flags).u16(rule.length);
      return;
    case "MATCH_SOURCE_ZEROTIER_ADDRESS":
    case "MATCH_DEST_ZEROTIER_ADDRESS":
      writer.address(rule.zt);
      return;
    case "MATCH_VLAN_ID":
      writer.u16(rule.vlanId);
      return;
    case "MATCH_VLAN_PCP":
      writer.u8(rule.vlanPcp);
      return;
    case "MATCH_VLAN_DEI":
      writer.u8(rule.vlanDei);
      return;
    case "MATCH_MAC_SOURCE":
    case "MATCH_MAC_DEST":
      writer.u48(rule.mac);
      return;
    case "MATCH_IPV4_SOURCE":
    case "MATCH_IPV4_DEST":
    case "MATCH_IPV6_SOURCE":
    case "MATCH_IPV6_DEST":
      writer.bytes(rule.ip).u8(rule.bits);
      return;
    case "MATCH_IP_TOS":
      writer.u8(rule.mask).u8(rule.start).u8(rule.end);
      return;
    case "MATCH_IP_PROTOCOL":
      writer.u8(rule.ipProtocol);
      return;
    case "MATCH_ETHERTYPE":
      writer.u16(rule.etherType);
      return;
    case "MATCH_ICMP":
      writer.u8(rule.icmpType).u8(rule.icmpCode).u8(rule.icmpFlags);
      return;
    case "MATCH_IP_SOURCE_PORT_RANGE":
    case "MATCH_IP_DEST_PORT_RANGE":
    case "MATCH_FRAME_SIZE_RANGE":
      writer.u16(rule.start).u16(rule.end);
      return;
    case "MATCH_CHARACTERISTICS":
      writer.u32(rule.maskHigh).u32(rule.maskLow);
      return;
    case "MATCH_RANDOM":
      writer.u32(rule.probability);
      return;
    case "MATCH_INTEGER_RANGE":
      writer.u64(rule.start).u64(rule.end).u16(rule.idx);
      writer.u8((rule.bits - 1) | (rule.little ? FORMAT_LITTLE_ENDIAN : 0));
      return;
    case "UNKNOWN":
      writer.bytes(rule.bytes.subarray(0, MAX_FIELD_BYTES));
      return;
    default:
      writer.u32(rule.id).u32(rule.value);
  }
}

/** The bytes of a table. */
export function encodeRules(rules: readonly Rule[]): Uint8Array {
  const writer = new Writer(8 + 8 * rules.length);
  const fields = new Writer(MAX_FIELD_BYTES);
  for (const rule of rules) {
    fields.length = 0;
    writeFields(rule, fields);
    writer.u8(ruleCode(rule) | (rule.not ? FLAG_NOT : 0) | (rule.or ? FLAG_OR : 0));
    writer.u8(fields.length).bytes(fields.finish());
  }
  return writer.finish();
}
