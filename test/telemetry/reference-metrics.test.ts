/** The reference's families against recordings of the reference (vectors/api/metrics*.txt). */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import type { PeerView } from "../../src/node/queries.ts";
import { MAX_PEER_SERIES, Metrics } from "../../src/telemetry/metrics.ts";
import { DrivenSource } from "./driven-source.ts";
import { type ParsedFamily, parseExposition } from "./exposition-parser.ts";

const recording = (name: string) =>
  parseExposition(readFileSync(new URL(`../fixtures/vectors/api/${name}`, import.meta.url), "utf8"));

async function scrape(metrics: Metrics): Promise<ParsedFamily[]> {
  return parseExposition(await metrics.render());
}

/** The reference's families of the node; those of the controller belong to the controller. */
const nodeFamilies = (families: ParsedFamily[]) => families.filter(({ name }) => name.startsWith("zt_"));
const declaration = ({ name, help, type }: ParsedFamily) => ({ name, help, type });
/** The recordings hold networks and peers of their own; their labels, not their values, are ours to match. */
const withoutIds = (sample: string) => sample.replace(/(network_id|node_id)="[0-9a-f]+"/, '$1="…"');
const labelSets = ({ samples }: ParsedFamily) => [...new Set([...samples.keys()].map(withoutIds))].sort();

function peerView(address: number, over: Partial<PeerView> = {}): PeerView {
  const path = {
    endpoint: { family: 4 as const, ip: new Uint8Array(4), port: 1 },
    socket: 1,
    preferred: true,
    expired: false,
  };
  const times = { lastSend: 0, lastReceive: 0, trustedPathId: 0n };
  return { address, latencyMs: 12, paths: [{ ...path, ...times }], ...over } as PeerView;
}

describe("the metrics of the reference", () => {
  for (const file of ["metrics.txt", "metrics-member.txt"]) {
    test(`the families of ${file} come first, in its order, with its names, help texts and types`, async () => {
      const metrics = new Metrics(new DrivenSource());
      const expected = nodeFamilies(recording(file)).map(declaration);
      const actual = (await scrape(metrics)).map(declaration);
      metrics.stop();
      assert.equal(expected.length, 10);
      assert.deepEqual(actual.slice(0, expected.length), expected);
    });
  }

  test("every sample with fixed labels exists from the start with value 0", async () => {
    const metrics = new Metrics(new DrivenSource());
    const ours = new Map((await scrape(metrics)).map((family) => [family.name, family]));
    metrics.stop();
    for (const name of ["zt_packet", "zt_packet_error", "zt_data", "zt_num_networks"]) {
      const theirs = recording("metrics.txt").find((family) => family.name === name);
      assert.deepEqual(labelSets(ours.get(name)!), labelSets(theirs!), name);
      assert.ok(
        [...ours.get(name)!.samples.values()].every((value) => value === 0),
        name,
      );
    }
  });

  test("series by network and by peer are absent by default", async () => {
    const source = new DrivenSource();
    source.peers = [peerView(0xaabbccddee)];
    const metrics = new Metrics(source);
    const byId = nodeFamilies(await scrape(metrics)).filter(({ name }) => /^zt_(network|peer)_/.test(name));
    metrics.stop();
    assert.equal(byId.length, 6);
    for (const { name, samples } of byId) assert.equal(samples.size, 0, name);
  });

  test("series by peer have the label sets and the form of the reference when asked for", async () => {
    const source = new DrivenSource();
    source.peers = [peerView(0xaabbccddee)];
    const metrics = new Metrics(source, { peerSeries: 10 });
    const text = await metrics.render();
    metrics.stop();
    for (const family of nodeFamilies(parseExposition(text)).filter(({ name }) => name.startsWith("zt_peer_"))) {
      // Nobody counts packets by peer.
      if (family.name.startsWith("zt_peer_packet")) {
        assert.equal(family.samples.size, 0);
        continue;
      }
      const theirs = recording("metrics.txt").find(({ name }) => name === family.name);
      assert.deepEqual(labelSets(family), labelSets(theirs!), family.name);
    }
    const histogram = text.split("\n").filter((line) => line.startsWith("zt_peer_latency_"));
    assert.deepEqual(histogram.slice(0, 3), [
      'zt_peer_latency_count{node_id="aabbccddee"} 1',
      'zt_peer_latency_sum{node_id="aabbccddee"} 12',
      'zt_peer_latency_bucket{node_id="aabbccddee",le="1"} 0',
    ]);
    assert.equal(histogram.at(-1), 'zt_peer_latency_bucket{node_id="aabbccddee",le="+Inf"} 1');
  });

  test("latency is observed once per keep-alive round, and 65535 when unknown", async () => {
    const source = new DrivenSource();
    source.peers = [peerView(1, { latencyMs: -1 })];
    const metrics = new Metrics(source, { peerSeries: 1 });
    await metrics.render();
    source.time += 1000;
    await metrics.render();
    source.time += 14_000;
    const text = await metrics.render();
    metrics.stop();
    assert.ok(text.includes('zt_peer_latency_count{node_id="0000000001"} 2'));
    assert.ok(text.includes(`zt_peer_latency_sum{node_id="0000000001"} ${2 * 65_535}`));
  });

  test("no more peers than the cap have series; the rest are counted, and room is given to others when one leaves", async () => {
    const source = new DrivenSource();
    source.peers = [1, 2, 3].map((address) => peerView(address));
    const metrics = new Metrics(source, { peerSeries: 2 });
    const shown = async () => {
      const families = await scrape(metrics);
      const keys = (name: string) => [...(families.find((family) => family.name === name)?.samples ?? [])];
      return {
        peers: keys("zt_peer_path_count").filter(([key]) => key.includes("alive")).length,
        latencies: keys("zt_peer_latency")
          .filter(([key]) => key.includes("_count{"))
          .map(([key]) => key),
        omitted: keys("orrery_peer_series_omitted")[0]?.[1],
      };
    };
    assert.deepEqual(await shown(), {
      peers: 2,
      latencies: ['zt_peer_latency_count{node_id="0000000001"}', 'zt_peer_latency_count{node_id="0000000002"}'],
      omitted: 1,
    });
    source.peers = [2, 3].map((address) => peerView(address));
    assert.deepEqual(await shown(), {
      peers: 2,
      latencies: ['zt_peer_latency_count{node_id="0000000002"}', 'zt_peer_latency_count{node_id="0000000003"}'],
      omitted: 0,
    });
    metrics.stop();
  });

  test("no setting lifts the hard cap", async () => {
    const source = new DrivenSource();
    source.peers = Array.from({ length: MAX_PEER_SERIES + 5 }, (_, index) => peerView(index + 1));
    const metrics = new Metrics(source, { peerSeries: Number.POSITIVE_INFINITY });
    const families = await scrape(metrics);
    metrics.stop();
    assert.equal(families.find(({ name }) => name === "zt_peer_path_count")?.samples.size, 2 * MAX_PEER_SERIES);
    assert.equal(
      families.find(({ name }) => name === "orrery_peer_series_omitted")?.samples.get("orrery_peer_series_omitted"),
      5,
    );
  });

  test("packets, errors and bytes are told under the reference's labels", async () => {
    const source = new DrivenSource();
    source.statistics.packetsIn[19] = 7;
    source.statistics.packetsOut[22] = 8;
    source.statistics.packetsIn[15] = 99;
    source.statistics.errorsOut[3] = 76;
    source.statistics.errorsIn[9] = 4;
    source.transport.bytesIn = 125_360;
    const metrics = new Metrics(source);
    const text = await metrics.render();
    metrics.stop();
    assert.ok(text.includes('zt_packet{direction="rx",packet_type="qos"} 7\n'));
    assert.ok(text.includes('zt_packet{direction="tx",packet_type="path_negotiation_request"} 8\n'));
    assert.ok(text.includes('zt_packet_error{direction="tx",error_type="obj_not_found"} 76\n'));
    assert.ok(text.includes('zt_packet_error{direction="rx",error_type="authentication_required"} 4\n'));
    assert.ok(text.includes('zt_data{direction="rx",protocol="udp"} 125360\n'));
    assert.ok(!text.includes("99\n"), "an unassigned verb has no name to be counted under");
  });
});
