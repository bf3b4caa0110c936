/**
 * Salsa20/12 with Poly1305 over one packet body (vl1-identity-crypto.md §5) in AssemblyScript: the cipher makes four
 * blocks at a time, the authenticator works on limbs of 26 bits in 64-bit integers.
 *
 * Linear memory, in bytes from 0: 16 Salsa20 input words, each four times · key · nonce · tag · a padded last block ·
 * 64 bytes for zeros · the body as it came · the first keystream block, whose first half is the one-time key of the
 * tag · the body as it goes. Both bodies have room for the cipher to work up to 255 bytes past their end.
 */
import { SALSA20_CONSTANT_0, SALSA20_CONSTANT_1, SALSA20_CONSTANT_2, SALSA20_CONSTANT_3, step } from "./salsa20";

const BLOCK_BYTES: usize = 64;
const GROUP_BYTES: usize = 256;
const INPUT: usize = 0;
const KEY: usize = 256;
const NONCE: usize = KEY + 32;
const TAG: usize = NONCE + 16;
const LAST: usize = TAG + 16;
const CAPACITY: usize = 16384;
const BEFORE: usize = LAST + 16;
const BODY: usize = BEFORE + BLOCK_BYTES;
/** From the body as it came to the body as it goes. */
const RESULT: usize = CAPACITY + GROUP_BYTES + BLOCK_BYTES;
const FIRST: usize = BEFORE + RESULT;
const MASK: u64 = 0x3ffffff;

/** Where the caller puts the 32-byte key. */
export function keyAt(): usize {
  return KEY;
}

/** Where the caller puts the 8-byte nonce. */
export function nonceAt(): usize {
  return NONCE;
}

/** Where the caller puts the body; what lies in the 64 bytes before it is overwritten. */
export function bodyAt(): usize {
  return BODY;
}

/** Where the caller finds the body, encrypted or decrypted. */
export function resultAt(): usize {
  return BODY + RESULT;
}

/** Bytes of body that there is room for. */
export function capacity(): usize {
  return CAPACITY;
}

/** Where the caller finds the 16-byte tag. */
export function tagAt(): usize {
  return TAG;
}

function setInput(word: usize, value: i32): void {
  v128.store(INPUT + word * 16, i32x4.splat(value));
}

/** Loads key and nonce, sets the block counter to 0..3 and clears the block before the body. */
function begin(): void {
  setInput(0, SALSA20_CONSTANT_0);
  setInput(5, SALSA20_CONSTANT_1);
  setInput(10, SALSA20_CONSTANT_2);
  setInput(15, SALSA20_CONSTANT_3);
  for (let word: usize = 0; word < 4; word++) {
    setInput(1 + word, load<i32>(KEY + word * 4));
    setInput(11 + word, load<i32>(KEY + word * 4, 16));
  }
  setInput(6, load<i32>(NONCE));
  setInput(7, load<i32>(NONCE, 4));
  v128.store(INPUT + 8 * 16, i32x4(0, 1, 2, 3));
  setInput(9, 0);
  const zero = i32x4.splat(0);
  v128.store(BEFORE, zero);
  v128.store(BEFORE, zero, 16);
  v128.store(BEFORE, zero, 32);
  v128.store(BEFORE, zero, 48);
}

/** Turns the words a, b, c, d of four blocks into four words each of these blocks, and writes the text XORed with them. */
// @ts-ignore: decorator
@inline
function emit(a: v128, b: v128, c: v128, d: v128, at: usize): void {
  const lowAB = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const lowCD = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const highAB = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const highCD = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(at, v128.xor(v128.load(at), v128.shuffle<i64>(lowAB, lowCD, 0, 2)), RESULT);
  v128.store(at, v128.xor(v128.load(at, 64), v128.shuffle<i64>(lowAB, lowCD, 1, 3)), RESULT + 64);
  v128.store(at, v128.xor(v128.load(at, 128), v128.shuffle<i64>(highAB, highCD, 0, 2)), RESULT + 128);
  v128.store(at, v128.xor(v128.load(at, 192), v128.shuffle<i64>(highAB, highCD, 1, 3)), RESULT + 192);
}

/** Makes the first keystream block and the result for `length` bytes of body, rounded up to groups of four blocks. */
function cipher(length: usize): void {
  const four = i32x4.splat(4);
  let counter = v128.load(INPUT, 8 * 16);
  for (let at = BEFORE; at < BODY + length; at += GROUP_BYTES) {
    let x0 = v128.load(INPUT, 0);
    let x1 = v128.load(INPUT, 16);
    let x2 = v128.load(INPUT, 32);
    let x3 = v128.load(INPUT, 48);
    let x4 = v128.load(INPUT, 64);
    let x5 = v128.load(INPUT, 80);
    let x6 = v128.load(INPUT, 96);
    let x7 = v128.load(INPUT, 112);
    let x8 = counter;
    let x9 = v128.load(INPUT, 144);
    let x10 = v128.load(INPUT, 160);
    let x11 = v128.load(INPUT, 176);
    let x12 = v128.load(INPUT, 192);
    let x13 = v128.load(INPUT, 208);
    let x14 = v128.load(INPUT, 224);
    let x15 = v128.load(INPUT, 240);
    for (let round = 0; round < 12; round += 2) {
      // Columns.
      x4 = step(x4, x0, x12, 7);
      x8 = step(x8, x4, x0, 9);
      x12 = step(x12, x8, x4, 13);
      x0 = step(x0, x12, x8, 18);
      x9 = step(x9, x5, x1, 7);
      x13 = step(x13, x9, x5, 9);
      x1 = step(x1, x13, x9, 13);
      x5 = step(x5, x1, x13, 18);
      x14 = step(x14, x10, x6, 7);
      x2 = step(x2, x14, x10, 9);
      x6 = step(x6, x2, x14, 13);
      x10 = step(x10, x6, x2, 18);
      x3 = step(x3, x15, x11, 7);
      x7 = step(x7, x3, x15, 9);
      x11 = step(x11, x7, x3, 13);
      x15 = step(x15, x11, x7, 18);
      // Rows.
      x1 = step(x1, x0, x3, 7);
      x2 = step(x2, x1, x0, 9);
      x3 = step(x3, x2, x1, 13);
      x0 = step(x0, x3, x2, 18);
      x6 = step(x6, x5, x4, 7);
      x7 = step(x7, x6, x5, 9);
      x4 = step(x4, x7, x6, 13);
      x5 = step(x5, x4, x7, 18);
      x11 = step(x11, x10, x9, 7);
      x8 = step(x8, x11, x10, 9);
      x9 = step(x9, x8, x11, 13);
      x10 = step(x10, x9, x8, 18);
      x12 = step(x12, x15, x14, 7);
      x13 = step(x13, x12, x15, 9);
      x14 = step(x14, x13, x12, 13);
      x15 = step(x15, x14, x13, 18);
    }
    emit(
      i32x4.add(x0, v128.load(INPUT, 0)),
      i32x4.add(x1, v128.load(INPUT, 16)),
      i32x4.add(x2, v128.load(INPUT, 32)),
      i32x4.add(x3, v128.load(INPUT, 48)),
      at + 0,
    );
    emit(
      i32x4.add(x4, v128.load(INPUT, 64)),
      i32x4.add(x5, v128.load(INPUT, 80)),
      i32x4.add(x6, v128.load(INPUT, 96)),
      i32x4.add(x7, v128.load(INPUT, 112)),
      at + 16,
    );
    emit(
      i32x4.add(x8, counter),
      i32x4.add(x9, v128.load(INPUT, 144)),
      i32x4.add(x10, v128.load(INPUT, 160)),
      i32x4.add(x11, v128.load(INPUT, 176)),
      at + 32,
    );
    emit(
      i32x4.add(x12, v128.load(INPUT, 192)),
      i32x4.add(x13, v128.load(INPUT, 208)),
      i32x4.add(x14, v128.load(INPUT, 224)),
      i32x4.add(x15, v128.load(INPUT, 240)),
      at + 48,
    );
    counter = i32x4.add(counter, four);
  }
}

/** The little-endian 32-bit word at `at`. */
// @ts-ignore: decorator
@inline
function word(at: usize): u64 {
  return <u64>load<u32>(at);
}

/** Writes the Poly1305 tag of `length` bytes at `start` under the one-time key (RFC 8439 §2.5). */
function authenticate(start: usize, length: usize): void {
  const r0 = word(FIRST) & 0x3ffffff;
  const r1 = (word(FIRST + 3) >>> 2) & 0x3ffff03;
  const r2 = (word(FIRST + 6) >>> 4) & 0x3ffc0ff;
  const r3 = (word(FIRST + 9) >>> 6) & 0x3f03fff;
  const r4 = (word(FIRST + 12) >>> 8) & 0x00fffff;
  const s1 = r1 * 5;
  const s2 = r2 * 5;
  const s3 = r3 * 5;
  const s4 = r4 * 5;
  let h0: u64 = 0;
  let h1: u64 = 0;
  let h2: u64 = 0;
  let h3: u64 = 0;
  let h4: u64 = 0;
  const rest = length & 15;
  const end = start + (length & ~15);
  // A short last block gets its 2^(8·length) bit inside the block instead of above it.
  if (rest > 0) {
    v128.store(LAST, i32x4.splat(0));
    memory.copy(LAST, end, rest);
    store<u8>(LAST + rest, 1);
  }
  let at = start;
  let top: u64 = 1 << 24;
  for (;;) {
    if (at === end) {
      if (rest === 0) break;
      at = LAST;
      top = 0;
    }
    h0 += word(at) & MASK;
    h1 += (word(at + 3) >>> 2) & MASK;
    h2 += (word(at + 6) >>> 4) & MASK;
    h3 += word(at + 9) >>> 6;
    h4 += (word(at + 12) >>> 8) | top;
    let d0 = h0 * r0 + h1 * s4 + h2 * s3 + h3 * s2 + h4 * s1;
    let d1 = h0 * r1 + h1 * r0 + h2 * s4 + h3 * s3 + h4 * s2;
    let d2 = h0 * r2 + h1 * r1 + h2 * r0 + h3 * s4 + h4 * s3;
    let d3 = h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + h4 * s4;
    let d4 = h0 * r4 + h1 * r3 + h2 * r2 + h3 * r1 + h4 * r0;
    // Two carry chains side by side: 0→1→2→3→4 and 3→4→0→1.
    d1 += d0 >>> 26;
    h0 = d0 & MASK;
    d4 += d3 >>> 26;
    h3 = d3 & MASK;
    d2 += d1 >>> 26;
    h1 = d1 & MASK;
    h0 += (d4 >>> 26) * 5;
    h4 = d4 & MASK;
    h3 += d2 >>> 26;
    h2 = d2 & MASK;
    h1 += h0 >>> 26;
    h0 &= MASK;
    h4 += h3 >>> 26;
    h3 &= MASK;
    if (top === 0) break;
    at += 16;
  }
  finish(h0, h1, h2, h3, h4);
}

/** Reduces the sum fully, adds the second half of the one-time key modulo 2^128, and writes the tag. Branch-free. */
function finish(h0: u64, h1: u64, h2: u64, h3: u64, h4: u64): void {
  h2 += h1 >>> 26;
  h1 &= MASK;
  h3 += h2 >>> 26;
  h2 &= MASK;
  h4 += h3 >>> 26;
  h3 &= MASK;
  h0 += (h4 >>> 26) * 5;
  h4 &= MASK;
  h1 += h0 >>> 26;
  h0 &= MASK;
  // h - p, kept if it is not negative.
  let g0 = h0 + 5;
  let g1 = h1 + (g0 >>> 26);
  let g2 = h2 + (g1 >>> 26);
  let g3 = h3 + (g2 >>> 26);
  const g4 = h4 + (g3 >>> 26) - (1 << 26);
  const keep = (g4 >>> 63) - 1;
  h0 = (h0 & ~keep) | (g0 & MASK & keep);
  h1 = (h1 & ~keep) | (g1 & MASK & keep);
  h2 = (h2 & ~keep) | (g2 & MASK & keep);
  h3 = (h3 & ~keep) | (g3 & MASK & keep);
  h4 = (h4 & ~keep) | (g4 & keep);
  let sum = ((h0 | (h1 << 26)) & 0xffffffff) + word(FIRST + 16);
  store<u32>(TAG, sum as u32);
  sum = (((h1 >>> 6) | (h2 << 20)) & 0xffffffff) + word(FIRST + 20) + (sum >>> 32);
  store<u32>(TAG, sum as u32, 4);
  sum = (((h2 >>> 12) | (h3 << 14)) & 0xffffffff) + word(FIRST + 24) + (sum >>> 32);
  store<u32>(TAG, sum as u32, 8);
  sum = (((h3 >>> 18) | (h4 << 8)) & 0xffffffff) + word(FIRST + 28) + (sum >>> 32);
  store<u32>(TAG, sum as u32, 12);
}

/** Encrypts `length` bytes of body into the result and leaves the tag of that. */
export function seal(length: usize): void {
  begin();
  cipher(length);
  authenticate(BODY + RESULT, length);
}

/** Leaves the tag of `length` bytes of body, and decrypts them into the result, for the caller to use or not. */
export function open(length: usize): void {
  begin();
  cipher(length);
  authenticate(BODY, length);
}

/** Leaves the tag of `length` bytes of body that are not encrypted. */
export function tag(length: usize): void {
  begin();
  cipher(0);
  authenticate(BODY, length);
}

/** Where the one-time key of the tag lies. */
export function oneTimeKeyAt(): usize {
  return FIRST;
}

/** Leaves the tag of `length` bytes of body under the one-time key as the caller set it: known answers need that. */
export function tagUnder(length: usize): void {
  authenticate(BODY, length);
}
