import assert from "node:assert/strict";
import { PerformanceObserver } from "node:perf_hooks";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { BATCH_DATAGRAMS, MESSAGE_BYTES } from "../../src/dataplane/batch.ts";
import { PeerTable } from "../../src/dataplane/peer-table.ts";
import { RelayLoop } from "../../src/dataplane/relay-loop.ts";
import { Ring } from "../../src/dataplane/ring.ts";
import { Count, WorkerMemory } from "../../src/dataplane/worker-memory.ts";
import type { Libc } from "../../src/io/linux/libc.ts";
import { writeSockaddr } from "../../src/io/linux/sockaddr.ts";
import { writeAddress } from "../../src/protocol/address.ts";
import { PairMemory } from "../../src/root/pair-memory.ts";
import { Dice } from "../support/virtual-network.ts";

const NOW = 1_800_000_000_000;
const PEERS = 64;
const FIRST_PEER = 0xfe00000001;
const WARM_UP_BATCHES = 4000;
const BATCHES = 20_000;

/** A C library whose socket has a full batch of relayed packets whenever it is asked, and takes whatever is sent. */
class EndlessLibc implements Partial<Libc> {
  readonly #views: Uint8Array[] = [];
  readonly #memory: WorkerMemory;
  /** Batches until the loop is told to stop. */
  left = 0;

  constructor(memory: WorkerMemory) {
    this.#memory = memory;
  }

  /** Made-up addresses, 256 MiB apart. */
  addressOf(view: Uint8Array): number {
    this.#views.push(view);
    return this.#views.length * 0x1000_0000;
  }

  poll(fds: number): number {
    if (this.left-- <= 0) this.#memory.stopping = true;
    const view = this.#view(fds);
    new DataView(view.buffer, view.byteOffset).setInt16(8 + 6, 1, true);
    return this.#memory.stopping ? 0 : 1;
  }

  recvmmsg(_fd: number, messages: number): number {
    const view = this.#view(messages);
    const words = new Int32Array(view.buffer);
    if (words[14] === 0) this.#fill(view, words);
    // The hop that the relay added is taken back.
    else for (let i = 0; i < BATCH_DATAGRAMS; i++) view[this.#at(words, i, 4, 0) + 18] = 0;
    return BATCH_DATAGRAMS;
  }

  sendmmsg(_fd: number, _messages: number, count: number): number {
    return count;
  }

  #view(address: number): Uint8Array {
    return this.#views[Math.floor(address / 0x1000_0000) - 1]!;
  }

  /** Offset in the batch's memory that pointer `word` of header `i` leads to, by way of its vector for datagrams. */
  #at(words: Int32Array, i: number, word: number, base: number): number {
    const target = words[(i * MESSAGE_BYTES) / 4 + word]! % 0x1000_0000;
    return word === 4 ? words[target / 4]! % 0x1000_0000 : target + base;
  }

  #fill(bytes: Uint8Array, words: Int32Array): void {
    for (let i = 0; i < BATCH_DATAGRAMS; i++) {
      const from = (i * 7) % PEERS;
      const datagram = this.#at(words, i, 4, 0);
      writeAddress(bytes, datagram + 8, FIRST_PEER + ((i * 13) % PEERS));
      writeAddress(bytes, datagram + 13, FIRST_PEER + from);
      writeSockaddr(bytes, this.#at(words, i, 0, 0), endpointOf(from));
      words[(i * MESSAGE_BYTES) / 4 + 14] = i % 3 === 0 ? 100 : 1400;
    }
  }
}

function endpointOf(peer: number) {
  return { family: 4 as const, ip: new Uint8Array([192, 88, 99, peer]), port: 9993 };
}

describe("the loop of a relay worker", () => {
  test("relays millions of packets without giving the garbage collector anything to do", async () => {
    const memory = new WorkerMemory();
    const libc = new EndlessLibc(memory);
    const table = PeerTable.create(PEERS, new Dice(1).fill);
    for (let peer = 0; peer < PEERS; peer++) table.set(FIRST_PEER + peer, 1, endpointOf(peer), NOW + 1000);
    memory.mayRelay = true;
    memory.setSockets([{ id: 1, fd: 7 }]);
    const loop = new RelayLoop({
      libc: libc as Partial<Libc> as Libc,
      memory,
      table,
      pairs: PairMemory.create(1024, new Dice(2).fill),
      ring: Ring.create(1 << 20),
      bell: new Int32Array(new SharedArrayBuffer(4)),
      wakeFd: 3,
      self: { high: 1, low: 1 },
      segment: true,
      napMicroseconds: 0,
      now: () => NOW,
    });
    const run = (batches: number) => {
      memory.stopping = false;
      libc.left = batches;
      loop.run();
    };
    run(WARM_UP_BATCHES);
    let collections = 0;
    const observer = new PerformanceObserver((list) => {
      collections += list.getEntries().length;
    });
    await turn();
    observer.observe({ entryTypes: ["gc"] });
    const before = memory.counters[Count.FORWARDED_PACKETS]!;
    const heapBefore = process.memoryUsage().heapUsed;
    run(BATCHES);
    const allocated = process.memoryUsage().heapUsed - heapBefore;
    await turn();
    observer.disconnect();
    const packets = memory.counters[Count.FORWARDED_PACKETS]! - before;
    assert.equal(packets, BATCHES * BATCH_DATAGRAMS);
    assert.equal(memory.counters[Count.DATAGRAMS_OUT], memory.counters[Count.FORWARDED_PACKETS]);
    // Sixteen bytes for each packet would be 80 MB and several collections.
    assert.ok(allocated < packets, `${allocated} bytes for ${packets} packets`);
    assert.ok(collections <= 1, `${collections} collections`);
  });
});
