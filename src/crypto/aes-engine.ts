/**
 * AES-GMAC-SIV on an AES engine from outside: the process's OpenSSL called directly (io/linux/openssl.ts), which has
 * GMAC in processor instructions and contexts that can be used again with another vector, as `node:crypto` has not.
 * Facts: vl1-identity-crypto.md §6.
 *
 * Sealing a packet of 100 or 1400 bytes takes 0.8 or 1.3 µs this way on Node 20 and 0.65 or 0.93 µs on Node 22 and 24,
 * against 2.3 or 8.9 µs with `AesGmacSiv`; a key that has lost its slot to others pays 0.6 µs more. The reference takes
 * 0.14 or 0.5 µs.
 */
import { AesGmacSiv, SIV_BYTES } from "./aes-gmac-siv.ts";
import { equalRanges } from "./constant-time.ts";

/**
 * AES-256 under a number of key pairs ("slots"). All operations work on bytes of `memory`, by their offsets; they throw
 * if the engine fails, which it does only when it is broken.
 */
export interface AesEngine {
  /** At least MIN_ENGINE_BYTES, at one place for the engine's life. Its content is the caller's. */
  readonly memory: Uint8Array;
  /** Key pairs that can be set at the same time, at least one. */
  readonly slots: number;
  /** Sets the keys of `slot`: 32 bytes for GMAC at `k0`, 32 for everything else at `k1`. */
  setKeys(slot: number, k0: number, k1: number): void;
  /** Writes the 16-byte GMAC of `length` bytes at `from` under the 12-byte vector at `iv` to `tag`. */
  gmac(slot: number, iv: number, from: number, length: number, tag: number): void;
  /** Encrypts the 16-byte block at `at` in place. */
  encryptBlock(slot: number, at: number): void;
  /** Decrypts the 16-byte block at `at` in place. */
  decryptBlock(slot: number, at: number): void;
  /** XORs `length` bytes at `at` with the CTR keystream whose first block is at `counter` (big-endian, 16 bytes). */
  ctr(slot: number, counter: number, at: number, length: number): void;
}

/** What suite 3 does with a packet; see `AesGmacSiv` for the parameters. */
export type SivCipher = Pick<AesGmacSiv, "seal" | "open">;

const KEY_BYTES = 32;
const ID_BYTES = 8;
const AD_BYTES = 16;

/** Where things lie in the engine's memory. */
const K0_AT = 0;
const K1_AT = KEY_BYTES;
/** 12 bytes: the id and four zeros. */
const IV_AT = 64;
/** The folded tag with the id before it: encrypted, the synthetic vector. */
const SIV_AT = 80;
const COUNTER_AT = 96;
const TAG_AT = 112;
const AD_AT = 128;
const BODY_AT = AD_AT + AD_BYTES;
const MAX_BODY_BYTES = 16_384;
/** How much memory an engine must have. */
export const MIN_ENGINE_BYTES = BODY_AT + MAX_BODY_BYTES;
/** The top bit of this byte of the vector is cleared for the counter. */
const COUNTER_CLEARED_BYTE = 12;

/** Who has which slot of an engine. */
class Slots {
  readonly engine: AesEngine;
  readonly owners: (EngineAesGmacSiv | null)[];
  #next = 0;

  constructor(engine: AesEngine) {
    if (engine.memory.length < MIN_ENGINE_BYTES) throw new Error(`an AES engine needs ${MIN_ENGINE_BYTES} bytes`);
    this.engine = engine;
    this.owners = new Array<EngineAesGmacSiv | null>(engine.slots).fill(null);
  }

  /** The next slot in turn, taken from whoever had it. */
  take(owner: EngineAesGmacSiv): number {
    const slot = this.#next;
    this.#next = (slot + 1) % this.owners.length;
    this.owners[slot] = owner;
    return slot;
  }
}

/** The same cipher as `AesGmacSiv`, bit by bit, on an engine. Holds only its keys and a slot that it may lose. */
class EngineAesGmacSiv implements SivCipher {
  readonly #slots: Slots;
  readonly #keys: Uint8Array;
  #slot = 0;
  /** For bodies that the engine's memory is too small for. */
  #large: AesGmacSiv | null = null;

  constructor(slots: Slots, k0: Uint8Array, k1: Uint8Array) {
    this.#slots = slots;
    this.#keys = new Uint8Array(2 * KEY_BYTES);
    this.#keys.set(k0.subarray(0, KEY_BYTES), 0);
    this.#keys.set(k1.subarray(0, KEY_BYTES), KEY_BYTES);
  }

  seal(
    id: Uint8Array,
    associatedData: Uint8Array,
    bytes: Uint8Array,
    start: number,
    end: number,
    siv: Uint8Array,
  ): void {
    const length = end - start;
    if (length > MAX_BODY_BYTES) return this.#forLarge().seal(id, associatedData, bytes, start, end, siv);
    const slot = this.#claim();
    const { engine } = this.#slots;
    const { memory } = engine;
    for (let i = 0; i < ID_BYTES; i++) memory[SIV_AT + i] = id[i]!;
    memory.set(length === bytes.length ? bytes : bytes.subarray(start, end), BODY_AT);
    this.#tag(slot, memory, associatedData, length);
    for (let i = 0; i < ID_BYTES; i++) memory[SIV_AT + ID_BYTES + i] = memory[TAG_AT + i]!;
    engine.encryptBlock(slot, SIV_AT);
    for (let i = 0; i < SIV_BYTES; i++) siv[i] = memory[SIV_AT + i]!;
    if (length > 0) this.#cipher(slot, memory, length);
    bytes.set(memory.subarray(BODY_AT, BODY_AT + length), start);
  }

  open(siv: Uint8Array, associatedData: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    if (length > MAX_BODY_BYTES) return this.#forLarge().open(siv, associatedData, bytes, start, end);
    const slot = this.#claim();
    const { engine } = this.#slots;
    const { memory } = engine;
    for (let i = 0; i < SIV_BYTES; i++) memory[SIV_AT + i] = siv[i]!;
    memory.set(length === bytes.length ? bytes : bytes.subarray(start, end), BODY_AT);
    if (length > 0) this.#cipher(slot, memory, length);
    engine.decryptBlock(slot, SIV_AT);
    this.#tag(slot, memory, associatedData, length);
    if (!equalRanges(memory, TAG_AT, memory, SIV_AT + ID_BYTES, ID_BYTES)) return false;
    bytes.set(memory.subarray(BODY_AT, BODY_AT + length), start);
    return true;
  }

  /** Leaves the folded tag of the plaintext in memory for the id at SIV_AT: 8 bytes at TAG_AT. */
  #tag(slot: number, memory: Uint8Array, associatedData: Uint8Array, length: number): void {
    for (let i = 0; i < ID_BYTES; i++) memory[IV_AT + i] = memory[SIV_AT + i]!;
    for (let i = 0; i < AD_BYTES; i++) memory[AD_AT + i] = associatedData[i]!;
    this.#slots.engine.gmac(slot, IV_AT, AD_AT, AD_BYTES + length, TAG_AT);
    for (let i = 0; i < ID_BYTES; i++) memory[TAG_AT + i]! ^= memory[TAG_AT + ID_BYTES + i]!;
  }

  /** Encrypts or decrypts the body in memory under the vector at SIV_AT. */
  #cipher(slot: number, memory: Uint8Array, length: number): void {
    for (let i = 0; i < SIV_BYTES; i++) memory[COUNTER_AT + i] = memory[SIV_AT + i]!;
    memory[COUNTER_AT + COUNTER_CLEARED_BYTE]! &= 0x7f;
    this.#slots.engine.ctr(slot, COUNTER_AT, BODY_AT, length);
  }

  /** A slot with our keys in it. */
  #claim(): number {
    const slots = this.#slots;
    if (slots.owners[this.#slot] === this) return this.#slot;
    const { engine } = slots;
    this.#slot = slots.take(this);
    engine.memory.set(this.#keys, K0_AT);
    engine.setKeys(this.#slot, K0_AT, K1_AT);
    engine.memory.fill(0, K0_AT, K0_AT + this.#keys.length);
    return this.#slot;
  }

  #forLarge(): AesGmacSiv {
    this.#large ??= new AesGmacSiv(this.#keys.subarray(0, KEY_BYTES), this.#keys.subarray(KEY_BYTES));
    return this.#large;
  }
}

let current: Slots | null = null;

/**
 * Says which engine ciphers made from now on use; null means `node:crypto`, as at first. Called once, when a program
 * starts that has packets to seal: the core may not look for system interfaces itself.
 */
export function useAesEngine(engine: AesEngine | null): void {
  current = engine === null ? null : new Slots(engine);
}

/** The cipher of suite 3 for the keys `k0` and `k1` (32 bytes each): on the engine in use, or on `node:crypto`. */
export function createSivCipher(k0: Uint8Array, k1: Uint8Array): SivCipher {
  return current === null ? new AesGmacSiv(k0, k1) : new EngineAesGmacSiv(current, k0, k1);
}
