/**
 * The memory-hard hash in TypeScript: what runs where the WebAssembly kernel cannot, and what that is tested against.
 * Facts: vl1-identity-crypto.md §2. About 163 840 Salsa20/20 blocks over 2 MiB: 17 ms on Node 20, 22 and 24.
 *
 * Memory and digest are held as logical little-endian 32-bit words, Salsa20's own unit, so that no byte is touched
 * between the first SHA-512 and the final digest; the two index reads pick their big-endian bits out of those words.
 */
import { sha512 } from "./kdf.ts";
import { Salsa20Stream } from "./salsa20.ts";

const DIGEST_BYTES = 64;
const MEMORY_BYTES = 2_097_152;
const MEMORY_WORDS = MEMORY_BYTES / 4;
const BLOCK_WORDS = 16;

/** Reused by every call: two MiB are allocated with the first one. A hash leaves nothing secret in it. */
let scratch: Int32Array | null = null;

/** The 64-byte digest of 64 public key bytes. Synchronous and slow: never on a thread that serves packets. */
export function plainMemoryHardHash(publicKey: Uint8Array): Uint8Array {
  scratch ??= new Int32Array(MEMORY_WORDS);
  const memory = scratch;
  const seed = sha512(publicKey);
  const stream = new Salsa20Stream(seed.subarray(0, 32), seed.subarray(32, 40), 20);
  fill(memory, stream);

  const digest = new Int32Array(BLOCK_WORDS);
  for (let i = 0; i < BLOCK_WORDS; i++) {
    const at = i * 4;
    digest[i] = seed[at]! | (seed[at + 1]! << 8) | (seed[at + 2]! << 16) | (seed[at + 3]! << 24);
  }
  mix(memory, digest, stream);

  const out = new Uint8Array(DIGEST_BYTES);
  for (let i = 0; i < out.length; i++) out[i] = digest[i >> 2]! >>> ((i & 3) << 3);
  return out;
}

/** Every block is the keystream XORed with the block before it; the first with zeros. */
function fill(memory: Int32Array, stream: Salsa20Stream): void {
  stream.next(memory, 0);
  for (let at = BLOCK_WORDS; at < MEMORY_WORDS; at += BLOCK_WORDS) {
    stream.next(memory, at);
    for (let i = at; i < at + BLOCK_WORDS; i++) memory[i]! ^= memory[i - BLOCK_WORDS]!;
  }
}

/** Walks the memory in pairs of 8-byte words: each pair says which digest word to swap with which memory word. */
function mix(memory: Int32Array, digest: Int32Array, stream: Salsa20Stream): void {
  const keystream = new Int32Array(BLOCK_WORDS);
  for (let at = 0; at < MEMORY_WORDS; at += 4) {
    // BE64 mod 8 and mod 262144 are the last 3 and 18 bits of the 8-byte word, which lie in its second half.
    const a = ((memory[at + 1]! >>> 24) & 7) << 1;
    const tail = memory[at + 3]!;
    const b = (((tail & 0x300) << 8) | ((tail >>> 8) & 0xff00) | (tail >>> 24)) << 1;
    const low = digest[a]!;
    const high = digest[a + 1]!;
    digest[a] = memory[b]!;
    digest[a + 1] = memory[b + 1]!;
    memory[b] = low;
    memory[b + 1] = high;
    stream.next(keystream, 0);
    for (let i = 0; i < BLOCK_WORDS; i++) digest[i]! ^= keystream[i]!;
  }
}
