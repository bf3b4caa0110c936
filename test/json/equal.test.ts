import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ExactNumber, equalJson, formatJson, type JsonValue } from "../../src/json/json.ts";

const VALUES: readonly JsonValue[] = [
  null,
  true,
  false,
  0,
  -0,
  1,
  1n,
  1.5,
  Number.NaN,
  new ExactNumber("1"),
  new ExactNumber("1.50"),
  "",
  "1",
  "null",
  [],
  [1],
  [1n],
  [[1]],
  [null],
  {},
  { a: undefined },
  { a: 1 },
  { a: 1n },
  { a: 1, b: undefined },
  { b: 1 },
  { a: null },
  { a: { b: [1, { c: "x" }] } },
  { a: { b: [1, { c: "y" }] } },
  JSON.parse('{"__proto__":1}') as JsonValue,
  { "\u{1f600}": 1, "\uffee": 2 },
];

describe("JSON values", () => {
  test("are equal just when their texts are", () => {
    for (const a of VALUES) {
      for (const b of VALUES) {
        assert.equal(equalJson(a, b), formatJson(a) === formatJson(b), `${formatJson(a)} and ${formatJson(b)}`);
      }
    }
    assert.equal(equalJson(undefined, null), false);
  });

  test("are written with keys in the order of their bytes", () => {
    assert.equal(
      formatJson({ "\u{1f600}": 1, "\uffee": 2, b: 3, a: 4, "\u00e9": 5 }),
      '{"a":4,"b":3,"\u00e9":5,"\uffee":2,"\u{1f600}":1}',
    );
  });
});
