import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { AesGmacSiv } from "../../src/crypto/aes-gmac-siv.ts";
import { GHASH_TABLE_WORDS, ghash, prepareGhash } from "../../src/crypto/ghash.ts";
import { referenceSeal } from "../support/reference/aes-gmac-siv.ts";
import { hex, noise } from "./vectors.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

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

describe("AesGmacSiv", () => {
  test("equals the construction from OpenSSL's whole modes, and opens what it sealed", () => {
    const body = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 100 }),
      fc.uint8Array({ minLength: 1, maxLength: 2000 }),
    );
    fc.assert(
      fc.property(bytes(32), bytes(32), bytes(8), bytes(16), body, fc.nat(30), (k0, k1, id, ad, plaintext, start) => {
        const cipher = new AesGmacSiv(k0, k1);
        const expected = referenceSeal(k0, k1, id, ad, plaintext);
        const end = start + plaintext.length;
        const buffer = new Uint8Array(end + 3).fill(0x55);
        buffer.set(plaintext, start);
        const siv = new Uint8Array(16);
        cipher.seal(id, ad, buffer, start, end, siv);
        assert.deepEqual(siv, Uint8Array.from(expected.siv));
        assert.deepEqual(buffer.slice(start, end), Uint8Array.from(expected.ciphertext));
        assert.deepEqual(buffer.slice(end), new Uint8Array(3).fill(0x55));
        assert.deepEqual(buffer.slice(0, start), new Uint8Array(start).fill(0x55));
        assert.equal(cipher.open(siv, ad, buffer, start, end), true);
        assert.deepEqual(buffer.slice(start, end), plaintext);
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  test("works on an empty body and on one larger than any packet", () => {
    const cipher = new AesGmacSiv(noise(32, 1), noise(32, 2));
    for (const length of [0, 10024, 40000]) {
      const body = noise(length, length);
      const expected = referenceSeal(noise(32, 1), noise(32, 2), noise(8, 3), noise(16, 4), body);
      const siv = new Uint8Array(16);
      cipher.seal(noise(8, 3), noise(16, 4), body, 0, length, siv);
      assert.deepEqual(siv, Uint8Array.from(expected.siv));
      assert.deepEqual(body, Uint8Array.from(expected.ciphertext));
      assert.equal(cipher.open(siv, noise(16, 4), body, 0, length), true);
      assert.deepEqual(body, noise(length, length));
    }
  });

  test("refuses a flipped bit in vector, associated data or body, and leaves the body as it came", () => {
    const cipher = new AesGmacSiv(noise(32, 5), noise(32, 6));
    const body = noise(50, 7);
    const siv = new Uint8Array(16);
    const ad = noise(16, 8);
    cipher.seal(noise(8, 9), ad, body, 0, 50, siv);
    for (const part of [siv, ad, body]) {
      for (let bit = 0; bit < part.length * 8; bit++) {
        part[bit >> 3]! ^= 1 << (bit & 7);
        const before = Uint8Array.from(body);
        assert.equal(cipher.open(siv, ad, body, 0, 50), false, `bit ${bit}`);
        assert.deepEqual(body, before);
        part[bit >> 3]! ^= 1 << (bit & 7);
      }
    }
    assert.equal(cipher.open(siv, ad, body, 0, 50), true);
    assert.deepEqual(body, noise(50, 7));
  });

  test("keeps its keys although the caller's arrays change", () => {
    const [k0, k1] = [noise(32, 1), noise(32, 2)];
    const cipher = new AesGmacSiv(k0, k1);
    k0.fill(0);
    k1.fill(0);
    const body = noise(20, 3);
    const siv = new Uint8Array(16);
    cipher.seal(noise(8, 4), noise(16, 5), body, 0, 20, siv);
    const expected = referenceSeal(noise(32, 1), noise(32, 2), noise(8, 4), noise(16, 5), noise(20, 3));
    assert.deepEqual(siv, Uint8Array.from(expected.siv));
    assert.equal(cipher.open(siv, noise(16, 5), body, 0, 20), true);
  });
});
