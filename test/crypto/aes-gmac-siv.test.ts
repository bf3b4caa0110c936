import assert from "node:assert/strict";
import { test } from "node:test";
import { AesGmacSiv } from "../../src/crypto/aes-gmac-siv.ts";
import { GHASH_TABLE_WORDS, ghash, prepareGhash } from "../../src/crypto/ghash.ts";
import { describeSivCipher } from "./siv-cipher.ts";
import { hex, noise } from "./vectors.ts";

test("ghash is the field multiplication of the GCM specification", () => {
  // H and first ciphertext block of the specification's test case 2, then others.
  const cases = [[hex("66e94bd4ef8a2c3b884cfa59ca342b2e"), hex("0388dace60b6a392f328c2b971b2fe78")] as const];
  for (let seed = 1; seed < 20; seed++) cases.push([noise(16, seed), noise(16, seed + 100)]);
  for (const [h, block] of cases) {
    const table = new Int32Array(GHASH_TABLE_WORDS);
    prepareGhash(table, h);
    const out = new Uint8Array(16);
    ghash(table, block, new Uint8Array(0), 0, 0, out);
    assert.equal(Buffer.from(out).toString("hex"), slowGhash(h, block));
  }
});

/** GHASH of one block of associated data by the definition: bit by bit, in 128-bit integers. */
function slowGhash(h: Uint8Array, block: Uint8Array): string {
  const number = (value: Uint8Array) => BigInt(`0x${Buffer.from(value).toString("hex")}`);
  const multiply = (x: bigint, y: bigint): bigint => {
    let z = 0n;
    let v = y;
    for (let bit = 127n; bit >= 0n; bit--) {
      if ((x >> bit) & 1n) z ^= v;
      v = v & 1n ? (v >> 1n) ^ (0xe1n << 120n) : v >> 1n;
    }
    return z;
  };
  const key = number(h);
  const lengths = 128n << 64n;
  return multiply(multiply(number(block), key) ^ lengths, key)
    .toString(16)
    .padStart(32, "0");
}

describeSivCipher("AesGmacSiv", (k0, k1) => new AesGmacSiv(k0, k1));
