import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { poly1305 as noblePoly1305 } from "@noble/ciphers/_poly1305.js";
import fc from "fast-check";
import { plainSalsaPoly, salsaPoly, startSalsaPoly } from "../../src/crypto/salsa-poly.ts";
import { referenceSalsa20, referenceSalsa20Block } from "../support/reference/salsa20.ts";
import { noise } from "./vectors.ts";

const KERNEL_CAPACITY = 16384;
const wasmSalsaPoly = startSalsaPoly() ?? assert.fail("the WebAssembly kernel does not run here");
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

/** A buffer with 9 bytes before and after `body`, and where it lies in it. */
function framed(body: Uint8Array): { buffer: Uint8Array; start: number; end: number } {
  const buffer = new Uint8Array(body.length + 18).fill(0x55);
  buffer.set(body, 9);
  return { buffer, start: 9, end: 9 + body.length };
}

/** The tag and the encrypted body from the specification's Salsa20 and noble's Poly1305. */
function expectedOf(key: Uint8Array, nonce: Uint8Array, body: Uint8Array) {
  const oneTimeKey = Uint8Array.from(referenceSalsa20Block(key, nonce, 12, 0)).subarray(0, 32);
  const stream = referenceSalsa20(key, nonce, 12, body.length, 1);
  const sealed = body.map((byte, i) => byte ^ stream[i]!);
  const tagOf = (message: Uint8Array) => Uint8Array.from(noblePoly1305(message, oneTimeKey));
  return { sealed, tag: tagOf(sealed), plainTag: tagOf(body) };
}

for (const [how, cipher] of [
  ["in TypeScript", plainSalsaPoly],
  ["in WebAssembly", wasmSalsaPoly],
] as const) {
  describe(`Salsa20/12 with Poly1305 ${how}`, () => {
    const check = (key: Uint8Array, nonce: Uint8Array, body: Uint8Array) => {
      const expected = expectedOf(key, nonce, body);
      const whole = framed(expected.sealed).buffer;
      const { buffer, start, end } = framed(body);
      const tag = new Uint8Array(16);
      cipher.authenticate(key, nonce, buffer, start, end, tag);
      assert.deepEqual(tag, expected.plainTag);
      assert.deepEqual(buffer, framed(body).buffer);
      cipher.seal(key, nonce, buffer, start, end, tag);
      assert.deepEqual(tag, expected.tag);
      assert.deepEqual(buffer, whole);
      const packet = Uint8Array.of(7, 7, 7, ...tag);
      assert.equal(cipher.open(key, nonce, buffer, start, end, packet, 3), true);
      assert.deepEqual(buffer, framed(body).buffer);
    };

    test("is the specification's cipher and authenticator, whatever key, nonce and body", () => {
      fc.assert(fc.property(bytes(32), bytes(8), fc.uint8Array({ maxLength: 700 }), check), { seed: 1, numRuns: 200 });
    });

    test("works on bodies of every length up to beyond two groups of blocks", () => {
      for (let length = 0; length <= 530; length++) check(noise(32, length), noise(8, length + 1), noise(length, 3));
    });

    test("works on bodies as long as the kernel has room for, and longer", () => {
      for (const length of [10_000, KERNEL_CAPACITY - 1, KERNEL_CAPACITY, KERNEL_CAPACITY + 1, 40_000]) {
        check(noise(32, 1), noise(8, 2), noise(length, 3));
      }
    });

    test("refuses a flipped bit in body or MAC, and leaves the body as it came", () => {
      const [key, nonce, body] = [noise(32, 1), noise(8, 2), noise(90, 3)];
      const tag = new Uint8Array(16);
      cipher.seal(key, nonce, body, 0, 90, tag);
      for (const part of [body, tag.subarray(0, 8)]) {
        for (let bit = 0; bit < part.length * 8; bit++) {
          part[bit >> 3]! ^= 1 << (bit & 7);
          const before = Uint8Array.from(body);
          assert.equal(cipher.open(key, nonce, body, 0, 90, tag, 0), false, `bit ${bit}`);
          assert.deepEqual(body, before);
          part[bit >> 3]! ^= 1 << (bit & 7);
        }
      }
      assert.equal(cipher.open(key, nonce, body, 0, 90, tag, 0), true);
      assert.deepEqual(body, noise(90, 3));
    });

    test("compares no more of the tag than a packet carries", () => {
      const [key, nonce, body] = [noise(32, 4), noise(8, 5), noise(40, 6)];
      const tag = new Uint8Array(16);
      cipher.seal(key, nonce, body, 0, 40, tag);
      tag.fill(0, 8);
      assert.equal(cipher.open(key, nonce, body, 0, 40, tag, 0), true);
    });
  });
}

test("the same object seals every packet", () => {
  assert.equal(salsaPoly(), salsaPoly());
});
