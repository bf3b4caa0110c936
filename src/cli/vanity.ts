/**
 * Identities whose address begins with wished-for digits. There is no shortcut: identities are made until one fits,
 * sixteen times more for every digit (cli.md §3, `generate`).
 */
import type { Identity } from "../identity/identity.ts";
import { formatAddress } from "../protocol/address.ts";

const ADDRESS_DIGITS = 10;

/** Why no address can begin with `prefix`, or null if one can. */
export function vanityProblem(prefix: string): string | null {
  if (!/^[0-9a-fA-F]{1,10}$/.test(prefix)) return `"${prefix}" is not 1 to ${ADDRESS_DIGITS} hex digits`;
  if (/^ff/i.test(prefix)) return "no address begins with ff: those are reserved";
  if (/^0{10}$/.test(prefix)) return "0000000000 is reserved";
  return null;
}

/**
 * Calls `generate` until an address begins with `prefix` (hex digits, either case). `tried` is told of every
 * address that did not fit. Never returns if nothing can fit: ask `vanityProblem` before.
 */
export async function findVanityIdentity(
  prefix: string,
  generate: () => Promise<Identity>,
  tried: (address: string) => void,
): Promise<Identity> {
  const wanted = prefix.toLowerCase();
  for (;;) {
    const identity = await generate();
    const address = formatAddress(identity.address);
    if (address.startsWith(wanted)) return identity;
    tried(address);
  }
}
