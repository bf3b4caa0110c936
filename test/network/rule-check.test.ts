/** What `rules check` finds, and what it leaves alone. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { checkRules } from "../../src/network/rules/check.ts";
import { compileRules } from "../../src/network/rules/compile.ts";
import { namedFromSource } from "../../src/network/rules/named-rules.ts";

function findings(source: string, members: ReadonlySet<number> | null = null) {
  const result = compileRules(source);
  assert.ok(result.ok);
  return checkRules(namedFromSource(result.value), members).map(({ kind, place }) => `${kind} ${place?.line ?? "-"}`);
}

const MISTAKES: readonly (readonly [string, string, readonly string[]])[] = [
  ["a rule behind an accept", "accept;\ndrop ipprotocol udp;", ["unreachable 2"]],
  ["EtherTypes that exclude each other", "accept ethertype arp\n and ethertype ipv4;\naccept;", ["never-matches 1"]],
  ["a port of a protocol without ports", "accept ipprotocol icmp4 and dport 80;\naccept;", ["never-matches 1"]],
  ["ports of ARP", "drop ethertype arp and dport 80;\naccept;", ["never-matches 1"]],
  ["an IPv6 prefix with host bits", "accept ipdest fd00::1/64;\naccept;", ["never-matches 1"]],
  ["IPv4 and IPv6 at once", "drop ipsrc 10.0.0.0/8 and ipdest fd00::/64;\naccept;", ["never-matches 1"]],
  ["two tags of one id", "tag a id 7 default 0;\ntag b id 7 default 0;\naccept;", ["duplicate-id 2"]],
  ["a tag that is not defined", "accept tseq 99 1;", ["undefined-tag 1"]],
  ["nothing accepted", "drop ipprotocol udp;", ["nothing-accepted -"]],
  ["rules in a capability too", "cap c id 1 accept;\n drop ipprotocol udp; ;\naccept;", ["unreachable 2"]],
];

for (const [name, source, expected] of MISTAKES) {
  test(`found: ${name}`, () => assert.deepEqual(findings(source), expected));
}

const FINE: readonly (readonly [string, string])[] = [
  ["the default rules", "drop not ethertype ipv4 and not ethertype arp and not ethertype ipv6;\naccept;"],
  ["alternatives with or", "accept ethertype arp or ethertype ipv4;"],
  ["negated EtherTypes", "drop not ethertype arp and not ethertype ipv4;\naccept;"],
  ["an IPv4 prefix with host bits, which do not count", "accept ipdest 10.1.2.3/8;"],
  ["not a protocol with a port", "drop not ipprotocol udp and dport 22;\naccept;"],
];

for (const [name, source] of FINE) {
  test(`left alone: ${name}`, () => assert.deepEqual(findings(source), []));
}

test("a copy to somebody who is no member is told, if the members are known", () => {
  const source = "tee -1 deadbeef01;\naccept;";
  assert.deepEqual(findings(source), []);
  assert.deepEqual(findings(source, new Set([0xdeadbeef02])), ["unknown-target 1"]);
  assert.deepEqual(findings(source, new Set([0xdeadbeef01])), []);
});

test("what members would ignore is told", () => {
  const many = Array.from({ length: 70 }, (_, i) => `drop dport ${i + 1};`).join("\n");
  assert.deepEqual(findings(`cap big id 1\n${many} ;\naccept;`), ["too-many -"]);
});

test("the talk's firewall has nothing to find fault with", () => {
  const url = new URL("../fixtures/rules/talk-firewall.rules", import.meta.url);
  assert.deepEqual(findings(readFileSync(url, "utf8")), []);
});
