import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Pacer } from "../../loadtest/udp/pacer.ts";
import {
  brokenThresholds,
  exchangeReport,
  formatReport,
  LatencyHistogram,
  type Report,
  relayReport,
  SequenceLedger,
} from "../../loadtest/udp/report.ts";

const SEED = 20_240_611;

describe("the latency histogram", () => {
  test("says nothing but zeros about nothing", () => {
    assert.deepEqual(new LatencyHistogram().summary(), { count: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 });
  });

  test("gives every percentile within a sixteenth above the true one, and never above the largest", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.002, max: 60_000, noNaN: true }), { minLength: 1, maxLength: 200 }),
        fc.double({ min: 0.001, max: 1, noNaN: true }),
        (values, fraction) => {
          const histogram = new LatencyHistogram();
          for (const value of values) histogram.record(value);
          const sorted = [...values].sort((a, b) => a - b);
          const exact = sorted[Math.ceil(fraction * sorted.length) - 1]!;
          const told = histogram.percentile(fraction);
          assert.ok(told >= exact * (1 - 1e-9), `${told} is below ${exact}`);
          assert.ok(told <= exact * (1 + 1 / 16 + 1e-9), `${told} is far above ${exact}`);
          assert.ok(told <= sorted.at(-1)! * (1 + 1e-9));
        },
      ),
      { seed: SEED, numRuns: 300 },
    );
  });

  test("takes a clock that was set back for zero, and an hour for an hour", () => {
    const histogram = new LatencyHistogram();
    histogram.record(-5);
    histogram.record(3_600_000);
    assert.equal(histogram.count, 2);
    assert.equal(histogram.summary().max, 3_600_000);
    assert.ok(histogram.percentile(0.5) <= 0.002);
  });
});

describe("the sequence ledger", () => {
  test("tells distinct, repeated and foreign numbers apart", () => {
    const ledger = new SequenceLedger(100);
    for (const sequence of [0, 1, 3, 2, 3, 99, 100, -1]) ledger.mark(sequence);
    assert.deepEqual([ledger.received, ledger.duplicates, ledger.foreign], [5, 1, 2]);
  });

  test("counts every number of any order exactly once", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 63 }), { maxLength: 300 }), (sequences) => {
        const ledger = new SequenceLedger(64);
        for (const sequence of sequences) ledger.mark(sequence);
        assert.equal(ledger.received, new Set(sequences).size);
        assert.equal(ledger.received + ledger.duplicates, sequences.length);
      }),
      { seed: SEED },
    );
  });
});

describe("the pacer", () => {
  test("hands out the rate, however unevenly it is asked", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.array(fc.double({ min: 0, max: 49, noNaN: true }), { minLength: 1, maxLength: 100 }),
        (rate, steps) => {
          const pacer = new Pacer(rate, 1000);
          let now = 1000;
          let given = pacer.due(now);
          for (const step of steps) {
            now += step;
            given += pacer.due(now);
          }
          const owed = ((now - 1000) * rate) / 1000 + 1;
          assert.ok(given <= owed + 1e-6, `${given} of ${owed}`);
          assert.ok(given >= owed - 1 - 1e-6, `${given} of ${owed}`);
        },
      ),
      { seed: SEED },
    );
  });

  test("gives up what it owed before a long stall instead of sending a burst", () => {
    const pacer = new Pacer(1000, 0);
    assert.equal(pacer.due(0), 1);
    assert.equal(pacer.due(10_000), 50);
    assert.equal(pacer.due(10_000), 0);
    assert.equal(pacer.due(10_010), 10);
  });
});

function reportWith(change: Partial<Report>): Report {
  const latency = new LatencyHistogram();
  latency.record(4);
  const ledger = new SequenceLedger(1000);
  for (let i = 0; i < 990; i++) ledger.mark(i);
  return {
    target: "10.0.0.1/9993",
    mode: "relay",
    peers: 4,
    greeted: 4,
    confirmed: 4,
    greeting: exchangeReport(5, 4, 0.5, latency),
    hello: null,
    echo: null,
    relay: relayReport(2, 500, 1000, ledger, 2, latency),
    introductions: 1,
    unreadable: 0,
    socketErrors: 0,
    ...change,
  };
}

describe("the report", () => {
  test("derives loss, rates and megabits", () => {
    const { relay, greeting } = reportWith({});
    assert.equal(relay?.lost, 10);
    assert.equal(relay?.lossRatio, 0.01);
    assert.equal(relay?.sentPerSecond, 500);
    assert.equal(relay?.receivedPerSecond, 495);
    assert.equal(relay?.receivedMegabits, 1.98);
    assert.equal(greeting.answeredPerSecond, 8);
  });

  test("divides by nothing when nothing was sent", () => {
    const relay = relayReport(0, 500, 0, new SequenceLedger(1), 0, new LatencyHistogram());
    assert.deepEqual([relay.lossRatio, relay.sentPerSecond, relay.receivedMegabits], [0, 0, 0]);
  });

  test("names each broken threshold, and none that was not set", () => {
    const none = { maxLossRatio: null, maxP99Ms: null };
    assert.deepEqual(brokenThresholds(reportWith({}), none), []);
    assert.deepEqual(brokenThresholds(reportWith({}), { maxLossRatio: 0.02, maxP99Ms: 5 }), []);
    assert.match(brokenThresholds(reportWith({}), { maxLossRatio: 0.001, maxP99Ms: null })[0]!, /loss is 0\.01/);
    assert.match(brokenThresholds(reportWith({}), { maxLossRatio: null, maxP99Ms: 3 })[0]!, /p99 is 4 ms/);
    assert.match(brokenThresholds(reportWith({ greeted: 3 }), none)[0]!, /only 3 of 4 peers/);
    assert.match(brokenThresholds(reportWith({ confirmed: 2 }), none)[0]!, /paths of only 2 of 4 peers/);
  });

  test("prints as an aligned table and as JSON with the same numbers", () => {
    const report = reportWith({});
    const text = formatReport(report);
    assert.match(text, /^target\s+10\.0\.0\.1\/9993$/m);
    assert.match(text, /lost 10 \(1\.000 %\)/);
    const starts = text.split("\n").map((line) => /^(?:\S+(?: \S+)*)?\s+/.exec(line)![0].length);
    assert.deepEqual(new Set(starts).size, 1);
    assert.deepEqual(JSON.parse(JSON.stringify(report)), report);
  });
});
