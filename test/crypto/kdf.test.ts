import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, test } from "node:test";
import { KBKDF_LABEL_CIPHER, KBKDF_LABEL_GMAC, kbkdf, sha384, sha512 } from "../../src/crypto/kdf.ts";
import { hex, kdfVectors } from "./vectors.ts";

const plain = (bytes: Uint8Array) => Uint8Array.from(bytes);

describe("kbkdf", () => {
  for (const vector of kdfVectors) {
    const master = hex(vector.master_key_48);
    test(`derives both keys of suite 3 for ${vector.name}`, () => {
      assert.deepEqual(plain(kbkdf(master, KBKDF_LABEL_GMAC, 0, 0)), hex(vector.k0_full_48));
      assert.deepEqual(plain(kbkdf(master, KBKDF_LABEL_CIPHER, 0, 0)), hex(vector.k1_full_48));
      assert.equal(vector.k0_full_48.slice(0, 64), vector.aes_k0);
      assert.equal(vector.k1_full_48.slice(0, 64), vector.aes_k1);
    });
    for (const { label, context, iter, out } of vector.general_kbkdf) {
      test(`derives label "${label}", context ${context}, iteration ${iter} for ${vector.name}`, () => {
        assert.deepEqual(plain(kbkdf(master, label.charCodeAt(0), context, iter)), hex(out));
      });
    }
    test(`rests on the same HMAC-SHA-384 for ${vector.name}`, () => {
      assert.equal(createHmac("sha384", master).update("hello").digest("hex"), vector.hmac_sha384_of_hello);
    });
  }
});

test("sha512 and sha384 are the ones of FIPS 180-4", () => {
  const abc = Buffer.from("abc");
  assert.equal(Buffer.from(sha512(abc)).toString("hex").slice(0, 32), "ddaf35a193617abacc417349ae204131");
  assert.equal(Buffer.from(sha384(abc)).toString("hex").slice(0, 32), "cb00753f45a35e8bb5a03d699ac65007");
  assert.equal(sha512(abc).length, 64);
  assert.equal(sha384(abc).length, 48);
});
