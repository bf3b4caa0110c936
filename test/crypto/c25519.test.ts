import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { x25519 } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import { agree, constantTimeEqual, publicFromSecret, sign, verify } from "../../src/crypto/c25519.ts";
import { sha512 } from "../../src/crypto/kdf.ts";
import { hex, identityVector, identityVectors, noise, publicKeyOf, secretKeyOf, signatureVectors } from "./vectors.ts";

describe("agreement", () => {
  test("gives the known key for all 66 pairs, from both sides", () => {
    assert.equal(identityVectors.agreements.length, 66);
    for (const { a, b, shared_key_48 } of identityVectors.agreements) {
      const [left, right] = [identityVector(a), identityVector(b)];
      assert.deepEqual(agree(secretKeyOf(left), publicKeyOf(right)), hex(shared_key_48), `${a} with ${b}`);
      assert.deepEqual(agree(secretKeyOf(right), publicKeyOf(left)), hex(shared_key_48), `${b} with ${a}`);
    }
  });

  test("equals noble's X25519 for any keys, clamped or not", () => {
    const key = fc.uint8Array({ minLength: 64, maxLength: 64 });
    fc.assert(
      fc.property(key, key, (secret, publicKey) => {
        const raw = x25519.getSharedSecret(secret.subarray(0, 32), publicKey.subarray(0, 32));
        assert.deepEqual(agree(secret, publicKey), Uint8Array.from(sha512(raw).subarray(0, 48)));
      }),
      { seed: 1, numRuns: 30 },
    );
  });

  const zeroAgreement = Uint8Array.from(sha512(new Uint8Array(32)).subarray(0, 48));
  const lowOrderPoints = [
    "00".repeat(32),
    `01${"00".repeat(31)}`,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    `ec${"ff".repeat(30)}7f`,
    `ed${"ff".repeat(30)}7f`,
    `ee${"ff".repeat(30)}7f`,
  ];
  for (const point of lowOrderPoints) {
    test(`does not refuse the low-order point ${point.slice(0, 8)}…, whatever its top bit`, () => {
      const publicKey = hex(point + "11".repeat(32));
      assert.deepEqual(agree(noise(64, 1), publicKey), zeroAgreement);
      publicKey[31]! |= 0x80;
      assert.deepEqual(agree(noise(64, 1), publicKey), zeroAgreement);
    });
  }

  test("does not take points near the low-order ones for them", () => {
    for (const point of [`02${"00".repeat(31)}`, `ef${"ff".repeat(30)}7f`, `eb${"ff".repeat(30)}7f`]) {
      assert.notDeepEqual(agree(noise(64, 1), hex(point + "11".repeat(32))), zeroAgreement, point);
    }
  });

  test("public keys follow from secret keys", () => {
    for (const vector of identityVectors.valid) {
      assert.deepEqual(publicFromSecret(secretKeyOf(vector)), publicKeyOf(vector), vector.name);
    }
  });
});

describe("signatures", () => {
  /** Where we are stricter than the reference, and why that is safe. */
  const refusedByUs = new Set([
    // Honest signers never emit S + L; RFC 8032 §5.1.7 demands refusal (vl1-identity-crypto.md §1).
    "non-canonical S (S+L): the reference reduces S and ACCEPTS",
  ]);

  for (const vector of signatureVectors) {
    const signer = identityVector(vector.signer);
    const message = hex(vector.message);
    const signature = hex(vector.signature);
    const expected = vector.valid && !refusedByUs.has(vector.name);

    test(`${expected ? "accepts" : "refuses"} ${vector.name}`, () => {
      assert.equal(verify(publicKeyOf(signer), message, signature), expected);
    });
    if (vector.sha512 !== undefined) {
      test(`signs ${vector.name} to the byte`, () => {
        assert.deepEqual(Uint8Array.from(sha512(message)), hex(vector.sha512 ?? ""));
        assert.deepEqual(sign(secretKeyOf(signer), publicKeyOf(signer), message), signature);
      });
    }
  }

  test("a flipped bit anywhere in a signature is refused", () => {
    const signer = identityVector("id1");
    const message = noise(40, 2);
    const signature = sign(secretKeyOf(signer), publicKeyOf(signer), message);
    for (let i = 0; i < signature.length; i++) {
      const damaged = Uint8Array.from(signature);
      damaged[i]! ^= 1 << (i & 7);
      assert.equal(verify(publicKeyOf(signer), message, damaged), false, `byte ${i}`);
    }
  });

  test("any other length is refused, and so is a key that is no point", () => {
    const publicKey = publicKeyOf(identityVector("id1"));
    for (const length of [0, 32, 63, 64, 95, 97, 1000]) {
      assert.equal(verify(publicKey, new Uint8Array(3), new Uint8Array(length)), false, `${length} bytes`);
    }
    const signature = sign(noise(64, 3), publicKey, new Uint8Array(3));
    for (const fill of [0x00, 0x02, 0xff]) {
      assert.equal(verify(new Uint8Array(64).fill(fill), new Uint8Array(3), signature), false, `key of ${fill}`);
    }
  });
});

test("constantTimeEqual compares content and length", () => {
  assert.equal(constantTimeEqual(Uint8Array.of(1, 2, 3), Uint8Array.of(1, 2, 3)), true);
  assert.equal(constantTimeEqual(Uint8Array.of(1, 2, 3), Uint8Array.of(1, 2, 2)), false);
  assert.equal(constantTimeEqual(Uint8Array.of(0x81, 2), Uint8Array.of(1, 2)), false);
  assert.equal(constantTimeEqual(Uint8Array.of(1, 2), Uint8Array.of(1, 2, 3)), false);
  assert.equal(constantTimeEqual(new Uint8Array(0), new Uint8Array(0)), true);
});
