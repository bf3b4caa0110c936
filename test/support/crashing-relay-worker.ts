/**
 * A relay worker that dies in the middle of its third batch when it is started for the first time (an environment
 * variable names the file that remembers), and is an ordinary one afterwards.
 */
import { existsSync, writeFileSync } from "node:fs";
import { workerData } from "node:worker_threads";
import { PeerTable } from "../../src/dataplane/peer-table.ts";
import { RelayLoop } from "../../src/dataplane/relay-loop.ts";
import type { RelayWorkerData } from "../../src/dataplane/relay-worker.ts";
import { Ring } from "../../src/dataplane/ring.ts";
import { WorkerMemory } from "../../src/dataplane/worker-memory.ts";
import { now } from "../../src/io/clock.ts";
import { loadLibc } from "../../src/io/linux/libc.ts";
import { PairMemory } from "../../src/root/pair-memory.ts";

const marker = process.env["ORRERY_TEST_CRASH_MARKER"]!;
const given = workerData as RelayWorkerData;
let batches = existsSync(marker) ? Number.POSITIVE_INFINITY : 2;
writeFileSync(marker, "");

new RelayLoop({
  ...given,
  libc: loadLibc()!,
  memory: new WorkerMemory(given.memory),
  table: new PeerTable(given.table),
  pairs: new PairMemory(given.pairs, given.thread),
  ring: new Ring(given.ring),
  bell: new Int32Array(given.bell),
  now: () => {
    if (batches-- === 0) throw new Error("made to crash");
    return now();
  },
}).run();
