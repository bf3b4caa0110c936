import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { ExactNumber, formatJson, isJsonObject, type JsonValue } from "../../src/json/json.ts";
import { JsonSyntaxError, parseJson } from "../../src/json/json-parse.ts";

const SEED = 20261123;

describe("JSON text", () => {
  test("is compact, with keys sorted by their bytes", () => {
    assert.equal(formatJson({ b: 1, a: [true, null, "x"], B: {}, "": [] }), '{"":[],"B":{},"a":[true,null,"x"],"b":1}');
    assert.equal(
      formatJson({ "10": 1, "9": 2, "\u{10000}": 3, "\uffee": 4 }),
      '{"10":1,"9":2,"\uffee":4,"\u{10000}":3}',
    );
  });

  test("writes 64-bit integers and kept numbers in full, and leaves undefined fields out", () => {
    const value = { id: 0xffffffffffffffffn, kept: new ExactNumber("0.0"), nothing: undefined, huge: Number.NaN };
    assert.equal(formatJson(value), '{"huge":null,"id":18446744073709551615,"kept":0.0}');
  });

  test("is indented by one space per level when asked", () => {
    assert.equal(formatJson({ a: [1, {}], b: [] }, 1), '{\n "a": [\n  1,\n  {}\n ],\n "b": []\n}');
  });

  test("reads back as what it was written from, and agrees with JSON.parse", () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(0, 1), (text, indent) => {
        const value = parseJson(text);
        assert.deepEqual(JSON.parse(formatJson(value, indent)), JSON.parse(text));
      }),
      { seed: SEED },
    );
  });

  test("refuses whatever JSON.parse refuses, with an error of its own kind", () => {
    const mutated = fc.tuple(fc.json(), fc.nat(40), fc.constantFrom("", ",", "}", "]", '"', "\\", "e", "-", "0", "\n"));
    fc.assert(
      fc.property(mutated, ([json, at, put]) => {
        const text = json.slice(0, at) + put + json.slice(at + 1);
        let valid = true;
        try {
          JSON.parse(text);
        } catch {
          valid = false;
        }
        if (valid) parseJson(text);
        else assert.throws(() => parseJson(text), JsonSyntaxError);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  test("keeps numbers as written when asked", () => {
    const value = parseJson("[0.0,18446744073709551615,1e3,1.5,12,-0]", true);
    assert.equal(formatJson(value), "[0.0,18446744073709551615,1e3,1.5,12,-0]");
    assert.deepEqual(parseJson("[1.5,12]", true), [1.5, 12]);
  });

  test("takes __proto__ for a key like any other", () => {
    const value = parseJson('{"__proto__":{"polluted":true}}');
    assert.ok(isJsonObject(value));
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
    assert.equal(value["polluted"], undefined);
    assert.equal(formatJson(value as JsonValue), '{"__proto__":{"polluted":true}}');
  });

  test("is refused when it is nested without end", () => {
    assert.throws(() => parseJson("[".repeat(100_000)), /nested too deeply/);
  });

  test("names line and column of an error in the words that tools know", () => {
    const cases: [string, string][] = [
      ["not json", "line 1, column 2: syntax error while parsing value - invalid literal; last read: 'no'"],
      [
        "",
        "line 1, column 1: syntax error while parsing value - unexpected end of input; expected '[', '{', or a literal",
      ],
      ['{\n "a" 1}', "line 2, column 6: syntax error while parsing object separator - unexpected '1'; expected ':'"],
    ];
    for (const [text, message] of cases) {
      const expected = `[json.exception.parse_error.101] parse error at ${message}`;
      assert.throws(() => parseJson(text), { name: "JsonSyntaxError", message: expected });
    }
  });
});
