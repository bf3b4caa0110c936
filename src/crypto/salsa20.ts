/**
 * Salsa20 with a 256-bit key, a 64-bit nonce and a 64-bit block counter, 12 or 20 rounds.
 * Facts: vl1-identity-crypto.md §2 (20 rounds, one running counter) and §5 (12 rounds for packets).
 *
 * No library offers 12 rounds, and none works inside a packet buffer without copying. Everything here is done in
 * module-level scratch: JavaScript is single-threaded, and no function here calls out while it uses the scratch.
 */

export const SALSA20_KEY_BYTES = 32;
export const SALSA20_NONCE_BYTES = 8;
export const SALSA20_BLOCK_BYTES = 64;
const BLOCK_WORDS = 16;

/** Number of rounds: 12 for packets, 20 for the memory-hard hash. */
export type SalsaRounds = 12 | 20;

/** Little-endian 32-bit word at `at`. */
function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

/**
 * Fills the 16-word input matrix: constants "expand 32-byte k" on the diagonal, key, nonce and block counter.
 * `state` has 16 words, `key` 32 bytes, `nonce` 8 bytes; `counter` is the first block's number, below 2^53.
 */
export function salsa20Setup(state: Int32Array, key: Uint8Array, nonce: Uint8Array, counter: number): void {
  state[0] = 0x61707865;
  state[1] = word(key, 0);
  state[2] = word(key, 4);
  state[3] = word(key, 8);
  state[4] = word(key, 12);
  state[5] = 0x3320646e;
  state[6] = word(nonce, 0);
  state[7] = word(nonce, 4);
  state[8] = counter | 0;
  state[9] = Math.floor(counter / 0x100000000) | 0;
  state[10] = 0x79622d32;
  state[11] = word(key, 16);
  state[12] = word(key, 20);
  state[13] = word(key, 24);
  state[14] = word(key, 28);
  state[15] = 0x6b206574;
}

/**
 * Writes one keystream block (16 little-endian words) to `out[at …]` and advances the block counter in `state`.
 * The double round is written out: V8 keeps the sixteen words in registers and stack slots only in this form.
 */
export function salsa20Block(state: Int32Array, rounds: SalsaRounds, out: Int32Array, at: number): void {
  const s0 = state[0]!;
  const s1 = state[1]!;
  const s2 = state[2]!;
  const s3 = state[3]!;
  const s4 = state[4]!;
  const s5 = state[5]!;
  const s6 = state[6]!;
  const s7 = state[7]!;
  const s8 = state[8]!;
  const s9 = state[9]!;
  const s10 = state[10]!;
  const s11 = state[11]!;
  const s12 = state[12]!;
  const s13 = state[13]!;
  const s14 = state[14]!;
  const s15 = state[15]!;
  let x0 = s0;
  let x1 = s1;
  let x2 = s2;
  let x3 = s3;
  let x4 = s4;
  let x5 = s5;
  let x6 = s6;
  let x7 = s7;
  let x8 = s8;
  let x9 = s9;
  let x10 = s10;
  let x11 = s11;
  let x12 = s12;
  let x13 = s13;
  let x14 = s14;
  let x15 = s15;
  let t = 0;
  for (let round = 0; round < rounds; round += 2) {
    // Columns.
    t = (x0 + x12) | 0;
    x4 ^= (t << 7) | (t >>> 25);
    t = (x4 + x0) | 0;
    x8 ^= (t << 9) | (t >>> 23);
    t = (x8 + x4) | 0;
    x12 ^= (t << 13) | (t >>> 19);
    t = (x12 + x8) | 0;
    x0 ^= (t << 18) | (t >>> 14);
    t = (x5 + x1) | 0;
    x9 ^= (t << 7) | (t >>> 25);
    t = (x9 + x5) | 0;
    x13 ^= (t << 9) | (t >>> 23);
    t = (x13 + x9) | 0;
    x1 ^= (t << 13) | (t >>> 19);
    t = (x1 + x13) | 0;
    x5 ^= (t << 18) | (t >>> 14);
    t = (x10 + x6) | 0;
    x14 ^= (t << 7) | (t >>> 25);
    t = (x14 + x10) | 0;
    x2 ^= (t << 9) | (t >>> 23);
    t = (x2 + x14) | 0;
    x6 ^= (t << 13) | (t >>> 19);
    t = (x6 + x2) | 0;
    x10 ^= (t << 18) | (t >>> 14);
    t = (x15 + x11) | 0;
    x3 ^= (t << 7) | (t >>> 25);
    t = (x3 + x15) | 0;
    x7 ^= (t << 9) | (t >>> 23);
    t = (x7 + x3) | 0;
    x11 ^= (t << 13) | (t >>> 19);
    t = (x11 + x7) | 0;
    x15 ^= (t << 18) | (t >>> 14);
    // Rows.
    t = (x0 + x3) | 0;
    x1 ^= (t << 7) | (t >>> 25);
    t = (x1 + x0) | 0;
    x2 ^= (t << 9) | (t >>> 23);
    t = (x2 + x1) | 0;
    x3 ^= (t << 13) | (t >>> 19);
    t = (x3 + x2) | 0;
    x0 ^= (t << 18) | (t >>> 14);
    t = (x5 + x4) | 0;
    x6 ^= (t << 7) | (t >>> 25);
    t = (x6 + x5) | 0;
    x7 ^= (t << 9) | (t >>> 23);
    t = (x7 + x6) | 0;
    x4 ^= (t << 13) | (t >>> 19);
    t = (x4 + x7) | 0;
    x5 ^= (t << 18) | (t >>> 14);
    t = (x10 + x9) | 0;
    x11 ^= (t << 7) | (t >>> 25);
    t = (x11 + x10) | 0;
    x8 ^= (t << 9) | (t >>> 23);
    t = (x8 + x11) | 0;
    x9 ^= (t << 13) | (t >>> 19);
    t = (x9 + x8) | 0;
    x10 ^= (t << 18) | (t >>> 14);
    t = (x15 + x14) | 0;
    x12 ^= (t << 7) | (t >>> 25);
    t = (x12 + x15) | 0;
    x13 ^= (t << 9) | (t >>> 23);
    t = (x13 + x12) | 0;
    x14 ^= (t << 13) | (t >>> 19);
    t = (x14 + x13) | 0;
    x15 ^= (t << 18) | (t >>> 14);
  }
  out[at] = x0 + s0;
  out[at + 1] = x1 + s1;
  out[at + 2] = x2 + s2;
  out[at + 3] = x3 + s3;
  out[at + 4] = x4 + s4;
  out[at + 5] = x5 + s5;
  out[at + 6] = x6 + s6;
  out[at + 7] = x7 + s7;
  out[at + 8] = x8 + s8;
  out[at + 9] = x9 + s9;
  out[at + 10] = x10 + s10;
  out[at + 11] = x11 + s11;
  out[at + 12] = x12 + s12;
  out[at + 13] = x13 + s13;
  out[at + 14] = x14 + s14;
  out[at + 15] = x15 + s15;
  const low = (s8 + 1) | 0;
  state[8] = low;
  if (low === 0) state[9] = (s9 + 1) | 0;
}

const STATE = new Int32Array(BLOCK_WORDS);
const KEYSTREAM = new Int32Array(BLOCK_WORDS);

/**
 * XORs `bytes[start..end)` in place with the keystream of (`key` 32 bytes, `nonce` 8 bytes), starting at the first
 * byte of block `counter` (0 unless given). Encryption and decryption are the same operation.
 */
export function salsa20Xor(
  key: Uint8Array,
  nonce: Uint8Array,
  rounds: SalsaRounds,
  bytes: Uint8Array,
  start: number,
  end: number,
  counter = 0,
): void {
  const stream = KEYSTREAM;
  salsa20Setup(STATE, key, nonce, counter);
  let at = start;
  for (const whole = end - SALSA20_BLOCK_BYTES; at <= whole; ) {
    salsa20Block(STATE, rounds, stream, 0);
    // Word by word with explicit byte order, so that neither alignment nor the host's endianness matters.
    for (let i = 0; i < BLOCK_WORDS; i++, at += 4) {
      const w = stream[i]!;
      bytes[at]! ^= w;
      bytes[at + 1]! ^= w >>> 8;
      bytes[at + 2]! ^= w >>> 16;
      bytes[at + 3]! ^= w >>> 24;
    }
  }
  if (at < end) {
    salsa20Block(STATE, rounds, stream, 0);
    for (let i = 0; at < end; i++, at++) bytes[at]! ^= stream[i >> 2]! >>> ((i & 3) << 3);
  }
}

/**
 * One keystream whose block counter keeps running through all calls, as the memory-hard hash needs it (§2).
 * Works on words (little-endian), not bytes.
 */
export class Salsa20Stream {
  readonly #state = new Int32Array(BLOCK_WORDS);
  readonly #rounds: SalsaRounds;

  /** `key` has 32 bytes, `nonce` 8; the counter starts at 0. */
  constructor(key: Uint8Array, nonce: Uint8Array, rounds: SalsaRounds) {
    this.#rounds = rounds;
    salsa20Setup(this.#state, key, nonce, 0);
  }

  /** Writes the next 16 keystream words to `out[at …]`. */
  next(out: Int32Array, at: number): void {
    salsa20Block(this.#state, this.#rounds, out, at);
  }
}
