import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { equalRanges } from "../../src/crypto/constant-time.ts";

describe("equalRanges", () => {
  test("compares ranges inside larger arrays", () => {
    const a = Uint8Array.of(9, 1, 2, 3, 9);
    const b = Uint8Array.of(1, 2, 3, 8);
    assert.equal(equalRanges(a, 1, b, 0, 3), true);
    assert.equal(equalRanges(a, 1, b, 0, 4), false);
    assert.equal(equalRanges(a, 0, b, 0, 3), false);
    assert.equal(equalRanges(a, 0, b, 3, 0), true);
  });

  test("sees every single bit", () => {
    for (let bit = 0; bit < 64; bit++) {
      const a = new Uint8Array(8);
      a[bit >> 3] = 1 << (bit & 7);
      assert.equal(equalRanges(a, 0, new Uint8Array(8), 0, 8), false, `bit ${bit}`);
    }
  });

  test("has no way out of its loop before the end", () => {
    const source = equalRanges.toString();
    const loop = source.slice(source.indexOf("for"), source.lastIndexOf("return"));
    assert.doesNotMatch(loop, /\b(return|break|if)\b|\?/);
  });
});

describe("whoever checks a MAC", () => {
  for (const file of ["protocol/armor.ts", "crypto/aes-gmac-siv.ts", "crypto/c25519.ts"]) {
    test(`${file} compares in constant time only`, () => {
      const source = readFileSync(new URL(`../../src/${file}`, import.meta.url), "utf8");
      assert.match(source, /equalRanges\(/);
      assert.doesNotMatch(source, /bytesEqual|Buffer\.compare|\.equals\(/);
    });
  }
});
