/** The name of a network's interface on Linux. Facts: vl2-ethernet.md §7.1, local-api.md §7. */
import type { NetworkId } from "./network-id.ts";

const PREFIX = "zt";
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
const BITS = 40n;
const SHIFT = 24n;
const BITS_PER_CHARACTER = 5n;

/** `zt` and eight characters; `trial` 1, 2, … gives the next ones when a name is taken. */
export function interfaceName(id: NetworkId, trial = 0): string {
  const value = BigInt.asUintN(Number(BITS), (id ^ (id >> SHIFT)) + BigInt(trial));
  let name = PREFIX;
  for (let shift = BITS - BITS_PER_CHARACTER; shift >= 0n; shift -= BITS_PER_CHARACTER) {
    name += ALPHABET[Number((value >> shift) & 31n)];
  }
  return name;
}
