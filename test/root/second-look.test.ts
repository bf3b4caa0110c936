import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SecondLook } from "../../src/root/second-look.ts";

const T = 1_700_000_000_000;

/** Runs the look over a pair whose packets are relayed at `packets` (ms after the introduction); when it is repeated. */
function repeats(packets: readonly number[]): number[] {
  const look = new SecondLook();
  const again: number[] = [];
  look.introduced(1, 2, T);
  for (let at = 0; at <= 5000; at += 10) {
    const last = Math.max(...packets.filter((time) => time <= at));
    look.tick(
      T + at,
      () => at - last,
      () => again.push(at),
    );
  }
  assert.equal(look.deadline, Number.POSITIVE_INFINITY, "nothing is left to look at");
  return again;
}

const every = (ms: number) => Array.from({ length: Math.ceil(5000 / ms) }, (_, i) => i * ms);

describe("the second look at an introduced pair", () => {
  test("leaves a pair alone that has left the relay", () => {
    assert.deepEqual(repeats([0, 5, 20, 90]), []);
  });

  test("repeats the introduction of a pair that still talks through us, twice at most", () => {
    assert.deepEqual(repeats(every(10)), [250, 1250]);
  });

  test("finds a pair that says something once a second", () => {
    assert.deepEqual(repeats(every(1000)), [1250, 2500]);
  });

  test("observes a bounded number of pairs", () => {
    const look = new SecondLook();
    for (let i = 0; i < 10_000; i++) look.introduced(i, i + 1, T);
    let asked = 0;
    look.tick(
      T + 250,
      () => 0,
      () => void asked++,
    );
    assert.equal(asked, 8192);
  });
});
