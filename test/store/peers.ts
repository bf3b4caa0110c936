/** Peers to remember, any number of them. Their keys are no real ones: the cache does not look at them. */
import { Identity } from "../../src/identity/identity.ts";
import type { CachedPeer } from "../../src/node/ports.ts";
import { makeEndpoint, parseEndpoint } from "../../src/protocol/inet-address.ts";

/** Peer number `n` (1 …), heard at `n` seconds after `heardAt`, with an IPv4 and, every third, an IPv6 path. */
export function numberedPeer(n: number, heardAt = 1_700_000_000_000): CachedPeer {
  const publicKey = new Uint8Array(64).fill(n & 0xff);
  new DataView(publicKey.buffer).setUint32(0, n);
  const lastReceive = heardAt + n * 1000;
  const ip = new Uint8Array([10, n >> 16, n >> 8, n]);
  const v4 = { endpoint: makeEndpoint(ip, 9993), local: parseEndpoint("192.0.2.2/9993"), lastReceive };
  const v6 = { endpoint: parseEndpoint("2001:db8::7/443")!, local: null, lastReceive: lastReceive - 5 };
  return {
    identity: new Identity(0x1000000000 + n, publicKey),
    protocolVersion: 12,
    version: [1, 14, 1],
    lastReceive,
    paths: n % 3 === 0 ? [v4, v6] : [v4],
  };
}
