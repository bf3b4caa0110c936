import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { publicFromSecret } from "../../src/crypto/c25519.ts";
import { memoryHardHash } from "../../src/crypto/memory-hard-hash.ts";
import { generateIdentity, validateIdentity } from "../../src/identity/generate.ts";
import { Identity, parseIdentity } from "../../src/identity/identity.ts";
import { hashVectors, hex, identityVector, noise } from "../crypto/vectors.ts";

describe("generateIdentity", () => {
  const identity = generateIdentity((into) => into.set(noise(into.length, 1)));

  test("makes an identity that validates and whose keys belong together", () => {
    assert.equal(validateIdentity(identity), true);
    assert.ok(identity.secretKey !== null);
    assert.deepEqual(publicFromSecret(identity.secretKey), identity.publicKey);
    assert.ok(memoryHardHash(identity.publicKey)[0]! < 17);
    const message = noise(10, 2);
    assert.equal(identity.publicOnly().verify(message, identity.sign(message)), true);
  });

  test("asks once for 64 bytes and keeps all of them but the varied middle of the agreement secret", () => {
    const asked: number[] = [];
    const again = generateIdentity((into) => {
      asked.push(into.length);
      into.set(noise(into.length, 1));
    });
    assert.deepEqual(asked, [64]);
    assert.ok(again.equals(identity));
    assert.deepEqual(again.secretKey, identity.secretKey);
    assert.deepEqual(again.secretKey?.subarray(0, 8), noise(64, 1).subarray(0, 8));
    assert.deepEqual(again.secretKey?.subarray(16), noise(64, 1).subarray(16));
  });

  test("gives another identity for other bytes", () => {
    assert.ok(!generateIdentity((into) => into.set(noise(into.length, 3))).equals(identity));
  });
});

describe("validateIdentity", () => {
  const { address, publicKey } = parseIdentity(identityVector("id1").public) ?? assert.fail();

  test("accepts a known identity", () => assert.equal(validateIdentity(new Identity(address, publicKey)), true));

  test("refuses another address, a reserved one, and a change in either key half", () => {
    assert.equal(validateIdentity(new Identity(address - 1, publicKey)), false);
    assert.equal(validateIdentity(new Identity(0, publicKey)), false);
    assert.equal(validateIdentity(new Identity(0xff00000000 + (address % 0x100000000), publicKey)), false);
    for (const at of [5, 40]) {
      const other = Uint8Array.from(publicKey);
      other[at]! ^= 4;
      assert.equal(validateIdentity(new Identity(address, other)), false);
    }
  });

  test("refuses the right address of a key that fails the proof of work", () => {
    const failing = hashVectors.find(({ hashcash_ok }) => !hashcash_ok) ?? assert.fail();
    const identity = new Identity(Number.parseInt(failing.address, 16), hex(failing.public_key));
    assert.equal(validateIdentity(identity), false);
  });
});
