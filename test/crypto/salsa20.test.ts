import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { salsa20 } from "@noble/ciphers/salsa.js";
import fc from "fast-check";
import { Salsa20Stream, salsa20Xor } from "../../src/crypto/salsa20.ts";
import { referenceSalsa20, referenceSalsa20Block } from "../support/reference/salsa20.ts";
import { hex, noise } from "./vectors.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

describe("salsa20Xor", () => {
  test("gives the published keystream of the eSTREAM 256-bit test, set 1, vector 0", () => {
    const key = hex(`80${"00".repeat(31)}`);
    const stream = new Uint8Array(64);
    salsa20Xor(key, new Uint8Array(8), 20, stream, 0, 64);
    assert.deepEqual(
      stream,
      hex(
        "e3be8fdd8beca2e3ea8ef9475b29a6e7003951e1097a5c38d23b7a5fad9f6844b22c97559e2723c7cbbd3fe4fc8d9a0744652a83e72a9c461876af4d7ef1a117",
      ),
    );
  });

  test("equals noble at 20 rounds for any key, nonce, length and position", () => {
    fc.assert(
      fc.property(bytes(32), bytes(8), fc.nat(300), fc.nat(40), fc.nat(9), (key, nonce, length, start, after) => {
        const buffer = noise(start + length + after, length);
        const expected = Uint8Array.from(buffer);
        expected.set(salsa20(key, nonce, buffer.subarray(start, start + length)), start);
        salsa20Xor(key, nonce, 20, buffer, start, start + length);
        assert.deepEqual(buffer, expected);
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  test("equals the specification at 12 rounds, from any block on", () => {
    fc.assert(
      fc.property(bytes(32), bytes(8), fc.nat(300), fc.nat(1000), (key, nonce, length, counter) => {
        const stream = new Uint8Array(length);
        salsa20Xor(key, nonce, 12, stream, 0, length, counter);
        assert.deepEqual(stream, referenceSalsa20(key, nonce, 12, length, counter));
      }),
      { seed: 2, numRuns: 200 },
    );
  });

  test("carries the block counter into its upper half", () => {
    const key = noise(32, 3);
    const nonce = noise(8, 4);
    const stream = new Uint8Array(128);
    salsa20Xor(key, nonce, 12, stream, 0, 128, 0xffffffff);
    assert.deepEqual(stream.subarray(0, 64), Uint8Array.from(referenceSalsa20Block(key, nonce, 12, 0xffffffffn)));
    assert.deepEqual(stream.subarray(64), Uint8Array.from(referenceSalsa20Block(key, nonce, 12, 0x100000000n)));
  });

  test("applied twice changes nothing", () => {
    const buffer = noise(1373, 5);
    salsa20Xor(noise(32, 6), noise(8, 7), 12, buffer, 27, 1373, 1);
    assert.notDeepEqual(buffer, noise(1373, 5));
    salsa20Xor(noise(32, 6), noise(8, 7), 12, buffer, 27, 1373, 1);
    assert.deepEqual(buffer, noise(1373, 5));
  });
});

test("the specification's form used as oracle is itself noble's Salsa20 at 20 rounds", () => {
  const key = noise(32, 8);
  const nonce = noise(8, 9);
  assert.deepEqual(
    Uint8Array.from(referenceSalsa20(key, nonce, 20, 1000)),
    Uint8Array.from(salsa20(key, nonce, new Uint8Array(1000))),
  );
});

test("a stream goes on where it stopped, in little-endian words", () => {
  const key = noise(32, 10);
  const nonce = noise(8, 11);
  const stream = new Salsa20Stream(key, nonce, 20);
  const words = new Int32Array(48);
  for (let at = 0; at < 48; at += 16) stream.next(words, at);
  const out = new DataView(new ArrayBuffer(192));
  for (const [i, word] of words.entries()) out.setInt32(4 * i, word, true);
  assert.deepEqual(new Uint8Array(out.buffer), Uint8Array.from(referenceSalsa20(key, nonce, 20, 192)));
});
