/** The name of a network's interface on Linux. Facts: vl2-ethernet.md §7.1, local-api.md §7 (`devicemap`). */
import { type NetworkId, parseNetworkId } from "./network-id.ts";

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

/** Names that are tried before giving up: so many clashes are no accident. */
const MAX_TRIALS = 64;
/** What Linux takes as the name of an interface, less what would confuse people and scripts. */
const USABLE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/;

/** The network's own choice of a name (`preferred`, from the device map) or else the first derived one that is free. */
export function freeInterfaceName(
  id: NetworkId,
  preferred: string | undefined,
  isTaken: (name: string) => boolean,
): string | null {
  if (preferred !== undefined && !isTaken(preferred)) return preferred;
  for (let trial = 0; trial < MAX_TRIALS; trial++) {
    const name = interfaceName(id, trial);
    if (!isTaken(name)) return name;
  }
  return null;
}

/** The lines `network id=name` of a device map; whatever else it holds is ignored. The last line of a network counts. */
export function parseDeviceMap(text: string): Map<NetworkId, string> {
  const names = new Map<NetworkId, string>();
  for (const line of text.split("\n")) {
    const [left, name, ...rest] = line.trim().split("=");
    const id = parseNetworkId(left!.trim());
    if (id !== null && rest.length === 0 && USABLE_NAME.test(name?.trim() ?? "")) names.set(id, name!.trim());
  }
  return names;
}
