/** What both uses of Salsa20 share: its constants and its one operation, on four blocks at a time. */

/** "expand 32-byte k", little-endian. */
export const SALSA20_CONSTANT_0: i32 = 0x61707865;
export const SALSA20_CONSTANT_1: i32 = 0x3320646e;
export const SALSA20_CONSTANT_2: i32 = 0x79622d32;
export const SALSA20_CONSTANT_3: i32 = 0x6b206574;

/** target ^ ((a + b) rotated left by `bits`), for four blocks. */
// @ts-ignore: decorator
@inline
export function step(target: v128, a: v128, b: v128, bits: i32): v128 {
  const sum = i32x4.add(a, b);
  return v128.xor(v128.xor(target, i32x4.shl(sum, bits)), i32x4.shr_u(sum, 32 - bits));
}
