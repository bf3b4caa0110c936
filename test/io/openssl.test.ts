/** The OpenSSL of this process, where koffi is installed and the process exports its symbols. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { createSivCipher, useAesEngine } from "../../src/crypto/aes-engine.ts";
import { loadOpensslAes } from "../../src/io/linux/openssl.ts";
import { describeSivCipher } from "../crypto/siv-cipher.ts";
import { noise } from "../crypto/vectors.ts";
import { referenceSeal } from "../support/reference/aes-gmac-siv.ts";

const engine = loadOpensslAes();
after(() => useAesEngine(null));

if (engine === null) {
  test("AES in the process's OpenSSL", (t) => t.skip("NOT CHECKED: no koffi here, or this Node exports no OpenSSL"));
} else {
  describeSivCipher("AES-GMAC-SIV in the process's OpenSSL", (k0, k1) => {
    useAesEngine(engine);
    return createSivCipher(k0, k1);
  });

  describe("AES in the process's OpenSSL", () => {
    test("is loaded once", () => assert.equal(loadOpensslAes(), engine));

    test("serves more keys than it has slots for", () => {
      useAesEngine(engine);
      const seeds = Array.from({ length: engine.slots + 50 }, (_, i) => i + 1);
      const ciphers = seeds.map((seed) => createSivCipher(noise(32, seed), noise(32, -seed)));
      for (let round = 0; round < 2; round++) {
        for (const [i, seed] of seeds.entries()) {
          const body = noise(60, seed);
          const siv = new Uint8Array(16);
          ciphers[i]!.seal(noise(8, 1), noise(16, 2), body, 0, 60, siv);
          const expected = referenceSeal(noise(32, seed), noise(32, -seed), noise(8, 1), noise(16, 2), noise(60, seed));
          assert.deepEqual(siv, Uint8Array.from(expected.siv), `key ${seed}`);
          assert.deepEqual(body, Uint8Array.from(expected.ciphertext), `key ${seed}`);
        }
      }
    });

    test("throws, and does not crash, when a slot has no keys", () => {
      assert.throws(() => engine.encryptBlock(engine.slots + 1, 0), /no keys/);
    });
  });
}
