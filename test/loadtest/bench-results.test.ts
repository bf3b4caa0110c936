import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Window } from "../../loadtest/bench/drive.ts";
import { parseOptions, UsageError } from "../../loadtest/bench/options.ts";
import {
  parseBusySeconds,
  parseCpuList,
  parseCpuModel,
  parseResidentBytes,
  parseSchedstat,
} from "../../loadtest/bench/process-figures.ts";
import {
  type BenchResults,
  formatResults,
  median,
  memoryTable,
  type RelaySample,
  relayTable,
  stormTable,
  table,
} from "../../loadtest/bench/results.ts";
import { commandWords, ourConfiguration } from "../../loadtest/bench/roots.ts";
import { parseCounter, payloadBytesOf } from "../../loadtest/bench/sink.ts";

function window(cpuMicros: number, delivered: number, loss = 0.2): Window {
  return {
    offeredPerSecond: delivered / (1 - loss),
    deliveredPerSecond: delivered,
    lossRatio: loss,
    cpuMicros,
    cpuShare: 1,
    foreignShare: 0,
    packetsPerArrival: 1,
    joined: 0,
  };
}

function sample(root: string, cpu: number, rate: number | null, activePeers = 2): RelaySample {
  return {
    root,
    peers: 2,
    activePeers,
    load: "100",
    offload: true,
    saturation: window(cpu, 1e6 / cpu),
    highestRate: rate,
    latency: null,
  };
}

describe("the benchmark's options", () => {
  test("have defaults for a full run and for a quick one", () => {
    const full = parseOptions([]);
    assert.deepEqual([full.peers, full.rounds, full.baseline.kind], [[2, 32, 1000, 100_000], 3, "none"]);
    const quick = parseOptions(["--quick", "--rounds", "2"]);
    assert.deepEqual([quick.peers, quick.rounds], [[2, 32], 2]);
  });

  test("take a baseline to start, or one that runs", () => {
    assert.deepEqual(parseOptions(["--baseline", "root -p{port} {home}"]).baseline, {
      kind: "command",
      command: "root -p{port} {home}",
    });
    const running = ["--baseline-target", "10.0.0.2/9993", "--baseline-pid", "17", "--baseline-identity", "i.public"];
    assert.deepEqual(parseOptions(running).baseline, {
      kind: "running",
      ip: { number: 0x0a000002, text: "10.0.0.2" },
      port: 9993,
      pid: 17,
      identityFile: "i.public",
    });
  });

  test("are refused with a sentence", () => {
    for (const wrong of [
      ["--peers", "1"],
      ["--peers", "two"],
      ["--loads", "200"],
      ["--parts", "everything"],
      ["--rounds", "0"],
      ["--baseline-target", "10.0.0.2/9993"],
      ["--baseline-target", "10.0.0.300/1", "--baseline-pid", "1", "--baseline-identity", "x"],
      ["--baseline", "x", "--baseline-target", "10.0.0.2/1"],
      ["--nonsense"],
    ]) {
      assert.throws(() => parseOptions(wrong), UsageError, wrong.join(" "));
    }
  });

  test("a command's words are filled in without a shell", () => {
    assert.deepEqual(commandWords(" root  -p{port} {home} ", "/h", 9), ["root", "-p9", "/h"]);
    assert.match(ourConfiguration(1000, "1"), /dataplane:\n {2}workers: 1\n$/);
    assert.doesNotMatch(ourConfiguration(1000, null), /dataplane/);
  });
});

describe("what the benchmark reads", () => {
  test("from the kernel's files", () => {
    assert.equal(parseSchedstat("123456 789 10\n"), 123_456);
    assert.ok(Number.isNaN(parseSchedstat("")));
    assert.equal(parseResidentBytes("Name:\tx\nVmRSS:\t   1024 kB\n"), 1_048_576);
    assert.ok(Number.isNaN(parseResidentBytes("Name:\tx\n")));
    assert.deepEqual(parseCpuList("0,2-3"), [0, 2, 3]);
    const stat = "cpu  9 9 9 9 9 9 9 9\ncpu0 100 0 50 999 5 0 25 0 0 0\ncpu1 1000 0 0 1 0 0 0 100 0 0\nintr 5\n";
    assert.deepEqual([parseBusySeconds(stat, "0"), parseBusySeconds(stat, "0-1")], [1.75, 12.75]);
    assert.equal(parseCpuModel("processor\t: 0\nmodel name\t: A CPU\n"), "A CPU");
  });

  test("from the sink, where a group is one arrival with the bytes of all", () => {
    const json = JSON.stringify({
      nftables: [{ metainfo: {} }, { counter: { name: "relayed", packets: 2, bytes: 2 * 28 + 1000 } }],
    });
    const { packets, bytes } = parseCounter(json, "relayed");
    assert.equal(payloadBytesOf(packets, bytes), 1000);
    assert.throws(() => parseCounter(json, "other"));
  });
});

describe("the benchmark's tables", () => {
  test("medians pass over what was not measured", () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, null, 2, Number.NaN]), 3);
    assert.ok(Number.isNaN(median([null])));
  });

  test("columns are aligned, as Markdown wants them", () => {
    assert.equal(
      table([
        ["a", "bb"],
        ["cccc", "d"],
      ]),
      "| a    | bb  |\n|------|-----|\n| cccc | d   |",
    );
  });

  test("a cell compares medians: CPU of the other to ours, rate of ours to the other's", () => {
    const samples = [sample("orrery", 2, 400_000), sample("orrery", 4, null), sample("other", 6, 200_000)];
    const text = relayTable(samples, "orrery", "other");
    assert.match(text, /3\.00 .*6\.00 .*x2\.00 .*x2\.00/);
    assert.equal(text.split("\n").length, 3);
  });

  test("a baseline with fewer peers is named as such, and a generator at its limit is marked", () => {
    const own = { ...sample("orrery", 2, null), saturation: window(2, 500_000, 0.001) };
    const text = relayTable([own, sample("other", 4, null, 1)], "orrery", "other");
    assert.match(text, /2 \(other: 1\)/);
    assert.match(text, /500\+/);
  });

  test("storms say what was kept, memory says how it was weighed", () => {
    const storm = {
      root: "orrery",
      joins: { acceptedPerSecond: 100, cpuMillis: 8, accepted: 300 },
      calm: window(2, 100_000),
      during: { ...window(2, 99_000), joined: 50 },
      calmSaturated: window(2, 400_000),
      duringSaturated: { ...window(2, 300_000), joined: 9 },
    };
    assert.match(stormTable([storm]), /100\.0 .*8\.0 .*125 .*0\.990 .*0\.750 .*50 \+ 9/);
    const memory = [{ root: "orrery", peers: 100_000, how: "preloaded", bytesPerPeer: 480.4 }];
    assert.match(memoryTable(memory), /100000 .*preloaded .*480 /);
    const results: BenchResults = {
      date: "2020-01-01",
      command: "npm run bench",
      machine: { CPU: "x" },
      notes: ["one"],
      relay: [sample("orrery", 2, null)],
      storms: [storm],
      memory,
    };
    const text = formatResults(results, "orrery", []);
    for (const part of ["2020-01-01: CPU x", "* one", "Relay:", "Newcomers:", "Memory:"])
      assert.ok(text.includes(part));
  });
});
