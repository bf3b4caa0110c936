import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { sha512 } from "../../src/crypto/kdf.ts";
import { memoryHardHash } from "../../src/crypto/memory-hard-hash.ts";
import { plainMemoryHardHash } from "../../src/crypto/memory-hard-hash-plain.ts";
import { startMemoryHardHash } from "../../src/crypto/memory-hard-hash-wasm.ts";
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

const wasmMemoryHardHash = startMemoryHardHash() ?? assert.fail("the WebAssembly kernel does not run here");
const implementations = [
  ["in TypeScript", plainMemoryHardHash],
  ["in WebAssembly", wasmMemoryHardHash],
  ["as chosen", memoryHardHash],
] as const;

for (const [how, hash] of implementations) {
  describe(`the fast hash ${how}`, () => {
    for (const vector of hashVectors) {
      test(`ends in the known digest of ${vector.name}`, () => {
        const digest = hash(hex(vector.public_key));
        assert.deepEqual(digest, hex(vector.final_digest));
        assert.equal(digest[0], vector.first_byte);
        assert.equal(digest[0]! < 17, vector.hashcash_ok);
        assert.equal(formatAddress(readAddress(digest, 59)), vector.address);
      });
    }

    test("equals the slow one for other keys", () => {
      for (let seed = 1; seed <= 3; seed++) {
        const publicKey = noise(64, seed);
        assert.deepEqual(hash(publicKey), plain(referenceMemoryHardHash(publicKey).digest), `seed ${seed}`);
      }
    });

    test("gives every known identity its address, and the same one each time", () => {
      for (const vector of identityVectors.valid) {
        const digest = hash(publicKeyOf(vector));
        assert.equal(formatAddress(readAddress(digest, 59)), vector.address);
        assert.deepEqual(hash(publicKeyOf(vector)), digest);
      }
    });
  });
}

describe("the WebAssembly kernel of the hash", () => {
  for (const vector of hashVectors) {
    test(`has the known memory after each step for ${vector.name}`, () => {
      const seen: string[] = [];
      wasmMemoryHardHash(hex(vector.public_key), {
        filled: (memory) => {
          assert.deepEqual(memory.slice(0, 64), hex(vector.step2_memory_first_64));
          assert.deepEqual(memory.slice(64, 128), hex(vector.step2_memory_64_128));
          assert.deepEqual(memory.slice(-64), hex(vector.step2_memory_last_64));
          assert.deepEqual(plain(sha512(memory)), hex(vector.step2_sha512_of_memory));
          seen.push("filled");
        },
        mixed: (memory) => {
          assert.deepEqual(plain(sha512(memory)), hex(vector.step3_sha512_of_memory_after));
          seen.push("mixed");
        },
      });
      assert.deepEqual(seen, ["filled", "mixed"]);
    });
  }

  test("equals the one in TypeScript for any key", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), (publicKey) => {
        assert.deepEqual(wasmMemoryHardHash(publicKey), plainMemoryHardHash(publicKey));
      }),
      { seed: 1, numRuns: 30 },
    );
  });

  test("gives digests that a later hash does not change", () => {
    const first = wasmMemoryHardHash(noise(64, 1));
    const copy = plain(first);
    wasmMemoryHardHash(noise(64, 2));
    assert.deepEqual(first, copy);
  });
});
