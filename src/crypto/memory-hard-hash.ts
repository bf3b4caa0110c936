/**
 * The memory-hard hash from which an identity's address and proof of work come: the WebAssembly kernel where it runs,
 * else the same in TypeScript. Facts: vl1-identity-crypto.md §2.
 */
import { plainMemoryHardHash } from "./memory-hard-hash-plain.ts";
import { type MemoryHardHash, startMemoryHardHash } from "./memory-hard-hash-wasm.ts";

/** Bytes of the digest; bytes 59..63 are the address and byte 0 is the proof of work. */
export const MEMORY_HARD_DIGEST_BYTES = 64;

/** Started with the first hash of a thread: most threads make none. */
let chosen: MemoryHardHash | null = null;

/** The 64-byte digest of 64 public key bytes. Synchronous and slow: never on a thread that serves packets. */
export function memoryHardHash(publicKey: Uint8Array): Uint8Array {
  chosen ??= startMemoryHardHash() ?? plainMemoryHardHash;
  return chosen(publicKey);
}
