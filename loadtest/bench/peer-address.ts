/** The peers' IPv4 addresses. Pure. */

/** All of them; it belongs to the generator's namespace and exists nowhere else. */
export const PEERS_NETWORK = "64.0.0.0/2";
const FIRST_OCTET = 64;
/** 126 is the last before the machine's own 127. */
const FIRST_OCTETS = 62;

/**
 * IPv4 address of peer `index`, host order. The first two octets differ for the first 15,872 peers: the reference
 * spreads its paths by these alone, and this is no test of that.
 */
export function peerIp(index: number): number {
  const first = FIRST_OCTET + (index % FIRST_OCTETS);
  const second = Math.floor(index / FIRST_OCTETS) % 256;
  const third = Math.floor(index / (FIRST_OCTETS * 256)) % 256;
  return first * 2 ** 24 + second * 2 ** 16 + third * 2 ** 8 + 1;
}
