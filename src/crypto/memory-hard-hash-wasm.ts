/**
 * The memory-hard hash in WebAssembly, eight keystream blocks at a time: 7 ms on Node 20, 22 and 24, where TypeScript
 * takes 17 and the reference 29 on the same machine. How it works: wasm/memory-hard-hash.as.
 */
import { sha512 } from "./kdf.ts";
import { MEMORY_HARD_HASH_WASM_BASE64 } from "./memory-hard-hash-binary.ts";
import { startKernel } from "./webassembly.ts";

const DIGEST_BYTES = 64;
const MEMORY_BYTES = 2_097_152;

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  memoryAt(): number;
  digestAt(): number;
  seedAt(): number;
  fill(): void;
  mix(): void;
}

/** What a hash has in memory between its steps, for tests; valid until the next step. */
export interface HashObserver {
  filled(memory: Uint8Array): void;
  mixed(memory: Uint8Array): void;
}

export type MemoryHardHash = (publicKey: Uint8Array, observer?: HashObserver) => Uint8Array;

/**
 * Starts the kernel, with 2 MiB of its own; null where WebAssembly with vectors does not run. The function it gives
 * takes 64 public key bytes and gives the 64-byte digest, and is not re-entrant.
 */
export function startMemoryHardHash(): MemoryHardHash | null {
  const kernel = startKernel<Exports>(MEMORY_HARD_HASH_WASM_BASE64);
  if (kernel === null) return null;
  const { buffer } = kernel.memory;
  const memory = new Uint8Array(buffer, kernel.memoryAt(), MEMORY_BYTES);
  const digest = new Uint8Array(buffer, kernel.digestAt(), DIGEST_BYTES);
  const seed = new Uint8Array(buffer, kernel.seedAt(), DIGEST_BYTES);
  return (publicKey, observer) => {
    seed.set(sha512(publicKey));
    kernel.fill();
    observer?.filled(memory);
    kernel.mix();
    observer?.mixed(memory);
    return digest.slice();
  };
}
