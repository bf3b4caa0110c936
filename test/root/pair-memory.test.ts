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
  for (let part = 0; part < 4; part++) pairs.sweep(now, 4, (verdict) => all.push(verdict));
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

  test("a pair that stays on the relay is introduced after 30, 60, then every 120 s; silence begins that anew", () => {
    const pairs = memory();
    const introducedAt = (from: number, to: number) => {
      const due: number[] = [];
      for (let second = from; second < to; second++) if (pairs.relayed(1, 2, T + second * 1000)) due.push(second);
      return due;
    };
    assert.deepEqual(introducedAt(0, 500), [0, 30, 90, 210, 330, 450]);
    assert.deepEqual(introducedAt(514, 600), [514, 544], "silent for 15 s");
  });

  test("a storm of new pairs is spread over time; who has to wait is introduced with a later packet", () => {
    const pairs = memory(100_000);
    const waiting = new Set(Array.from({ length: 5000 }, (_, i) => i));
    const perSecond: number[] = [];
    for (let at = 0; at < 6000; at += 20) {
      for (const i of waiting) {
        if (!pairs.relayed(10 * i + 1, 10 * i + 2, T + at)) continue;
        waiting.delete(i);
        const second = Math.floor(at / 1000);
        perSecond[second] = (perSecond[second] ?? 0) + 1;
      }
    }
    assert.equal(waiting.size, 0);
    for (const count of perSecond.slice(0, -1)) assert.ok(count > 1800 && count < 2200, `${perSecond}`);
    assert.ok(pairs.postponed > 4000 && pairs.postponed < 5000, "each is counted once");
  });

  test("introductions that cost more leave less for others", () => {
    const pairs = memory(100_000);
    let introduced = 0;
    for (let at = 0; at < 4000; at += 8) {
      for (let i = 0; i < 5000; i++) {
        if (!pairs.relayed(10 * i + 1, 10 * i + 2, T + at)) continue;
        introduced++;
        pairs.budget.charge(9);
      }
    }
    assert.ok(introduced > 700 && introduced < 900, `${introduced} in four seconds`);
    assert.ok(pairs.relayed(70_001, 70_002, T + 10_000), "debts are over at last");
  });

  test("new pairs go before those that were introduced already", () => {
    const pairs = memory(100_000);
    const old = Array.from({ length: 500 }, (_, i) => 10 * i + 1);
    for (let at = 0; at < 1000; at += 50) for (const a of old) pairs.relayed(a, a + 1, T + at);
    let again = 0;
    for (let second = 1; second <= 31; second++) {
      for (const a of old) if (pairs.relayed(a, a + 1, T + second * 1000) && second > 29) again++;
    }
    assert.ok(again < 100, `${again} at once`);
    assert.ok(pairs.relayed(7_000_001, 7_000_002, T + 31_000), "a quiet pair is introduced at once meanwhile");
  });

  test("a pair that had to wait after a silence begins a new episode all the same", () => {
    const pairs = memory(100_000);
    pairs.relayed(1, 2, T);
    pairs.relayed(2, 1, T + 20);
    assert.equal(verdicts(pairs, T + 20_000).length, 1);
    const later = T + 100_000;
    for (let i = 1; i < 1000; i++) pairs.relayed(10 * i + 1, 10 * i + 2, later);
    assert.ok(!pairs.relayed(1, 2, later), "the budget is used up");
    assert.deepEqual(verdicts(pairs, later + 60_000), [], "there is nothing to judge yet");
    assert.ok(pairs.relayed(1, 2, later + 1000));
    assert.ok(pairs.isFirstIntroduction(1, 2));
    pairs.relayed(2, 1, later + 1030);
    assert.deepEqual(verdicts(pairs, later + 20_000), [{ a: 1, b: 2, direct: true, afterMs: 30 }]);
  });

  test("a clock that is set back does not stop introductions", () => {
    const pairs = memory(100_000);
    let introduced = 0;
    for (let i = 0; i < 1000; i++) if (pairs.relayed(10 * i + 1, 10 * i + 2, T)) introduced++;
    assert.ok(introduced < 200);
    assert.ok(pairs.relayed(70_001, 70_002, T - 3_600_000));
  });

  test("it holds no more than it was made for, and forgets what is old", () => {
    const pairs = memory(64);
    for (let i = 1; i < 10_000; i++) pairs.relayed(i, i + 1, T + i);
    assert.ok(pairs.active(T + 10_000) <= pairs.capacity && pairs.capacity === 64);
    assert.ok(pairs.evicted > 9000);
    assert.ok(pairs.partnersOf(9999, 5).includes(10_000));
    verdicts(pairs, T + 3_620_000);
    assert.deepEqual(pairs.partnersOf(9999, 5), []);
    assert.equal(pairs.active(T + 3_620_000), 0);
  });
});
