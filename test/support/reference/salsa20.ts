/** Salsa20 as its specification writes it: quarter rounds on an array, any even number of rounds. Slow, for tests. */

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function quarterRound(x: Int32Array, a: number, b: number, c: number, d: number): void {
  x[b]! ^= rotate((x[a]! + x[d]!) | 0, 7);
  x[c]! ^= rotate((x[b]! + x[a]!) | 0, 9);
  x[d]! ^= rotate((x[c]! + x[b]!) | 0, 13);
  x[a]! ^= rotate((x[d]! + x[c]!) | 0, 18);
}

/** The 64 keystream bytes of block `counter` for a 32-byte key and an 8-byte nonce. */
export function referenceSalsa20Block(
  key: Uint8Array,
  nonce: Uint8Array,
  rounds: number,
  counter: number | bigint,
): Uint8Array {
  const input = Buffer.alloc(64);
  const sigma = Buffer.from("expand 32-byte k");
  for (let i = 0; i < 4; i++) sigma.copy(input, 20 * i, 4 * i, 4 * i + 4);
  input.set(key.subarray(0, 16), 4);
  input.set(nonce, 24);
  input.writeBigUInt64LE(BigInt(counter), 32);
  input.set(key.subarray(16, 32), 44);
  const start = Int32Array.from({ length: 16 }, (_, i) => input.readInt32LE(4 * i));
  const x = Int32Array.from(start);
  for (let round = 0; round < rounds; round += 2) {
    for (let i = 0; i < 4; i++) quarterRound(x, 5 * i, (5 * i + 4) % 16, (5 * i + 8) % 16, (5 * i + 12) % 16);
    for (let i = 0; i < 4; i++) {
      const row = 4 * i;
      quarterRound(x, 5 * i, row + ((i + 1) % 4), row + ((i + 2) % 4), row + ((i + 3) % 4));
    }
  }
  const out = Buffer.alloc(64);
  for (let i = 0; i < 16; i++) out.writeInt32LE((x[i]! + start[i]!) | 0, 4 * i);
  return out;
}

/** `length` keystream bytes from the beginning of block `counter`. */
export function referenceSalsa20(
  key: Uint8Array,
  nonce: Uint8Array,
  rounds: number,
  length: number,
  counter = 0,
): Uint8Array {
  const out = new Uint8Array(Math.ceil(length / 64) * 64);
  for (let at = 0; at < length; at += 64) out.set(referenceSalsa20Block(key, nonce, rounds, counter + at / 64), at);
  return out.subarray(0, length);
}
