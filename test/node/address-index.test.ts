import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { AddressIndex, NO_SLOT } from "../../src/node/address-index.ts";
import { PathRecords, type StoredPath } from "../../src/node/path-records.ts";
import { Slab } from "../../src/node/slab.ts";
import { ToldTable } from "../../src/node/told-worlds.ts";
import { parseEndpoint } from "../../src/protocol/inet-address.ts";
import { Dice } from "../support/virtual-network.ts";

describe("the index of addresses", () => {
  test("finds what is there and nothing else, whatever is added and removed in between", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 400 }), fc.nat(), (steps, seed) => {
        // Addresses that differ in their high byte only, and in their low bits only.
        const addressOf = (slot: number) => (slot % 2 === 0 ? slot * 0x100000000 + 7 : 0xab00000000 + slot);
        const index = new AddressIndex(1, new Dice(seed).fill, addressOf);
        const model = new Set<number>();
        for (const slot of steps) {
          if (model.delete(slot)) index.remove(addressOf(slot));
          else {
            model.add(slot);
            index.add(slot);
          }
        }
        assert.equal(index.size, model.size);
        for (let slot = 1; slot <= 40; slot++) {
          assert.equal(index.find(addressOf(slot)), model.has(slot) ? slot : NO_SLOT);
        }
      }),
      { seed: 11, numRuns: 200 },
    );
  });

  test("grows beyond what it was made for", () => {
    const index = new AddressIndex(10, new Dice(3).fill, (slot) => 0x1000000000 + slot * 977);
    for (let slot = 0; slot < 5000; slot++) index.add(slot);
    for (let slot = 0; slot < 5000; slot++) assert.equal(index.find(0x1000000000 + slot * 977), slot);
    index.remove(0x1000000000);
    assert.equal(index.find(0x1000000000), NO_SLOT);
    assert.equal(index.size, 4999);
  });
});

describe("records", () => {
  test("are used again when they were given back, and begin as zeros", () => {
    const slab = new Slab(16);
    const slots = Array.from({ length: 10_000 }, () => slab.allocate());
    assert.equal(new Set(slots).size, 10_000);
    for (const slot of slots) slab.bytes(slot, 0, 16).fill(slot & 0xff);
    for (const slot of slots) assert.equal(slab.bytes(slot, 15, 1)[0], slot & 0xff);
    for (const slot of slots) slab.release(slot);
    assert.equal(slab.used, 0);
    for (let i = 0; i < 10_000; i++) assert.deepEqual(slab.bytes(slab.allocate(), 0, 16), new Uint8Array(16));
    assert.equal(slab.end, 10_000);
  });

  test("keep chains of paths in their order, and give them back", () => {
    const records = new PathRecords();
    const path = (n: number): StoredPath => ({
      socket: 70_000 + n,
      endpoint: parseEndpoint(n % 2 === 0 ? `192.0.2.${n}/999${n}` : `2001:db8::${n}/999${n}`)!,
      lastReceive: 1_800_000_000_123 + n,
      lastOut: n,
      latencyMs: 65_535 - n,
      priority: 1 + n,
    });
    const paths = [0, 1, 2, 3].map(path);
    const chain = paths.reduceRight((rest, each) => records.prepend(rest, each), 0);
    assert.deepEqual(records.read(chain), paths);
    assert.deepEqual([records.oldest(chain), records.newest(chain)], [1_800_000_000_123, 1_800_000_000_126]);
    assert.deepEqual([records.oldest(0), records.newest(0)], [Number.POSITIVE_INFINITY, 0]);
    records.free(chain);
    assert.equal(records.size, 0);
  });

  test("share what was told of worlds, and forget it with its last user", () => {
    const table = new ToldTable();
    const told = (timestamp: bigint) => ({ planetId: 1n, planetTimestamp: timestamp, moons: [{ id: 2n, timestamp }] });
    const first = table.take(told(5n));
    assert.equal(table.take(told(5n)), first);
    const second = table.take(told(6n));
    assert.deepEqual([table.size, table.get(second)!.worlds], [2, told(6n)]);
    table.drop(first);
    assert.deepEqual(table.get(first)!.worlds, told(5n));
    table.drop(first);
    assert.equal(table.get(first), undefined);
    assert.equal(table.take(told(7n)), first);
    table.drop(0);
    assert.equal(table.size, 2);
  });
});
