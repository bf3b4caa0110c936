/**
 * Armouring: authentication and encryption of complete packets, in place.
 * Facts: vl1-identity-crypto.md §4 (header fields), §5 (suites 0 and 1), §6 (suite 3), §7 (HELLO field), §8 (suite 2).
 *
 *   offset · size · field
 *        0 ·    8 · packet id (nonce; suite 3 replaces it)
 *        8 ·    5 · destination
 *       13 ·    5 · source
 *       18 ·    1 · flags: 0x80 encrypted (suite 1 only) · 0x40 fragmented · 0x38 cipher suite · 0x07 hops
 *       19 ·    8 · MAC, or trusted path id (suite 2)
 *       27 ·    … · the envelope: verb and payload
 */
import { createSivCipher, type SivCipher } from "../crypto/aes-engine.ts";
import { SIV_ASSOCIATED_DATA_BYTES, SIV_BYTES } from "../crypto/aes-gmac-siv.ts";
import { equalRanges } from "../crypto/constant-time.ts";
import { KBKDF_LABEL_CIPHER, KBKDF_LABEL_GMAC, kbkdf } from "../crypto/kdf.ts";
import { POLY1305_TAG_BYTES } from "../crypto/poly1305.ts";
import { salsaPoly } from "../crypto/salsa-poly.ts";
import { SALSA20_KEY_BYTES, SALSA20_NONCE_BYTES, salsa20Xor } from "../crypto/salsa20.ts";
import { PACKET_HEADER_BYTES } from "./constants.ts";

/** Cipher suites of the header (§4). Suites 4–7 do not exist. */
export const CipherSuite = {
  POLY1305_NONE: 0,
  SALSA2012_POLY1305: 1,
  NO_CRYPTO_TRUSTED_PATH: 2,
  AES_GMAC_SIV: 3,
} as const;
export type CipherSuite = (typeof CipherSuite)[keyof typeof CipherSuite];

const ID_BYTES = 8;
const ADDRESSES_AT = 8;
const FLAGS_AT = 18;
const MAC_AT = 19;
const MAC_BYTES = 8;
const ENVELOPE_AT = 27;
const FLAG_ENCRYPTED = 0x80;
const FLAG_FRAGMENTED = 0x40;
const SUITE_SHIFT = 3;
const SUITE_MASK = 0x38;
/** Everything in the flags byte but the hop count is authenticated. */
const WITHOUT_HOPS_MASK = 0xf8;
/** The low three bits of the id are no part of the HELLO field's nonce (§7). */
const FIELD_NONCE_MASK = 0xf8;
const PACKET_ROUNDS = 12;

/**
 * AES schedules (up to three OpenSSL contexts and a table, about 7 KiB) are kept for this many keys, the latest derived;
 * deriving one again costs 13 µs (53 µs on Node 24).
 */
const MAX_AES_SCHEDULES = 4096;
const scheduled: PeerKey[] = [];
let nextSchedule = 0;

/** The 48 bytes shared with one peer, with what is derived from them. Prints no key. */
export class PeerKey {
  readonly #shared: Uint8Array;
  #aes: SivCipher | null = null;

  /** `shared` has 48 bytes (§1) and is copied. */
  constructor(shared: Uint8Array) {
    this.#shared = new Uint8Array(shared);
  }

  /** The 48 shared bytes; suites 0 and 1 use the first 32. */
  get shared(): Uint8Array {
    return this.#shared;
  }

  /** Suite 3's schedule, derived when first needed and forgotten when many other keys have needed theirs since. */
  get aes(): SivCipher {
    if (this.#aes !== null) return this.#aes;
    const k0 = kbkdf(this.#shared, KBKDF_LABEL_GMAC, 0, 0);
    const k1 = kbkdf(this.#shared, KBKDF_LABEL_CIPHER, 0, 0);
    this.#aes = createSivCipher(k0, k1);
    const evicted = scheduled[nextSchedule];
    if (evicted !== undefined) evicted.#aes = null;
    scheduled[nextSchedule] = this;
    nextSchedule = (nextSchedule + 1) % MAX_AES_SCHEDULES;
    return this.#aes;
  }

  /** True if suite 3 costs nothing but the packet now. */
  get hasAes(): boolean {
    return this.#aes !== null;
  }

  toJSON(): string {
    return "[PeerKey]";
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "[PeerKey]";
  }
}

/** Scratch of this module; every function here runs to its end before another one starts. */
const MANGLED_KEY = new Uint8Array(SALSA20_KEY_BYTES);
const NONCE = new Uint8Array(SALSA20_NONCE_BYTES);
const TAG = new Uint8Array(POLY1305_TAG_BYTES);
const SIV = new Uint8Array(SIV_BYTES);
const ASSOCIATED_DATA = new Uint8Array(SIV_ASSOCIATED_DATA_BYTES);

/** Loads MANGLED_KEY and NONCE, the per-packet key and nonce of suites 0 and 1 (§5). */
function prepareSalsa(packet: Uint8Array, key: PeerKey): void {
  const mangled = MANGLED_KEY;
  const shared = key.shared;
  const length = packet.length;
  for (let i = 0; i < SALSA20_KEY_BYTES; i++) mangled[i] = shared[i]!;
  for (let i = 0; i < FLAGS_AT; i++) mangled[i]! ^= packet[i]!;
  mangled[18]! ^= packet[FLAGS_AT]! & WITHOUT_HOPS_MASK;
  mangled[19]! ^= length & 0xff;
  mangled[20]! ^= (length >> 8) & 0xff;
  for (let i = 0; i < ID_BYTES; i++) NONCE[i] = packet[i]!;
}

/** Loads suite 3's associated data: both addresses and the flags without hops, zero-padded (§6). */
function loadAssociatedData(packet: Uint8Array): void {
  for (let i = ADDRESSES_AT; i < FLAGS_AT; i++) ASSOCIATED_DATA[i - ADDRESSES_AT] = packet[i]!;
  ASSOCIATED_DATA[FLAGS_AT - ADDRESSES_AT] = packet[FLAGS_AT]! & WITHOUT_HOPS_MASK;
}

/** Sets the flags byte: the suite, no hops, and the fragmented flag as it was. */
function setFlags(packet: Uint8Array, suite: CipherSuite): void {
  const encrypted = suite === CipherSuite.SALSA2012_POLY1305 ? FLAG_ENCRYPTED : 0;
  packet[FLAGS_AT] = (packet[FLAGS_AT]! & FLAG_FRAGMENTED) | (suite << SUITE_SHIFT) | encrypted;
}

/**
 * Armours a complete packet (at least 28 bytes, verb and payload filled, the 0x40 flag already set if it will be
 * fragmented) in place. Suite 3 also replaces the packet id: read it after this call.
 */
export function armor(packet: Uint8Array, key: PeerKey, suite: 0 | 1 | 3): void {
  setFlags(packet, suite);
  if (suite === CipherSuite.AES_GMAC_SIV) {
    loadAssociatedData(packet);
    key.aes.seal(packet, ASSOCIATED_DATA, packet, ENVELOPE_AT, packet.length, SIV);
    for (let i = 0; i < ID_BYTES; i++) {
      packet[i] = SIV[i]!;
      packet[MAC_AT + i] = SIV[ID_BYTES + i]!;
    }
    return;
  }
  prepareSalsa(packet, key);
  const cipher = salsaPoly();
  if (suite === CipherSuite.SALSA2012_POLY1305) {
    cipher.seal(MANGLED_KEY, NONCE, packet, ENVELOPE_AT, packet.length, TAG);
  } else {
    cipher.authenticate(MANGLED_KEY, NONCE, packet, ENVELOPE_AT, packet.length, TAG);
  }
  for (let i = 0; i < MAC_BYTES; i++) packet[MAC_AT + i] = TAG[i]!;
}

/**
 * Authenticates a complete packet by the suite in its header and decrypts it in place. False, with the bytes
 * unchanged, if the MAC is wrong, the packet is shorter than a header, or the suite is not 0, 1 or 3 (suite 2 is
 * decided by `trustedPathId` and where the packet came from).
 */
export function dearmor(packet: Uint8Array, key: PeerKey): boolean {
  if (packet.length < PACKET_HEADER_BYTES) return false;
  const suite = (packet[FLAGS_AT]! & SUITE_MASK) >> SUITE_SHIFT;
  if (suite === CipherSuite.AES_GMAC_SIV) {
    loadAssociatedData(packet);
    for (let i = 0; i < ID_BYTES; i++) {
      SIV[i] = packet[i]!;
      SIV[ID_BYTES + i] = packet[MAC_AT + i]!;
    }
    return key.aes.open(SIV, ASSOCIATED_DATA, packet, ENVELOPE_AT, packet.length);
  }
  if (suite !== CipherSuite.POLY1305_NONE && suite !== CipherSuite.SALSA2012_POLY1305) return false;
  prepareSalsa(packet, key);
  const cipher = salsaPoly();
  if (suite === CipherSuite.SALSA2012_POLY1305) {
    return cipher.open(MANGLED_KEY, NONCE, packet, ENVELOPE_AT, packet.length, packet, MAC_AT);
  }
  cipher.authenticate(MANGLED_KEY, NONCE, packet, ENVELOPE_AT, packet.length, TAG);
  return equalRanges(TAG, 0, packet, MAC_AT, MAC_BYTES);
}

/** Marks a packet as suite 2 with a 64-bit trusted path id in place of the MAC; nothing is encrypted (§8). */
export function armorTrustedPath(packet: Uint8Array, pathId: bigint): void {
  setFlags(packet, CipherSuite.NO_CRYPTO_TRUSTED_PATH);
  for (let i = 0; i < MAC_BYTES; i++) packet[MAC_AT + i] = Number((pathId >> BigInt(56 - 8 * i)) & 0xffn);
}

/** The trusted path id of a suite 2 packet. Id 0 must be refused by the caller: it means "none configured" (§8). */
export function trustedPathId(packet: Uint8Array): bigint {
  let id = 0n;
  for (let i = 0; i < MAC_BYTES; i++) id = (id << 8n) | BigInt(packet[MAC_AT + i]!);
  return id;
}

/**
 * Masks or unmasks a HELLO's trailing section, `packet[start..]`, in place (§7). Before armouring when sending, after
 * dearmouring when receiving; only for suites 0 and 1, which leave the packet id alone.
 */
export function cipherHelloField(packet: Uint8Array, start: number, key: PeerKey): void {
  for (let i = 0; i < ID_BYTES; i++) NONCE[i] = packet[i]!;
  NONCE[ID_BYTES - 1]! &= FIELD_NONCE_MASK;
  salsa20Xor(key.shared, NONCE, PACKET_ROUNDS, packet, start, packet.length);
}
