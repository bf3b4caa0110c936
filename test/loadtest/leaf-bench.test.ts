/** The leaf benchmark's arithmetic: what it reads of iperf3 and ping, and what it makes of several rounds. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Figures, parseIperf, parsePing, quantile } from "../../loadtest/leaf/measure.ts";
import { parseOptions, UsageError } from "../../loadtest/leaf/options.ts";
import { formatTable, median } from "../../loadtest/leaf/report.ts";

describe("the leaf benchmark", () => {
  test("reads what arrived out of iperf3's reports", () => {
    const tcp = { end: { sum_sent: { retransmits: 7 }, sum_received: { bytes: 2e6, bits_per_second: 16e6 } } };
    assert.deepEqual(parseIperf(JSON.stringify(tcp)), { bytes: 2e6, mbits: 16, lostPercent: 0, retransmits: 7 });
    const udp = { end: { sum: { bytes: 1e6, bits_per_second: 8e6, lost_percent: 25 } } };
    assert.deepEqual(parseIperf(JSON.stringify(udp)), { bytes: 750e3, mbits: 6, lostPercent: 25, retransmits: 0 });
    assert.throws(() => parseIperf('{"error":"unable to connect"}'), /unable to connect/);
  });

  test("reads round trips out of ping's output", () => {
    const text = "64 bytes from 10.0.0.1: icmp_seq=1 ttl=64 time=2.50 ms\n64 bytes: icmp_seq=2 ttl=64 time=0.5 ms\n";
    assert.deepEqual(parsePing(text), [0.5, 2.5]);
    assert.equal(quantile([1, 2, 3, 4], 0.5), 3);
    assert.equal(quantile([1, 2, 3, 4], 1), 4);
    assert.ok(Number.isNaN(quantile([], 0.5)));
  });

  test("shows medians over the rounds", () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1]), 2.5);
    const round = (mbits: number): Figures => ({
      test: "tcp",
      from: "orrery",
      to: "other",
      mbits,
      senderUsPerKb: 1,
      receiverUsPerKb: 2,
      lostPercent: 0,
      retransmits: 0,
      pingP50: Number.NaN,
      pingP99: Number.NaN,
      senderRss: 50e6,
      receiverRss: 20e6,
    });
    const table = formatTable([round(100), round(300), round(200)]);
    assert.match(table, /\| tcp \| orrery → other \| 200 \|.*\| 1\.00 \+ 2\.00 \|.*\| 50 \+ 20 \|/);
  });

  test("refuses options that mean nothing", () => {
    assert.deepEqual(parseOptions(["--tests", "tcp, udp"]).tests, ["tcp", "udp"]);
    assert.throws(() => parseOptions(["--tests", "sctp"]), UsageError);
    assert.throws(() => parseOptions(["--rounds", "0"]), UsageError);
    assert.throws(() => parseOptions(["--unknown"]), UsageError);
  });
});
