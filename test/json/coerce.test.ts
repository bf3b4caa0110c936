import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import { asBoolean, asInteger, asText } from "../../src/json/coerce.ts";
import { isJsonObject, type JsonValue } from "../../src/json/json.ts";
import { parseJson } from "../../src/json/json-parse.ts";

const SEED = 20261126;
const MAX = 18446744073709551615n;

/** The request bodies and answers of a recording of the reference's controller, numbers kept as written. */
function recordedExchanges(): { name: string; body: JsonValue; answer: JsonValue }[] {
  const file = new URL("../fixtures/vectors/api/controller-network.json", import.meta.url);
  const recording = JSON.parse(readFileSync(file, "utf8")) as {
    exchanges: { name: string; request: { body?: unknown }; response: { status: number; bodyText?: string } }[];
  };
  return recording.exchanges
    .filter(({ request, response }) => typeof request.body === "object" && response.status === 200)
    .map(({ name, request, response }) => ({
      name,
      body: parseJson(JSON.stringify(request.body), true),
      answer: parseJson(response.bodyText!, true),
    }));
}

describe("A JSON value where an integer is wanted", () => {
  const cases: [string, bigint][] = [
    ["0", 0n],
    ["-0", 0n],
    ["42", 42n],
    ["-1", MAX],
    ["1500.7", 1500n],
    ["-1.9", MAX],
    ["1e3", 1000n],
    ["18446744073709551615", MAX],
    ["-9223372036854775808", 1n << 63n],
    ["18446744073709551616", 0n],
    ["1e400", 0n],
    ['"1500"', 1500n],
    ['"12abc"', 12n],
    ['" +7"', 7n],
    ['"-1"', MAX],
    ['"99999999999999999999"', MAX],
    ['"-99999999999999999999"', MAX],
    ['"00000000000000000000042"', 42n],
    ['"1000000000000000000000000"', MAX],
    ["1000000000000000000000000", 0n],
    ['"-"', 0n],
    ['"abc"', 0n],
    ['"0x800"', 0n],
    ['""', 0n],
    ["true", 1n],
    ["false", 0n],
    ["null", 7n],
    ["[]", 7n],
    ["[1]", 7n],
    ["{}", 7n],
  ];
  for (const [text, expected] of cases) {
    test(`${text} gives ${expected} when the fallback is 7`, () => {
      assert.equal(asInteger(parseJson(text, true), 7n), expected);
    });
  }

  test("a bigint is taken as it is, and a missing value gives the fallback", () => {
    assert.equal(asInteger(MAX, 7n), MAX);
    assert.equal(asInteger(-1n, 7n), MAX);
    assert.equal(asInteger(undefined, 7n), 7n);
  });

  test("is always within 64 bits, and a safe integer is the same with and without exact numbers", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const value = asInteger(parseJson(text, true), 0n);
        assert.ok(value >= 0n && value <= MAX);
      }),
      { seed: SEED },
    );
    fc.assert(
      fc.property(fc.maxSafeInteger(), (number) => {
        assert.equal(asInteger(parseJson(String(number), true), 0n), asInteger(number, 0n));
      }),
      { seed: SEED },
    );
  });
});

describe("A JSON value where a boolean is wanted", () => {
  const cases: [string, boolean | "fallback"][] = [
    ["true", true],
    ["false", false],
    ["1", true],
    ["0", false],
    ["0.0", false],
    ["0.5", false],
    ["-1", true],
    ["18446744073709551615", true],
    ['"true"', true],
    ['"T"', true],
    ['"1"', true],
    ['"0"', false],
    ['"false"', false],
    ['"yes"', false],
    ['""', false],
    ["null", "fallback"],
    ["[]", "fallback"],
    ["{}", "fallback"],
  ];
  for (const [text, expected] of cases) {
    test(`${text} gives ${expected}`, () => {
      for (const fallback of [true, false]) {
        assert.equal(asBoolean(parseJson(text, true), fallback), expected === "fallback" ? fallback : expected);
      }
    });
  }

  test("a missing value gives the fallback", () => {
    assert.equal(asBoolean(undefined, true), true);
    assert.equal(asBoolean(undefined, false), false);
  });
});

describe("A JSON value where a text is wanted", () => {
  const cases: [string, string][] = [
    ['"lab"', "lab"],
    ['""', ""],
    ["42", "42"],
    ["-1", "18446744073709551615"],
    ["18446744073709551615", "18446744073709551615"],
    ["1.9", "1"],
    ["true", "1"],
    ["false", "0"],
    ["null", "fallback"],
    ["[]", "fallback"],
    ["{}", "fallback"],
  ];
  for (const [text, expected] of cases) {
    test(`${text} gives "${expected}"`, () => {
      assert.equal(asText(parseJson(text, true), "fallback"), expected);
    });
  }

  test("a missing value gives the fallback", () => assert.equal(asText(undefined, "fallback"), "fallback"));
});

describe("The recorded controller", () => {
  // Each field with the type that it wants and its fallback (controller.md §3); the mtu's bounds are the controller's.
  const fields: Record<string, (value: JsonValue | undefined) => JsonValue> = {
    name: (value) => asText(value, ""),
    private: (value) => asBoolean(value, true),
    enableBroadcast: (value) => asBoolean(value, false),
    multicastLimit: (value) => asInteger(value, 32n),
    mtu: (value) => {
      const mtu = Number(BigInt.asUintN(32, asInteger(value, 2800n)));
      return BigInt(Math.min(10000, Math.max(1280, mtu)));
    },
  };

  test("reads every loosely typed field of a network as these functions do", () => {
    let compared = 0;
    for (const { name, body, answer } of recordedExchanges()) {
      if (!isJsonObject(body) || !isJsonObject(answer)) continue;
      for (const [field, read] of Object.entries(fields)) {
        if (body[field] === undefined) continue;
        const expected: JsonValue | undefined = answer[field];
        const wanted: JsonValue =
          typeof expected === "string" || typeof expected === "boolean" ? expected : asInteger(expected, -1n);
        assert.equal(read(body[field]), wanted, `${name}: ${field}`);
        compared++;
      }
    }
    assert.ok(compared >= 17, `only ${compared} fields were compared`);
  });
});
