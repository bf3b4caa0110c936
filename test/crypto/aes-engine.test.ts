import assert from "node:assert/strict";
import { createCipheriv, createDecipheriv } from "node:crypto";
import { afterEach, describe, test } from "node:test";
import { type AesEngine, createSivCipher, MIN_ENGINE_BYTES, useAesEngine } from "../../src/crypto/aes-engine.ts";
import { AesGmacSiv } from "../../src/crypto/aes-gmac-siv.ts";
import { referenceGmac, referenceSeal } from "../support/reference/aes-gmac-siv.ts";
import { describeSivCipher } from "./siv-cipher.ts";
import { noise } from "./vectors.ts";

/** An engine of new `node:crypto` contexts for every operation, that counts how often keys are set. */
class SlowEngine implements AesEngine {
  readonly memory = new Uint8Array(MIN_ENGINE_BYTES);
  readonly slots = 2;
  keysSet = 0;
  readonly #keys: { k0: Uint8Array; k1: Uint8Array }[] = [];

  setKeys(slot: number, k0: number, k1: number): void {
    this.keysSet++;
    this.#keys[slot] = { k0: this.memory.slice(k0, k0 + 32), k1: this.memory.slice(k1, k1 + 32) };
  }

  gmac(slot: number, iv: number, from: number, length: number, tag: number): void {
    const { memory } = this;
    memory.set(referenceGmac(this.#keys[slot]!.k0, memory.slice(iv, iv + 12), memory.slice(from, from + length)), tag);
  }

  encryptBlock(slot: number, at: number): void {
    const ecb = createCipheriv("aes-256-ecb", this.#keys[slot]!.k1, null).setAutoPadding(false);
    this.memory.set(ecb.update(this.memory.slice(at, at + 16)), at);
  }

  decryptBlock(slot: number, at: number): void {
    const ecb = createDecipheriv("aes-256-ecb", this.#keys[slot]!.k1, null).setAutoPadding(false);
    this.memory.set(ecb.update(this.memory.slice(at, at + 16)), at);
  }

  ctr(slot: number, counter: number, at: number, length: number): void {
    const { memory } = this;
    const ctr = createCipheriv("aes-256-ctr", this.#keys[slot]!.k1, memory.slice(counter, counter + 16));
    memory.set(ctr.update(memory.slice(at, at + length)), at);
  }
}

afterEach(() => useAesEngine(null));

describeSivCipher("the cipher on an engine", (k0, k1) => {
  useAesEngine(new SlowEngine());
  return createSivCipher(k0, k1);
});

describe("createSivCipher", () => {
  const seal = (cipher: ReturnType<typeof createSivCipher>, seed: number) => {
    const body = noise(40, seed);
    const siv = new Uint8Array(16);
    cipher.seal(noise(8, 1), noise(16, 2), body, 0, 40, siv);
    return { siv, body };
  };

  test("makes ciphers on node:crypto as long as no engine is in use", () => {
    assert.ok(createSivCipher(noise(32, 1), noise(32, 2)) instanceof AesGmacSiv);
    useAesEngine(new SlowEngine());
    assert.ok(!(createSivCipher(noise(32, 1), noise(32, 2)) instanceof AesGmacSiv));
    useAesEngine(null);
    assert.ok(createSivCipher(noise(32, 1), noise(32, 2)) instanceof AesGmacSiv);
  });

  test("lets more keys than slots take turns, and sets keys only when another cipher has taken the slot", () => {
    const engine = new SlowEngine();
    useAesEngine(engine);
    const ciphers = [1, 2, 3].map((seed) => createSivCipher(noise(32, seed), noise(32, 10 + seed)));
    const expected = [1, 2, 3].map((seed) => {
      const { siv, ciphertext } = referenceSeal(
        noise(32, seed),
        noise(32, 10 + seed),
        noise(8, 1),
        noise(16, 2),
        noise(40, 5),
      );
      return { siv: Uint8Array.from(siv), body: Uint8Array.from(ciphertext) };
    });
    for (const which of [0, 0, 1, 1, 0, 1]) assert.deepEqual(seal(ciphers[which]!, 5), expected[which]);
    assert.equal(engine.keysSet, 2);
    for (const which of [2, 0, 1, 2, 2]) assert.deepEqual(seal(ciphers[which]!, 5), expected[which]);
    assert.equal(engine.keysSet, 6);
  });

  test("keeps a cipher on the engine it was made for", () => {
    const engine = new SlowEngine();
    useAesEngine(engine);
    const cipher = createSivCipher(noise(32, 1), noise(32, 2));
    const before = seal(cipher, 5);
    useAesEngine(new SlowEngine());
    assert.deepEqual(seal(cipher, 5), before);
    assert.equal(engine.keysSet, 1);
  });

  test("leaves no key in the engine's memory", () => {
    const engine = new SlowEngine();
    useAesEngine(engine);
    seal(createSivCipher(new Uint8Array(32).fill(0xa5), new Uint8Array(32).fill(0x5a)), 5);
    assert.equal(Buffer.from(engine.memory).indexOf(Buffer.alloc(8, 0xa5)), -1);
    assert.equal(Buffer.from(engine.memory).indexOf(Buffer.alloc(8, 0x5a)), -1);
  });

  test("refuses an engine with too little memory", () => {
    const engine = new SlowEngine();
    const small: AesEngine = Object.assign(Object.create(engine) as AesEngine, { memory: new Uint8Array(100) });
    assert.throws(() => useAesEngine(small), /needs \d+ bytes/);
  });
});
