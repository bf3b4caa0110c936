/**
 * The relay workers as seen from the main thread: starts them, starts them again when one dies (its sockets stay open
 * meanwhile, so what arrives waits in the kernel), tells them what to read, and takes what they leave to the node.
 * Facts: design §4.
 */
import type { Worker } from "node:worker_threads";
import { EventFd } from "../io/linux/event-fd.ts";
import { adviseHugePages } from "../io/linux/huge-pages.ts";
import { errnoName, type Libc } from "../io/linux/libc.ts";
import type { ReaderTraffic, SharedSocket, SocketReaders } from "../io/linux/linux-transport.ts";
import { hasSegmentation } from "../io/linux/udp.ts";
import { Turn } from "../io/turn.ts";
import type { Datagram, Random } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";
import { PairMemory } from "../root/pair-memory.ts";
import { type Grace, PeerTable } from "./peer-table.ts";
import type { RelayWorkerData } from "./relay-worker.ts";
import { Ring } from "./ring.ts";
import { type Notices, RingReader } from "./ring-reader.ts";
import { startThread } from "./start-thread.ts";
import { Count, MAX_SOCKETS, type RelayRule, WorkerMemory } from "./worker-memory.ts";

export interface RelayWorkersOptions {
  readonly libc: Libc;
  readonly count: number;
  /** Our own address. */
  readonly self: Address;
  readonly maxPeers: number;
  readonly maxPairs: number;
  readonly random: Random;
  readonly napMicroseconds: number;
  /** A worker died of this; it is started again. */
  readonly onCrash: (error: Error) => void;
  /** Another program for the workers: how tests make one crash. */
  readonly workerFile?: URL;
}

/** What the relay may do, as the node sees it now. */
export interface RelayPolicy {
  readonly mayRelay: boolean;
  /** The same object as long as nothing has changed. */
  readonly rules: readonly RelayRule[];
}

const RING_BYTES = 1 << 20;
/** Workers are told of a changed policy at the latest after this long. */
const CARE_INTERVAL_MS = 100;
const ACKNOWLEDGEMENT_POLL_MS = 2;
const FIRST_RESTART_MS = 50;
const MAX_RESTART_MS = 5000;
/** A worker that has lived this long has earned a quick restart again. */
const HEALTHY_MS = 60_000;

interface Thread {
  readonly memory: WorkerMemory;
  readonly ring: Ring;
  readonly wake: EventFd;
  worker: Worker | null;
  startedAt: number;
  restartMs: number;
  restart: NodeJS.Timeout | undefined;
}

export class RelayWorkers implements SocketReaders {
  readonly maxSockets = MAX_SOCKETS;
  readonly turn = new Turn();
  readonly table: PeerTable;
  readonly pairs: PairMemory;
  readonly #options: RelayWorkersOptions;
  readonly #threads: Thread[];
  readonly #bell = new Int32Array(new SharedArrayBuffer(8));
  readonly #reader: RingReader;
  readonly #segment: boolean;
  #policy: () => RelayPolicy = () => ({ mayRelay: false, rules: [] });
  #rules: readonly RelayRule[] = [];
  #care: NodeJS.Timeout | undefined;
  #listening = false;
  #stopping = false;
  #restarts = 0;

  constructor(options: RelayWorkersOptions) {
    this.#options = options;
    this.#segment = hasSegmentation(options.libc);
    this.#threads = Array.from({ length: options.count }, () => ({
      memory: new WorkerMemory(),
      ring: Ring.create(RING_BYTES),
      wake: new EventFd(options.libc),
      worker: null,
      startedAt: 0,
      restartMs: FIRST_RESTART_MS,
      restart: undefined,
    }));
    this.#reader = new RingReader(
      this.#threads.map(({ ring }) => ring),
      this.#bell,
      this.turn,
    );
    const addressOf = (view: Uint8Array) => options.libc.addressOf(view);
    this.table = PeerTable.create(options.maxPeers, options.random, this.#grace(), addressOf);
    this.pairs = PairMemory.create(options.maxPairs, options.random, addressOf);
    for (const { memory } of [this.table, this.pairs]) adviseHugePages(options.libc, new Uint8Array(memory));
  }

  get count(): number {
    return this.#threads.length;
  }

  /** Workers that were started again because they died. */
  get restarts(): number {
    return this.#restarts;
  }

  /** One of the counters (worker-memory.ts), over all workers. */
  sum(counter: number): number {
    return this.#threads.reduce((sum, { memory }) => sum + memory.counters[counter]!, 0);
  }

  get traffic(): ReaderTraffic {
    const sendErrorsByCode: Record<string, number> = {};
    for (const { memory } of this.#threads) {
      memory.sendErrors((errno, count) => {
        const code = errnoName(errno);
        sendErrorsByCode[code] = (sendErrorsByCode[code] ?? 0) + count;
      });
    }
    return {
      bytesIn: this.sum(Count.BYTES_IN),
      bytesOut: this.sum(Count.BYTES_OUT),
      datagramsIn: this.sum(Count.DATAGRAMS_IN),
      datagramsOut: this.sum(Count.DATAGRAMS_OUT),
      receiveErrors: this.sum(Count.RECEIVE_ERRORS),
      sendErrorsByCode,
    };
  }

  /** Joins the workers to a node: what they may relay, and who hears of pairs. Until then nothing is relayed. */
  attach(policy: () => RelayPolicy, notices: Notices): void {
    this.#policy = policy;
    this.#reader.notices = notices;
    this.#takeCare();
  }

  start(receive: (datagram: Datagram) => void): void {
    this.#reader.receive = receive;
    for (const index of this.#threads.keys()) this.#startThread(index);
    this.#care = setInterval(() => this.#takeCare(), CARE_INTERVAL_MS);
  }

  async use(sockets: readonly SharedSocket[]): Promise<void> {
    const waiting = this.#threads.map((thread, index) => {
      const generation = thread.memory.setSockets(sockets.map(({ id, fds }) => ({ id, fd: fds[index]! })));
      thread.wake.wake();
      return { thread, generation };
    });
    // A thread that is dead reads nothing; when it is started again it begins with the new list.
    const isDone = () =>
      waiting.every(({ thread, generation }) => !thread.worker || thread.memory.generationInUse === generation);
    while (!isDone()) await new Promise((resolve) => setTimeout(resolve, ACKNOWLEDGEMENT_POLL_MS));
    if (this.#listening) return;
    this.#listening = true;
    // Not before whoever opened the transport has gone on.
    setImmediate(() => this.#reader.start());
  }

  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    clearInterval(this.#care);
    this.#reader.stop();
    const ends = this.#threads.map((thread) => {
      clearTimeout(thread.restart);
      thread.memory.stopping = true;
      thread.wake.wake();
      return new Promise<void>((resolve) => (thread.worker ? thread.worker.once("exit", () => resolve()) : resolve()));
    });
    await Promise.all(ends);
    for (const { wake } of this.#threads) wake.close();
  }

  /** A round that was not odd, or is over, lies behind the readers. */
  #grace(): Grace {
    return {
      stamp: () => this.#threads.map(({ memory }) => memory.round),
      passed: (stamp) => this.#threads.every(({ memory }, i) => stamp[i]! % 2 === 0 || memory.round !== stamp[i]),
    };
  }

  #takeCare(): void {
    this.table.settle();
    const { mayRelay, rules } = this.#policy();
    for (const { memory } of this.#threads) memory.mayRelay = mayRelay;
    if (rules === this.#rules) return;
    this.#rules = rules;
    for (const { memory } of this.#threads) memory.setRules(rules);
  }

  #startThread(index: number): void {
    const thread = this.#threads[index]!;
    const { self, napMicroseconds, workerFile } = this.#options;
    const data: RelayWorkerData = {
      thread: index + 1,
      memory: thread.memory.memory,
      table: this.table.memory,
      pairs: this.pairs.memory,
      ring: thread.ring.memory,
      bell: this.#bell.buffer as SharedArrayBuffer,
      wakeFd: thread.wake.fd,
      self: { high: Math.floor(self / 0x100000000), low: (self % 0x100000000) | 0 },
      segment: this.#segment,
      napMicroseconds,
    };
    const worker = startThread(workerFile ?? "relay-worker", `relay${data.thread}`, data);
    thread.worker = worker;
    thread.startedAt = performance.now();
    worker.on("error", (error) => this.#options.onCrash(error));
    worker.on("exit", () => this.#ended(index));
  }

  /** A thread is gone. If nobody asked for that, what it held is released and it is started again after a while. */
  #ended(index: number): void {
    const thread = this.#threads[index]!;
    thread.worker = null;
    if (this.#stopping) return;
    if (thread.memory.round % 2 === 1) thread.memory.turn();
    this.pairs.release(index + 1);
    const lived = performance.now() - thread.startedAt;
    thread.restartMs = lived > HEALTHY_MS ? FIRST_RESTART_MS : thread.restartMs;
    this.#restarts++;
    thread.restart = setTimeout(() => this.#startThread(index), thread.restartMs);
    thread.restartMs = Math.min(thread.restartMs * 2, MAX_RESTART_MS);
  }
}
