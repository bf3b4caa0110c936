/**
 * The words of the flow-rule language: actions, matches, and the names that stand for numbers. The compiler reads these
 * tables forwards and the decompiler backwards. Facts: rule-language.md sections 2 to 5.
 */

/** Words that open a block, in exactly this spelling (section 2). */
export const BLOCK_OPENERS: ReadonlySet<string> = new Set([
  ...["macro", "tag", "cap"],
  ...["drop", "accept", "tee", "watch", "redirect", "break", "priority"],
]);

/** Actions that can be compiled, and their names in JSON (section 4). */
export const ACTIONS: ReadonlyMap<string, string> = new Map([
  ["drop", "ACTION_DROP"],
  ["accept", "ACTION_ACCEPT"],
  ["break", "ACTION_BREAK"],
  ["tee", "ACTION_TEE"],
  ["watch", "ACTION_WATCH"],
  ["redirect", "ACTION_REDIRECT"],
]);

/** How the arguments of a match are read, and so how many there are. */
export type MatchForm =
  | "address"
  | "number"
  | "named"
  | "mac"
  | "ip"
  | "tos"
  | "icmp"
  | "range"
  | "bits"
  | "chance"
  | "tag";

/** Arguments that each form takes. */
export const FORM_ARGUMENTS: Readonly<Record<MatchForm, number>> = {
  address: 1,
  number: 1,
  named: 1,
  mac: 1,
  ip: 1,
  tos: 2,
  icmp: 2,
  range: 1,
  bits: 1,
  chance: 1,
  tag: 2,
};

/** One match keyword. */
export interface MatchWord {
  /** The name in JSON; of `ip` matches the one for IPv4. */
  readonly type: string;
  readonly form: MatchForm;
  /** The key in JSON that a single number goes to. */
  readonly field?: string;
  /** Names that may stand for the number, in the order in which the decompiler prefers them. */
  readonly names?: ReadonlyMap<string, number>;
}

export const ETHERTYPES: ReadonlyMap<string, number> = new Map([
  ["ipv4", 0x0800],
  ["arp", 0x0806],
  ["wol", 0x0842],
  ["rarp", 0x8035],
  ["ipv6", 0x86dd],
  ["atalk", 0x809b],
  ["aarp", 0x80f3],
  ["ipx_a", 0x8137],
  ["ipx_b", 0x8138],
]);

/** `icmp` comes last: it is a reserved word, which the reference's compiler refuses as an argument. */
export const IP_PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ["icmp4", 1],
  ["icmpv4", 1],
  ["igmp", 2],
  ["ipip", 4],
  ["tcp", 6],
  ["egp", 8],
  ["igp", 9],
  ["udp", 17],
  ["rdp", 27],
  ["esp", 50],
  ["ah", 51],
  ["icmp6", 58],
  ["icmpv6", 58],
  ["l2tp", 115],
  ["sctp", 132],
  ["udplite", 136],
  ["icmp", 1],
]);

/** Bits of `chr`, by name. */
export const CHARACTERISTICS: ReadonlyMap<string, number> = new Map([
  ["inbound", 63],
  ["multicast", 62],
  ["broadcast", 61],
  ["ipauth", 60],
  ["macauth", 59],
  ["tcp_rs0", 11],
  ["tcp_rs1", 10],
  ["tcp_rs2", 9],
  ["tcp_ns", 8],
  ["tcp_cwr", 7],
  ["tcp_ece", 6],
  ["tcp_urg", 5],
  ["tcp_ack", 4],
  ["tcp_psh", 3],
  ["tcp_rst", 2],
  ["tcp_syn", 1],
  ["tcp_fin", 0],
]);

/** Every match keyword. Upper and lower case are the same here, unlike in arguments. */
export const MATCHES: ReadonlyMap<string, MatchWord> = new Map<string, MatchWord>([
  ["ztsrc", { type: "MATCH_SOURCE_ZEROTIER_ADDRESS", form: "address", field: "zt" }],
  ["ztdest", { type: "MATCH_DEST_ZEROTIER_ADDRESS", form: "address", field: "zt" }],
  ["vlan", { type: "MATCH_VLAN_ID", form: "number", field: "vlanId" }],
  ["vlanpcp", { type: "MATCH_VLAN_PCP", form: "number", field: "vlanPcp" }],
  ["vlandei", { type: "MATCH_VLAN_DEI", form: "number", field: "vlanDei" }],
  ["ethertype", { type: "MATCH_ETHERTYPE", form: "named", field: "etherType", names: ETHERTYPES }],
  ["macsrc", { type: "MATCH_MAC_SOURCE", form: "mac", field: "mac" }],
  ["macdest", { type: "MATCH_MAC_DEST", form: "mac", field: "mac" }],
  ["ipsrc", { type: "MATCH_IPV4_SOURCE", form: "ip", field: "ip" }],
  ["ipdest", { type: "MATCH_IPV4_DEST", form: "ip", field: "ip" }],
  ["iptos", { type: "MATCH_IP_TOS", form: "tos" }],
  ["ipprotocol", { type: "MATCH_IP_PROTOCOL", form: "named", field: "ipProtocol", names: IP_PROTOCOLS }],
  ["icmp", { type: "MATCH_ICMP", form: "icmp" }],
  ["sport", { type: "MATCH_IP_SOURCE_PORT_RANGE", form: "range" }],
  ["dport", { type: "MATCH_IP_DEST_PORT_RANGE", form: "range" }],
  ["chr", { type: "MATCH_CHARACTERISTICS", form: "bits", field: "mask" }],
  ["framesize", { type: "MATCH_FRAME_SIZE_RANGE", form: "range" }],
  ["random", { type: "MATCH_RANDOM", form: "chance", field: "probability" }],
  ["tand", { type: "MATCH_TAGS_BITWISE_AND", form: "tag" }],
  ["tor", { type: "MATCH_TAGS_BITWISE_OR", form: "tag" }],
  ["txor", { type: "MATCH_TAGS_BITWISE_XOR", form: "tag" }],
  ["tdiff", { type: "MATCH_TAGS_DIFFERENCE", form: "tag" }],
  ["teq", { type: "MATCH_TAGS_EQUAL", form: "tag" }],
  ["tseq", { type: "MATCH_TAG_SENDER", form: "tag" }],
  ["treq", { type: "MATCH_TAG_RECEIVER", form: "tag" }],
]);

/** What the arguments of a form look like, for advice. */
export const FORM_ADVICE: Readonly<Record<MatchForm, string>> = {
  address: "a ZeroTier address of ten hexadecimal digits, as in deadbeef11",
  number: "a number, as in 5 or 0x10",
  named: "a number or a name, as in ethertype ipv4 or ipprotocol tcp",
  mac: "a MAC address, as in 16:e6:e1:59:9d:c7",
  ip: "an IP address with the length of its prefix, as in 10.0.0.0/8 or fd00::/8",
  tos: "a mask and a value or a range, each 0 to 255, as in 0xfc 0-8",
  icmp: "a type (0 to 255) and a code (0 to 255, or -1 for any), as in 8 -1",
  range: "a number or a range, each 0 to 65535, as in 22 or 8000-8080",
  bits: "names of characteristics, separated by commas, as in tcp_syn or inbound,multicast",
  chance: "a probability from 0 to 1, as in 0.5",
  tag: "a tag (its name or id) and a value (a flag, an enum or a number), as in department sales",
};

/** Words that change the next match. */
export const MODIFIERS: ReadonlySet<string> = new Set(["and", "not", "or"]);

const RESERVED_WORDS: ReadonlySet<string> = new Set([
  ...BLOCK_OPENERS,
  ...["default", "ztsrc", "ztdest", "vlan", "vlanpcp", "vlandei", "ethertype", "macsrc", "macdest", "ipsrc", "ipdest"],
  ...["iptos", "ipprotocol", "icmp", "sport", "dport", "chr", "framesize", "random"],
  ...["tand", "tor", "txor", "tdiff", "teq", "tseq", "treq"],
  ...["type", "enum", "class", "define", "import", "include", "log", "not", "xor", "or", "and", "set", "var", "let"],
  // Names that every object of the reference's implementation language has count as reserved there (section 8.8).
  ...["constructor", "__proto__"],
]);

/** True for a word that can be neither a name nor an argument (section 3). */
export function isReservedWord(word: string): boolean {
  return RESERVED_WORDS.has(word);
}

/** Letters, digits and underscores of any script; the first is no ASCII digit (section 3). */
const NAME = /^(?![0-9])[\p{L}\p{N}_]+$/u;

/** True for a word that has the form of a name, reserved or not. */
export function hasNameForm(word: string): boolean {
  return NAME.test(word);
}
