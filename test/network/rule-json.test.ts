import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { JsonTypeError, requireText } from "../../src/json/coerce.ts";
import { formatJson, isJsonObject, type JsonValue } from "../../src/json/json.ts";
import { parseJson } from "../../src/json/json-parse.ts";
import { decodeRules, encodeRules } from "../../src/network/rules/codec.ts";
import { ruleFromJson, ruleToJson } from "../../src/network/rules/json.ts";
import { MAX_NETWORK_RULES, type Rule } from "../../src/network/rules/rule.ts";
import { fixtureText } from "../protocol/fixtures.ts";
import { anyRule } from "./vector-rules.ts";

const SEED = 20261126;

interface Exchange {
  readonly name: string;
  readonly request: { readonly body: unknown };
  readonly response: { readonly status: number; readonly bodyText: string };
}
const recording = JSON.parse(fixtureText("vectors/api/controller-rules.json")) as { exchanges: Exchange[] };

/** The `rules` of an object in JSON text, numbers kept as they are written. */
function rulesOf(text: string): readonly JsonValue[] | null {
  const value = parseJson(text, true);
  const rules = isJsonObject(value) ? value["rules"] : undefined;
  return Array.isArray(rules) ? rules : null;
}

function readAndRender(items: readonly JsonValue[]): string {
  const rules = items.map(ruleFromJson).filter((rule) => rule !== null);
  return formatJson(rules.map(ruleToJson));
}

/** The rendered form of one item, or null if it is dropped. */
function rendered(item: JsonValue): string | null {
  const rule = ruleFromJson(item);
  return rule === null ? null : formatJson(ruleToJson(rule));
}

describe("Rules in the controller's JSON", () => {
  for (const { name, request, response } of recording.exchanges) {
    const items = typeof request.body === "object" ? rulesOf(JSON.stringify(request.body)) : null;
    if (items === null) continue;
    if (response.status === 200) {
      test(`"${name}" come out as the reference's controller stored them`, () => {
        assert.equal(readAndRender(items), formatJson(rulesOf(response.bodyText)!));
      });
    } else {
      test(`"${name}" fail with the recorded message`, () => {
        assert.throws(() => readAndRender(items), {
          name: "JsonTypeError",
          message: "[json.exception.type_error.302] type must be string, but is null",
        });
      });
    }
  }

  test("the recording has ten lists of rules to compare, one of which fails", () => {
    const lists = recording.exchanges.filter(({ request }) => typeof request.body === "object");
    assert.equal(lists.length, 10);
    assert.equal(lists.filter(({ response }) => response.status === 500).length, 1);
  });

  test("a mask that is neither number nor text says what it is", () => {
    const said = (value: JsonValue) => {
      try {
        ruleFromJson({ type: "MATCH_CHARACTERISTICS", mask: value });
        return "nothing";
      } catch (error) {
        assert.ok(error instanceof JsonTypeError);
        return error.message.replace(/.*but is /, "");
      }
    };
    assert.deepEqual([null, true, [], {}].map(said), ["null", "boolean", "array", "object"]);
    assert.deepEqual([1, 1n, "1"].map(said), ["nothing", "nothing", "nothing"]);
    assert.throws(() => requireText(5), /but is number$/);
    assert.equal(requireText("x"), "x");
  });

  test("numbers of 64 bits keep every bit of a mask", () => {
    const rule = ruleFromJson(parseJson('{"type":"MATCH_CHARACTERISTICS","mask":18446744073709551614}', true));
    assert.deepEqual(rule, {
      type: "MATCH_CHARACTERISTICS",
      not: false,
      or: false,
      maskHigh: 0xffffffff,
      maskLow: 0xfffffffe,
    });
  });

  test("odd spellings are read as the reference reads them", () => {
    const cases: [JsonValue, string][] = [
      [{ type: "MATCH_SOURCE_ZEROTIER_ADDRESS", zt: "0x12zz" }, '"zt":"0000000012"'],
      [{ type: "MATCH_SOURCE_ZEROTIER_ADDRESS", zt: "-1" }, '"zt":"ffffffffff"'],
      [{ type: "MATCH_SOURCE_ZEROTIER_ADDRESS", zt: "123456789012345678901" }, '"zt":"ffffffffff"'],
      [{ type: "MATCH_SOURCE_ZEROTIER_ADDRESS", zt: 12 }, '"zt":"0000000012"'],
      [{ type: "MATCH_MAC_SOURCE", mac: "aa:bb:cc:dd:ee:ff:11" }, '"mac":"aa:bb:cc:dd:ee:ff"'],
      [{ type: "MATCH_IPV4_SOURCE", ip: "999.1.1.1/8" }, '"ip":"0.0.0.0/8"'],
      [{ type: "MATCH_IPV4_SOURCE", ip: "fd00::1/20" }, '"ip":"0.0.0.0/20"'],
      [{ type: "MATCH_IPV4_SOURCE", ip: "nonsense/8" }, '"ip":"0.0.0.0/0"'],
      [{ type: "MATCH_IPV6_SOURCE", ip: "10.0.0.1/8" }, '"ip":"::/8"'],
      [{ type: "MATCH_IPV6_SOURCE", ip: "fd00::/300" }, '"ip":"fd00::/44"'],
      [{ type: "MATCH_IPV6_SOURCE", ip: "fd00::/99999999999999999999999" }, '"ip":"fd00::/128"'],
      [{ type: "MATCH_ICMP", icmpType: 8, icmpCode: [] }, '"icmpCode":0'],
      [{ type: "MATCH_ICMP", icmpType: "8", icmpCode: "300" }, '"icmpCode":44'],
      [{ type: "MATCH_VLAN_ID", vlanId: true, not: 1, or: "t" }, '"not":true,"or":true'],
    ];
    for (const [item, part] of cases) assert.ok(rendered(item)?.includes(part), `${rendered(item)} has no ${part}`);
  });

  test("what is no rule is dropped", () => {
    for (const item of [null, 5, "ACTION_DROP", [], {}, { type: "action_drop" }, { type: "ACTION_PRIORITY" }]) {
      assert.equal(ruleFromJson(item), null);
    }
    assert.equal(ruleFromJson({ type: "UNKNOWN", code: 60 }), null);
  });

  test("types that the controller does not take are rendered all the same", () => {
    const flags = { not: false, or: true };
    const range: Rule = {
      type: "MATCH_INTEGER_RANGE",
      ...flags,
      start: 16n,
      end: 31n,
      idx: 20,
      bits: 16,
      little: true,
    };
    const rules: [Rule, string][] = [
      [
        range,
        '{"bits":16,"end":"000000000000001f","idx":20,"little":true,"not":false,"or":true,' +
          '"start":"0000000000000010","type":"INTEGER_RANGE"}',
      ],
      [{ type: "ACTION_PRIORITY", ...flags, bucket: 3 }, '{"qosBucket":3,"type":"ACTION_PRIORITY"}'],
      [
        { type: "UNKNOWN", ...flags, code: 60, bytes: new Uint8Array([1, 255]) },
        '{"bytes":"01ff","code":60,"not":false,"or":true,"type":"UNKNOWN"}',
      ],
    ];
    for (const [rule, text] of rules) assert.equal(formatJson(ruleToJson(rule)), text);
  });

  test("any rule but those, rendered and read again, is the same to whoever evaluates it", () => {
    const lossy = new Set(["ACTION_PRIORITY", "MATCH_INTEGER_RANGE", "UNKNOWN"]);
    fc.assert(
      fc.property(anyRule, (rule) => {
        const text = formatJson(ruleToJson(rule));
        const again = ruleFromJson(parseJson(text, true));
        if (lossy.has(rule.type)) return assert.equal(again, null);
        assert.ok(again !== null);
        const once = formatJson(ruleToJson(again));
        // A prefix longer than the address is cut when it is read; nothing else changes.
        if (!rule.type.startsWith("MATCH_IPV")) assert.equal(once, text);
        assert.equal(formatJson(ruleToJson(ruleFromJson(parseJson(once, true))!)), once);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  test("no JSON object makes the reader throw anything but a type error, and what it takes has a wire form", () => {
    const types = fc.constantFrom(...Object.keys(recordedTypes));
    const values = fc.dictionary(
      fc.constantFrom("zt", "ip", "mac", "mask", "start", "end", "id", "address"),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(types, values, (type, fields) => {
        let rule: Rule | null = null;
        try {
          rule = ruleFromJson(parseJson(JSON.stringify({ ...fields, type }), true));
        } catch (error) {
          assert.ok(error instanceof JsonTypeError);
          return;
        }
        if (rule === null) return;
        const decoded = decodeRules(encodeRules([rule]), MAX_NETWORK_RULES);
        assert.deepEqual(decoded, { ok: true, value: [rule] });
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });
});

/** The types that occur in the recorded requests. */
const recordedTypes: Readonly<Record<string, true>> = Object.fromEntries(
  recording.exchanges
    .flatMap(({ request }) => (typeof request.body === "object" ? rulesOf(JSON.stringify(request.body))! : []))
    .map((item) => [String(isJsonObject(item) ? item["type"] : ""), true]),
);
