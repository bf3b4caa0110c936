/** What both engines share about listening: errors, limits, and the peer's address as bytes. */

/** Running requests get this long when a server closes. */
export const DRAIN_MS = 2000;

/** No host could be bound. */
export class ListenError extends Error {
  override readonly name = "ListenError";
  readonly port: number;

  constructor(hosts: readonly string[], port: number, reasons: readonly string[]) {
    super(`cannot listen on TCP port ${port} of ${hosts.join(", ")}: ${reasons.join("; ")}`);
    this.port = port;
  }
}

const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** An IPv4-mapped IPv6 address as its 4 bytes, anything else unchanged; always in a buffer of its own. */
export function unmapAddress(ip: Uint8Array): Uint8Array {
  const mapped = ip.length === 16 && MAPPED_PREFIX.every((byte, index) => ip[index] === byte);
  return new Uint8Array(mapped ? ip.subarray(12) : ip);
}

/** Resolves when `pending()` is 0, or after `limitMs`. */
export async function drained(pending: () => number, limitMs: number): Promise<void> {
  const stepMs = 10;
  for (let waitedMs = 0; pending() > 0 && waitedMs < limitMs; waitedMs += stepMs) {
    await new Promise((resolve) => setTimeout(resolve, stepMs));
  }
}
