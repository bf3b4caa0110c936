/** Explanations: that they say what the filter does, and what they say of each match. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import { compileRules } from "../../src/network/rules/compile.ts";
import { type ExplainedMember, type ExplainOptions, explainPacket } from "../../src/network/rules/explain.ts";
import { filterFrame } from "../../src/network/rules/filter.ts";
import { FrameView } from "../../src/network/rules/frame.ts";
import { type NamedRules, namedFromSource } from "../../src/network/rules/named-rules.ts";
import { describePacket, PacketDescriptionError } from "../../src/network/rules/packet-description.ts";
import type { Rule } from "../../src/network/rules/rule.ts";
import { parseIp } from "../../src/protocol/inet-address.ts";
import { anyRule } from "./vector-rules.ts";

const SEED = 20261126;
const IPS = {
  from: [parseIp("10.1.1.1")!, parseIp("fd00::1")!],
  to: [parseIp("10.1.1.2")!, parseIp("fd00::2")!],
};
const FROM: ExplainedMember = {
  address: 0x1111111111,
  mac: 0x021111111111,
  tags: new Map([[1, 100]]),
  capabilities: [],
  ips: IPS.from,
};
const TO: ExplainedMember = {
  address: 0x2222222222,
  mac: 0x022222222222,
  tags: new Map([[1, 200]]),
  capabilities: [],
  ips: IPS.to,
};

function named(source: string): NamedRules {
  const result = compileRules(source);
  assert.ok(result.ok, result.ok ? "" : `${result.error.message}: ${source}`);
  return namedFromSource(result.value);
}

function explained(rules: NamedRules, packet: string, more: Partial<ExplainOptions> = {}) {
  const { group, ...frame } = describePacket(packet, IPS);
  const destinationMac = group ?? TO.mac;
  return explainPacket({
    rules,
    from: FROM,
    to: TO,
    ...frame,
    destinationMac,
    tagsKnown: true,
    isEmulated: () => false,
    ...more,
  });
}

describe("A match is explained by what it was compared with:", () => {
  const NOTES: readonly (readonly [string, string, string])[] = [
    ["ethertype ipv4", "arp", "the ethertype is arp"],
    ["ethertype ipv4", "ethertype 0x88cc", "the ethertype is 0x88cc"],
    ["ipprotocol tcp", "udp", "the protocol is udp"],
    ["ipprotocol tcp", "ip 47", "the protocol is 47"],
    ["not ipprotocol tcp", "arp", 'it is no IP packet, so "not" changes nothing'],
    ["dport 22", "tcp :5000 -> :23", "the destination port is 23"],
    ["sport 22", "tcp :5000 -> :23", "the source port is 5000"],
    ["dport 22", "icmp echo", "it has no ports: the protocol is icmp4"],
    ["dport 22", "arp", "it is no IP packet"],
    ["ipsrc 10.0.0.0/8", "udp", "the source is 10.1.1.1"],
    ["ipdest 10.0.0.0/8", "udp", "the destination is 10.1.1.2"],
    ["ipdest fd00::/8", "udp fd00::1 -> fd00::5", "the destination is fd00::5"],
    ["ipsrc fd00::/8", "udp", "it is no IPv6 packet"],
    ["icmp 8 -1", "icmp 3/1", "the type is 3, the code 1"],
    ["icmp 128 -1", "icmp6 echo", "the type is 128, the code 0"],
    ["icmp 8 -1", "udp", "it is no ICMP"],
    ["iptos 0xff 0", "udp tos 0xb8", "the class is 0xb8"],
    ["iptos 0xff 0", "icmp6 echo tos 0xb8", "the class is 0xb8"],
    ["framesize 0-99", "udp size 120", "it has 120 bytes"],
    ["macsrc 02:00:00:00:00:01", "udp", "the source MAC is 02:11:11:11:11:11"],
    ["macdest 02:00:00:00:00:01", "udp", "the destination MAC is 02:22:22:22:22:22"],
    ["ztsrc 2222222222", "udp", "the sender is 1111111111"],
    ["ztdest 1111111111", "udp", "the receiver is 2222222222"],
    ["chr tcp_syn", "tcp syn,ack", "it has tcp_syn"],
    ["chr tcp_fin,tcp_rst", "tcp syn", "it has no tcp_rst, tcp_fin"],
    ["chr ipauth", "udp", "10.1.1.1 is the sender's own"],
    ["chr ipauth", "udp 10.1.1.9 -> 10.1.1.2", "10.1.1.9 is none of the sender's own"],
    ["chr ipauth", "arp 10.1.1.9 -> 10.1.1.2", "10.1.1.9 is none of the sender's own"],
    ["chr ipauth", "icmp solicitation", "a neighbour solicitation is taken for authentic"],
    ["chr ipauth", "ethertype 0x88cc", "it has no IP address"],
    ["chr inbound", "udp", "it goes out"],
    ["vlan 5", "udp", "frames have no VLAN here"],
    ["random 0.25", "udp", "as if chance fell in the middle"],
    ["tdiff dept 0", "udp", "dept: sender 100 (sales), receiver 200"],
    ["tseq dept sales", "udp", "dept: sender 100 (sales)"],
    ["treq dept sales", "udp", "dept: receiver 200"],
    ["teq 9 1", "udp", "tag 9: sender none, receiver none"],
  ];
  for (const [match, packet, note] of NOTES) {
    test(`${match} and "${packet}"`, () => {
      const rules = named(`tag dept id 1 enum 100 sales;\naccept ${match};`);
      const sender = explained(rules, packet).ends.find(({ side, isForAll }) => side === "sender" && !isForAll);
      assert.equal(sender!.tables[0]!.steps[0]!.note, note);
    });
  }
});

describe("The reason", () => {
  test("is the rule that decides, with its line", () => {
    const { delivered, ends } = explained(named("drop ipprotocol udp;\naccept;"), "udp");
    assert.equal(delivered, false);
    assert.deepEqual(
      ends.map(({ side, verdict, reason }) => [side, verdict, reason]),
      [
        ["sender", "drop", 'by "drop" in line 1'],
        ["receiver", "drop", 'by "drop" in line 1'],
      ],
    );
  });

  test("tells a break from a drop, and which capabilities were tried", () => {
    const rules = named("cap web id 2 accept dport 80; ;\ncap no id 1 drop and ; ;\nbreak ipprotocol tcp;\naccept;");
    const alone = explained(rules, "tcp :1 -> :22");
    assert.match(alone.ends[0]!.reason, /^"break" in line 3 leaves it to capabilities, and the sender has none$/);
    const holder = { ...FROM, capabilities: [2, 1] };
    const refused = explained(rules, "tcp :1 -> :22", { from: holder });
    assert.match(refused.ends[0]!.reason, /"break" in line 3 .* none of the sender's accepts it \(no, web\)$/);
    const accepted = explained(rules, "tcp :1 -> :80", { from: holder });
    assert.equal(accepted.delivered, true);
    // Ascending by id; the drop of the first only says that it does not cover the frame.
    assert.deepEqual(
      accepted.ends[0]!.tables.map(({ capability, result }) => [capability, result]),
      [
        [null, "NO_MATCH"],
        ["no", "DROP"],
        ["web", "ACCEPT"],
      ],
    );
    assert.equal(accepted.ends[1]!.reason, 'by "accept" in line 1 of the capability web');
  });

  test("of a frame that nothing accepts is that", () => {
    const { ends } = explained(named("accept ethertype arp;"), "udp");
    assert.match(ends[0]!.reason, /^no rule accepts it, and the sender has no capability/);
  });
});

describe("Who is looked at, and how often", () => {
  test("a broadcast is looked at once for all, with the copies and no receiver, and once for each", () => {
    const rules = named("tee 64 deadbeef01;\naccept ztdest 2222222222;\naccept ethertype arp;");
    const { delivered, ends } = explained(rules, "arp");
    assert.equal(delivered, true);
    assert.deepEqual(
      ends.map(({ side, isForAll, copies, reason }) => [side, isForAll, copies.length, reason]),
      [
        ["sender", true, 1, 'by "accept" in line 3'],
        ["sender", false, 0, 'by "accept" in line 2'],
        ["receiver", false, 1, 'by "accept" in line 2'],
      ],
    );
    assert.deepEqual(ends[0]!.copies, [{ to: 0xdeadbeef01, bytes: 28 }]);
  });

  test("a redirect goes elsewhere, and its target gets it whatever its MACs are", () => {
    const rules = named("redirect deadbeef01;\naccept;");
    const { delivered, ends } = explained(rules, "udp");
    assert.equal(delivered, false);
    assert.equal(ends[0]!.verdict, "redirect");
    assert.deepEqual(ends[0]!.copies, [{ to: 0xdeadbeef01, bytes: 28 }]);
    const target = explained(rules, "udp", { to: { ...TO, address: 0xdeadbeef01 } });
    assert.deepEqual(
      target.ends.map(({ verdict }) => verdict),
      ["accept", "super-accept"],
    );
  });

  test("an address that follows from the sender's is authentic to the receiver alone", () => {
    const rules = named("accept chr ipauth;");
    const options = { from: { ...FROM, ips: [] }, isEmulated: (ip: Uint8Array) => ip[0] === 0xfd };
    const { ends } = explained(rules, "udp fd00::1 -> fd00::2", options);
    assert.deepEqual(
      ends.map(({ verdict }) => verdict),
      ["drop", "accept"],
    );
  });

  test("the first frame leaves before tags are known, and the receiver decides", () => {
    const rules = named("tag dept id 1;\ndrop not tdiff dept 0;\naccept;");
    const first = explained(rules, "udp", { tagsKnown: false });
    assert.deepEqual(
      first.ends.map(({ verdict }) => verdict),
      ["accept", "drop"],
    );
    assert.match(first.ends[0]!.tables[0]!.steps[0]!.note, /so the receiver decides, so "not" changes nothing$/);
    assert.equal(explained(rules, "udp").ends[0]!.verdict, "drop");
  });
});

test("an explanation says what the filter does, whatever the rules", () => {
  const packets = ["udp", "tcp :1 -> :2 syn", "icmp echo", "icmp6 echo", "arp", "arp reply", "ethertype 0x88cc"];
  fc.assert(
    fc.property(
      fc.array(anyRule, { maxLength: 12 }),
      fc.array(anyRule, { maxLength: 6 }),
      fc.constantFrom(...packets),
      (base: readonly Rule[], own: readonly Rule[], packet) => {
        const origins = (rules: readonly Rule[]) => rules.map(() => null);
        const capability = { id: 5, name: "c", default: false, place: null, rules: own, origins: origins(own) };
        const rules: NamedRules = {
          base: { rules: base, origins: origins(base) },
          capabilities: [capability],
          tags: [],
          textOf: (rule) => rule.type,
        };
        const { delivered, ends } = explained(rules, packet, { from: { ...FROM, capabilities: [5] } });
        const { etherType, data, group } = describePacket(packet, IPS);
        const context = (inbound: boolean, destination: number) => ({
          inbound,
          self: inbound ? TO.address : FROM.address,
          source: FROM.address,
          destination,
          sourceMac: FROM.mac,
          destinationMac: group ?? TO.mac,
          unknownRulesMatch: false,
          localTag: (id: number) => (inbound ? TO : FROM).tags.get(id),
          remoteTag: (id: number) => (destination === 0 ? undefined : (inbound ? FROM : TO).tags.get(id)),
          senderOwnsIp: (ip: Uint8Array) => FROM.ips.some((one) => Buffer.compare(one, ip) === 0),
          senderOwnsMac: () => false,
          random: () => 0x80000000,
        });
        const frame = new FrameView().load(etherType, data);
        const verdict = (inbound: boolean, destination: number) =>
          filterFrame(base, [capability], frame, context(inbound, destination), true).verdict > 0;
        const looks = [verdict(false, TO.address), verdict(true, TO.address)];
        if (group !== null) looks.unshift(verdict(false, 0));
        assert.deepEqual(
          ends.map(({ verdict: one }) => one === "accept" || one === "super-accept"),
          looks,
        );
        assert.equal(delivered, !looks.includes(false));
        for (const end of ends) {
          // What accepts or drops is named; only what nothing accepts has no rule to name.
          const isNamed = end.decidedBy !== null;
          assert.ok(isNamed || (end.verdict === "drop" && end.tables.every(({ result }) => result !== "ACCEPT")));
        }
      },
    ),
    { seed: SEED, numRuns: 1500 },
  );
});

describe("A described packet", () => {
  const view = new FrameView();
  const load = (text: string) => {
    const { etherType, data } = describePacket(text, IPS);
    return view.load(etherType, data);
  };

  test("has the sizes of real ones", () => {
    const sizes = ["tcp syn", "udp", "icmp echo", "tcp fd00::1 -> fd00::2 syn", "arp", "icmp solicitation", "sctp"];
    assert.deepEqual(
      sizes.map((text) => load(text).length),
      [40, 28, 28, 60, 28, 64, 32],
    );
  });

  test("goes where its address or its kind says", () => {
    const groups: readonly (readonly [string, number | null])[] = [
      ["udp", null],
      ["arp", 0xffffffffffff],
      ["arp reply", null],
      ["udp 10.1.1.1 -> 255.255.255.255", 0xffffffffffff],
      ["udp 10.1.1.1:5353 -> 224.0.0.251:5353", 0x01005e0000fb],
      ["udp 10.1.1.1 -> 239.129.2.3", 0x01005e010203],
      ["udp [fd00::1]:5353 -> [ff02::fb]:5353", 0x3333000000fb],
      ["icmp solicitation", 0x3333ff000002],
      ["icmp advertisement", null],
    ];
    for (const [text, group] of groups) assert.equal(describePacket(text, IPS).group, group, text);
  });

  test("says what is wrong with the words, and never anything but that", () => {
    for (const text of [
      "",
      "tcp sym",
      "icmp foo",
      "arp fd00::1 -> fd00::2",
      "udp 10.1.1.1 -> fd00::1",
      "udp :99999 -> :1",
    ]) {
      assert.throws(() => describePacket(text, IPS), PacketDescriptionError, text);
    }
    const words = ["tcp", "udp", "icmp", "arp", "ip", "->", "to", "10.1.1.1", "fd00::1", ":22", "[fd00::1]:1", "8/0"];
    const more = ["echo", "syn", "size", "9999", "tos", "3", "ethertype", "0x800", "reply", "solicitation", "", ":"];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words, ...more), { maxLength: 8 }), (chosen) => {
        try {
          assert.ok(describePacket(chosen.join(" "), IPS).data.length <= 10_000);
        } catch (error) {
          assert.ok(error instanceof PacketDescriptionError, String(error));
        }
      }),
      { seed: SEED, numRuns: 3000 },
    );
  });
});

describe("The talk's firewall", () => {
  const rules = named(readFileSync(new URL("../fixtures/rules/talk-firewall.rules", import.meta.url), "utf8"));
  const CASES: readonly (readonly [string, boolean, string])[] = [
    ["tcp :5000 -> :22 syn", true, 'by "accept" in line 12'],
    ["tcp :5000 -> :25 syn", false, '"break" in line 19 leaves it to capabilities, and the sender has none'],
    ["tcp :25 -> :5000 syn,ack", true, 'by "accept" in line 25'],
    ["udp :5000 -> :53", true, 'by "accept" in line 25'],
    ["ethertype 0x88cc", false, 'by "drop" in line 3'],
    ["udp 10.9.9.9 -> 10.1.1.2", false, 'by "drop" in line 3'],
    ["arp", true, 'by "accept" in line 25'],
  ];
  for (const [packet, passes, reason] of CASES) {
    test(`${passes ? "lets through" : "stops"} ${packet}`, () => {
      const { delivered, ends } = explained(rules, packet);
      assert.equal(delivered, passes);
      for (const end of ends) assert.equal(end.reason, reason);
    });
  }
});
