/**
 * Peers that a root of ours remembers without ever having met them: far more than have identities of their own.
 * Their keys are noise, their addresses and paths are what a relay needs.
 */
import { Identity } from "../../src/identity/identity.ts";
import { randomFill } from "../../src/io/random.ts";
import type { Address } from "../../src/protocol/address.ts";
import { makeEndpoint } from "../../src/protocol/inet-address.ts";
import { Home } from "../../src/store/files.ts";
import { FilePeerCache } from "../../src/store/peer-cache.ts";

const FIRST_ADDRESS = 0x10_0000_0000;
const ADDRESS_STEP = 1_009;
/** Written between two pauses, so that the cache never has to give up what it was told. */
const GROUP_PEERS = 10_000;

/** ZeroTier address of preloaded peer `index`. */
export function preloadedAddress(index: number): Address {
  return FIRST_ADDRESS + index * ADDRESS_STEP;
}

/** Writes `count` peers, heard just now from where `ends` says, into the peer cache of a home that nobody uses. */
export async function preloadPeers(
  home: string,
  count: number,
  ends: (index: number) => { readonly sourceIp: number; readonly sourcePort: number },
): Promise<void> {
  const now = Date.now();
  const { cache } = FilePeerCache.open(new Home(home), { maxPeers: count, now });
  const key = new Uint8Array(64);
  for (let index = 0; index < count; index++) {
    const { sourceIp, sourcePort } = ends(index);
    const ip = new Uint8Array(4);
    new DataView(ip.buffer).setUint32(0, sourceIp);
    randomFill(key);
    cache.put({
      identity: new Identity(preloadedAddress(index), key),
      protocolVersion: 13,
      version: [1, 14, 1],
      lastReceive: now,
      paths: [{ endpoint: makeEndpoint(ip, sourcePort), local: null, lastReceive: now }],
    });
    if (index % GROUP_PEERS === GROUP_PEERS - 1) await cache.flush();
  }
  await cache.flush();
  await cache.close();
}
