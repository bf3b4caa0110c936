/**
 * Run as a child by peer-cache.test.ts: puts numbered peers into the cache of the home given as argument, prints
 * each number that a flush has confirmed, and goes on until it is killed.
 */

import { Home } from "../../src/store/files.ts";
import { FilePeerCache } from "../../src/store/peer-cache.ts";
import { numberedPeer } from "./peers.ts";

const { cache } = FilePeerCache.open(new Home(process.argv[2]!), { maxPeers: 1_000_000, now: 1 });
for (let n = 1; ; n++) {
  for (let i = 0; i < 50; i++) cache.put(numberedPeer(n * 50 + i));
  await cache.flush();
  process.stdout.write(`${n}\n`);
}
