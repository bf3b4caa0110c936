/** Comparisons whose time does not depend on where the bytes differ: for MACs and secrets, never `bytesEqual`. */

/** True if `count` bytes of `a` from `aStart` equal those of `b` from `bStart`; the caller has checked the bounds. */
export function equalRanges(a: Uint8Array, aStart: number, b: Uint8Array, bStart: number, count: number): boolean {
  let difference = 0;
  for (let i = 0; i < count; i++) difference |= a[aStart + i]! ^ b[bStart + i]!;
  return difference === 0;
}
