/** A relay worker's thread: puts its loop together from what the supervisor hands over. See relay-workers.ts. */
import { workerData } from "node:worker_threads";
import { now } from "../io/clock.ts";
import { loadLibc } from "../io/linux/libc.ts";
import { preferThread } from "../io/process.ts";
import { PairMemory } from "../root/pair-memory.ts";
import type { OwnAddress } from "../root/relay.ts";
import { PeerTable } from "./peer-table.ts";
import { RelayLoop } from "./relay-loop.ts";
import { Ring } from "./ring.ts";
import { WorkerMemory } from "./worker-memory.ts";

/** What a worker is started with. All memory is shared. */
export interface RelayWorkerData {
  /** 1 …: main is thread 0. */
  readonly thread: number;
  readonly memory: SharedArrayBuffer;
  readonly table: SharedArrayBuffer;
  readonly pairs: SharedArrayBuffer;
  readonly ring: SharedArrayBuffer;
  readonly bell: SharedArrayBuffer;
  readonly wakeFd: number;
  readonly self: OwnAddress;
  readonly segment: boolean;
  readonly napMicroseconds: number;
}

/**
 * Levels of niceness by which a worker goes before main and the engine's own threads, where it may. With one core for all
 * threads and 100,000 peers it waited 21–23 ms for a turn without, 5–8 ms with it.
 */
const PREFERENCE = 5;

const given = workerData as RelayWorkerData;
const libc = loadLibc();
if (libc === null) throw new Error("relay workers need koffi");
preferThread(PREFERENCE);
new RelayLoop({
  libc,
  memory: new WorkerMemory(given.memory),
  table: new PeerTable(given.table),
  pairs: new PairMemory(given.pairs, given.thread),
  ring: new Ring(given.ring),
  bell: new Int32Array(given.bell),
  wakeFd: given.wakeFd,
  self: given.self,
  segment: given.segment,
  napMicroseconds: given.napMicroseconds,
  now,
}).run();
