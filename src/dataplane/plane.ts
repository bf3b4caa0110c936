/**
 * The data plane of one node: sockets, peer table, pair memory, and the threads that relay if there are any. Without
 * workers (0 asked for, or a system where they cannot be) everything happens in this thread on the portable transport.
 */
import { now } from "../io/clock.ts";
import { DgramTransport } from "../io/dgram.ts";
import { loadLibc } from "../io/linux/libc.ts";
import { LinuxTransport } from "../io/linux/linux-transport.ts";
import type { SocketOptions } from "../io/local-sockets.ts";
import { cores } from "../io/process.ts";
import { randomFill } from "../io/random.ts";
import type { Transport } from "../io/transport.ts";
import { Turn } from "../io/turn.ts";
import type { Node } from "../node/node.ts";
import { DROP_REASONS } from "../node/statistics.ts";
import type { Address } from "../protocol/address.ts";
import { PairMemory } from "../root/pair-memory.ts";
import type { Root } from "../root/root.ts";
import { RelayCounterSet, type RelayCounters } from "./counters.ts";
import { PeerTable } from "./peer-table.ts";
import { Reactor } from "./reactor.ts";
import { RelayWorkers } from "./relay-workers.ts";
import { Count, dropCount } from "./worker-memory.ts";

/** More threads than this are not chosen without being asked for. */
const MAX_AUTO_WORKERS = 8;

export interface PlaneOptions {
  readonly sockets: SocketOptions;
  /** Relay threads; `auto` leaves one core to the node. */
  readonly workers: "auto" | number;
  readonly napMicroseconds: number;
  /** Our own address. */
  readonly self: Address;
  readonly maxPeers: number;
  readonly maxPairs: number;
  /** Told what an operator should know: a worker that died, or workers that cannot be. */
  readonly warn: (text: string, error?: Error) => void;
}

/** What the relay workers did. All 0 without workers; monotonic but for `workers`. */
export interface WorkerStatistics {
  readonly workers: number;
  /** Workers that died and were started again. */
  readonly restarts: number;
  /** Calls that received or sent something. */
  readonly receiveCalls: number;
  readonly sendCalls: number;
  /** Messages that the kernel cut into datagrams, these datagrams, and messages that it refused to cut. */
  readonly segmentedMessages: number;
  readonly segmentedDatagrams: number;
  readonly segmentedRefused: number;
}

export class Plane {
  readonly transport: Transport;
  readonly table: PeerTable;
  readonly pairs: PairMemory;
  /** Around everything that is handed to the node, or comes from interfaces. */
  readonly turn: Turn;
  readonly #workers: RelayWorkers | null;
  #reactor: Reactor | null = null;

  constructor(options: PlaneOptions) {
    this.#workers = makeWorkers(options);
    this.turn = this.#workers?.turn ?? new Turn();
    const libc = loadLibc();
    if (this.#workers !== null && libc !== null) {
      this.transport = new LinuxTransport(libc, options.sockets, this.#workers);
      this.table = this.#workers.table;
      this.pairs = this.#workers.pairs;
    } else {
      this.transport = new DgramTransport(options.sockets);
      this.table = PeerTable.create(options.maxPeers, randomFill);
      this.pairs = PairMemory.create(options.maxPairs, randomFill);
    }
  }

  /** Joins everything to the node whose packets are relayed. The caller starts and stops the reactor. */
  join(node: Node, root: Root): Reactor {
    const { transport, table } = this;
    this.#workers?.attach(() => ({ mayRelay: node.topology.isUpstream, rules: node.topology.physical.rules }), {
      pairDue: (source, destination) => root.introduce(source, destination, now()),
      seenElsewhere: (source, destination, sighting) => root.relayed(source, destination, sighting, now()),
    });
    this.#reactor = new Reactor({ transport, node, root, table, clock: now });
    return this.#reactor;
  }

  /** What was relayed by the reactor and by the workers, now. */
  get counters(): RelayCounters {
    const own = this.#reactor?.counters ?? new RelayCounterSet();
    return this.#workers === null ? own : sumOf(own, this.#workers);
  }

  get statistics(): WorkerStatistics {
    const workers = this.#workers;
    return {
      workers: workers?.count ?? 0,
      restarts: workers?.restarts ?? 0,
      receiveCalls: workers?.sum(Count.RECEIVE_CALLS) ?? 0,
      sendCalls: workers?.sum(Count.SEND_CALLS) ?? 0,
      segmentedMessages: workers?.sum(Count.SEGMENTED_MESSAGES) ?? 0,
      segmentedDatagrams: workers?.sum(Count.SEGMENTED_DATAGRAMS) ?? 0,
      segmentedRefused: workers?.sum(Count.SEGMENTED_REFUSED) ?? 0,
    };
  }
}

function makeWorkers(options: PlaneOptions): RelayWorkers | null {
  const { workers, self, maxPeers, maxPairs, napMicroseconds, warn } = options;
  if (workers === 0) return null;
  const libc = loadLibc();
  if (libc === null) {
    if (workers !== "auto")
      warn("dataplane.workers needs 64-bit Linux and the package koffi; relaying in the main thread");
    return null;
  }
  const count = workers === "auto" ? Math.min(Math.max(cores() - 1, 1), MAX_AUTO_WORKERS) : workers;
  const onCrash = (error: Error) => warn("a relay worker died and is started again", error);
  return new RelayWorkers({ libc, count, self, maxPeers, maxPairs, random: randomFill, napMicroseconds, onCrash });
}

function sumOf(own: RelayCounters, workers: RelayWorkers): RelayCounters {
  const sum = new RelayCounterSet();
  sum.forwardedPackets = own.forwardedPackets + workers.sum(Count.FORWARDED_PACKETS);
  sum.forwardedBytes = own.forwardedBytes + workers.sum(Count.FORWARDED_BYTES);
  sum.forwardedFragments = own.forwardedFragments + workers.sum(Count.FORWARDED_FRAGMENTS);
  sum.forwardedToUpstream = own.forwardedToUpstream;
  sum.punted = own.punted;
  for (const reason of DROP_REASONS) sum.drops[reason] = own.drops[reason] + workers.sum(dropCount(reason));
  return sum;
}
