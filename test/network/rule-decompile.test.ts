/** From rules back to a source that means the same: the talk's, the recorded ones, and random tables. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import { formatJson, type JsonObject, type JsonValue } from "../../src/json/json.ts";
import { compileRules } from "../../src/network/rules/compile.ts";
import { decompileRules } from "../../src/network/rules/decompile.ts";
import { ruleFromJson, ruleToJson } from "../../src/network/rules/json.ts";

const FIXTURES = new URL("../fixtures/rules/", import.meta.url);
const SEED = 11;

interface Vector {
  readonly name: string;
  readonly source: string;
  readonly exit: number;
}
const VECTORS = (
  JSON.parse(readFileSync(new URL("../fixtures/vectors/rule-compiler.json", import.meta.url), "utf8")) as {
    cases: Vector[];
  }
).cases;

/** As a controller keeps a table: unknown rules gone, numbers within their fields. */
function kept(rules: readonly JsonValue[]): JsonObject[] {
  return rules.flatMap((rule) => {
    const read = ruleFromJson(rule);
    return read === null ? [] : [ruleToJson(read)];
  });
}

function keptDocument(config: {
  rules: readonly unknown[];
  capabilities: readonly object[];
  tags: readonly object[];
}): string {
  const capabilities = config.capabilities.map((one) => ({
    ...one,
    rules: kept((one as { rules: JsonValue[] }).rules),
  }));
  return formatJson({
    rules: kept(config.rules as JsonValue[]),
    capabilities,
    tags: config.tags as JsonValue[],
  } as JsonObject);
}

function compiled(source: string): Parameters<typeof keptDocument>[0] {
  const result = compileRules(source);
  assert.ok(
    result.ok,
    result.ok ? "" : `${result.error.line}:${result.error.column} ${result.error.message}\n${source}`,
  );
  return result.value.document.config;
}

describe("the rule sources of the talk", () => {
  for (const file of readdirSync(FIXTURES).filter((name) => name.endsWith(".rules"))) {
    test(`${file} compiles to what is written beside it`, () => {
      const source = readFileSync(new URL(file, FIXTURES), "utf8");
      const expected: unknown = JSON.parse(readFileSync(new URL(file.replace(".rules", ".json"), FIXTURES), "utf8"));
      const result = compileRules(source);
      assert.ok(result.ok);
      assert.deepEqual(JSON.parse(JSON.stringify(result.value.document)), expected);
    });
  }
});

describe("a decompiled source", () => {
  for (const { name, source, exit } of VECTORS) {
    if (exit !== 0) continue;
    test(`compiles back to the same: ${name}`, () => {
      // In strict mode: a few that the reference accepts by mistake are refused otherwise.
      const result = compileRules(source, { strict: true });
      assert.ok(result.ok);
      const document = JSON.parse(JSON.stringify(result.value.document)) as JsonObject;
      const decompiled = decompileRules(document);
      assert.ok(decompiled !== null);
      if (decompiled.omissions.length > 0) return assert.match(decompiled.omissions.join(), /./);
      assert.equal(keptDocument(compiled(decompiled.source)), keptDocument(result.value.document.config));
    });
  }

  test("of a random table that a controller keeps compiles back to it", () => {
    const u8 = fc.integer({ min: 0, max: 255 });
    const u16 = fc.integer({ min: 0, max: 65535 });
    const u32 = fc.integer({ min: 0, max: 0xffffffff });
    const flags = { not: fc.boolean(), or: fc.boolean() };
    const address = fc.integer({ min: 1, max: 0xfffffffffe }).map((value) => value.toString(16).padStart(10, "0"));
    const range = fc.tuple(u16, u16).map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) }));
    const match = fc.oneof(
      fc.record({ type: fc.constant("MATCH_ETHERTYPE"), etherType: u16, ...flags }),
      fc.record({ type: fc.constant("MATCH_IP_PROTOCOL"), ipProtocol: u8, ...flags }),
      fc.record({
        type: fc.constantFrom("MATCH_SOURCE_ZEROTIER_ADDRESS", "MATCH_DEST_ZEROTIER_ADDRESS"),
        zt: address,
        ...flags,
      }),
      fc
        .tuple(
          fc.constantFrom("MATCH_IP_SOURCE_PORT_RANGE", "MATCH_IP_DEST_PORT_RANGE", "MATCH_FRAME_SIZE_RANGE"),
          range,
          fc.record(flags),
        )
        .map(([type, ends, bits]) => ({ type, ...ends, ...bits })),
      fc.record({
        type: fc.constantFrom("MATCH_TAGS_EQUAL", "MATCH_TAGS_DIFFERENCE", "MATCH_TAG_SENDER"),
        id: u32,
        value: u32,
        ...flags,
      }),
      fc.record({ type: fc.constant("MATCH_ICMP"), icmpType: u8, icmpCode: fc.option(u8), ...flags }),
      fc.record({ type: fc.constant("MATCH_VLAN_ID"), vlanId: u16, ...flags }),
    );
    const action = fc.oneof(
      fc.record({ type: fc.constantFrom("ACTION_DROP", "ACTION_ACCEPT", "ACTION_BREAK") }),
      fc.record({ type: fc.constant("ACTION_TEE"), address, flags: fc.constant(0), length: u16 }),
      fc.record({ type: fc.constant("ACTION_REDIRECT"), address, flags: fc.constant(0) }),
    );
    const table = fc.array(fc.tuple(fc.array(match, { maxLength: 4 }), action), { maxLength: 8 });
    fc.assert(
      fc.property(table, (statements) => {
        const rules = kept(statements.flatMap(([matches, act]) => [...matches, act]) as JsonValue[]);
        const decompiled = decompileRules({ rules, capabilities: [], tags: [] });
        assert.ok(decompiled !== null);
        if (decompiled.omissions.length > 0) return;
        assert.equal(formatJson(kept(compiled(decompiled.source).rules as JsonValue[])), formatJson(rules));
      }),
      { seed: SEED, numRuns: 300 },
    );
  });
});
