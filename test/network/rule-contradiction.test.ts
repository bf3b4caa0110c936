/** What is said of matches without a frame must be true of every frame: the evaluator is the judge. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { examineChain } from "../../src/network/rules/contradiction.ts";
import { evaluateTable, newOutcome, type RuleContext } from "../../src/network/rules/evaluate.ts";
import { FrameView } from "../../src/network/rules/frame.ts";
import { IntervalSet } from "../../src/network/rules/interval-set.ts";
import { ipPacket, portedHeader } from "../../src/network/rules/packet-bytes.ts";
import type { Rule } from "../../src/network/rules/rule.ts";

const SEED = 20261126;
const ACCEPT: Rule = { type: "ACTION_ACCEPT", not: false, or: false };

const small = fc.integer({ min: 0, max: 3 });
const ip4 = fc.tuple(fc.constant(10), small, fc.constant(0), small).map((bytes) => Uint8Array.from(bytes));
const ip6 = fc.tuple(small, small).map(([a, b]) => {
  const ip = new Uint8Array(16).fill(0);
  ip.set([0xfd, 0, a], 0);
  ip[15] = b;
  return ip;
});
const mac = fc.constantFrom(0x020000000001, 0x020000000002, 0xffffffffffff, 0x01005e000001);
const node = fc.constantFrom(0x1111111111, 0x2222222222);

/** Few values of each field, so that matches meet each other and the frames. */
const match: fc.Arbitrary<Rule> = fc
  .tuple(
    fc.oneof(
      fc.record({ type: fc.constant("MATCH_ETHERTYPE"), etherType: fc.constantFrom(0x0800, 0x86dd, 0x0806) }),
      fc.record({ type: fc.constant("MATCH_IP_PROTOCOL"), ipProtocol: fc.constantFrom(1, 6, 17, 58) }),
      fc.record({
        type: fc.constantFrom("MATCH_IP_SOURCE_PORT_RANGE", "MATCH_IP_DEST_PORT_RANGE"),
        start: small,
        end: small,
      }),
      fc.record({
        type: fc.constantFrom("MATCH_IPV4_SOURCE", "MATCH_IPV4_DEST"),
        ip: ip4,
        bits: fc.constantFrom(0, 8, 15, 16, 31, 32),
      }),
      fc.record({
        type: fc.constantFrom("MATCH_IPV6_SOURCE", "MATCH_IPV6_DEST"),
        ip: ip6,
        bits: fc.constantFrom(0, 16, 23, 24, 127, 128),
      }),
      fc.record({
        type: fc.constant("MATCH_ICMP"),
        icmpType: fc.constantFrom(8, 128, 0),
        icmpCode: small,
        icmpFlags: fc.constantFrom(0, 1),
      }),
      fc.record({
        type: fc.constant("MATCH_IP_TOS"),
        mask: fc.constantFrom(0, 1, 3, 255),
        start: small,
        end: small,
      }),
      fc.record({
        type: fc.constant("MATCH_CHARACTERISTICS"),
        maskHigh: fc.constantFrom(0, 0x80000000, 0x40000000, 0x20000000, 0x60000000, 0x100),
        maskLow: fc.constantFrom(0, 1, 2, 3, 0x10, 0x10000),
      }),
      fc.record({
        type: fc.constant("MATCH_FRAME_SIZE_RANGE"),
        start: fc.constantFrom(0, 20, 40, 60),
        end: fc.constantFrom(19, 40, 59, 65535),
      }),
      fc.record({ type: fc.constantFrom("MATCH_MAC_SOURCE", "MATCH_MAC_DEST"), mac }),
      fc.record({ type: fc.constantFrom("MATCH_SOURCE_ZEROTIER_ADDRESS", "MATCH_DEST_ZEROTIER_ADDRESS"), zt: node }),
      fc.record({ type: fc.constant("MATCH_VLAN_ID"), vlanId: fc.constantFrom(0, 1) }),
      fc.record({ type: fc.constant("MATCH_VLAN_PCP"), vlanPcp: fc.constantFrom(0, 1) }),
      fc.record({ type: fc.constant("MATCH_VLAN_DEI"), vlanDei: fc.constantFrom(0, 1) }),
      fc.record({ type: fc.constant("MATCH_TAGS_EQUAL"), id: small, value: small }),
    ),
    fc.boolean(),
    fc.integer({ min: 0, max: 3 }),
  )
  .map(([fields, not, or]) => ({ ...fields, not, or: or === 0 }) as unknown as Rule);

interface Sample {
  readonly etherType: number;
  readonly data: Uint8Array;
  readonly sourceMac: number;
  readonly destinationMac: number;
  readonly source: number;
  readonly destination: number;
  readonly inbound: boolean;
}

/** Frames of the kinds that the matches above ask for, whole and cut short. */
const sample: fc.Arbitrary<Sample> = fc
  .record({
    kind: fc.constantFrom(4, 4, 4, 6, 6, 6, 0x0806, 0x0800, 0x86dd, 0x8863),
    sourcePort: small,
    destinationPort: small,
    ips: fc.tuple(ip4, ip4, ip6, ip6),
    protocol: fc.constantFrom(1, 6, 17, 58),
    flags: fc.constantFrom(0, 1, 2, 3, 0x10, 0x12),
    icmp: fc.constantFrom(8, 128, 0),
    tos: small,
    length: fc.constantFrom(0, 12, 24, 40, 60, 200),
    macs: fc.tuple(mac, mac),
    nodes: fc.tuple(node, node),
    inbound: fc.boolean(),
  })
  .map((one) => {
    const [source4, destination4, source6, destination6] = one.ips;
    const isV6 = one.kind === 6;
    const rest = {
      sourceMac: one.macs[0],
      destinationMac: one.macs[1],
      source: one.nodes[0],
      destination: one.nodes[1],
      inbound: one.inbound,
    };
    if (one.kind > 6) return { ...rest, etherType: one.kind, data: new Uint8Array(one.length) };
    const datagram = {
      source: isV6 ? source6 : source4,
      destination: isV6 ? destination6 : destination4,
      sourcePort: one.sourcePort,
      destinationPort: one.destinationPort,
    };
    const payload = portedHeader(datagram, one.protocol, one.flags);
    if (one.protocol === 1 || one.protocol === 58) payload.set([one.icmp, one.sourcePort]);
    const data = ipPacket(datagram, one.protocol, payload);
    if (isV6) data[1] = one.tos << 4;
    else data[1] = one.tos;
    return { ...rest, etherType: isV6 ? 0x86dd : 0x0800, data };
  });

function holds(chain: readonly Rule[], one: Sample): boolean {
  const context: RuleContext = {
    ...one,
    self: one.inbound ? one.destination : one.source,
    unknownRulesMatch: false,
    localTag: (id) => (id === 0 ? undefined : 1),
    remoteTag: (id) => (id === 1 ? undefined : 1),
    senderOwnsIp: () => false,
    senderOwnsMac: () => false,
    random: () => 0,
  };
  const frame = new FrameView().load(one.etherType, one.data);
  return evaluateTable([...chain, ACCEPT], frame, context, newOutcome()) === "ACCEPT";
}

describe("A chain of matches", () => {
  test("that is said never to hold holds for no frame, and one that always holds for each", () => {
    const said = { never: 0, always: 0, neither: 0 };
    fc.assert(
      fc.property(
        fc.array(match, { minLength: 1, maxLength: 4 }),
        fc.array(sample, { minLength: 20, maxLength: 20 }),
        (chain, samples) => {
          const { isNever, isAlways } = examineChain(chain);
          assert.ok(!(isNever && isAlways));
          said[isNever ? "never" : isAlways ? "always" : "neither"]++;
          for (const one of samples) {
            if (isNever) assert.equal(holds(chain, one), false);
            if (isAlways) assert.equal(holds(chain, one), true);
          }
        },
      ),
      { seed: SEED, numRuns: 4000 },
    );
    // All three must have been tried in earnest.
    assert.ok(said.never > 400 && said.always > 400 && said.neither > 400, JSON.stringify(said));
  });

  test("names a match before the one that is in its way, or nothing but itself", () => {
    fc.assert(
      fc.property(fc.array(match, { minLength: 1, maxLength: 6 }), (chain) => {
        for (const { at, with: other } of examineChain(chain).contradictions) {
          assert.ok(at < chain.length && (other === null || other < at));
        }
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  test("of a thousand matches with ORs is looked at in a moment, and none of more", () => {
    const chain = (length: number) =>
      Array.from({ length }, (_, at): Rule => {
        return { type: "MATCH_IP_DEST_PORT_RANGE", start: 3 * at, end: 3 * at, not: true, or: at % 8 === 4 };
      });
    const begun = performance.now();
    assert.equal(examineChain(chain(1023)).isNever, false);
    assert.ok(performance.now() - begun < 10_000);
    const impossible: Rule = { type: "MATCH_VLAN_ID", vlanId: 1, not: false, or: false };
    assert.equal(examineChain([...chain(4), impossible]).isNever, true);
    assert.equal(examineChain([...chain(2000), impossible]).isNever, false);
  });
});

test("an interval set is a set", () => {
  const interval = fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 30 }));
  fc.assert(
    fc.property(fc.array(fc.tuple(interval, fc.boolean()), { maxLength: 8 }), (steps) => {
      const set = new IntervalSet([0n, 30n]);
      const model = new Set(Array.from({ length: 31 }, (_, value) => value));
      for (const [[from, to], keeps] of steps) {
        const inside = (value: number) => from <= value && value <= to;
        if (keeps) set.keep(from <= to ? [[BigInt(from), BigInt(to)]] : []);
        else set.remove([[BigInt(from), BigInt(to)]]);
        for (const value of model) if (inside(value) !== keeps) model.delete(value);
      }
      assert.deepEqual(
        Array.from({ length: 31 }, (_, value) => value).filter((value) => set.has(BigInt(value))),
        [...model],
      );
      assert.equal(set.isEmpty, model.size === 0);
    }),
    { seed: SEED, numRuns: 1000 },
  );
});
