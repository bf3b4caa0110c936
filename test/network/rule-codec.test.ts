import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { decodeRules, decodeRulesAt, encodeRules } from "../../src/network/rules/codec.ts";
import { MAX_CAPABILITY_RULES, MAX_NETWORK_RULES } from "../../src/network/rules/rule.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import { hex, vectors } from "../protocol/fixtures.ts";
import { anyRule, ruleOfVector, type VectorRule, withoutUnknownBytes } from "./vector-rules.ts";

const SEED = 20261126;

interface RulesVectors {
  readonly rules: readonly {
    name: string;
    hex: string;
    rule?: VectorRule;
    rules?: VectorRule[];
    reparse?: VectorRule;
  }[];
  readonly parse: readonly (
    | { name: string; hex: string; ok: true; rules: VectorRule[]; consumed: number }
    | { name: string; hex: string; ok: false; rulesParsedBeforeError: number }
  )[];
}
const recorded = vectors<RulesVectors>("rules");

describe("Rules in bytes", () => {
  for (const one of recorded.rules) {
    test(`"${one.name}" is written and read as the reference does`, () => {
      const rules = (one.rules ?? [one.rule!]).map((rule) => ruleOfVector(rule));
      assert.equal(toHex(encodeRules(rules)), one.hex);
      const decoded = decodeRules(hex(one.hex), MAX_NETWORK_RULES);
      assert.deepEqual(decoded, { ok: true, value: one.reparse ? [ruleOfVector(one.reparse)] : rules });
    });
  }

  for (const one of recorded.parse) {
    test(`the reader's habit "${one.name}" is the reference's`, () => {
      const decoded = decodeRulesAt(hex(one.hex), 0, MAX_NETWORK_RULES);
      if (!one.ok) {
        assert.equal(decoded.ok, false);
        assert.equal(decoded.ok ? "" : decoded.code, "too_short");
        // What came before the fault can be had by asking for no more rules than that.
        const before = decodeRules(hex(one.hex), one.rulesParsedBeforeError);
        assert.ok(before.ok && before.value.length === one.rulesParsedBeforeError);
        return;
      }
      assert.ok(decoded.ok);
      assert.deepEqual(
        withoutUnknownBytes(decoded.value.rules),
        one.rules.map((rule) => ruleOfVector(rule)),
      );
      assert.equal(decoded.value.end, one.consumed);
    });
  }

  test("the fields of an unknown type are kept and written again", () => {
    const decoded = decodeRules(hex("bc03aabbcc0100"), MAX_NETWORK_RULES);
    assert.ok(decoded.ok);
    assert.deepEqual(decoded.value[0], { type: "UNKNOWN", not: true, or: false, code: 60, bytes: hex("aabbcc") });
    assert.equal(toHex(encodeRules(decoded.value)), "bc03aabbcc0100");
  });

  test("reading stops at the given number of rules and tells where", () => {
    const bytes = hex("0100".repeat(MAX_CAPABILITY_RULES + 6));
    const decoded = decodeRulesAt(bytes, 4, MAX_CAPABILITY_RULES);
    assert.ok(decoded.ok);
    assert.equal(decoded.value.rules.length, MAX_CAPABILITY_RULES);
    assert.equal(decoded.value.end, 4 + 2 * MAX_CAPABILITY_RULES);
  });

  test("decoded rules do not change when the bytes they came from do", () => {
    const bytes = hex("1f050a010200183c01ff");
    const decoded = decodeRules(bytes, 10);
    assert.ok(decoded.ok);
    bytes.fill(0);
    const [match, unknown] = decoded.value;
    assert.ok(match?.type === "MATCH_IPV4_SOURCE" && unknown?.type === "UNKNOWN");
    assert.deepEqual([toHex(match.ip), toHex(unknown.bytes)], ["0a010200", "ff"]);
  });

  test("whatever is written is read back the same", () => {
    fc.assert(
      fc.property(fc.array(anyRule, { maxLength: 40 }), (rules) => {
        assert.deepEqual(decodeRules(encodeRules(rules), MAX_NETWORK_RULES), { ok: true, value: rules });
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  test("no bytes make the reader throw, and what it accepts it can write and read again", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(70), (bytes, max) => {
        const decoded = decodeRules(bytes, max);
        if (!decoded.ok) return;
        assert.ok(decoded.value.length <= max);
        assert.deepEqual(decodeRules(encodeRules(decoded.value), max), decoded);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });
});
