/** The thread that reads TAP devices: puts its loop together from what main hands over. See taps.ts. */
import { workerData } from "node:worker_threads";
import { loadLibc } from "../io/linux/libc.ts";
import { Ring } from "./ring.ts";
import { TapMemory } from "./tap-memory.ts";
import { TapReader } from "./tap-reader.ts";

/** What the thread is started with. All memory is shared. */
export interface TapWorkerData {
  readonly memory: SharedArrayBuffer;
  readonly ring: SharedArrayBuffer;
  readonly bell: SharedArrayBuffer;
  readonly wakeFd: number;
}

const given = workerData as TapWorkerData;
const libc = loadLibc();
if (libc === null) throw new Error("TAP devices need koffi");
new TapReader({
  libc,
  memory: new TapMemory(given.memory),
  ring: new Ring(given.ring),
  bell: new Int32Array(given.bell),
  wakeFd: given.wakeFd,
}).run();
