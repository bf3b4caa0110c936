/**
 * Rules in the controller's JSON, taken and rendered as the reference's controller does. Facts: controller.md §4 and §2;
 * `vectors/api/controller-rules.json`.
 *
 * Reading never complains: values of the wrong type are converted, numbers are cut to the width of their field, and what
 * cannot be a rule is dropped. Rendering is lossy where the reference's is: actions lose `not` and `or`.
 */
import { asBoolean, asInteger, asText, requireText } from "../../json/coerce.ts";
import { ExactNumber, isJsonObject, type JsonObject, type JsonValue } from "../../json/json.ts";
import { type Address, formatAddress } from "../../protocol/address.ts";
import { toHex } from "../../protocol/bytes.ts";
import { formatMac, type Mac } from "../../protocol/ethernet.ts";
import { formatIp } from "../../protocol/inet-address.ts";
import { readLoosePrefix } from "../loose-prefix.ts";
import { ICMP_CODE_SIGNIFICANT, type Rule } from "./rule.ts";

const MAX_U64 = 0xffff_ffff_ffff_ffffn;
const MAX_U64_HEX_DIGITS = 16;

/** The low `bits` bits of an integer, at most 32. */
function unsigned(value: JsonValue | undefined, bits: number, fallback = 0): number {
  return Number(BigInt.asUintN(bits, asInteger(value, BigInt(fallback))));
}

/** The hex prefix of a text as C's strtoull reads it: 0 if there is none, all ones if it is too large. */
function hexPrefix(text: string): bigint {
  const [, sign, digits] = /^[ \t\n\v\f\r]*([+-]?)(?:0[xX](?=[0-9a-fA-F]))?0*([0-9a-fA-F]*)/.exec(text)!;
  if (digits!.length > MAX_U64_HEX_DIGITS) return MAX_U64;
  const magnitude = BigInt(`0x0${digits}`);
  return sign === "-" ? BigInt.asUintN(64, -magnitude) : magnitude;
}

function looseAddress(value: JsonValue | undefined): Address {
  return Number(BigInt.asUintN(40, hexPrefix(asText(value, "0"))));
}

/** Six bytes from pairs of digits, left to right. A missing pair is 0, and so is a character that is no hex digit. */
function looseMac(value: JsonValue | undefined): Mac {
  const digits = asText(value, "").replace(/[-:]/g, "");
  let mac = 0;
  for (let at = 0; at < 12; at += 2) {
    const pair = digits.slice(at, at + 2);
    mac = mac * 256 + (pair.length === 2 ? Number.parseInt(pair.replace(/[^0-9a-fA-F]/g, "0"), 16) : 0);
  }
  return mac;
}

function looseIp(value: JsonValue | undefined, family: 4 | 6): { ip: Uint8Array; bits: number } {
  const prefix = readLoosePrefix(asText(value, ""));
  const length = family === 4 ? 4 : 16;
  const number = prefix?.bits ?? 0;
  const bits = family === 4 ? Math.min(number, 32) : Math.min(number & 0xff, 128);
  return { ip: prefix?.family === family ? prefix.ip : new Uint8Array(length), bits };
}

function characteristics(mask: JsonValue | undefined): { maskHigh: number; maskLow: number } {
  let bits = 0n;
  if (typeof mask === "number" || typeof mask === "bigint" || mask instanceof ExactNumber) bits = asInteger(mask, 0n);
  else if (mask !== undefined) bits = hexPrefix(requireText(mask));
  return { maskHigh: Number(bits >> 32n), maskLow: Number(bits & 0xffffffffn) };
}

/**
 * The rule that the reference's controller makes of an item of `rules`, or null if it drops the item: no object, no known
 * type, or a type that it does not take (`ACTION_PRIORITY`, `INTEGER_RANGE`). Throws `JsonTypeError` if the mask of
 * `MATCH_CHARACTERISTICS` is neither a number nor a text; the whole request then fails with that message.
 */
export function ruleFromJson(value: JsonValue): Rule | null {
  if (!isJsonObject(value)) return null;
  const flags = { not: asBoolean(value["not"], false), or: asBoolean(value["or"], false) };
  const type = value["type"];
  switch (type) {
    case "ACTION_DROP":
    case "ACTION_ACCEPT":
    case "ACTION_BREAK":
      return { type, ...flags };
    case "ACTION_TEE":
    case "ACTION_WATCH":
    case "ACTION_REDIRECT": {
      const length = type === "ACTION_REDIRECT" ? 0 : unsigned(value["length"], 16);
      return { type, ...flags, address: looseAddress(value["address"]), flags: unsigned(value["flags"], 32), length };
    }
    case "MATCH_SOURCE_ZEROTIER_ADDRESS":
    case "MATCH_DEST_ZEROTIER_ADDRESS":
      return { type, ...flags, zt: looseAddress(value["zt"]) };
    case "MATCH_VLAN_ID":
      return { type, ...flags, vlanId: unsigned(value["vlanId"], 16) };
    case "MATCH_VLAN_PCP":
      return { type, ...flags, vlanPcp: unsigned(value["vlanPcp"], 8) };
    case "MATCH_VLAN_DEI":
      return { type, ...flags, vlanDei: unsigned(value["vlanDei"], 8) };
    case "MATCH_MAC_SOURCE":
    case "MATCH_MAC_DEST":
      return { type, ...flags, mac: looseMac(value["mac"]) };
    case "MATCH_IPV4_SOURCE":
    case "MATCH_IPV4_DEST":
      return { type, ...flags, ...looseIp(value["ip"], 4) };
    case "MATCH_IPV6_SOURCE":
    case "MATCH_IPV6_DEST":
      return { type, ...flags, ...looseIp(value["ip"], 6) };
    case "MATCH_IP_TOS": {
      const mask = unsigned(value["mask"], 8);
      return { type, ...flags, mask, start: unsigned(value["start"], 8), end: unsigned(value["end"], 8) };
    }
    case "MATCH_IP_PROTOCOL":
      return { type, ...flags, ipProtocol: unsigned(value["ipProtocol"], 8) };
    case "MATCH_ETHERTYPE":
      return { type, ...flags, etherType: unsigned(value["etherType"], 16) };
    case "MATCH_ICMP": {
      const code = value["icmpCode"];
      const any = code === null || code === undefined;
      const icmpFlags = any ? 0 : ICMP_CODE_SIGNIFICANT;
      return { type, ...flags, icmpType: unsigned(value["icmpType"], 8), icmpCode: unsigned(code, 8), icmpFlags };
    }
    case "MATCH_IP_SOURCE_PORT_RANGE":
    case "MATCH_IP_DEST_PORT_RANGE":
    case "MATCH_FRAME_SIZE_RANGE": {
      const start = unsigned(value["start"], 16);
      return { type, ...flags, start, end: unsigned(value["end"], 16, start) };
    }
    case "MATCH_CHARACTERISTICS":
      return { type, ...flags, ...characteristics(value["mask"]) };
    case "MATCH_RANDOM":
      return { type, ...flags, probability: unsigned(value["probability"], 32) };
    case "MATCH_TAGS_DIFFERENCE":
    case "MATCH_TAGS_BITWISE_AND":
    case "MATCH_TAGS_BITWISE_OR":
    case "MATCH_TAGS_BITWISE_XOR":
    case "MATCH_TAGS_EQUAL":
    case "MATCH_TAG_SENDER":
    case "MATCH_TAG_RECEIVER":
      return { type, ...flags, id: unsigned(value["id"], 32), value: unsigned(value["value"], 32) };
    default:
      return null;
  }
}

function hex64(high: number, low: number): string {
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}

/** The keys that are particular to the rule's type. */
function fieldsToJson(rule: Rule): JsonObject {
  switch (rule.type) {
    case "ACTION_DROP":
    case "ACTION_ACCEPT":
    case "ACTION_BREAK":
      return {};
    case "ACTION_TEE":
    case "ACTION_WATCH":
      return { address: formatAddress(rule.address), flags: rule.flags, length: rule.length };
    case "ACTION_REDIRECT":
      return { address: formatAddress(rule.address), flags: rule.flags };
    case "ACTION_PRIORITY":
      return { qosBucket: rule.bucket };
    case "MATCH_SOURCE_ZEROTIER_ADDRESS":
    case "MATCH_DEST_ZEROTIER_ADDRESS":
      return { zt: formatAddress(rule.zt) };
    case "MATCH_VLAN_ID":
      return { vlanId: rule.vlanId };
    case "MATCH_VLAN_PCP":
      return { vlanPcp: rule.vlanPcp };
    case "MATCH_VLAN_DEI":
      return { vlanDei: rule.vlanDei };
    case "MATCH_MAC_SOURCE":
    case "MATCH_MAC_DEST":
      return { mac: formatMac(rule.mac) };
    case "MATCH_IPV4_SOURCE":
    case "MATCH_IPV4_DEST":
    case "MATCH_IPV6_SOURCE":
    case "MATCH_IPV6_DEST":
      return { ip: `${formatIp(rule.ip)}/${rule.bits}` };
    case "MATCH_IP_TOS":
      return { mask: rule.mask, start: rule.start, end: rule.end };
    case "MATCH_IP_PROTOCOL":
      return { ipProtocol: rule.ipProtocol };
    case "MATCH_ETHERTYPE":
      return { etherType: rule.etherType };
    case "MATCH_ICMP": {
      const significant = (rule.icmpFlags & ICMP_CODE_SIGNIFICANT) !== 0;
      return { icmpType: rule.icmpType, icmpCode: significant ? rule.icmpCode : null };
    }
    case "MATCH_IP_SOURCE_PORT_RANGE":
    case "MATCH_IP_DEST_PORT_RANGE":
    case "MATCH_FRAME_SIZE_RANGE":
      return { start: rule.start, end: rule.end };
    case "MATCH_CHARACTERISTICS":
      return { mask: hex64(rule.maskHigh, rule.maskLow) };
    case "MATCH_RANDOM":
      return { probability: rule.probability };
    case "MATCH_INTEGER_RANGE": {
      const [start, end] = [rule.start, rule.end].map((value) => value.toString(16).padStart(16, "0"));
      return { start, end, idx: rule.idx, bits: rule.bits, little: rule.little };
    }
    case "UNKNOWN":
      return { code: rule.code, bytes: toHex(rule.bytes) };
    default:
      return { id: rule.id, value: rule.value };
  }
}

/**
 * A rule as the reference's controller prints it. Three forms cannot be read back, because the controller does not take
 * them: `INTEGER_RANGE`, `ACTION_PRIORITY`, and `UNKNOWN` (the latter two are ours, for display).
 */
export function ruleToJson(rule: Rule): JsonObject {
  const type = rule.type === "MATCH_INTEGER_RANGE" ? "INTEGER_RANGE" : rule.type;
  const fields = fieldsToJson(rule);
  return rule.type.startsWith("ACTION_") ? { type, ...fields } : { type, not: rule.not, or: rule.or, ...fields };
}
