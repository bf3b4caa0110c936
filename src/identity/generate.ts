/**
 * Making identities and checking that an address belongs to its keys. Both run the memory-hard hash (7 ms a time, 17
 * where WebAssembly does not run), so a program that serves packets asks `IdentityPool` instead.
 * Facts: vl1-identity-crypto.md §2.
 */
import { agreementPublicFromSecret, publicFromSecret, SECRET_KEY_BYTES } from "../crypto/c25519.ts";
import { MEMORY_HARD_DIGEST_BYTES, memoryHardHash } from "../crypto/memory-hard-hash.ts";
import { ADDRESS_BYTES, type Address, isReservedAddress, readAddress } from "../protocol/address.ts";
import { Identity } from "./identity.ts";

/** The proof of work: the digest's first byte must be below this. */
const HASHCASH_FIRST_BYTE_BELOW = 17;
/** The varied part of the secret lies between the bytes that X25519 clamps. */
const COUNTER_FIRST_BYTE = 8;
const COUNTER_LAST_BYTE = 15;

/** The address a digest stands for, or null if the proof of work fails or the address is reserved. */
function addressOf(digest: Uint8Array): Address | null {
  if (digest[0]! >= HASHCASH_FIRST_BYTE_BELOW) return null;
  const address = readAddress(digest, MEMORY_HARD_DIGEST_BYTES - ADDRESS_BYTES);
  return isReservedAddress(address) ? null : address;
}

/** Adds one to the little-endian number in the middle of the agreement secret. */
function vary(secret: Uint8Array): void {
  for (let i = COUNTER_FIRST_BYTE; i <= COUNTER_LAST_BYTE; i++) {
    secret[i]! += 1;
    if (secret[i] !== 0) return;
  }
}

/**
 * Makes an identity from 64 bytes that `random` fills in, the same one from the same bytes. Slow: about 15 tries of
 * the hash, a tenth of a second, sometimes four times that.
 */
export function generateIdentity(random: (into: Uint8Array) => void): Identity {
  const secret = new Uint8Array(SECRET_KEY_BYTES);
  random(secret);
  const publicKey = publicFromSecret(secret);
  for (;;) {
    const address = addressOf(memoryHardHash(publicKey));
    if (address !== null) return new Identity(address, publicKey, secret);
    vary(secret);
    publicKey.set(agreementPublicFromSecret(secret), 0);
  }
}

/** True if the address is not reserved, carries its proof of work and is the one the public key hashes to. Slow. */
export function validateIdentity(identity: Identity): boolean {
  return !isReservedAddress(identity.address) && addressOf(memoryHardHash(identity.publicKey)) === identity.address;
}
