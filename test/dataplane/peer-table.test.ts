import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { PeerTable, RouteView } from "../../src/dataplane/peer-table.ts";
import { NOT_FOUND } from "../../src/dataplane/slot-index.ts";
import { formatEndpoint, parseEndpoint } from "../../src/protocol/inet-address.ts";
import { Dice } from "../support/virtual-network.ts";

const split = (address: number) => [Math.floor(address / 0x100000000), (address % 0x100000000) | 0] as const;

describe("the peer table", () => {
  test("holds IPv4 and IPv6 routes and gives them back through another view of the same memory", () => {
    const writer = PeerTable.create(10, new Dice(1).fill);
    const reader = new PeerTable(writer.memory);
    const routes = [
      [0x0102030405, 1, "192.88.99.1/9993", 5],
      [0xfeffffffff, 70_000, "2001:5::1/65535", 6],
    ] as const;
    for (const [address, socket, at, expiry] of routes) writer.set(address, socket, parseEndpoint(at)!, expiry);
    const view = new RouteView();
    for (const [address, socket, at, expiry] of routes) {
      const slot = reader.find(...split(address));
      assert.ok(slot !== NOT_FOUND && reader.read(slot, view));
      assert.deepEqual([view.socket, formatEndpoint(view), reader.expiry(slot)], [socket, at, expiry]);
    }
  });

  test("behaves as a map under any series of changes, at any load it was made for", () => {
    const address = fc.integer({ min: 1, max: 40 }).map((n) => n * 0x3fffffff);
    const change = fc.tuple(fc.boolean(), address, fc.integer({ min: 1, max: 65535 }));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 300 }), (changes) => {
        const table = PeerTable.create(20, new Dice(7).fill);
        const model = new Map<number, number>();
        const view = new RouteView();
        for (const [add, key, port] of changes) {
          if (add && (model.size < 32 || model.has(key))) {
            assert.ok(table.set(key, port, { family: 4, ip: new Uint8Array([1, 2, 3, 4]), port }, port));
            model.set(key, port);
          } else {
            table.delete(key);
            model.delete(key);
          }
          for (let n = 1; n <= 40; n++) {
            const slot = table.find(...split(n * 0x3fffffff));
            const expected = model.get(n * 0x3fffffff);
            assert.equal(slot !== NOT_FOUND, expected !== undefined);
            if (slot !== NOT_FOUND) assert.ok(table.read(slot, view) && view.port === expected);
          }
        }
      }),
      { seed: 5, numRuns: 50 },
    );
  });

  test("never changes a socket address under a reader, and has the last word when the reader is done", () => {
    const endpoint = (port: number) => ({ family: 4 as const, ip: new Uint8Array([9, 9, 9, 9]), port });
    const operation = fc.oneof(
      fc.record({ set: fc.integer({ min: 1, max: 3 }), port: fc.integer({ min: 1, max: 65_535 }) }),
      fc.record({ delete: fc.integer({ min: 1, max: 3 }) }),
      fc.constantFrom("reader starts" as const, "reader ends" as const),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 120 }), (operations) => {
        // Odd while the only reader is in the middle of a batch.
        let round = 0;
        const grace = {
          stamp: () => [round],
          passed: ([then]: readonly number[]) => then! % 2 === 0 || then !== round,
        };
        const table = PeerTable.create(3, new Dice(4).fill, grace);
        const model = new Map<number, number>();
        let held: { area: number; bytes: Uint8Array }[] = [];
        const areas = () =>
          [1, 2, 3].flatMap((address) => {
            const area = table.area(table.find(...split(address)), ...split(address));
            return area < 0 ? [] : [{ area, bytes: table.bytes.slice(area, area + 24) }];
          });
        for (const one of operations) {
          if (one === "reader starts") {
            if (round % 2 === 1) continue;
            round++;
            held = areas();
          } else if (one === "reader ends") {
            if (round % 2 === 0) continue;
            round++;
            held = [];
          } else if ("set" in one) {
            table.set(one.set, 1, endpoint(one.port), 5);
            model.set(one.set, one.port);
          } else {
            table.delete(one.delete);
            model.delete(one.delete);
          }
          // A reader may look again at any time.
          if (round % 2 === 1) held.push(...areas());
          for (const { area, bytes } of held) assert.deepEqual(table.bytes.slice(area, area + 24), bytes);
        }
        if (round % 2 === 1) round++;
        assert.ok(table.settle());
        const view = new RouteView();
        for (const address of [1, 2, 3]) {
          const slot = table.find(...split(address));
          assert.equal(slot === NOT_FOUND ? undefined : table.read(slot, view) && view.port, model.get(address));
        }
      }),
      { seed: 21, numRuns: 500 },
    );
  });

  test("stays quick to search however many peers have come and gone", () => {
    const table = PeerTable.create(512, new Dice(3).fill);
    const endpoint = parseEndpoint("192.88.99.1/1")!;
    const present: number[] = [];
    for (let address = 1; address <= 60_000; address++) {
      table.set(address, 0, endpoint, 1);
      present.push(address);
      if (present.length > 500) table.delete(present.shift()!);
    }
    // Word 1 is the logarithm of the number of cells, which begin behind the header, smaller regions first.
    const cells = 2 ** table.words[1]!;
    const region = table.words.subarray(16 + cells - 64, 16 + 2 * cells - 64);
    const used = region.reduce((count, cell) => count + (cell === 0 ? 0 : 1), 0);
    assert.deepEqual([used, cells], [500, 1024], "only those of the peers that are there");
    for (const address of present) assert.notEqual(table.find(...split(address)), NOT_FOUND);
    assert.equal(table.find(...split(present[0]! - 1)), NOT_FOUND);
  });

  test("finds every peer while it grows", () => {
    const table = PeerTable.create(20_000, new Dice(6).fill);
    const reader = new PeerTable(table.memory);
    const endpoint = parseEndpoint("192.88.99.1/1")!;
    for (let n = 1; n <= 20_000; n++) {
      table.set(n * 0x1_0001, n, endpoint, 1);
      for (const other of [1, n >> 1, n]) {
        if (other > 0) assert.notEqual(reader.find(...split(other * 0x1_0001)), NOT_FOUND, `${other} of ${n}`);
      }
    }
    for (let n = 1; n <= 20_000; n++) assert.notEqual(reader.find(...split(n * 0x1_0001)), NOT_FOUND);
  });

  test("says so when it is full, and keeps what it has", () => {
    const table = PeerTable.create(1, new Dice(1).fill);
    const endpoint = parseEndpoint("192.88.99.1/1")!;
    let stored = 0;
    for (let address = 1; address <= table.slots + 10; address++) if (table.set(address, 0, endpoint, 1)) stored++;
    assert.equal(stored, table.slots);
    assert.notEqual(table.find(...split(1)), NOT_FOUND);
    assert.equal(table.find(...split(table.slots + 5)), NOT_FOUND);
  });
});
