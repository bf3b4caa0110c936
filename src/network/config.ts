/**
 * A network's configuration for one member, as its controller writes it and the member keeps it on disk.
 * Facts: vl2-networks.md §5 (keys, in this order), §5.1 (limits); controller.md §9.
 *
 * | key | as | meaning |
 * |---|---|---|
 * | `v` | u64 | 7, the format; below 6 is another one |
 * | `nwid` | u64 | network id |
 * | `ts`, `ctmd` | i64 | time of issue; how far apart credentials' times may be (ms) |
 * | `r` | u64 | revision |
 * | `id` | address | the member |
 * | `tt`, `tl` | address, u64 | where to send traces of frames, and how many |
 * | `f` | u64 | `ConfigFlag` |
 * | `ml` | u64 | most recipients of a multicast, 0 = none |
 * | `t` | u64 | 0 private, 1 public |
 * | `n` | text | name |
 * | `mtu` | u64 | |
 * | `C` | bytes | certificate of membership; left out if there is none, as everything down to `R` |
 * | `CAP`, `TAG`, `COO` | bytes | capabilities, tags, certificates of ownership |
 * | `S`, `RT`, `I` | bytes | specialists, routes, own addresses (`config-blobs.ts`) |
 * | `R` | bytes | rules |
 * | `DNS` | bytes | always there |
 * | `ssov`, `ssoe` | u64, bool | single sign-on: version, whether it is on |
 * | `aurl`, `aexpt` | text, u64 | version 0, if it is on: where to sign in (left out if empty), until when that holds |
 * | `iurl`, `ssoce`, `sson`, `ssos`, `ssocid`, `ssop` | text | version 1 |
 */
import type { Address } from "../protocol/address.ts";
import {
  readCapability,
  readMembershipCertificate,
  readOwnershipCertificate,
  readTag,
} from "../protocol/credential-bytes.ts";
import { Dictionary, DictionaryWriter } from "../protocol/dictionary.ts";
import { accept, refuse, type Verdict } from "../protocol/errors.ts";
import type { IpPrefix } from "../protocol/inet-address.ts";
import { CONFIG_CAPACITY_BYTES } from "../protocol/messages/network-config.ts";
import {
  type Dns,
  decodeDns,
  decodeList,
  decodeRoutes,
  decodeSpecialists,
  decodeStaticIps,
  encodeDns,
  encodeList,
  encodeRoutes,
  encodeSpecialists,
  encodeStaticIps,
  type Route,
  type Specialist,
} from "./config-blobs.ts";
import { decodeSso, type Sso, writeSso } from "./config-sso.ts";
import { type Capability, decodeCapability, encodeCapability } from "./credentials/capability.ts";
import {
  decodeMembershipCertificate,
  encodeMembershipCertificate,
  type MembershipCertificate,
} from "./credentials/certificate-of-membership.ts";
import {
  decodeOwnershipCertificate,
  encodeOwnershipCertificate,
  type OwnershipCertificate,
} from "./credentials/certificate-of-ownership.ts";
import { decodeTag, encodeTag, type Tag } from "./credentials/tag.ts";
import {
  clampMtu,
  DEFAULT_MTU,
  MAX_CAPABILITIES,
  MAX_NAME_BYTES,
  MAX_OWNERSHIPS,
  MAX_RULES,
  MAX_TAGS,
} from "./limits.ts";
import type { NetworkId } from "./network-id.ts";
import { takeRules } from "./rule-bytes.ts";
import { decodeText, encodeText } from "./text.ts";

export const ConfigFlag = {
  BROADCAST: 0x02,
  /** Members answer neighbour solicitations for 6PLANE and RFC 4193 addresses themselves. */
  NDP_EMULATION: 0x04,
  /** A match of a type that the member does not know counts as matching. */
  UNKNOWN_RULES_MATCH: 0x08,
  /** Multicast frames are not compressed. */
  NO_COMPRESSION: 0x10,
} as const;

export interface NetworkConfig {
  readonly networkId: NetworkId;
  /** ms since the epoch, by the controller's clock. */
  readonly timestamp: bigint;
  /** ms. */
  readonly credentialTimeMaxDelta: bigint;
  readonly revision: bigint;
  readonly issuedTo: Address;
  /** 0 for nobody. */
  readonly remoteTraceTarget: Address;
  readonly remoteTraceLevel: number;
  /** `ConfigFlag`, or-ed; 32 bits. */
  readonly flags: number;
  readonly multicastLimit: number;
  readonly isPublic: boolean;
  /** At most 127 bytes; longer ones are cut when written. */
  readonly name: string;
  readonly mtu: number;
  readonly membership: MembershipCertificate | null;
  readonly capabilities: readonly Capability[];
  readonly tags: readonly Tag[];
  readonly ownerships: readonly OwnershipCertificate[];
  readonly specialists: readonly Specialist[];
  readonly routes: readonly Route[];
  readonly staticIps: readonly IpPrefix[];
  /** The encoded table (`network/rules/`). */
  readonly rules: Uint8Array;
  readonly dns: Dns;
  readonly sso: Sso;
}

const FORMAT_VERSION = 7n;
const OLDEST_FORMAT_VERSION = 6n;
const PUBLIC = 1n;
const MAX_U32 = 0xffffffffn;
const ADDRESS_BITS = 40;
const EMPTY = new Uint8Array(0);

export const NO_DNS: Dns = { domain: "", servers: [] };

/**
 * The dictionary, byte for byte as the reference writes it. Counts are the caller's to keep (`limits.ts`); throws
 * RangeError if the whole does not fit a dictionary (484519 bytes), which what is within the limits does.
 */
export function encodeNetworkConfigDictionary(config: NetworkConfig): Uint8Array {
  const writer = new DictionaryWriter()
    .u64("v", FORMAT_VERSION)
    .u64("nwid", config.networkId)
    .i64("ts", config.timestamp)
    .i64("ctmd", config.credentialTimeMaxDelta)
    .u64("r", config.revision)
    .address("id", config.issuedTo)
    .address("tt", config.remoteTraceTarget)
    .u64("tl", BigInt(config.remoteTraceLevel))
    .u64("f", BigInt(config.flags))
    .u64("ml", BigInt(config.multicastLimit))
    .u64("t", config.isPublic ? PUBLIC : 0n)
    .bytes("n", encodeText(config.name, MAX_NAME_BYTES))
    .u64("mtu", BigInt(config.mtu));
  const list = <T>(key: string, values: readonly T[], encode: (values: readonly T[]) => Uint8Array) => {
    if (values.length > 0) writer.bytes(key, encode(values));
  };
  if (config.membership !== null) writer.bytes("C", encodeMembershipCertificate(config.membership));
  list("CAP", config.capabilities, (values) => encodeList(values, encodeCapability));
  list("TAG", config.tags, (values) => encodeList(values, encodeTag));
  list("COO", config.ownerships, (values) => encodeList(values, encodeOwnershipCertificate));
  list("S", config.specialists, encodeSpecialists);
  list("RT", config.routes, encodeRoutes);
  list("I", config.staticIps, encodeStaticIps);
  if (config.rules.length > 0) writer.bytes("R", config.rules);
  writer.bytes("DNS", encodeDns(config.dns));
  writeSso(writer, config.sso);
  if (writer.length >= CONFIG_CAPACITY_BYTES) throw new RangeError(`a configuration of ${writer.length} bytes`);
  return writer.finish();
}

/**
 * Reads a dictionary of format 6 or 7; nothing of the result points into `bytes`. Signatures are not verified: the
 * chunks' were. Refused as a whole: a format below 6, no network id, no member, a malformed certificate of membership
 * or ownership, route, address, rule or DNS. A malformed capability or tag only ends its list. The offset of a refusal
 * about a value is one within that value.
 */
export function decodeNetworkConfigDictionary(bytes: Uint8Array): Verdict<NetworkConfig> {
  if (bytes.length >= CONFIG_CAPACITY_BYTES) return refuse("too_long", 0);
  const dictionary = new Dictionary(bytes);
  const networkId = dictionary.u64("nwid", 0n);
  const issuedTo = readAddressEntry(dictionary, "id");
  if (dictionary.u64("v", 0n) < OLDEST_FORMAT_VERSION || networkId === 0n || issuedTo === 0) {
    return refuse("bad_value", 0);
  }
  const blob = (key: string) => dictionary.bytes(key) ?? EMPTY;
  const membership = decodeMembership(blob("C"));
  const ownerships = decodeList(blob("COO"), MAX_OWNERSHIPS, readOwnershipCertificate, decodeOwnershipCertificate);
  const routes = decodeRoutes(blob("RT"));
  const staticIps = decodeStaticIps(blob("I"));
  const rules = takeRules(blob("R"), MAX_RULES);
  const dns = dictionary.has("DNS") ? decodeDns(blob("DNS")) : accept(NO_DNS);
  if (!membership.ok) return membership;
  if (ownerships.refusal !== null) return ownerships.refusal;
  if (!routes.ok) return routes;
  if (!staticIps.ok) return staticIps;
  if (!rules.ok) return rules;
  if (!dns.ok) return dns;
  return accept({
    networkId,
    timestamp: dictionary.i64("ts", 0n),
    credentialTimeMaxDelta: dictionary.i64("ctmd", 0n),
    revision: dictionary.u64("r", 0n),
    issuedTo,
    remoteTraceTarget: readAddressEntry(dictionary, "tt"),
    remoteTraceLevel: readU32(dictionary, "tl"),
    flags: Number(BigInt.asUintN(32, dictionary.u64("f", 0n))),
    multicastLimit: readU32(dictionary, "ml"),
    isPublic: dictionary.u64("t", 0n) === PUBLIC,
    name: decodeText(dictionary.bytes("n", MAX_NAME_BYTES) ?? EMPTY),
    mtu: clampMtu(readU32(dictionary, "mtu", DEFAULT_MTU)),
    membership: membership.value,
    capabilities: byId(decodeList(blob("CAP"), MAX_CAPABILITIES, readCapability, decodeCapability).values),
    tags: byId(decodeList(blob("TAG"), MAX_TAGS, readTag, decodeTag).values),
    ownerships: ownerships.values,
    specialists: decodeSpecialists(blob("S")),
    routes: routes.value,
    staticIps: staticIps.value,
    rules: rules.value,
    dns: dns.value,
    sso: decodeSso(dictionary),
  });
}

/** Text of hex digits; 0 if it is not there. */
function readAddressEntry(dictionary: Dictionary, key: string): Address {
  return Number(BigInt.asUintN(ADDRESS_BITS, dictionary.u64(key, 0n)));
}

/** Saturates. */
function readU32(dictionary: Dictionary, key: string, otherwise = 0): number {
  const value = dictionary.u64(key, BigInt(otherwise));
  return Number(value > MAX_U32 ? MAX_U32 : value);
}

/** Null for none; what is behind the certificate is ignored. */
function decodeMembership(bytes: Uint8Array): Verdict<MembershipCertificate | null> {
  if (bytes.length === 0) return accept(null);
  const { values, refusal } = decodeList(bytes, 1, readMembershipCertificate, decodeMembershipCertificate);
  return refusal ?? accept(values[0]!);
}

function byId<T extends { readonly id: number }>(values: T[]): T[] {
  return values.sort((a, b) => a.id - b.id);
}
