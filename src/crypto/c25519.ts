/**
 * The two key pairs of an identity: X25519 for agreement, Ed25519 for signatures, packed as 64 public and 64 secret
 * bytes. Facts: vl1-identity-crypto.md §1.
 *
 * Everything runs in OpenSSL. Importing raw bytes costs more than using them (Node 20: a secret 315 µs, a public key
 * 68 µs as DER but 4 µs as JWK, an agreement itself 29 µs), hence JWK for public keys, and functions that take an
 * imported key for whoever uses the same one again.
 */
import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
  sign as signRaw,
  verify as verifyRaw,
} from "node:crypto";
import { equalRanges } from "./constant-time.ts";
import { sha512 } from "./kdf.ts";

export const PUBLIC_KEY_BYTES = 64;
export const SECRET_KEY_BYTES = 64;
export const SHARED_KEY_BYTES = 48;
export const SIGNATURE_BYTES = 96;
/** Each half of a public or secret key, and the digest inside a signature. */
const HALF_BYTES = 32;
const ED25519_SIGNATURE_BYTES = 64;

/** PKCS#8 up to the raw 32 bytes: version, algorithm identifier (1.3.101.110 X25519, 1.3.101.112 Ed25519), octets. */
const PKCS8_X25519 = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20);
const PKCS8_ED25519 = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20);

/**
 * Every 255-bit u-coordinate whose order divides 8, in all its encodings: with these, X25519 gives all zeros for any
 * secret. OpenSSL refuses them; the protocol does not (§1).
 */
const LOW_ORDER_POINTS = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

/** Compares two byte strings in constant time; false at once if their lengths differ (lengths are public). */
export function constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && equalRanges(a, 0, b, 0, a.length);
}

function importSecret(prefix: Uint8Array, raw: Uint8Array): KeyObject {
  const der = Buffer.alloc(prefix.length + HALF_BYTES);
  der.set(prefix, 0);
  der.set(raw, prefix.length);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  der.fill(0);
  return key;
}

function importPublic(curve: "X25519" | "Ed25519", raw: Uint8Array): KeyObject {
  const x = Buffer.from(raw.buffer, raw.byteOffset, raw.length).toString("base64url");
  return createPublicKey({ key: { kty: "OKP", crv: curve, x }, format: "jwk" });
}

/** The raw public half that belongs to an imported secret. */
function rawPublicOf(secret: KeyObject): Uint8Array {
  const { x } = createPublicKey(secret).export({ format: "jwk" });
  return Buffer.from(x ?? "", "base64url");
}

/** Imports the agreement half of a 64-byte secret for repeated use with `agreeWith`. */
export function importAgreementSecret(secret: Uint8Array): KeyObject {
  return importSecret(PKCS8_X25519, secret.subarray(0, HALF_BYTES));
}

/** Imports the signing half of a 64-byte secret for repeated use with `signWith`. */
export function importSigningSecret(secret: Uint8Array): KeyObject {
  return importSecret(PKCS8_ED25519, secret.subarray(HALF_BYTES, SECRET_KEY_BYTES));
}

/** Imports the signing half of a 64-byte public key for repeated use with `verifyWith`. */
export function importVerificationKey(publicKey: Uint8Array): KeyObject {
  return importPublic("Ed25519", publicKey.subarray(HALF_BYTES, PUBLIC_KEY_BYTES));
}

function isLowOrder(point: Uint8Array): boolean {
  const last = point[HALF_BYTES - 1]! & 0x7f;
  // Cheap sieve: every listed point ends in one of these bytes, hardly any other point does.
  if (last !== 0 && last !== 0x57 && last !== 0x7f) return false;
  const masked = Buffer.from(point);
  masked[HALF_BYTES - 1] = last;
  return LOW_ORDER_POINTS.has(masked.toString("hex"));
}

/**
 * The 48 bytes two identities share: SHA-512(X25519)[0..47] (§1). A low-order `theirPublic` is not refused, as the
 * protocol demands: its raw agreement is 32 zeros.
 */
export function agreeWith(secret: KeyObject, theirPublic: Uint8Array): Uint8Array {
  const point = theirPublic.subarray(0, HALF_BYTES);
  const raw = isLowOrder(point)
    ? new Uint8Array(HALF_BYTES)
    : diffieHellman({ privateKey: secret, publicKey: importPublic("X25519", point) });
  const shared = new Uint8Array(sha512(raw).subarray(0, SHARED_KEY_BYTES));
  raw.fill(0);
  return shared;
}

/** As `agreeWith`, from the 64 raw secret bytes. Importing them costs ten times the agreement. */
export function agree(secret: Uint8Array, theirPublic: Uint8Array): Uint8Array {
  return agreeWith(importAgreementSecret(secret), theirPublic);
}

/** A 96-byte signature of `message` (§1): Ed25519 over the first half of its SHA-512, then that half. */
export function signWith(secret: KeyObject, message: Uint8Array): Uint8Array {
  const digest = sha512(message).subarray(0, HALF_BYTES);
  const signature = new Uint8Array(SIGNATURE_BYTES);
  signature.set(signRaw(null, digest, secret), 0);
  signature.set(digest, ED25519_SIGNATURE_BYTES);
  return signature;
}

/**
 * As `signWith`, from the 64 raw secret bytes. `_publicKey` is accepted because callers hold both; the public half
 * that enters the signature is derived from the seed, so a public key that does not belong to it cannot leak it.
 */
export function sign(secret: Uint8Array, _publicKey: Uint8Array, message: Uint8Array): Uint8Array {
  return signWith(importSigningSecret(secret), message);
}

/**
 * True if `signature` (96 bytes; any other length is false) is one of `message` by `key`. Stricter than the reference
 * in one point: a non-canonical S (S+L) is refused (§1).
 */
export function verifyWith(key: KeyObject, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  const digest = sha512(message).subarray(0, HALF_BYTES);
  if (!equalRanges(digest, 0, signature, ED25519_SIGNATURE_BYTES, HALF_BYTES)) return false;
  return verifyRaw(null, digest, key, signature.subarray(0, ED25519_SIGNATURE_BYTES));
}

/** As `verifyWith`, from the 64 raw public bytes. */
export function verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return verifyWith(importVerificationKey(publicKey), message, signature);
}

/** The 64 public bytes that belong to 64 secret bytes (any bytes are a valid secret). */
export function publicFromSecret(secret: Uint8Array): Uint8Array {
  const publicKey = new Uint8Array(PUBLIC_KEY_BYTES);
  publicKey.set(rawPublicOf(importAgreementSecret(secret)), 0);
  publicKey.set(rawPublicOf(importSigningSecret(secret)), HALF_BYTES);
  return publicKey;
}

/** Only the agreement half (32 bytes), which is what identity generation varies. */
export function agreementPublicFromSecret(secret: Uint8Array): Uint8Array {
  return new Uint8Array(rawPublicOf(importAgreementSecret(secret)));
}
