/**
 * LZ4 raw blocks (no frame, no length prefix), as packets carry them. Facts: vl1-identity-crypto.md §9 and the public
 * LZ4 block format description. The decoder is for hostile input: it checks every length against both buffers.
 *
 *   sequence: token (literal length << 4 | match length − 4) · more literal length · literals ·
 *             offset (2 bytes, little-endian) · more match length
 * A block ends with a sequence that has literals only.
 */

const MIN_MATCH_BYTES = 4;
/** The last bytes of a block are always literals, and no match starts closer to the end than this. */
const LAST_LITERAL_BYTES = 5;
const MATCH_START_LIMIT_BYTES = 12;
const MAX_OFFSET = 65535;
const LENGTH_NIBBLE = 15;
const HASH_BITS = 12;
/** Knuth's multiplicative hash constant, 2^32 / φ. */
const HASH_MULTIPLIER = 2654435761;
/** After 2^this misses in a row the search steps one byte further each time, so incompressible input costs little. */
const SKIP_TRIGGER = 6;

/** Position + 1 of the last occurrence of each hash; cleared for every block. */
const TABLE = new Int32Array(1 << HASH_BITS);
/** Grows to the largest block seen; results are copied out of it. */
let scratch = new Uint8Array(16384);

function reserve(bytes: number): Uint8Array {
  if (scratch.length < bytes) scratch = new Uint8Array(bytes);
  return scratch;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

/** Bytes that a length takes after its nibble. */
function extraBytes(length: number): number {
  return length < LENGTH_NIBBLE ? 0 : Math.floor((length - LENGTH_NIBBLE) / 255) + 1;
}

/** Writes what does not fit in the nibble and returns the next position. */
function writeExtra(out: Uint8Array, at: number, length: number): number {
  if (length < LENGTH_NIBBLE) return at;
  let rest = length - LENGTH_NIBBLE;
  for (; rest >= 255; rest -= 255) out[at++] = 255;
  out[at++] = rest;
  return at;
}

/** Copies literals; short runs, the common case, without creating a view. */
function copyLiterals(input: Uint8Array, from: number, to: number, out: Uint8Array, at: number): number {
  if (to - from > 32) {
    out.set(input.subarray(from, to), at);
    return at + to - from;
  }
  while (from < to) out[at++] = input[from++]!;
  return at;
}

/** One raw LZ4 block of `input`, freshly allocated; null unless it is strictly smaller than the input. */
export function lz4Compress(input: Uint8Array): Uint8Array | null {
  const limit = input.length - 1;
  const out = reserve(input.length);
  const lastStart = input.length - MATCH_START_LIMIT_BYTES;
  const matchEnd = input.length - LAST_LITERAL_BYTES;
  TABLE.fill(0);
  let anchor = 0;
  let written = 0;
  let misses = 1 << SKIP_TRIGGER;
  for (let at = 0; at <= lastStart; ) {
    const word = wordAt(input, at);
    const slot = Math.imul(word, HASH_MULTIPLIER) >>> (32 - HASH_BITS);
    let candidate = TABLE[slot]! - 1;
    TABLE[slot] = at + 1;
    if (candidate < 0 || at - candidate > MAX_OFFSET || wordAt(input, candidate) !== word) {
      at += misses++ >> SKIP_TRIGGER;
      continue;
    }
    misses = 1 << SKIP_TRIGGER;
    while (at > anchor && candidate > 0 && input[at - 1] === input[candidate - 1]) {
      at--;
      candidate--;
    }
    let end = at + MIN_MATCH_BYTES;
    for (let from = candidate + MIN_MATCH_BYTES; end < matchEnd && input[end] === input[from]; from++) end++;
    const literals = at - anchor;
    const match = end - at - MIN_MATCH_BYTES;
    if (written + 3 + extraBytes(literals) + literals + extraBytes(match) > limit) return null;
    out[written++] = (Math.min(literals, LENGTH_NIBBLE) << 4) | Math.min(match, LENGTH_NIBBLE);
    written = copyLiterals(input, anchor, at, out, writeExtra(out, written, literals));
    out[written++] = at - candidate;
    out[written++] = (at - candidate) >> 8;
    written = writeExtra(out, written, match);
    at = end;
    anchor = end;
  }
  const literals = input.length - anchor;
  if (written + 1 + extraBytes(literals) + literals > limit) return null;
  out[written++] = Math.min(literals, LENGTH_NIBBLE) << 4;
  written = copyLiterals(input, anchor, input.length, out, writeExtra(out, written, literals));
  return out.slice(0, written);
}

/**
 * The bytes a raw LZ4 block stands for, freshly allocated, or null if the block is malformed or would give more than
 * `maxBytes`. Neither reads outside `input` nor works more than in proportion to input and `maxBytes`.
 */
export function lz4Decompress(input: Uint8Array, maxBytes: number): Uint8Array | null {
  const out = reserve(maxBytes);
  const end = input.length;
  let at = 0;
  let written = 0;
  while (at < end) {
    const token = input[at++]!;
    let literals = token >> 4;
    if (literals === LENGTH_NIBBLE) {
      let more = 255;
      while (more === 255) {
        if (at >= end) return null;
        more = input[at++]!;
        literals += more;
      }
    }
    if (literals > end - at || literals > maxBytes - written) return null;
    written = copyLiterals(input, at, at + literals, out, written);
    at += literals;
    if (at === end) return out.slice(0, written);

    if (end - at < 2) return null;
    const offset = input[at]! | (input[at + 1]! << 8);
    at += 2;
    let match = token & LENGTH_NIBBLE;
    if (match === LENGTH_NIBBLE) {
      let more = 255;
      while (more === 255) {
        if (at >= end) return null;
        more = input[at++]!;
        match += more;
      }
    }
    match += MIN_MATCH_BYTES;
    if (offset === 0 || offset > written || match > maxBytes - written) return null;
    // Byte by byte, because a match may overlap what it produces.
    for (let from = written - offset; match > 0; match--) out[written++] = out[from++]!;
  }
  return null;
}
