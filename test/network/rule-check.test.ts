/** What `rules check` finds, and what it leaves alone. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { JsonValue } from "../../src/json/json.ts";
import { checkRules } from "../../src/network/rules/check.ts";
import { compileRules } from "../../src/network/rules/compile.ts";
import { ruleToJson } from "../../src/network/rules/json.ts";
import { namedFromJson, namedFromSource } from "../../src/network/rules/named-rules.ts";
import { anyRule } from "./vector-rules.ts";

function findings(source: string, members: ReadonlySet<number> | null = null) {
  const result = compileRules(source);
  assert.ok(result.ok, result.ok ? "" : `${result.error.message}: ${source}`);
  return checkRules(namedFromSource(result.value), members);
}

/** Each finding as `kind line:column`. */
function kinds(source: string, members: ReadonlySet<number> | null = null) {
  return findings(source, members).map(
    ({ kind, place }) => `${kind} ${place === null ? "-" : `${place.line}:${place.column}`}`,
  );
}

function messages(source: string) {
  return findings(source).map(({ message }) => message);
}

const MISTAKES: readonly (readonly [string, string, readonly string[]])[] = [
  ["a rule behind an accept", "accept;\ndrop ipprotocol udp;", ["unreachable 2:6"]],
  ["a rule behind what is always true", "accept framesize 0-65535;\ndrop;", ["unreachable 2:1"]],
  ["a rule behind a break", "accept ethertype arp;\nbreak;\naccept;", ["unreachable 3:1"]],
  ["two EtherTypes at once", "accept ethertype arp\n and ethertype ipv4;\naccept;", ["never-matches 2:6"]],
  ["an IP address of ARP", "accept ethertype arp and ipsrc 10.0.0.0/8;\naccept;", ["never-matches 1:26"]],
  ["an EtherType behind an IP", "drop ipsrc 10.0.0.0/8 and ethertype arp;\naccept;", ["never-matches 1:27"]],
  ["what is no IP with NOT", "drop ethertype arp and not ipsrc 10.0.0.0/8;\naccept;", ["never-matches 1:28"]],
  ["a port of a protocol without ports", "accept ipprotocol icmp4 and dport 80;\naccept;", ["never-matches 1:29"]],
  ["ports of ARP", "drop ethertype arp and dport 80;\naccept;", ["never-matches 1:24"]],
  ["two ports at once", "drop dport 22 and dport 80;\naccept;", ["never-matches 1:19"]],
  ["a port and not a range with it", "drop dport 22 and not dport 1-100;\naccept;", ["never-matches 1:23"]],
  ["two sizes", "drop framesize 0-99 and framesize 100-200;\naccept;", ["never-matches 1:25"]],
  ["two classes", "drop iptos 0xfc 8 and iptos 0xff 0-7;\naccept;", ["never-matches 1:23"]],
  ["two networks", "drop ipdest 10.0.0.0/8 and ipdest 11.0.0.0/8;\naccept;", ["never-matches 1:28"]],
  [
    "a network but not the one around it",
    "drop ipdest 10.1.0.0/16 and not ipdest 10.0.0.0/8;\naccept;",
    ["never-matches 1:33"],
  ],
  ["two senders", "drop ztsrc 1111111111 and ztsrc 2222222222;\naccept;", ["never-matches 1:27"]],
  ["two MACs", "drop macsrc 02:00:00:00:00:01 and macsrc 02:00:00:00:00:02;\naccept;", ["never-matches 1:35"]],
  ["broadcast to one MAC", "drop macdest 02:00:00:00:00:01 and chr broadcast;\naccept;", ["never-matches 1:36"]],
  ["broadcast that is no multicast", "drop chr broadcast and not chr multicast;\naccept;", ["never-matches 1:28"]],
  ["a flag that is ruled out", "drop not chr tcp_syn,tcp_ack and chr tcp_syn;\naccept;", ["never-matches 1:34"]],
  ["flags of TCP in UDP", "drop ipprotocol udp and chr tcp_syn;\naccept;", ["never-matches 1:25"]],
  ["a bit that no frame has", "drop chr 40;\naccept;", ["never-matches 1:6"]],
  ["two types of ICMP", "drop icmp 8 -1 and icmp 0 -1;\naccept;", ["never-matches 1:20"]],
  ["ICMP in TCP", "drop ipprotocol tcp and icmp 8 -1;\naccept;", ["never-matches 1:25"]],
  ["an IPv6 prefix with host bits", "accept ipdest fd00::1/64;\naccept;", ["never-matches 1:8"]],
  ["IPv4 and IPv6 at once", "drop ipsrc 10.0.0.0/8 and ipdest fd00::/64;\naccept;", ["never-matches 1:27"]],
  ["a VLAN", "drop vlan 7;\ndrop vlanpcp 1;\naccept;", ["never-matches 1:6", "never-matches 2:6"]],
  ["an OR that comes first", "drop or dport 80;", ["nothing-accepted -", "always-matches 1:9"]],
  ["two tags of one id", "tag a id 7 default 0;\ntag b id 7 default 0;\naccept;", ["duplicate-id 2:5"]],
  ["a tag that is not defined", "accept tseq 99 1;", ["undefined-tag 1:8"]],
  ["nothing accepted", "drop ipprotocol udp;", ["nothing-accepted -"]],
  ["an empty source", "", ["nothing-accepted -"]],
  ["rules in a capability too", "cap c id 1 accept;\n drop ipprotocol udp; ;\naccept;", ["unreachable 2:7"]],
  ["what is no address", "tee -1 deadbeefzz;\naccept;", ["read-otherwise 1:8"]],
  ["an address that nobody has", "tee -1 ffdeadbeef;\naccept;", ["unknown-target 1:1"]],
  ["a number with more behind it", "drop dport 80abc;\naccept;", ["read-otherwise 1:12"]],
  ["a range with more behind it", "drop dport 80a-90;\naccept;", ["read-otherwise 1:12"]],
  ["an EtherType too large", "drop ethertype 0x10800;\naccept;", ["read-otherwise 1:16"]],
  ["a prefix too long", "drop ipdest 10.0.0.0/33;\naccept;", ["read-otherwise 1:13"]],
  ["a chance in percent", "drop random 50;\naccept;", ["read-otherwise 1:13"]],
  ["a code of ICMP that is no number", "drop icmp 8 none;\naccept;", ["read-otherwise 1:13"]],
  ["a default that is no value", "tag a id 1 enum 5 sales default saels;\naccept;", ["read-otherwise 1:33"]],
  ["a modifier behind the last match", "drop dport 80 or;\naccept;", ["without-effect 1:15"]],
];

describe("found, each where it stands:", () => {
  for (const [name, source, expected] of MISTAKES) {
    test(name, () => assert.deepEqual(kinds(source), expected));
  }
});

const FINE: readonly (readonly [string, string])[] = [
  ["the default rules", "drop not ethertype ipv4 and not ethertype arp and not ethertype ipv6;\naccept;"],
  ["alternatives with or", "accept ethertype arp or ethertype ipv4;"],
  ["alternatives of which each can hold", "accept dport 22 or dport 80 and ipprotocol tcp;"],
  ["negated EtherTypes", "drop not ethertype arp and not ethertype ipv4;\naccept;"],
  ["an IPv4 prefix with host bits, which do not count", "accept ipdest 10.1.2.3/8;"],
  ["not a protocol with a port", "drop not ipprotocol udp and dport 22;\naccept;"],
  ["not a port, without ports", "drop ipprotocol icmp4 and not dport 22;\naccept;"],
  ["a network without a part", "drop ipdest 10.0.0.0/8 and not ipdest 10.1.0.0/16;\naccept;"],
  ["an IPv6 network and a part of it", "accept ipsrc fd00::/23 and ipsrc fd00:100::/24 and not ipsrc fd00:100::/25;"],
  ["a prefix of everything", "accept ipsrc 0.0.0.0/0 or ipsrc ::/0;"],
  ["SYN without ACK", "break chr tcp_syn and not chr tcp_ack;\naccept;"],
  ["a tag that a first frame passes", "tag t id 1 default 0;\naccept treq t 1;\ndrop;\naccept;"],
  ["an accept that is kept from what follows", "cap c id 1 accept and ; ;\naccept;"],
  ["flags as defaults", "tag t id 1 flag 3 x default x;\naccept tand t x;"],
];

describe("left alone:", () => {
  for (const [name, source] of FINE) {
    test(name, () => assert.deepEqual(kinds(source), []));
  }
});

describe("what is said", () => {
  test("of a match that ends what is before it, how matches are read", () => {
    assert.deepEqual(messages("drop ethertype arp or ethertype ipv4 and dport 22;\naccept;"), [
      '"dport 22" cannot hold together with "ethertype arp" before it: matches are read from left to right, so it limits what is before the "or" as well',
    ]);
  });

  test("of a tag, its name as the source has it", () => {
    const [message] = messages(
      "tag t id 1 enum 5 five default 0;\naccept ethertype arp and ethertype ipv4 and teq t five;\naccept;",
    );
    assert.equal(
      message,
      '"ethertype ipv4" cannot hold together with "ethertype arp" before it, so "accept" is never taken',
    );
  });

  test("of a macro that is included twice, once", () => {
    assert.deepEqual(kinds("macro m\n drop ethertype arp and dport 22;\n;\ninclude m\ninclude m\naccept;"), [
      "never-matches 2:25",
    ]);
  });
});

test("a copy to somebody who is no member is told, if the members are known", () => {
  for (const action of ["tee -1", "watch 64", "redirect"]) {
    const source = `${action} deadbeef01;\naccept;`;
    assert.deepEqual(kinds(source), []);
    assert.deepEqual(kinds(source, new Set([0xdeadbeef02])), ["unknown-target 1:1"]);
    assert.deepEqual(kinds(source, new Set([0xdeadbeef01])), []);
  }
});

test("what members would ignore is told", () => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => `drop dport ${i + 1};`).join("\n");
  assert.deepEqual(kinds(`cap big id 1\n${many(32)} ;\naccept;`), []);
  assert.deepEqual(kinds(`cap big id 1\n${many(33)} ;\naccept;`), ["too-many -"]);
  assert.deepEqual(kinds(`${many(511)}\naccept;`), []);
  assert.deepEqual(kinds(`${many(512)}\naccept;`), ["too-many -"]);
  const tags = (count: number) => Array.from({ length: count }, (_, i) => `tag t${i} id ${i} default 0;`).join("\n");
  assert.deepEqual(kinds(`${tags(128)}\naccept;`), []);
  assert.deepEqual(kinds(`${tags(129)}\naccept;`), ["too-many -"]);
  const caps = (count: number) => Array.from({ length: count }, (_, i) => `cap c${i} id ${i} accept; ;`).join("\n");
  assert.deepEqual(kinds(caps(128)), []);
  assert.deepEqual(kinds(caps(129)), ["too-many -"]);
});

test("rules without a source are checked just the same, without places", () => {
  const named = namedFromJson({
    rules: [
      { type: "MATCH_ETHERTYPE", etherType: 0x0806 },
      { type: "MATCH_IP_DEST_PORT_RANGE", start: 80, end: 80 },
      { type: "ACTION_ACCEPT" },
      { type: "ACTION_DROP" },
      { type: "ACTION_DROP" },
    ],
    capabilities: [
      { id: 3, rules: [{ type: "ACTION_ACCEPT" }] },
      { id: 3, rules: [] },
    ],
  });
  const found = checkRules(named!, null).map(({ kind, place, rule }) => [kind, place, rule]);
  assert.deepEqual(found, [
    ["never-matches", null, 1],
    ["unreachable", null, 4],
    ["duplicate-id", null, null],
  ]);
});

test("any rules can be checked, whatever a controller holds", () => {
  const tag = fc.record({
    id: fc.oneof(fc.nat(3), fc.string()),
    default: fc.oneof(fc.nat(9), fc.constant(null), fc.string()),
  });
  const jsonRule = fc.oneof(
    anyRule.map((rule) => ruleToJson(rule)),
    fc.dictionary(fc.string(), fc.string()),
  );
  const rules = fc.array(jsonRule, { maxLength: 30 });
  const capability = fc.record({ id: fc.oneof(fc.nat(3), fc.string()), rules: fc.oneof(rules, fc.string()) });
  const network = fc.record({ rules, capabilities: fc.array(capability), tags: fc.array(tag) });
  fc.assert(
    fc.property(network, (json) => {
      const named = namedFromJson(JSON.parse(JSON.stringify(json)) as JsonValue)!;
      for (const { rule, capability: name } of checkRules(named, new Set())) {
        if (rule !== null && name === null) assert.ok(rule < named.base.rules.length);
      }
    }),
    { seed: 11, numRuns: 500 },
  );
});

const TALK: Readonly<Record<string, readonly string[]>> = {
  "talk-firewall": [],
  "talk-superuser": [],
  "talk-department": [],
  // Parts of a whole, shown by themselves: they accept nothing.
  "talk-devtype": ["nothing-accepted -"],
  "talk-tee": ["nothing-accepted -"],
  // The talk gives one id to both of its examples.
  "talk-both-tags": ["duplicate-id 19:5"],
};

for (const [name, expected] of Object.entries(TALK)) {
  test(`${name}: ${expected.length === 0 ? "nothing to find fault with" : expected.join()}`, () => {
    const url = new URL(`../fixtures/rules/${name}.rules`, import.meta.url);
    assert.deepEqual(kinds(readFileSync(url, "utf8")), expected);
  });
}
