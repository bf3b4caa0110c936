/** AES-GMAC-SIV from OpenSSL's whole modes, a new context each (vl1-identity-crypto.md §6). Slow, for tests. */
import { createCipheriv } from "node:crypto";

/** GMAC: AES-256-GCM with everything as associated data. */
export function referenceGmac(k0: Uint8Array, iv12: Uint8Array, data: Uint8Array): Uint8Array {
  const gcm = createCipheriv("aes-256-gcm", k0, iv12);
  gcm.setAAD(data);
  gcm.final();
  return gcm.getAuthTag();
}

/** The synthetic vector (16 bytes) and the ciphertext of `body`. */
export function referenceSeal(
  k0: Uint8Array,
  k1: Uint8Array,
  id: Uint8Array,
  associatedData: Uint8Array,
  body: Uint8Array,
): { siv: Uint8Array; ciphertext: Uint8Array } {
  const tag = referenceGmac(k0, Buffer.concat([id, Buffer.alloc(4)]), Buffer.concat([associatedData, body]));
  const folded = Uint8Array.from({ length: 8 }, (_, i) => tag[i]! ^ tag[8 + i]!);
  const ecb = createCipheriv("aes-256-ecb", k1, null).setAutoPadding(false);
  const siv = ecb.update(Buffer.concat([id, folded]));
  const counter = Buffer.from(siv);
  counter[12]! &= 0x7f;
  return { siv, ciphertext: createCipheriv("aes-256-ctr", k1, counter).update(body) };
}
