import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { sha512 } from "../../src/crypto/kdf.ts";
import { memoryHardHash } from "../../src/crypto/memory-hard-hash.ts";
import { formatAddress, readAddress } from "../../src/protocol/address.ts";
import { referenceMemoryHardHash } from "../support/reference/memory-hard-hash.ts";
import { hashVectors, hex, identityVectors, noise, publicKeyOf } from "./vectors.ts";

const plain = (bytes: Uint8Array) => Uint8Array.from(bytes);

describe("the slow hash passes through every known intermediate state", () => {
  for (const vector of hashVectors) {
    test(vector.name, () => {
      const watched = new Set(vector.step3_iterations_sampled.map(({ iteration }) => iteration));
      const trace = referenceMemoryHardHash(hex(vector.public_key), watched);
      assert.deepEqual(trace.sha512, hex(vector.step1_sha512_of_public_key));
      assert.deepEqual(trace.salsaKey, hex(vector.salsa20_key));
      assert.deepEqual(trace.salsaNonce, hex(vector.salsa20_nonce));
      assert.deepEqual(trace.memoryAfterFill.subarray(0, 64), hex(vector.step2_memory_first_64));
      assert.deepEqual(trace.memoryAfterFill.subarray(64, 128), hex(vector.step2_memory_64_128));
      assert.deepEqual(trace.memoryAfterFill.subarray(-64), hex(vector.step2_memory_last_64));
      assert.deepEqual(plain(sha512(trace.memoryAfterFill)), hex(vector.step2_sha512_of_memory));
      assert.equal(trace.rounds.length, vector.step3_iterations_sampled.length);
      for (const [i, sample] of vector.step3_iterations_sampled.entries()) {
        const round = trace.rounds[i];
        assert.deepEqual(
          {
            iteration: round?.iteration,
            digest_word_index: round?.digestWordIndex,
            memory_word_index: round?.memoryWordIndex,
            digest_after: Buffer.from(round?.digestAfter ?? []).toString("hex"),
          },
          sample,
        );
      }
      assert.equal(trace.roundCount, vector.step3_iteration_count);
      assert.deepEqual(plain(sha512(trace.memoryAfterMixing)), hex(vector.step3_sha512_of_memory_after));
      assert.deepEqual(plain(trace.digest), hex(vector.final_digest));
    });
  }
});

describe("the fast hash", () => {
  for (const vector of hashVectors) {
    test(`ends in the known digest of ${vector.name}`, () => {
      const digest = memoryHardHash(hex(vector.public_key));
      assert.deepEqual(digest, hex(vector.final_digest));
      assert.equal(digest[0], vector.first_byte);
      assert.equal(digest[0]! < 17, vector.hashcash_ok);
      assert.equal(formatAddress(readAddress(digest, 59)), vector.address);
    });
  }

  test("equals the slow one for other keys", () => {
    for (let seed = 1; seed <= 3; seed++) {
      const publicKey = noise(64, seed);
      assert.deepEqual(memoryHardHash(publicKey), plain(referenceMemoryHardHash(publicKey).digest), `seed ${seed}`);
    }
  });

  test("gives every known identity its address, and the same one each time", () => {
    for (const vector of identityVectors.valid) {
      const digest = memoryHardHash(publicKeyOf(vector));
      assert.equal(formatAddress(readAddress(digest, 59)), vector.address);
      assert.deepEqual(memoryHardHash(publicKeyOf(vector)), digest);
    }
  });
});
