/**
 * The memory-hard hash (vl1-identity-crypto.md §2) in AssemblyScript: eight Salsa20/20 blocks at a time.
 *
 * Two things make it fast. Salsa20 is a counter mode, so although every round of the hash waits for the one before,
 * their keystream blocks do not: a vector holds the same word of four successive blocks, and two sets of vectors are
 * worked on side by side because one alone waits for its own results most of the time. And what the hash does with
 * keystream block K is always "XOR onto what there was", so this module only ever makes the running value
 * P = K0 ^ K1 ^ …: the memory is filled with P as it is, and the digest D is held as E = D ^ P, which changes only
 * where a round swaps a word (D = E ^ P at any time).
 *
 * Linear memory, in bytes from 0: 64 zeros · the 2 MiB of the hash · 16 Salsa20 input words, each four times · the
 * last P of the chunk before · a chunk of P · E, at the end the digest · the seed, given by the caller.
 */
import { SALSA20_CONSTANT_0, SALSA20_CONSTANT_1, SALSA20_CONSTANT_2, SALSA20_CONSTANT_3, step } from "./salsa20";

const BLOCK_BYTES: usize = 64;
const ZEROS: usize = 0;
const MEMORY: usize = 64;
const MEMORY_BYTES: usize = 2097152;
const INPUT: usize = MEMORY + MEMORY_BYTES;
const INPUT_BYTES: usize = 256;
/** Rounds whose P is made at once: enough that the processor overlaps the waits for memory of many rounds. */
const CHUNK_ROUNDS: usize = 64;
const CHUNK_BYTES: usize = CHUNK_ROUNDS * BLOCK_BYTES;
const BEFORE_CHUNK: usize = INPUT + INPUT_BYTES;
const CHUNK: usize = BEFORE_CHUNK + BLOCK_BYTES;
const DIGEST: usize = CHUNK + CHUNK_BYTES;
const SEED: usize = DIGEST + BLOCK_BYTES;
/** A round reads two 8-byte words of the memory. */
const ROUND_BYTES: usize = 16;

/** Where the caller finds the memory of the hash. */
export function memoryAt(): usize {
  return MEMORY;
}

/** Where the caller finds the digest. */
export function digestAt(): usize {
  return DIGEST;
}

/** Where the caller puts the 64-byte seed, the SHA-512 of the public key. */
export function seedAt(): usize {
  return SEED;
}

function setInput(word: usize, value: i32): void {
  v128.store(INPUT + word * 16, i32x4.splat(value));
}

/** Turns the words a, b, c, d of four blocks into four words each of these blocks, and XORs them in a row onto P. */
// @ts-ignore: decorator
@inline
function emit(a: v128, b: v128, c: v128, d: v128, before: usize, out: usize): void {
  const lowAB = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const lowCD = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const highAB = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const highCD = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  let p = v128.xor(v128.load(before), v128.shuffle<i64>(lowAB, lowCD, 0, 2));
  v128.store(out, p);
  p = v128.xor(p, v128.shuffle<i64>(lowAB, lowCD, 1, 3));
  v128.store(out, p, 64);
  p = v128.xor(p, v128.shuffle<i64>(highAB, highCD, 0, 2));
  v128.store(out, p, 128);
  p = v128.xor(p, v128.shuffle<i64>(highAB, highCD, 1, 3));
  v128.store(out, p, 192);
}

/** Fills out..end (a multiple of 512 bytes) with the next values of P; the last one is at `before`. */
function makeP(before: usize, out: usize, end: usize): void {
  const four = i32x4.splat(4);
  let counter = v128.load(INPUT, 8 * 16);
  while (out < end) {
    const counterX = counter;
    const counterY = i32x4.add(counter, four);
    let x0 = v128.load(INPUT, 0);
    let x1 = v128.load(INPUT, 16);
    let x2 = v128.load(INPUT, 32);
    let x3 = v128.load(INPUT, 48);
    let x4 = v128.load(INPUT, 64);
    let x5 = v128.load(INPUT, 80);
    let x6 = v128.load(INPUT, 96);
    let x7 = v128.load(INPUT, 112);
    let x8 = counterX;
    let x9 = v128.load(INPUT, 144);
    let x10 = v128.load(INPUT, 160);
    let x11 = v128.load(INPUT, 176);
    let x12 = v128.load(INPUT, 192);
    let x13 = v128.load(INPUT, 208);
    let x14 = v128.load(INPUT, 224);
    let x15 = v128.load(INPUT, 240);
    let y0 = v128.load(INPUT, 0);
    let y1 = v128.load(INPUT, 16);
    let y2 = v128.load(INPUT, 32);
    let y3 = v128.load(INPUT, 48);
    let y4 = v128.load(INPUT, 64);
    let y5 = v128.load(INPUT, 80);
    let y6 = v128.load(INPUT, 96);
    let y7 = v128.load(INPUT, 112);
    let y8 = counterY;
    let y9 = v128.load(INPUT, 144);
    let y10 = v128.load(INPUT, 160);
    let y11 = v128.load(INPUT, 176);
    let y12 = v128.load(INPUT, 192);
    let y13 = v128.load(INPUT, 208);
    let y14 = v128.load(INPUT, 224);
    let y15 = v128.load(INPUT, 240);
    for (let round = 0; round < 20; round += 2) {
      // Columns.
      x4 = step(x4, x0, x12, 7);
      y4 = step(y4, y0, y12, 7);
      x8 = step(x8, x4, x0, 9);
      y8 = step(y8, y4, y0, 9);
      x12 = step(x12, x8, x4, 13);
      y12 = step(y12, y8, y4, 13);
      x0 = step(x0, x12, x8, 18);
      y0 = step(y0, y12, y8, 18);
      x9 = step(x9, x5, x1, 7);
      y9 = step(y9, y5, y1, 7);
      x13 = step(x13, x9, x5, 9);
      y13 = step(y13, y9, y5, 9);
      x1 = step(x1, x13, x9, 13);
      y1 = step(y1, y13, y9, 13);
      x5 = step(x5, x1, x13, 18);
      y5 = step(y5, y1, y13, 18);
      x14 = step(x14, x10, x6, 7);
      y14 = step(y14, y10, y6, 7);
      x2 = step(x2, x14, x10, 9);
      y2 = step(y2, y14, y10, 9);
      x6 = step(x6, x2, x14, 13);
      y6 = step(y6, y2, y14, 13);
      x10 = step(x10, x6, x2, 18);
      y10 = step(y10, y6, y2, 18);
      x3 = step(x3, x15, x11, 7);
      y3 = step(y3, y15, y11, 7);
      x7 = step(x7, x3, x15, 9);
      y7 = step(y7, y3, y15, 9);
      x11 = step(x11, x7, x3, 13);
      y11 = step(y11, y7, y3, 13);
      x15 = step(x15, x11, x7, 18);
      y15 = step(y15, y11, y7, 18);
      // Rows.
      x1 = step(x1, x0, x3, 7);
      y1 = step(y1, y0, y3, 7);
      x2 = step(x2, x1, x0, 9);
      y2 = step(y2, y1, y0, 9);
      x3 = step(x3, x2, x1, 13);
      y3 = step(y3, y2, y1, 13);
      x0 = step(x0, x3, x2, 18);
      y0 = step(y0, y3, y2, 18);
      x6 = step(x6, x5, x4, 7);
      y6 = step(y6, y5, y4, 7);
      x7 = step(x7, x6, x5, 9);
      y7 = step(y7, y6, y5, 9);
      x4 = step(x4, x7, x6, 13);
      y4 = step(y4, y7, y6, 13);
      x5 = step(x5, x4, x7, 18);
      y5 = step(y5, y4, y7, 18);
      x11 = step(x11, x10, x9, 7);
      y11 = step(y11, y10, y9, 7);
      x8 = step(x8, x11, x10, 9);
      y8 = step(y8, y11, y10, 9);
      x9 = step(x9, x8, x11, 13);
      y9 = step(y9, y8, y11, 13);
      x10 = step(x10, x9, x8, 18);
      y10 = step(y10, y9, y8, 18);
      x12 = step(x12, x15, x14, 7);
      y12 = step(y12, y15, y14, 7);
      x13 = step(x13, x12, x15, 9);
      y13 = step(y13, y12, y15, 9);
      x14 = step(x14, x13, x12, 13);
      y14 = step(y14, y13, y12, 13);
      x15 = step(x15, x14, x13, 18);
      y15 = step(y15, y14, y13, 18);
    }
    emit(
      i32x4.add(x0, v128.load(INPUT, 0)),
      i32x4.add(x1, v128.load(INPUT, 16)),
      i32x4.add(x2, v128.load(INPUT, 32)),
      i32x4.add(x3, v128.load(INPUT, 48)),
      before + 0,
      out + 0,
    );
    emit(
      i32x4.add(x4, v128.load(INPUT, 64)),
      i32x4.add(x5, v128.load(INPUT, 80)),
      i32x4.add(x6, v128.load(INPUT, 96)),
      i32x4.add(x7, v128.load(INPUT, 112)),
      before + 16,
      out + 16,
    );
    emit(
      i32x4.add(x8, counterX),
      i32x4.add(x9, v128.load(INPUT, 144)),
      i32x4.add(x10, v128.load(INPUT, 160)),
      i32x4.add(x11, v128.load(INPUT, 176)),
      before + 32,
      out + 32,
    );
    emit(
      i32x4.add(x12, v128.load(INPUT, 192)),
      i32x4.add(x13, v128.load(INPUT, 208)),
      i32x4.add(x14, v128.load(INPUT, 224)),
      i32x4.add(x15, v128.load(INPUT, 240)),
      before + 48,
      out + 48,
    );
    emit(
      i32x4.add(y0, v128.load(INPUT, 0)),
      i32x4.add(y1, v128.load(INPUT, 16)),
      i32x4.add(y2, v128.load(INPUT, 32)),
      i32x4.add(y3, v128.load(INPUT, 48)),
      out + 192 + 0,
      out + 256,
    );
    emit(
      i32x4.add(y4, v128.load(INPUT, 64)),
      i32x4.add(y5, v128.load(INPUT, 80)),
      i32x4.add(y6, v128.load(INPUT, 96)),
      i32x4.add(y7, v128.load(INPUT, 112)),
      out + 192 + 16,
      out + 272,
    );
    emit(
      i32x4.add(y8, counterY),
      i32x4.add(y9, v128.load(INPUT, 144)),
      i32x4.add(y10, v128.load(INPUT, 160)),
      i32x4.add(y11, v128.load(INPUT, 176)),
      out + 192 + 32,
      out + 288,
    );
    emit(
      i32x4.add(y12, v128.load(INPUT, 192)),
      i32x4.add(y13, v128.load(INPUT, 208)),
      i32x4.add(y14, v128.load(INPUT, 224)),
      i32x4.add(y15, v128.load(INPUT, 240)),
      out + 192 + 48,
      out + 304,
    );
    counter = i32x4.add(counterY, four);
    before = out + 512 - BLOCK_BYTES;
    out += 512;
  }
  v128.store(INPUT, counter, 8 * 16);
}

/** Sets the stream up from the seed and fills the memory. The upper half of the block counter stays zero. */
export function fill(): void {
  setInput(0, SALSA20_CONSTANT_0);
  setInput(5, SALSA20_CONSTANT_1);
  setInput(10, SALSA20_CONSTANT_2);
  setInput(15, SALSA20_CONSTANT_3);
  for (let word: usize = 0; word < 4; word++) {
    setInput(1 + word, load<i32>(SEED + word * 4));
    setInput(11 + word, load<i32>(SEED + word * 4, 16));
  }
  setInput(6, load<i32>(SEED, 32));
  setInput(7, load<i32>(SEED, 36));
  setInput(9, 0);
  v128.store(INPUT + 8 * 16, i32x4(0, 1, 2, 3));
  makeP(ZEROS, MEMORY, MEMORY + MEMORY_BYTES);
  for (let at: usize = 0; at < BLOCK_BYTES; at += 8) {
    const p = load<u64>(MEMORY + MEMORY_BYTES - BLOCK_BYTES + at);
    store<u64>(BEFORE_CHUNK + at, p);
    store<u64>(DIGEST + at, load<u64>(SEED + at) ^ p);
  }
}

/** Runs all 131072 rounds over the filled memory and leaves the digest. */
export function mix(): void {
  for (let start = MEMORY; start < MEMORY + MEMORY_BYTES; start += CHUNK_ROUNDS * ROUND_BYTES) {
    makeP(BEFORE_CHUNK, CHUNK, CHUNK + CHUNK_BYTES);
    let p = BEFORE_CHUNK;
    for (let at = start; at < start + CHUNK_ROUNDS * ROUND_BYTES; at += ROUND_BYTES) {
      // BE64 mod 8 and mod 262144 are the last 3 and 18 bits of the 8-byte word.
      const a = (<usize>load<u8>(at, 7) & 7) << 3;
      const tail = load<u32>(at, 12);
      const b = (<usize>(((tail & 0x300) << 8) | ((tail >>> 8) & 0xff00) | (tail >>> 24))) << 3;
      const before = load<u64>(p + a);
      const fromMemory = load<u64>(b, MEMORY);
      store<u64>(b, load<u64>(a, DIGEST) ^ before, MEMORY);
      store<u64>(a, fromMemory ^ before, DIGEST);
      p += BLOCK_BYTES;
    }
    memory.copy(BEFORE_CHUNK, p, BLOCK_BYTES);
  }
  for (let at: usize = 0; at < BLOCK_BYTES; at += 8) {
    store<u64>(DIGEST + at, load<u64>(DIGEST + at) ^ load<u64>(BEFORE_CHUNK + at));
  }
}
