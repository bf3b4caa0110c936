/**
 * Hashes and the key derivation of the AES suite. Facts: vl1-identity-crypto.md §1 (SHA-512), §2 (fingerprint), §6.
 */
import { createHash, createHmac } from "node:crypto";

/** "ZT", the constant in every KBKDF message (§6). */
const KBKDF_MARK = [0x5a, 0x54] as const;
const KBKDF_OUTPUT_BITS = 384;

/** Labels of the two AES-256 keys of suite 3: ASCII '0' for GMAC, '1' for CTR and the SIV block (§6). */
export const KBKDF_LABEL_GMAC = 0x30;
export const KBKDF_LABEL_CIPHER = 0x31;

/** SHA-512 of `bytes`: 64 bytes, freshly allocated. */
export function sha512(bytes: Uint8Array): Uint8Array {
  return createHash("sha512").update(bytes).digest();
}

/** SHA-256 of `bytes`: 32 bytes, freshly allocated. For secrets of our own that are kept as digests only. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}

/** SHA-384 of `bytes`: 48 bytes, freshly allocated. */
export function sha384(bytes: Uint8Array): Uint8Array {
  return createHash("sha384").update(bytes).digest();
}

/**
 * KBKDF in counter mode, one HMAC-SHA-384 block (§6): 48 bytes from the 48-byte `key`. `label` and `context` are
 * bytes, `iteration` is a 32-bit number.
 */
export function kbkdf(key: Uint8Array, label: number, context: number, iteration: number): Uint8Array {
  const message = new Uint8Array(13);
  message[0] = iteration >>> 24;
  message[1] = iteration >>> 16;
  message[2] = iteration >>> 8;
  message[3] = iteration;
  message[4] = KBKDF_MARK[0];
  message[5] = KBKDF_MARK[1];
  message[6] = label;
  message[8] = context;
  message[11] = KBKDF_OUTPUT_BITS >>> 8;
  message[12] = KBKDF_OUTPUT_BITS & 0xff;
  return createHmac("sha384", key).update(message).digest();
}
