/**
 * AES-256-GMAC-SIV, cipher suite 3: a MAC over the plaintext, encrypted together with the packet id into a synthetic
 * initial vector, which then drives CTR. Facts: vl1-identity-crypto.md §6.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { equalRanges } from "./constant-time.ts";
import { GHASH_TABLE_WORDS, ghash, prepareGhash } from "./ghash.ts";

export const SIV_BYTES = 16;
export const SIV_ASSOCIATED_DATA_BYTES = 16;
const BLOCK_BYTES = 16;
const ID_BYTES = 8;
const AES_KEY_BYTES = 32;

/** An AES-256-ECB context of OpenSSL without padding: whole blocks in, as many out, again and again. */
interface BlockCipher {
  update(blocks: Uint8Array): Uint8Array;
}

/** Scratch, shared by all keys: nothing here calls out to code that could use it too. */
const BLOCK = new Uint8Array(BLOCK_BYTES);
const TAG = new Uint8Array(BLOCK_BYTES);
const ZERO_BLOCK = new Uint8Array(BLOCK_BYTES);
/** The first twelve bytes of a counter block as three words of the host. */
const PREFIX = new Uint8Array(BLOCK_BYTES);
const PREFIX_WORDS = new Int32Array(PREFIX.buffer);
/** Counter blocks, as bytes and words; they grow to the largest body seen, which the packet limit bounds. */
let counters = new Uint8Array(2048);
let counterWords = new Int32Array(counters.buffer);

/**
 * One direction-less key of suite 3. Holds two or three OpenSSL contexts and a 4 KiB table, so whoever has very many
 * peers should bound how many of these live (protocol/armor.ts does).
 *
 * Why like this (Node 20, body of 1373 bytes): a reused ECB context answers in 0.3 µs for one block and 0.9 µs for a
 * whole keystream; a new CTR context takes 1.9 µs, a new GCM context 2.3 µs whatever the length, and 11 µs on Node 24.
 * So nothing is created per packet, and GHASH is our own: sealing takes 2.3 µs for a packet of 100 bytes and 8 to 9 µs
 * for one of 1400 on Node 20, 22 and 24 alike (a GCM context would save 2 µs of the latter, on Node 20 only).
 */
export class AesGmacSiv {
  readonly #k0: Uint8Array;
  readonly #k1: Uint8Array;
  readonly #table: Int32Array;
  readonly #gmac: BlockCipher;
  readonly #encrypt: BlockCipher;
  #decrypt: BlockCipher | null = null;

  /** `k0` (GMAC) and `k1` (CTR and the SIV block) have 32 bytes each. */
  constructor(k0: Uint8Array, k1: Uint8Array) {
    this.#k0 = k0.slice(0, AES_KEY_BYTES);
    this.#k1 = k1.slice(0, AES_KEY_BYTES);
    this.#gmac = createCipheriv("aes-256-ecb", this.#k0, null).setAutoPadding(false);
    this.#encrypt = createCipheriv("aes-256-ecb", this.#k1, null).setAutoPadding(false);
    this.#table = new Int32Array(GHASH_TABLE_WORDS);
    prepareGhash(this.#table, this.#gmac.update(ZERO_BLOCK));
  }

  /**
   * Encrypts `bytes[start..end)` in place. `id` holds the 8-byte packet id at its beginning, `associatedData` 16
   * bytes. The 16-byte synthetic vector goes to `siv[0..16)`: its halves are the new packet id and the MAC.
   */
  seal(
    id: Uint8Array,
    associatedData: Uint8Array,
    bytes: Uint8Array,
    start: number,
    end: number,
    siv: Uint8Array,
  ): void {
    const block = BLOCK;
    this.#tag(id, associatedData, bytes, start, end);
    for (let i = 0; i < ID_BYTES; i++) {
      block[i] = id[i]!;
      block[ID_BYTES + i] = TAG[i]! ^ TAG[ID_BYTES + i]!;
    }
    siv.set(this.#encrypt.update(block), 0);
    this.#xorKeystream(siv, bytes, start, end);
  }

  /**
   * Decrypts `bytes[start..end)` in place if `siv` (16 bytes) authenticates it together with `associatedData`;
   * otherwise returns false and leaves the bytes as they were.
   */
  open(siv: Uint8Array, associatedData: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
    this.#decrypt ??= createDecipheriv("aes-256-ecb", this.#k1, null).setAutoPadding(false);
    const inner = this.#decrypt.update(siv);
    this.#xorKeystream(siv, bytes, start, end);
    this.#tag(inner, associatedData, bytes, start, end);
    for (let i = 0; i < ID_BYTES; i++) TAG[i]! ^= TAG[ID_BYTES + i]!;
    if (equalRanges(TAG, 0, inner, ID_BYTES, ID_BYTES)) return true;
    this.#xorKeystream(siv, bytes, start, end);
    return false;
  }

  /** GMAC of associated data and body under the vector id ‖ 0⁴ into TAG: GHASH, masked with one encrypted block. */
  #tag(id: Uint8Array, associatedData: Uint8Array, bytes: Uint8Array, start: number, end: number): void {
    const block = BLOCK;
    ghash(this.#table, associatedData, bytes, start, end, TAG);
    for (let i = 0; i < ID_BYTES; i++) block[i] = id[i]!;
    block.fill(0, ID_BYTES);
    block[BLOCK_BYTES - 1] = 1;
    const mask = this.#gmac.update(block);
    for (let i = 0; i < BLOCK_BYTES; i++) TAG[i]! ^= mask[i]!;
  }

  /** XORs the body with the CTR keystream whose first counter block is `siv` with the top bit of byte 12 cleared. */
  #xorKeystream(siv: Uint8Array, bytes: Uint8Array, start: number, end: number): void {
    const length = (end - start + BLOCK_BYTES - 1) & ~(BLOCK_BYTES - 1);
    if (counters.length < length) {
      counters = new Uint8Array(length * 2);
      counterWords = new Int32Array(counters.buffer);
    }
    const blocks = counters;
    const words = counterWords;
    PREFIX.set(siv, 0);
    const w0 = PREFIX_WORDS[0]!;
    const w1 = PREFIX_WORDS[1]!;
    const w2 = PREFIX_WORDS[2]!;
    // The cleared bit leaves 2^31 blocks before the counter could overflow, so it never carries into byte 11.
    let counter = ((siv[12]! & 0x7f) << 24) | (siv[13]! << 16) | (siv[14]! << 8) | siv[15]!;
    for (let at = 0; at < length; at += BLOCK_BYTES, counter++) {
      words[at >> 2] = w0;
      words[(at >> 2) + 1] = w1;
      words[(at >> 2) + 2] = w2;
      blocks[at + 12] = counter >>> 24;
      blocks[at + 13] = counter >>> 16;
      blocks[at + 14] = counter >>> 8;
      blocks[at + 15] = counter;
    }
    const keystream = this.#encrypt.update(blocks.subarray(0, length));
    for (let at = start, i = 0; at < end; at++, i++) bytes[at]! ^= keystream[i]!;
  }
}
