import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PairMemory, type PairVerdict } from "../../src/root/pair-memory.ts";
import { Dice } from "../support/virtual-network.ts";

const T = 1_700_000_000_000;

function memory(maxPairs = 64): PairMemory {
  return PairMemory.create(maxPairs, new Dice(2).fill);
}

function verdicts(pairs: PairMemory, now: number): PairVerdict[] {
  const all: PairVerdict[] = [];
  pairs.sweep(now, (verdict) => all.push(verdict));
  return all;
}

describe("the memory of relayed pairs", () => {
  test("a pair is introduced with its first packet, whoever sends it, and again after 30 s", () => {
    const pairs = memory();
    assert.ok(pairs.relayed(1, 2, T));
    assert.ok(!pairs.relayed(2, 1, T + 10));
    assert.ok(!pairs.relayed(1, 2, T + 29_999));
    assert.ok(pairs.relayed(1, 2, T + 30_000));
    assert.equal(pairs.quietFor(2, 1, T + 31_000), 1000);
    assert.equal(pairs.quietFor(1, 3, T), Number.POSITIVE_INFINITY);
    assert.ok(!pairs.isFirstIntroduction(1, 2), "the second one of this episode");
  });

  test("a pair whose packets stop has gone direct, one that goes on for a minute is relayed; each is judged once", () => {
    const pairs = memory();
    pairs.relayed(1, 2, T);
    pairs.relayed(1, 2, T + 300);
    for (let at = 0; at <= 70_000; at += 1000) pairs.relayed(3, 4, T + at);
    assert.equal(pairs.active(T + 70_000), 1);
    const judged = verdicts(pairs, T + 70_000).sort((x, y) => x.a - y.a);
    assert.deepEqual(judged, [
      { a: 1, b: 2, direct: true, afterMs: 300 },
      { a: 3, b: 4, direct: false, afterMs: 70_000 },
    ]);
    assert.deepEqual(verdicts(pairs, T + 75_000), []);
  });

  test("a pair that comes back to the relay later is introduced and judged again", () => {
    const pairs = memory();
    pairs.relayed(1, 2, T);
    pairs.relayed(2, 1, T + 20);
    assert.equal(verdicts(pairs, T + 20_000).length, 1);
    assert.ok(pairs.relayed(1, 2, T + 100_000));
    assert.ok(pairs.isFirstIntroduction(2, 1));
    pairs.relayed(2, 1, T + 100_030);
    assert.deepEqual(verdicts(pairs, T + 120_000), [{ a: 1, b: 2, direct: true, afterMs: 30 }]);
  });

  test("a single packet, or a pair that could not be introduced, gets no verdict", () => {
    const pairs = memory();
    pairs.relayed(1, 2, T);
    pairs.relayed(3, 4, T);
    pairs.relayed(4, 3, T + 50);
    pairs.notIntroduced(3, 4);
    assert.deepEqual(verdicts(pairs, T + 100_000), []);
  });

  test("it holds no more than it was made for, and forgets what is old", () => {
    const pairs = memory(64);
    for (let i = 1; i < 10_000; i++) pairs.relayed(i, i + 1, T);
    assert.ok(pairs.active(T) <= pairs.capacity && pairs.capacity === 64);
    assert.ok(pairs.evicted > 9000);
    assert.ok(pairs.partnersOf(9999, 5).includes(10_000));
    verdicts(pairs, T + 3_600_000);
    assert.deepEqual(pairs.partnersOf(9999, 5), []);
    assert.equal(pairs.active(T + 3_600_000), 0);
  });
});
