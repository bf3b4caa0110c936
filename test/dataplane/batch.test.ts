import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { BATCH_DATAGRAMS, Batch, MESSAGE_BYTES } from "../../src/dataplane/batch.ts";

/** Made-up addresses on both sides of a 4 GiB boundary: nothing here is given to the kernel. */
const BASE = 0x7fff_ffe0_0000;
const NAMES = 0x1234_5000_0000;
const SOCKETS = 4;

interface Outgoing {
  readonly length: number;
  readonly area: number;
  readonly socket: number;
}

interface Message {
  readonly area: number;
  readonly nameBytes: number;
  readonly lengths: readonly number[];
  /** Which datagrams, by their place in the batch. */
  readonly datagrams: readonly number[];
  /** 0 = none asked for. */
  readonly segmentBytes: number;
}

/** Reads the headers as the kernel does. */
class Reader {
  readonly #view: DataView;

  constructor(memory: ArrayBuffer) {
    this.#view = new DataView(memory);
  }

  messages(batch: Batch, count: number): Message[] {
    return Array.from({ length: count }, (_, i) => this.message(batch, batch.sendHeader(i) - BASE));
  }

  message(batch: Batch, at: number): Message {
    const view = this.#view;
    const pointer = (offset: number) => Number(view.getBigUint64(offset, true));
    const vectors = pointer(at + 16) - BASE;
    const datagrams: number[] = [];
    const lengths: number[] = [];
    for (let i = 0; i < Number(view.getBigUint64(at + 24, true)); i++) {
      const datagram =
        (pointer(vectors + 16 * i) - BASE - batch.datagramAt(0)) / (batch.datagramAt(1) - batch.datagramAt(0));
      assert.ok(Number.isInteger(datagram));
      datagrams.push(datagram);
      lengths.push(Number(view.getBigUint64(vectors + 16 * i + 8, true)));
    }
    const controlBytes = Number(view.getBigUint64(at + 40, true));
    const control = pointer(at + 32) - BASE;
    if (controlBytes > 0) {
      assert.deepEqual(
        [controlBytes, pointer(control), view.getInt32(control + 8, true), view.getInt32(control + 12, true)],
        [24, 18, 17, 103],
      );
    }
    return {
      area: pointer(at) - NAMES,
      nameBytes: view.getUint32(at + 8, true),
      datagrams,
      lengths,
      segmentBytes: controlBytes > 0 ? view.getUint16(control + 16, true) : 0,
    };
  }
}

function makeBatch() {
  const memory = new ArrayBuffer(Batch.BYTES);
  return { batch: new Batch(new Uint8Array(memory), BASE, NAMES, SOCKETS), reader: new Reader(memory) };
}

function layOut(outgoing: readonly Outgoing[], segment = true, made = makeBatch()): Message[][] {
  const { batch, reader } = made;
  batch.begin();
  outgoing.forEach(({ length, area, socket }, i) => {
    batch.add(i, length, area, 16, socket);
  });
  return Array.from({ length: SOCKETS }, (_, socket) => reader.messages(batch, batch.layOut(socket, segment)));
}

const A = 80;
const B = 144;

describe("a batch", () => {
  test("makes one message of what goes to one place in one size, the last one shorter", () => {
    const [messages] = layOut([
      { length: 1400, area: A, socket: 0 },
      { length: 100, area: B, socket: 0 },
      { length: 1400, area: A, socket: 0 },
      { length: 300, area: A, socket: 0 },
      { length: 1400, area: A, socket: 0 },
      { length: 100, area: B, socket: 0 },
    ]);
    assert.deepEqual(messages, [
      { area: A, nameBytes: 16, datagrams: [0, 2, 3], lengths: [1400, 1400, 300], segmentBytes: 1400 },
      { area: B, nameBytes: 16, datagrams: [1, 5], lengths: [100, 100], segmentBytes: 100 },
      { area: A, nameBytes: 16, datagrams: [4], lengths: [1400], segmentBytes: 0 },
    ]);
  });

  test("keeps the pieces of fragmented packets side by side", () => {
    const [messages] = layOut(
      Array.from({ length: 8 }, (_, i) => ({ length: i % 2 === 0 ? 1432 : 1380, area: A, socket: 0 })),
    );
    assert.deepEqual(
      messages!.map(({ datagrams }) => datagrams),
      [
        [0, 1],
        [2, 3],
        [4, 5],
        [6, 7],
      ],
    );
  });

  test("lays each datagram out by itself where segmentation does not work", () => {
    const [messages] = layOut(
      [
        { length: 50, area: A, socket: 0 },
        { length: 50, area: A, socket: 0 },
      ],
      false,
    );
    assert.deepEqual(
      messages!.map(({ datagrams, segmentBytes }) => [datagrams, segmentBytes]),
      [
        [[0], 0],
        [[1], 0],
      ],
    );
  });

  test("loses and doubles nothing, keeps the order for each destination, and stays within the kernel's limits", () => {
    const outgoing = fc.record({
      length: fc.constantFrom(0, 1, 100, 100, 1380, 1432, 1432, 9000),
      area: fc.integer({ min: 0, max: 5 }).map((n) => A + 64 * n),
      socket: fc.constant(0),
    });
    // The socket follows from the destination, as in the table.
    const batchOf = fc
      .array(outgoing, { maxLength: BATCH_DATAGRAMS })
      .map((all) => all.map((one) => ({ ...one, socket: ((one.area - A) / 64) % SOCKETS })));
    const made = makeBatch();
    fc.assert(
      fc.property(batchOf, (all) => {
        const bySocket = layOut(all, true, made);
        const seen: number[] = [];
        const lastTo = new Map<number, number>();
        bySocket.forEach((messages, socket) => {
          for (const { area, datagrams, lengths, segmentBytes } of messages) {
            datagrams.forEach((datagram, i) => {
              assert.deepEqual([all[datagram]!.area, all[datagram]!.socket], [area, socket]);
              assert.equal(all[datagram]!.length, lengths[i]);
              assert.ok(datagram > (lastTo.get(area) ?? -1));
              lastTo.set(area, datagram);
              seen.push(datagram);
            });
            if (datagrams.length === 1) continue;
            assert.ok(datagrams.length <= 64 && lengths.reduce((sum, one) => sum + one, 0) <= 65_000);
            assert.ok(lengths.slice(0, -1).every((length) => length === segmentBytes));
            assert.ok(lengths.at(-1)! > 0 && lengths.at(-1)! <= segmentBytes);
          }
        });
        assert.deepEqual(
          seen.sort((x, y) => x - y),
          all.map((_, i) => i),
        );
      }),
      { seed: 3, numRuns: 200 },
    );
  });

  test("cuts one datagram out of a message that was refused", () => {
    const { batch, reader } = makeBatch();
    batch.begin();
    for (const [i, length] of [700, 700, 20].entries()) batch.add(i, length, B, 24, 1);
    assert.equal(batch.layOut(1, true), 1);
    for (const [part, length] of [700, 700, 20].entries()) {
      const at = batch.single(0, part);
      assert.equal(batch.singleBytes(0, part), length);
      const single = reader.message(batch, at - BASE);
      assert.deepEqual(single, { area: B, nameBytes: 24, datagrams: [part], lengths: [length], segmentBytes: 0 });
    }
  });

  test("gives what was received, and tells what was too long", () => {
    const { batch } = makeBatch();
    const header = (5 * MESSAGE_BYTES) >> 2;
    batch.words[header + 14] = 1234;
    batch.words[header + 2] = 16;
    assert.equal(batch.take(5), 1234);
    assert.equal(batch.words[header + 2], 28);
    batch.words[header + 12] = 0x20;
    assert.equal(batch.take(5), -1);
  });
});
