/** Every recorded decision of the reference's filter, and what must hold for any rules and any frame. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { isDerivedLikeOurs } from "../../src/network/derived-addresses.ts";
import { evaluateTable, newOutcome, type RuleContext } from "../../src/network/rules/evaluate.ts";
import { filterFrame } from "../../src/network/rules/filter.ts";
import { FrameView } from "../../src/network/rules/frame.ts";
import type { Rule } from "../../src/network/rules/rule.ts";
import { parseAddress } from "../../src/protocol/address.ts";
import { parseMac } from "../../src/protocol/ethernet.ts";
import { parseIp, parsePrefix } from "../../src/protocol/inet-address.ts";
import { encodeExtFrame } from "../../src/protocol/messages/ext-frame.ts";
import { anyRule, ruleOfVector, type VectorRule } from "./vector-rules.ts";

interface Case {
  readonly name: string;
  readonly direction: "inbound" | "outbound";
  readonly ztSource: string;
  readonly ztDest: string;
  readonly macSource: string;
  readonly macDest: string;
  readonly etherType: string;
  readonly frameHex: string;
  readonly networkFlags: string;
  readonly rules: readonly VectorRule[];
  readonly localTags: readonly { id: number; value: number }[];
  readonly remoteMembershipKnown: boolean;
  readonly remoteTags: readonly { id: number; value: number }[];
  readonly remoteTagTimestamp?: number;
  readonly vlanId: number;
  /** Id of a tag that is revoked. */
  readonly remoteTagRevoked?: number;
  readonly localOwns: readonly string[];
  readonly remoteOwns: readonly string[];
  readonly localStaticIps?: readonly string[];
}

interface TableCase extends Case {
  readonly expect: {
    readonly result: string;
    readonly ztDestAfter: string;
    readonly tee: { readonly to: string; readonly length: number; readonly watch: boolean } | null;
    readonly qosBucket: number | null;
  };
}

interface NetworkCase extends Case {
  readonly noTee?: boolean;
  readonly capabilities: readonly { id: number; rules: readonly VectorRule[] }[];
  readonly expect: {
    readonly verdict: number;
    readonly sent: readonly { to: string; verb: string; payloadHex: string }[];
  };
}

const vectors = JSON.parse(readFileSync(new URL("../fixtures/vectors/rule-eval.json", import.meta.url), "utf8")) as {
  self: string;
  networkId: string;
  networkTimestamp: number;
  credentialTimeMaxDelta: number;
  ruleset: readonly TableCase[];
  network: readonly NetworkCase[];
};

const NETWORK_ID = BigInt(`0x${vectors.networkId}`);
const NDP_EMULATION = 0x4n;
const UNKNOWN_RULES_MATCH = 0x8n;
/** Sixteen values a test can rely on. */
const ANY_RANDOM = 0x7fffffff;

function owner(things: readonly string[]) {
  const ips = things.flatMap((text) => (parseMac(text) === null ? [parseIp(text)!] : []));
  const macs = things.flatMap((text) => parseMac(text) ?? []);
  return {
    ip: (ip: Uint8Array) => ips.some((own) => Buffer.compare(own, ip) === 0),
    mac: (mac: number) => macs.includes(mac),
  };
}

function contextOf(one: Case): RuleContext {
  const inbound = one.direction === "inbound";
  const flags = BigInt(`0x${one.networkFlags}`);
  const self = parseAddress(vectors.self)!;
  const age = Math.abs((one.remoteTagTimestamp ?? vectors.networkTimestamp) - vectors.networkTimestamp);
  const usable = one.remoteMembershipKnown && age <= vectors.credentialTimeMaxDelta;
  const sender = owner(inbound ? one.remoteOwns : one.localOwns);
  const ownIps = (one.localStaticIps ?? []).map((text) => parsePrefix(text)!);
  const emulates = inbound && (flags & NDP_EMULATION) !== 0n;
  return {
    inbound,
    self,
    source: parseAddress(one.ztSource)!,
    destination: parseAddress(one.ztDest)!,
    sourceMac: parseMac(one.macSource)!,
    destinationMac: parseMac(one.macDest)!,
    unknownRulesMatch: (flags & UNKNOWN_RULES_MATCH) !== 0n,
    localTag: (id) => one.localTags.find((tag) => tag.id === id)?.value,
    remoteTag: (id) =>
      usable && id !== one.remoteTagRevoked ? one.remoteTags.find((tag) => tag.id === id)?.value : undefined,
    senderOwnsIp: (ip) => sender.ip(ip) || (emulates && isDerivedLikeOurs(ip, ownIps, NETWORK_ID, self)),
    senderOwnsMac: sender.mac,
    random: () => ANY_RANDOM,
  };
}

function frameOf(one: Case): FrameView {
  return new FrameView().load(Number.parseInt(one.etherType, 16), Buffer.from(one.frameHex, "hex"), one.vlanId);
}

test("the vectors are all there", () => {
  assert.equal(vectors.ruleset.length, 199);
  assert.equal(vectors.network.length, 38);
});

for (const one of vectors.ruleset) {
  test(`one table: ${one.name}`, () => {
    const { expect } = one;
    // The recording does not tell a priority's bucket: it is what came out, or one that is out of range.
    const bucket = one.name.includes("out of range") ? 9 : (expect.qosBucket ?? 0);
    const rules = one.rules.map((rule) => ruleOfVector(rule, bucket));
    const outcome = newOutcome();
    const result = evaluateTable(rules, frameOf(one), contextOf(one), outcome);
    assert.equal(result, expect.result);
    assert.equal(outcome.destination, parseAddress(expect.ztDestAfter));
    const tee = expect.tee === null ? null : { ...expect.tee, to: parseAddress(expect.tee.to)! };
    assert.deepEqual(outcome.copy, tee);
    assert.equal(outcome.bucket, expect.qosBucket);
  });
}

for (const one of vectors.network) {
  test(`a whole network: ${one.name}`, () => {
    const context = contextOf(one);
    const capabilities = one.capabilities.map(({ id, rules }) => ({
      id,
      rules: rules.map((rule) => ruleOfVector(rule)),
    }));
    const rules = one.rules.map((rule) => ruleOfVector(rule));
    const outcome = filterFrame(rules, capabilities, frameOf(one), context, one.noTee !== true);
    assert.equal(outcome.verdict, one.expect.verdict);
    const data = Buffer.from(one.frameHex, "hex");
    const sent = outcome.copies.map(({ to, flags, length }) => {
      const payload = encodeExtFrame({
        networkId: NETWORK_ID,
        flags,
        certificate: null,
        destination: context.destinationMac,
        source: context.sourceMac,
        etherType: Number.parseInt(one.etherType, 16),
        data: data.subarray(0, length),
      });
      return { to, verb: "EXT_FRAME", payloadHex: Buffer.from(payload).toString("hex") };
    });
    assert.deepEqual(
      sent,
      one.expect.sent.map((packet) => ({ ...packet, to: parseAddress(packet.to)! })),
    );
  });
}

test("any table decides about any frame, twice the same", () => {
  const context = contextOf(vectors.ruleset[0]!);
  const etherTypes = fc.constantFrom(0x0800, 0x86dd, 0x0806, 0x8100, 0x1234);
  fc.assert(
    fc.property(
      fc.array(anyRule, { maxLength: 40 }),
      etherTypes,
      fc.uint8Array({ maxLength: 120 }),
      fc.boolean(),
      (rules, etherType, data, inbound) => {
        const run = () => {
          const outcome = newOutcome();
          evaluateTable(rules, new FrameView().load(etherType, data), { ...context, inbound }, outcome);
          return outcome;
        };
        const first = run();
        assert.deepEqual(run(), first);
        assert.ok(first.copy === null || first.copy.length <= data.length);
      },
    ),
    { numRuns: 1000 },
  );
});

test("an empty table and no capability drop", () => {
  const frame = new FrameView().load(0x0800, new Uint8Array(20));
  assert.equal(filterFrame([], [], frame, contextOf(vectors.ruleset[0]!), true).verdict, 0);
});

test("matches fold from left to right, with NOT before and nothing after, and a set that begins as true", () => {
  // VLAN eligibility of 0 is true of every frame, and of 1 of none.
  const literal = fc.record({ value: fc.boolean(), not: fc.boolean(), or: fc.boolean() });
  const action = fc.constantFrom<Rule["type"]>("ACTION_ACCEPT", "ACTION_DROP", "ACTION_BREAK");
  const statement = fc.tuple(fc.array(literal, { maxLength: 6 }), action);
  const results = { ACTION_ACCEPT: "ACCEPT", ACTION_DROP: "DROP", ACTION_BREAK: "NO_MATCH" } as Record<string, string>;
  const context = contextOf(vectors.ruleset[0]!);
  const frame = frameOf(vectors.ruleset[0]!);
  fc.assert(
    fc.property(fc.array(statement, { maxLength: 5 }), (statements) => {
      const rules = statements.flatMap(([matches, type]) => [
        ...matches.map(({ value, not, or }): Rule => ({ type: "MATCH_VLAN_DEI", vlanDei: value ? 0 : 1, not, or })),
        { type, not: false, or: false } as Rule,
      ]);
      const taken = statements.find(([matches]) =>
        matches.reduce((set, { value, not, or }) => (or ? set || value !== not : set && value !== not), true),
      );
      const expected = taken === undefined ? "NO_MATCH" : results[taken[1]];
      assert.equal(evaluateTable(rules, frame, context, newOutcome()), expected);
    }),
    { seed: 7, numRuns: 1000 },
  );
});

test("a view that saw other frames before sees the next one as a fresh one does", () => {
  const view = new FrameView();
  for (const one of vectors.ruleset) {
    const rules = one.rules.map((rule) => ruleOfVector(rule));
    const data = Buffer.from(one.frameHex, "hex");
    view.load(Number.parseInt(one.etherType, 16), data, one.vlanId);
    const fresh = evaluateTable(rules, frameOf(one), contextOf(one), newOutcome());
    assert.equal(evaluateTable(rules, view, contextOf(one), newOutcome()), fresh, one.name);
  }
});

test("nobody is sent a copy for address 0", () => {
  const frame = frameOf(vectors.ruleset[0]!);
  const flags = { not: false, or: false };
  const rules: Rule[] = [
    { type: "ACTION_TEE", ...flags, address: 0, flags: 0, length: 0 },
    { type: "ACTION_ACCEPT", ...flags },
  ];
  const { verdict, copies } = filterFrame(rules, [], frame, contextOf(vectors.ruleset[0]!), true);
  assert.deepEqual([verdict, copies], [1, []]);
});
