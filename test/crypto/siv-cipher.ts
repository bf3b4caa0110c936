/** What every cipher of suite 3 must do, whatever it is made of. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { SivCipher } from "../../src/crypto/aes-engine.ts";
import { referenceSeal } from "../support/reference/aes-gmac-siv.ts";
import { noise } from "./vectors.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

/** Tests a cipher of suite 3 that `make` makes from its two keys. */
export function describeSivCipher(name: string, make: (k0: Uint8Array, k1: Uint8Array) => SivCipher): void {
  describe(name, () => {
    test("equals the construction from OpenSSL's whole modes, and opens what it sealed", () => {
      const body = fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 100 }),
        fc.uint8Array({ minLength: 1, maxLength: 2000 }),
      );
      fc.assert(
        fc.property(bytes(32), bytes(32), bytes(8), bytes(16), body, fc.nat(30), (k0, k1, id, ad, plaintext, start) => {
          const cipher = make(k0, k1);
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
      const cipher = make(noise(32, 1), noise(32, 2));
      for (const length of [0, 10024, 16384, 16385, 40000]) {
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
      const cipher = make(noise(32, 5), noise(32, 6));
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
      const cipher = make(k0, k1);
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
}
