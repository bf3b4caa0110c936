/** Rules as the recorded vectors write them, turned into ours; and random rules for property tests. */
import fc from "fast-check";
import { LAST_RULE_CODE, RULE_CODES, type Rule, type RuleType, type TagMatch } from "../../src/network/rules/rule.ts";
import { parseAddress } from "../../src/protocol/address.ts";
import { parseMac } from "../../src/protocol/ethernet.ts";
import { parseIp } from "../../src/protocol/inet-address.ts";

/** A rule of rules.json or rule-eval.json. Which of the keys are there depends on the type. */
export interface VectorRule {
  readonly type: RuleType | "UNKNOWN";
  readonly code: number;
  readonly not?: boolean;
  readonly or?: boolean;
  readonly address?: string;
  readonly flags?: number;
  readonly length?: number;
  readonly zt?: string;
  readonly mac?: string;
  readonly ip?: string;
  readonly mask?: number | string;
  readonly start?: number | string;
  readonly end?: number | string;
  readonly [key: string]: unknown;
}

/** The typed rule of a recorded one. The recording does not tell the bucket of a priority, so that is an argument. */
export function ruleOfVector(vector: VectorRule, bucket = 0): Rule {
  const flags = { not: vector.not ?? false, or: vector.or ?? false };
  const { type } = vector;
  const halves = (text: string) => ({
    maskHigh: Number.parseInt(text.slice(0, 8), 16),
    maskLow: Number.parseInt(text.slice(8), 16),
  });
  switch (type) {
    case "ACTION_TEE":
    case "ACTION_WATCH":
    case "ACTION_REDIRECT":
      return { type, ...flags, address: parseAddress(vector.address!)!, flags: vector.flags!, length: vector.length! };
    case "ACTION_PRIORITY":
      return { type, ...flags, bucket };
    case "MATCH_SOURCE_ZEROTIER_ADDRESS":
    case "MATCH_DEST_ZEROTIER_ADDRESS":
      return { type, ...flags, zt: parseAddress(vector.zt!)! };
    case "MATCH_MAC_SOURCE":
    case "MATCH_MAC_DEST":
      return { type, ...flags, mac: parseMac(vector.mac!)! };
    case "MATCH_IPV4_SOURCE":
    case "MATCH_IPV4_DEST":
    case "MATCH_IPV6_SOURCE":
    case "MATCH_IPV6_DEST":
      return { type, ...flags, ip: parseIp(vector.ip!)!, bits: vector.mask as number };
    case "MATCH_CHARACTERISTICS":
      return { type, ...flags, ...halves(vector.mask as string) };
    case "MATCH_INTEGER_RANGE": {
      const [start, end] = [BigInt(`0x${vector.start}`), BigInt(`0x${vector.end}`)];
      const { idx, bits, little } = vector as unknown as { idx: number; bits: number; little: boolean };
      return { type, ...flags, start, end, idx, bits, little };
    }
    case "UNKNOWN":
      return { type, ...flags, code: vector.code, bytes: new Uint8Array(0) };
    default: {
      // Everything else has fields of the same names and numbers in the recording and in ours.
      const { code, ...fields } = vector;
      return { ...fields, ...flags } as unknown as Rule;
    }
  }
}

/** Whether two tables are equal, unknown fields aside: the recording does not tell them. */
export function withoutUnknownBytes(rules: readonly Rule[]): Rule[] {
  return rules.map((rule) => (rule.type === "UNKNOWN" ? { ...rule, bytes: new Uint8Array(0) } : rule));
}

const u8 = fc.integer({ min: 0, max: 0xff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const u40 = fc.integer({ min: 0, max: 0xffffffffff });
const u48 = fc.integer({ min: 0, max: 0xffffffffffff });
const u64 = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });
const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

const KNOWN_CODES: readonly number[] = Object.values(RULE_CODES);
const UNKNOWN_CODES = Array.from({ length: LAST_RULE_CODE + 1 }, (_, code) => code).filter(
  (code) => !KNOWN_CODES.includes(code),
);

/** The fields of every type, drawn at random. A priority's bucket is not on the wire and so always 0. */
const FIELDS: Readonly<Record<RuleType | "UNKNOWN", Record<string, fc.Arbitrary<unknown>>>> = {
  ACTION_DROP: {},
  ACTION_ACCEPT: {},
  ACTION_TEE: { address: u40, flags: u32, length: u16 },
  ACTION_WATCH: { address: u40, flags: u32, length: u16 },
  ACTION_REDIRECT: { address: u40, flags: u32, length: u16 },
  ACTION_BREAK: {},
  ACTION_PRIORITY: { bucket: fc.constant(0) },
  MATCH_SOURCE_ZEROTIER_ADDRESS: { zt: u40 },
  MATCH_DEST_ZEROTIER_ADDRESS: { zt: u40 },
  MATCH_VLAN_ID: { vlanId: u16 },
  MATCH_VLAN_PCP: { vlanPcp: u8 },
  MATCH_VLAN_DEI: { vlanDei: u8 },
  MATCH_MAC_SOURCE: { mac: u48 },
  MATCH_MAC_DEST: { mac: u48 },
  MATCH_IPV4_SOURCE: { ip: bytesOf(4), bits: u8 },
  MATCH_IPV4_DEST: { ip: bytesOf(4), bits: u8 },
  MATCH_IPV6_SOURCE: { ip: bytesOf(16), bits: u8 },
  MATCH_IPV6_DEST: { ip: bytesOf(16), bits: u8 },
  MATCH_IP_TOS: { mask: u8, start: u8, end: u8 },
  MATCH_IP_PROTOCOL: { ipProtocol: u8 },
  MATCH_ETHERTYPE: { etherType: u16 },
  MATCH_ICMP: { icmpType: u8, icmpCode: u8, icmpFlags: u8 },
  MATCH_IP_SOURCE_PORT_RANGE: { start: u16, end: u16 },
  MATCH_IP_DEST_PORT_RANGE: { start: u16, end: u16 },
  MATCH_CHARACTERISTICS: { maskHigh: u32, maskLow: u32 },
  MATCH_FRAME_SIZE_RANGE: { start: u16, end: u16 },
  MATCH_RANDOM: { probability: u32 },
  MATCH_TAGS_DIFFERENCE: { id: u32, value: u32 },
  MATCH_TAGS_BITWISE_AND: { id: u32, value: u32 },
  MATCH_TAGS_BITWISE_OR: { id: u32, value: u32 },
  MATCH_TAGS_BITWISE_XOR: { id: u32, value: u32 },
  MATCH_TAGS_EQUAL: { id: u32, value: u32 },
  MATCH_TAG_SENDER: { id: u32, value: u32 },
  MATCH_TAG_RECEIVER: { id: u32, value: u32 },
  // `end` is drawn as the distance from `start`, and added below.
  MATCH_INTEGER_RANGE: { start: u64, end: u32, idx: u16, bits: fc.integer({ min: 1, max: 64 }), little: fc.boolean() },
  UNKNOWN: { code: fc.constantFrom(...UNKNOWN_CODES), bytes: fc.uint8Array({ maxLength: 255 }) },
};

/** Every type of rule there is, unknown ones included, with every value its fields can hold on the wire. */
export const anyRule: fc.Arbitrary<Rule> = fc.oneof(
  ...Object.entries(FIELDS).map(([type, fields]) =>
    fc.record({ type: fc.constant(type), not: fc.boolean(), or: fc.boolean(), ...fields }).map((record) => {
      const rule = { ...record } as unknown as Rule;
      if (rule.type !== "MATCH_INTEGER_RANGE") return rule;
      return { ...rule, end: BigInt.asUintN(64, rule.start + BigInt(rule.end)) };
    }),
  ),
);

/** The types of rule that compare tags. */
export const TAG_MATCHES: readonly TagMatch["type"][] = [
  "MATCH_TAGS_DIFFERENCE",
  "MATCH_TAGS_BITWISE_AND",
  "MATCH_TAGS_BITWISE_OR",
  "MATCH_TAGS_BITWISE_XOR",
  "MATCH_TAGS_EQUAL",
  "MATCH_TAG_SENDER",
  "MATCH_TAG_RECEIVER",
];
