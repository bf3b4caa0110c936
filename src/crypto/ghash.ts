/**
 * GHASH, the universal hash of GCM (NIST SP 800-38D §6.4), with one 256-entry table per key. Only the shape that
 * suite 3 needs: everything is associated data. Facts: vl1-identity-crypto.md §6 step 2.
 *
 * Field elements are four big-endian 32-bit words; bit 0 of the polynomial is the top bit of word 0. Multiplying by H
 * goes byte by byte from the end: shift the product by eight bits, reduce what fell out, add table[byte].
 */

const BLOCK_BYTES = 16;
/** Length of a prepared key: 256 multiples of H, four words each. */
export const GHASH_TABLE_WORDS = 1024;
/** The reduction polynomial's low terms, 1 + x + x² + x⁷, in reflected bit order. */
const POLYNOMIAL = 0xe1000000;

/** What the eight bits shifted out of a product add to its top word; the same for all keys. */
const REDUCTION = new Int32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let low = byte;
  let top = 0;
  for (let bit = 0; bit < 8; bit++) {
    const out = low & 1;
    low >>>= 1;
    top = (top >>> 1) ^ (out ? POLYNOMIAL : 0);
  }
  REDUCTION[byte] = top;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

/** Fills `table` (GHASH_TABLE_WORDS words) for the 16-byte hash key `h`, the encryption of a zero block. */
export function prepareGhash(table: Int32Array, h: Uint8Array): void {
  let w0 = wordAt(h, 0);
  let w1 = wordAt(h, 4);
  let w2 = wordAt(h, 8);
  let w3 = wordAt(h, 12);
  for (let entry = 0x80; entry > 0; entry >>= 1) {
    const at = entry * 4;
    table[at] = w0;
    table[at + 1] = w1;
    table[at + 2] = w2;
    table[at + 3] = w3;
    const carry = w3 & 1;
    w3 = (w3 >>> 1) | (w2 << 31);
    w2 = (w2 >>> 1) | (w1 << 31);
    w1 = (w1 >>> 1) | (w0 << 31);
    w0 = (w0 >>> 1) ^ (carry ? POLYNOMIAL : 0);
  }
  for (let power = 2; power < 256; power <<= 1) {
    for (let rest = 1; rest < power; rest++) {
      const at = (power + rest) * 4;
      for (let i = 0; i < 4; i++) table[at + i] = table[power * 4 + i]! ^ table[rest * 4 + i]!;
    }
  }
}

/** The running value between blocks. */
const Y = new Int32Array(4);
const PADDED = new Uint8Array(BLOCK_BYTES);

/**
 * GHASH of 16 bytes `head` followed by `bytes[start..end)`, zero-padded, and the length block, into `out[0..16)`.
 * Allocates nothing.
 */
export function ghash(
  table: Int32Array,
  head: Uint8Array,
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
): void {
  Y.fill(0);
  absorb(table, head, 0, BLOCK_BYTES);
  const whole = start + ((end - start) & ~(BLOCK_BYTES - 1));
  absorb(table, bytes, start, whole);
  const padded = PADDED;
  if (whole < end) {
    padded.fill(0);
    for (let i = whole; i < end; i++) padded[i - whole] = bytes[i]!;
    absorb(table, padded, 0, BLOCK_BYTES);
  }
  const bits = (BLOCK_BYTES + end - start) * 8;
  padded.fill(0);
  padded[4] = bits >>> 24;
  padded[5] = bits >>> 16;
  padded[6] = bits >>> 8;
  padded[7] = bits;
  absorb(table, padded, 0, BLOCK_BYTES);
  for (let i = 0; i < BLOCK_BYTES; i++) out[i] = Y[i >> 2]! >>> (24 - ((i & 3) << 3));
}

/**
 * Y = (Y + block)·H for each whole block of `bytes[start..end)`. Written out byte by byte: 4.4 µs for 1373 bytes on
 * Node 20 against 5.5 µs in a loop. Four tables and steps of 32 bits take 3.4 µs, but 16 KiB a key, which a server
 * of very many peers pays for in cache misses.
 */
function absorb(table: Int32Array, bytes: Uint8Array, start: number, end: number): void {
  const reduction = REDUCTION;
  let y0 = Y[0]!;
  let y1 = Y[1]!;
  let y2 = Y[2]!;
  let y3 = Y[3]!;
  for (let at = start; at < end; at += BLOCK_BYTES) {
    let entry = ((y3 & 0xff) ^ bytes[at + 15]!) << 2;
    let z0 = table[entry]!;
    let z1 = table[entry + 1]!;
    let z2 = table[entry + 2]!;
    let z3 = table[entry + 3]!;
    let fell = 0;
    entry = (((y3 >>> 8) & 0xff) ^ bytes[at + 14]!) << 2;
    fell = reduction[z3 & 0xff]!;
    z3 = ((z3 >>> 8) | (z2 << 24)) ^ table[entry + 3]!;
    z2 = ((z2 >>> 8) | (z1 << 24)) ^ table[entry + 2]!;
    z1 = ((z1 >>> 8) | (z0 << 24)) ^ table[entry + 1]!;
    z0 = (z0 >>> 8) ^ fell ^ table[entry]!;
    entry = (((y3 >>> 16) & 0xff) ^ bytes[at + 13]!) << 2;
    fell = reduction[z3 & 0xff]!;
    z3 = ((z3 >>> 8) | (z2 << 24)) ^ table[entry + 3]!;
    z2 = ((z2 >>> 8) | (z1 << 24)) ^ table[entry + 2]!;
    z1 = ((z1 >>> 8) | (z0 << 24)) ^ table[entry + 1]!;
    z0 = (z0 >>> 8) ^ fell ^ table[entry]!;
    entry = ((y3 >>> 24) ^ bytes[at + 12]!) << 2;
    fell = reduction[z3 & 0xff]!;
    z3 = ((z3 >>> 8) | (z2 << 24)) ^ table[entry + 3]!;
    z2 = ((z2 >>> 8) | (z1 << 24)) ^ table[entry + 2]!;
    z1 = ((z1 >>> 8) | (z0 << 24)) ^ table[entry + 1]!;
    z0 = (z0 >>> 8) ^ fell ^ table[entry]!;
    entry = ((y2 & 0xff) ^ bytes[at + 11]!) << 2;
    fell = reduction[z3 & 0xff]!;
    z3 = ((z3 >>> 8) | (z2 << 24)) ^ table[entry + 3]!;
    z2 = ((z2 >>> 8) | (z1 << 24)) ^ table[entry + 2]!;
    z1 = ((z1 >>> 8) | (z0 << 24)) ^ table[entry + 1]!;
    z0 = (z0 >>> 8) ^ fell ^ table[entry]!;
    entry = (((y2 >>> 8) & 0xff) ^ bytes[at + 10]!) << 2;
    fell = reduction[z3 & 0xff]!;
    z3 = ((z3 >>> 8) | (z2 << 24)) ^ table[entry + 3]!;
    z2 = ((z2 >>> 8) | (z1 << 24)) ^ table[entry + 2]!;
    z1 = ((z1 >>> 8) | (z0 << 24)) ^ table[entry + 1]!;
    z0 = (z0 >>> 8) ^ fell ^ table[entry]!;
    entry = (((y2 >>> 16) & 0xff) ^ bytes[at + 9]!) << 2;
    fell = reduction[z3 & 0xff]!;
    z3 = ((z3 >>> 8) | (z2 << 24)) ^ table[entry + 3]!;
    z2 = ((z2 >>> 8) | (z1 << 24)) ^ table[entry + 2]!;
    z1 = ((z1 >>> 8) | (z0 << 24)) ^ table[entry + 1]!;
    z0 = (z0 >>> 8) ^ fell ^ table[entry]!;
    entry = ((y2 >>> 24) ^ bytes[at + 8]!) << 2;
    fell = reduction[z3 & 0xff]!;
    z3 = ((z3 >>> 8) | (z2 << 24)) ^ table[entry + 3]!;
    z2 = ((z2 >>> 8) | (z1 << 24)) ^ table[entry + 2]!;
    z1 = ((z1 >>> 8) | (z0 << 24)) ^ table[entry + 1]!;
    z0 = (z0 >>> 8) ^ fell ^ table[entry]!;
    entry = ((y1 & 0xff) ^ bytes[at + 7]!) << 2;
    fell = reduction[z3 & 0xff]!;
    z3 = ((z3 >>> 8) | (z2 << 24)) ^ table[entry + 3]!;
    z2 = ((z2 >>> 8) | (z1 << 24)) ^ table[entry + 2]!;
    z1 = ((z1 >>> 8) | (z0 << 24)) ^ table[entry + 1]!;
    z0 = (z0 >>> 8) ^ fell ^ table[entry]!;
    entry = (((y1 >>> 8) & 0xff) ^ bytes[at + 6]!) << 2;
    fell = reduction[z3 & 0xff]!;
    z3 = ((z3 >>> 8) | (z2 << 24)) ^ table[entry + 3]!;
    z2 = ((z2 >>> 8) | (z1 << 24)) ^ table[entry + 2]!;
    z1 = ((z1 >>> 8) | (z0 << 24)) ^ table[entry + 1]!;
    z0 = (z0 >>> 8) ^ fell ^ table[entry]!;
    entry = (((y1 >>> 16) & 0xff) ^ bytes[at + 5]!) << 2;
    fell = reduction[z3 & 0xff]!;
    z3 = ((z3 >>> 8) | (z2 << 24)) ^ table[entry + 3]!;
    z2 = ((z2 >>> 8) | (z1 << 24)) ^ table[entry + 2]!;
    z1 = ((z1 >>> 8) | (z0 << 24)) ^ table[entry + 1]!;
    z0 = (z0 >>> 8) ^ fell ^ table[entry]!;
    entry = ((y1 >>> 24) ^ bytes[at + 4]!) << 2;
    fell = reduction[z3 & 0xff]!;
    z3 = ((z3 >>> 8) | (z2 << 24)) ^ table[entry + 3]!;
    z2 = ((z2 >>> 8) | (z1 << 24)) ^ table[entry + 2]!;
    z1 = ((z1 >>> 8) | (z0 << 24)) ^ table[entry + 1]!;
    z0 = (z0 >>> 8) ^ fell ^ table[entry]!;
    entry = ((y0 & 0xff) ^ bytes[at + 3]!) << 2;
    fell = reduction[z3 & 0xff]!;
    z3 = ((z3 >>> 8) | (z2 << 24)) ^ table[entry + 3]!;
    z2 = ((z2 >>> 8) | (z1 << 24)) ^ table[entry + 2]!;
    z1 = ((z1 >>> 8) | (z0 << 24)) ^ table[entry + 1]!;
    z0 = (z0 >>> 8) ^ fell ^ table[entry]!;
    entry = (((y0 >>> 8) & 0xff) ^ bytes[at + 2]!) << 2;
    fell = reduction[z3 & 0xff]!;
    z3 = ((z3 >>> 8) | (z2 << 24)) ^ table[entry + 3]!;
    z2 = ((z2 >>> 8) | (z1 << 24)) ^ table[entry + 2]!;
    z1 = ((z1 >>> 8) | (z0 << 24)) ^ table[entry + 1]!;
    z0 = (z0 >>> 8) ^ fell ^ table[entry]!;
    entry = (((y0 >>> 16) & 0xff) ^ bytes[at + 1]!) << 2;
    fell = reduction[z3 & 0xff]!;
    z3 = ((z3 >>> 8) | (z2 << 24)) ^ table[entry + 3]!;
    z2 = ((z2 >>> 8) | (z1 << 24)) ^ table[entry + 2]!;
    z1 = ((z1 >>> 8) | (z0 << 24)) ^ table[entry + 1]!;
    z0 = (z0 >>> 8) ^ fell ^ table[entry]!;
    entry = ((y0 >>> 24) ^ bytes[at]!) << 2;
    fell = reduction[z3 & 0xff]!;
    z3 = ((z3 >>> 8) | (z2 << 24)) ^ table[entry + 3]!;
    z2 = ((z2 >>> 8) | (z1 << 24)) ^ table[entry + 2]!;
    z1 = ((z1 >>> 8) | (z0 << 24)) ^ table[entry + 1]!;
    z0 = (z0 >>> 8) ^ fell ^ table[entry]!;
    y0 = z0;
    y1 = z1;
    y2 = z2;
    y3 = z3;
  }
  Y[0] = y0;
  Y[1] = y1;
  Y[2] = y2;
  Y[3] = y3;
}
