import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, test } from "node:test";
import fc from "fast-check";
import { lz4Compress, lz4Decompress } from "../../src/crypto/lz4.ts";
import { hex, noise } from "./vectors.ts";

/** The two functions of lz4js that we use; it brings no types. */
interface Lz4js {
  compressBlock(source: Uint8Array, target: Uint8Array, start: number, length: number, table: Uint32Array): number;
  decompressBlock(source: Uint8Array, target: Uint8Array, start: number, length: number, at: number): number;
}
const lz4js: Lz4js = createRequire(import.meta.url)("lz4js");

const MAX_BYTES = 9996;

/** What lz4js makes of `input`, or null where it gives up. */
function lz4jsCompress(input: Uint8Array): Uint8Array | null {
  const out = new Uint8Array(input.length * 2 + 64);
  const length = lz4js.compressBlock(input, out, 0, input.length, new Uint32Array(1 << 16));
  return length === 0 ? null : out.slice(0, length);
}

function lz4jsDecompress(block: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  assert.equal(lz4js.decompressBlock(block, out, 0, block.length, 0), length);
  return out;
}

/** Compressible content: words of a small alphabet, runs, and stretches of noise between them. */
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom("orrery ", "planet ", "moon ", "0123456789abcdef", "\0\0\0\0\0\0\0\0").map((s) => Buffer.from(s)),
      fc.tuple(fc.nat(255), fc.nat(600)).map(([byte, length]) => new Uint8Array(length).fill(byte)),
      fc.uint8Array({ maxLength: 40 }),
    ),
    { minLength: 1, maxLength: 60 },
  )
  .map((parts) => Uint8Array.from(Buffer.concat(parts).subarray(0, MAX_BYTES)));

describe("lz4Compress", () => {
  test("gives blocks that lz4js and we ourselves read back, or null where there is nothing to gain", () => {
    let compressed = 0;
    fc.assert(
      fc.property(text, (input) => {
        const block = lz4Compress(input);
        if (block === null) return;
        compressed++;
        assert.ok(block.length < input.length);
        assert.deepEqual(lz4jsDecompress(block, input.length), input);
        assert.deepEqual(lz4Decompress(block, MAX_BYTES), input);
      }),
      { seed: 1, numRuns: 400 },
    );
    assert.ok(compressed > 300, `${compressed} inputs were compressible`);
  });

  test("gives null for noise and for inputs too short to shrink", () => {
    for (let length = 0; length < 13; length++) assert.equal(lz4Compress(new Uint8Array(length)), null);
    for (const length of [65, 200, 1400, 9996]) assert.equal(lz4Compress(noise(length, length)), null);
  });

  test("shrinks a run of zeros of any length to next to nothing", () => {
    for (const length of [20, 64, 255, 256, 270, 274, 275, 1000, 9996, 70000]) {
      const block = lz4Compress(new Uint8Array(length));
      assert.ok(block !== null && block.length < 12 + length / 250, `${length} bytes`);
      assert.deepEqual(lz4Decompress(block, length), new Uint8Array(length));
      assert.deepEqual(lz4jsDecompress(block, length), new Uint8Array(length));
    }
  });

  test("does not reach back further than an offset can say", () => {
    const input = new Uint8Array(140000);
    input.set(noise(70000, 1), 0);
    input.set(noise(70000, 1), 70000);
    const block = lz4Compress(input);
    if (block !== null) assert.deepEqual(lz4Decompress(block, input.length), input);
    const near = new Uint8Array(120000);
    near.set(noise(60000, 1), 0);
    near.set(noise(60000, 1), 60000);
    const nearBlock = lz4Compress(near);
    assert.ok(nearBlock !== null && nearBlock.length < 61000);
    assert.deepEqual(lz4Decompress(nearBlock, near.length), near);
  });

  test("keeps the last five bytes literal and starts no match in the last twelve", () => {
    fc.assert(
      fc.property(text, (input) => {
        const block = lz4Compress(input);
        if (block === null) return;
        const { lastLiterals, lastMatchStart } = layout(block);
        assert.ok(lastLiterals >= 5, `${lastLiterals} literals at the end`);
        assert.ok(lastMatchStart <= input.length - 12);
      }),
      { seed: 2, numRuns: 200 },
    );
  });

  test("is not disturbed by blocks before it", () => {
    const input = Buffer.from("planet moon planet moon planet moon planet moon");
    const first = lz4Compress(input);
    lz4Compress(noise(5000, 3));
    lz4Compress(new Uint8Array(5000));
    assert.deepEqual(lz4Compress(input), first);
  });
});

/** Walks a valid block: how many literals end it, and where its last match starts in the output. */
function layout(block: Uint8Array): { lastLiterals: number; lastMatchStart: number } {
  let at = 0;
  let written = 0;
  let lastMatchStart = -1;
  const length = (nibble: number): number => {
    let total = nibble;
    if (nibble === 15) {
      let more: number;
      do {
        more = block[at++]!;
        total += more;
      } while (more === 255);
    }
    return total;
  };
  for (;;) {
    const token = block[at++]!;
    const literals = length(token >> 4);
    at += literals;
    written += literals;
    if (at >= block.length) return { lastLiterals: literals, lastMatchStart };
    at += 2;
    lastMatchStart = written;
    written += length(token & 15) + 4;
  }
}

describe("lz4Decompress", () => {
  test("reads what lz4js writes", () => {
    let compressed = 0;
    fc.assert(
      fc.property(text, (input) => {
        const block = lz4jsCompress(input);
        if (block === null) return;
        compressed++;
        assert.deepEqual(lz4Decompress(block, MAX_BYTES), input);
        assert.deepEqual(lz4Decompress(block, input.length), input);
        assert.equal(lz4Decompress(block, input.length - 1), null);
      }),
      { seed: 3, numRuns: 300 },
    );
    assert.ok(compressed > 200, `${compressed} inputs were compressible`);
  });

  const refused: [string, string][] = [
    ["an empty block", ""],
    ["a token whose literals are missing", "50616263"],
    ["a literal length that never ends", "f0ffffff"],
    ["a literal length beyond the input", "f0ff0061"],
    ["an offset of zero", "1061000050"],
    ["an offset before the beginning", "1061020050"],
    ["half an offset", "106101"],
    ["a match length that is missing", "1f610100"],
    ["a match length that never ends", "1f610100ffffffff"],
    ["a block that ends with a match", "10610100"],
  ];
  for (const [name, block] of refused) {
    test(`refuses ${name}`, () => assert.equal(lz4Decompress(hex(block), MAX_BYTES), null));
  }

  test("gives nothing for a block that says nothing, and literals alone", () => {
    assert.deepEqual(lz4Decompress(hex("00"), MAX_BYTES), new Uint8Array(0));
    assert.deepEqual(lz4Decompress(hex("30616263"), MAX_BYTES), Uint8Array.from(Buffer.from("abc")));
  });

  test("stops at the limit however much a block promises", () => {
    const bomb = Uint8Array.from([0x1f, 0x61, 0x01, 0x00, ...new Array(5000).fill(255), 0x00, 0x50, 1, 2, 3, 4, 5]);
    assert.equal(lz4Decompress(bomb, MAX_BYTES), null);
    assert.equal(lz4Decompress(bomb, 5000 * 255 + 1 + 15 + 4 + 5)?.length, 5000 * 255 + 25);
    assert.equal(lz4Decompress(bomb, 5000 * 255 + 24), null);
  });

  test("on any bytes whatever gives null or at most the limit, and never touches its input", () => {
    const hostile = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.uint8Array({ maxLength: 2000 }),
      // A valid block with a few bytes changed gets further than noise does.
      fc.tuple(text, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 })).map(([input, changes]) => {
        const block = lz4Compress(input) ?? new Uint8Array([0]);
        for (const [at, byte] of changes) block[at % block.length] = byte;
        return block;
      }),
    );
    fc.assert(
      fc.property(hostile, fc.nat(12000), (block, limit) => {
        const before = Uint8Array.from(block);
        const out = lz4Decompress(block, limit);
        assert.ok(out === null || out.length <= limit);
        assert.deepEqual(block, before);
      }),
      { seed: 4, numRuns: 3000 },
    );
  });

  test("leaves nothing of one block in the result of another", () => {
    assert.equal(lz4Decompress(hex("f0ff0061"), MAX_BYTES), null);
    const secret = lz4Compress(new Uint8Array(500).fill(0x73));
    assert.ok(secret !== null);
    lz4Decompress(secret, MAX_BYTES);
    // A match that reaches before the beginning would copy what the scratch buffer held before.
    assert.equal(lz4Decompress(hex("10610200506161616161"), MAX_BYTES), null);
  });
});
