/**
 * The memory-hard hash step by step, on bytes, with noble's Salsa20, as vl1-identity-crypto.md §2 writes it: slow, and
 * willing to show what lies between. The fast one in src/crypto is held against it.
 */
import { createHash } from "node:crypto";
import { salsa20 } from "@noble/ciphers/salsa.js";

const MEMORY_BYTES = 2_097_152;
const WORDS = MEMORY_BYTES / 8;

/** What one mixing round did. */
export interface MixingRound {
  readonly iteration: number;
  readonly digestWordIndex: number;
  readonly memoryWordIndex: number;
  readonly digestAfter: Uint8Array;
}

/** Every intermediate state of one hash. */
export interface HashTrace {
  readonly sha512: Uint8Array;
  readonly salsaKey: Uint8Array;
  readonly salsaNonce: Uint8Array;
  readonly memoryAfterFill: Uint8Array;
  readonly rounds: readonly MixingRound[];
  readonly roundCount: number;
  readonly memoryAfterMixing: Uint8Array;
  readonly digest: Uint8Array;
}

/** Hashes 64 public key bytes and records the mixing rounds whose numbers are in `watched`. */
export function referenceMemoryHardHash(publicKey: Uint8Array, watched: ReadonlySet<number> = new Set()): HashTrace {
  const sha512 = new Uint8Array(createHash("sha512").update(publicKey).digest());
  const salsaKey = sha512.slice(0, 32);
  const salsaNonce = sha512.slice(32, 40);
  let counter = 0;
  const xorNext = (block: Uint8Array) => salsa20(salsaKey, salsaNonce, block, undefined, counter++);

  const memory = Buffer.alloc(MEMORY_BYTES);
  memory.set(xorNext(memory.subarray(0, 64)), 0);
  for (let at = 64; at < MEMORY_BYTES; at += 64) memory.set(xorNext(memory.subarray(at - 64, at)), at);
  const memoryAfterFill = Uint8Array.from(memory);

  const rounds: MixingRound[] = [];
  let digest = Uint8Array.from(sha512);
  let iteration = 0;
  for (let i = 0; i < WORDS; i += 2, iteration++) {
    const digestWordIndex = Number(memory.readBigUInt64BE(8 * i) % 8n);
    const memoryWordIndex = Number(memory.readBigUInt64BE(8 * (i + 1)) % BigInt(WORDS));
    const kept = digest.slice(8 * digestWordIndex, 8 * digestWordIndex + 8);
    digest.set(memory.subarray(8 * memoryWordIndex, 8 * memoryWordIndex + 8), 8 * digestWordIndex);
    memory.set(kept, 8 * memoryWordIndex);
    digest = xorNext(digest) as Uint8Array<ArrayBuffer>;
    if (watched.has(iteration)) {
      rounds.push({ iteration, digestWordIndex, memoryWordIndex, digestAfter: digest.slice() });
    }
  }
  return {
    sha512,
    salsaKey,
    salsaNonce,
    memoryAfterFill,
    rounds,
    roundCount: iteration,
    memoryAfterMixing: memory,
    digest,
  };
}
