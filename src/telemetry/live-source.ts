/** The metrics source of a running daemon: asks each part anew at every scrape. */
import type { Plane } from "../dataplane/plane.ts";
import type { IdentityPool } from "../identity/pool.ts";
import { now } from "../io/clock.ts";
import { openFiles } from "../io/process.ts";
import { receiveDrops } from "../io/receive-drops.ts";
import type { NodeQueries } from "../node/queries.ts";
import type { FilePeerCache } from "../store/peer-cache.ts";
import type { ControllerSource, MetricsSource } from "./definition.ts";

export interface LiveParts {
  readonly node: NodeQueries;
  readonly plane: Plane;
  readonly pool: IdentityPool;
  readonly identityThreads: number;
  readonly cache: FilePeerCache;
  readonly bonds: MetricsSource["bonds"];
  readonly leaf: MetricsSource["leaf"];
  readonly nat: MetricsSource["nat"];
  readonly interfaces: MetricsSource["interfaces"];
  readonly controller: ControllerSource | null;
  readonly tcp: MetricsSource["tcp"];
  /** Of the program. */
  readonly version: string;
}

export function liveSource({
  node,
  plane,
  pool,
  identityThreads,
  cache,
  bonds,
  leaf,
  nat,
  interfaces,
  controller,
  tcp,
  version,
}: LiveParts): MetricsSource {
  return {
    node,
    get relay() {
      return plane.counters;
    },
    get relayWorkers() {
      return plane.statistics;
    },
    get transport() {
      return plane.transport.statistics;
    },
    get identityPool() {
      return { queued: pool.queued, threads: identityThreads };
    },
    get cache() {
      return cache.statistics;
    },
    bonds,
    leaf,
    nat,
    interfaces,
    controller,
    tcp,
    version,
    now,
    receiveDrops: () => receiveDrops(plane.transport.ports.map(({ port }) => port)),
    openFiles,
  };
}
