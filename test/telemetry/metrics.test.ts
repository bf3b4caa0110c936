/** Our own families: where their numbers come from, and that they stay bounded. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { METRICS, Metrics, startMetricsFile } from "../../src/telemetry/metrics.ts";
import { DrivenSource } from "./driven-source.ts";
import { parseExposition } from "./exposition-parser.ts";

async function samplesOf(metrics: Metrics): Promise<Map<string, number>> {
  return new Map(parseExposition(await metrics.render()).flatMap(({ samples }) => [...samples]));
}

describe("our metrics", () => {
  test("every name is unique, in base units, and a counter ends in _total", () => {
    assert.equal(new Set(METRICS.map(({ name }) => name)).size, METRICS.length);
    for (const { name, type, help } of METRICS.filter((metric) => metric.name.startsWith("orrery_"))) {
      assert.equal(type === "counter", name.endsWith("_total"), name);
      assert.doesNotMatch(name, /_(ms|millis|kb|percent)(_|$)/);
      assert.match(help, /^\S.*\.$/, name);
    }
  });

  test("no label of ours can hold an address, and labels are printed in alphabetical order", () => {
    for (const { name, labels } of METRICS.filter((metric) => metric.name.startsWith("orrery_"))) {
      for (const label of labels)
        assert.doesNotMatch(label, /peer|addr|ip|port|id$|member|network/, `${name}{${label}}`);
      assert.deepEqual([...labels], [...labels].sort(), name);
    }
  });

  test("the number of series does not depend on the number of peers", async () => {
    const source = new DrivenSource();
    const metrics = new Metrics(source);
    const idle = (await samplesOf(metrics)).size;
    for (let step = 0; step < 50; step++) source.step();
    const busy = (await samplesOf(metrics)).size;
    metrics.stop();
    assert.equal(busy, idle);
  });

  test("counters tell the absolute values of their source, however often they are scraped", async () => {
    const source = new DrivenSource();
    const metrics = new Metrics(source);
    source.statistics.hello.accepted = 41;
    source.relay.drops.hop_limit = 3;
    source.statistics.drops.hop_limit = 2;
    await metrics.render();
    source.statistics.hello.accepted = 42;
    const [samples, again] = await Promise.all([samplesOf(metrics), samplesOf(metrics)]);
    metrics.stop();
    for (const seen of [samples, again]) {
      assert.equal(seen.get('orrery_hello_total{result="accepted"}'), 42);
      assert.equal(seen.get('orrery_drops_total{plane="relay",reason="hop_limit"}'), 3);
      assert.equal(seen.get('orrery_drops_total{plane="node",reason="hop_limit"}'), 2);
    }
  });

  test("a reason for which a plane cannot drop has no series, unless it happens all the same", async () => {
    const source = new DrivenSource();
    const metrics = new Metrics(source);
    const relayed = 'orrery_drops_total{plane="relay",reason="malformed"}';
    const before = await samplesOf(metrics);
    source.relay.drops.malformed = 1;
    const after = await samplesOf(metrics);
    metrics.stop();
    assert.equal(before.get('orrery_drops_total{plane="node",reason="malformed"}'), 0);
    assert.deepEqual([before.get(relayed), after.get(relayed)], [undefined, 1]);
  });

  test("introductions are counted apart from pairs, which may be introduced many times", async () => {
    const source = new DrivenSource();
    Object.assign(source.statistics.pairs, { introduced: 120, direct: 1, relayed: 2 });
    const metrics = new Metrics(source);
    const samples = await samplesOf(metrics);
    metrics.stop();
    assert.equal(samples.get("orrery_introductions_total"), 120);
    assert.deepEqual(
      [...samples].filter(([key]) => key.startsWith("orrery_pairs_total")),
      [
        ['orrery_pairs_total{outcome="direct"}', 1],
        ['orrery_pairs_total{outcome="relayed"}', 2],
      ],
    );
  });

  test("a wrong number costs one sample and not the scrape", async () => {
    const source = new DrivenSource();
    source.statistics.whois.answered = Number.NaN;
    const metrics = new Metrics(source);
    const samples = await samplesOf(metrics);
    metrics.stop();
    assert.equal(samples.get('orrery_whois_requests_total{result="answered"}'), undefined);
    assert.equal(samples.get('orrery_whois_requests_total{result="unknown"}'), 0);
  });

  test("a pair that went direct is observed in seconds, and other events change nothing", async () => {
    const metrics = new Metrics(new DrivenSource());
    metrics.observe({ type: "pair-direct", a: 1, b: 2, afterMs: 1500 });
    metrics.observe({ type: "pair-relayed", a: 1, b: 2 });
    metrics.observe({ type: "online" });
    const samples = await samplesOf(metrics);
    metrics.stop();
    assert.equal(samples.get("orrery_time_to_direct_seconds_count"), 1);
    assert.equal(samples.get("orrery_time_to_direct_seconds_sum"), 1.5);
    assert.equal(samples.get('orrery_time_to_direct_seconds_bucket{le="1"}'), 0);
    assert.equal(samples.get('orrery_time_to_direct_seconds_bucket{le="2.5"}'), 1);
  });

  test("the direct ratio is a share of decided pairs, and no number before the first", async () => {
    const source = new DrivenSource();
    const metrics = new Metrics(source);
    assert.equal((await samplesOf(metrics)).get("orrery_direct_ratio"), Number.NaN);
    Object.assign(source.statistics.pairs, { introduced: 10, direct: 6, relayed: 2 });
    assert.equal((await samplesOf(metrics)).get("orrery_direct_ratio"), 0.75);
    metrics.stop();
  });

  test("adoption sums peers over the worlds of a kind and tells the worst share", async () => {
    const source = new DrivenSource();
    const moon = { kind: "moon" as const, timestamp: 5n, newer: 0 };
    source.gauges.adoption = [
      { id: 1n, kind: "planet", timestamp: 9n, current: 3, older: 1, newer: 0, without: 0 },
      { ...moon, id: 2n, current: 4, older: 0, without: 0 },
      { ...moon, id: 3n, current: 1, older: 1, without: 2 },
    ];
    const metrics = new Metrics(source);
    const samples = await samplesOf(metrics);
    metrics.stop();
    assert.equal(samples.get('orrery_world_adoption_ratio{kind="planet"}'), 0.75);
    assert.equal(samples.get('orrery_world_adoption_ratio{kind="moon"}'), 0.25);
    assert.equal(samples.get('orrery_world_adoption_peers{kind="moon",version="current"}'), 5);
    assert.equal(samples.get('orrery_world_timestamp_seconds{kind="planet"}'), 1_735_689_600);
    assert.equal(samples.get('orrery_world_timestamp_seconds{kind="moon"}'), undefined);
  });

  test("every table of which the size is told has its limit told", async () => {
    const metrics = new Metrics(new DrivenSource());
    const samples = [...(await samplesOf(metrics)).keys()];
    metrics.stop();
    const tables = (name: string) => samples.filter((key) => key.startsWith(name)).map((key) => key.slice(name.length));
    assert.deepEqual(tables("orrery_table_entries"), tables("orrery_table_limit"));
    assert.equal(tables("orrery_table_entries").length, 6);
  });

  test("send errors are told by cause, and codes that nobody thought of are not lost", async () => {
    const source = new DrivenSource();
    source.transport.sendErrors = 10;
    source.transport.sendErrorsByCode = { ENETUNREACH: 2, EHOSTUNREACH: 1, QUEUE_FULL: 4, EXOTIC: 3 };
    const metrics = new Metrics(source);
    const samples = await samplesOf(metrics);
    metrics.stop();
    assert.equal(samples.get('orrery_transport_send_errors_total{cause="unreachable"}'), 3);
    assert.equal(samples.get('orrery_transport_send_errors_total{cause="full"}'), 4);
    assert.equal(samples.get('orrery_transport_send_errors_total{cause="other"}'), 3);
  });

  test("a blocked event loop shows in the lag histogram", async () => {
    const metrics = new Metrics(new DrivenSource());
    await sleep(120);
    const until = performance.now() + 300;
    while (performance.now() < until);
    await sleep(120);
    const samples = await samplesOf(metrics);
    metrics.stop();
    const all = samples.get("orrery_event_loop_lag_seconds_count")!;
    assert.ok(all - samples.get('orrery_event_loop_lag_seconds_bucket{le="0.1"}')! >= 1, `${all} observations`);
  });
});

describe("the metrics file", () => {
  test("is written at once and then regularly, and a failure is told and tried again", async () => {
    const metrics = new Metrics(new DrivenSource());
    const written: string[] = [];
    const failures: unknown[] = [];
    let calls = 0;
    const write = async (text: string) => {
      calls++;
      if (calls === 2) throw new Error("disk full");
      written.push(text);
    };
    const stop = startMetricsFile(metrics, write, 10, (error) => failures.push(error));
    for (let wait = 0; wait < 200 && written.length < 3; wait++) await sleep(10);
    stop();
    metrics.stop();
    assert.deepEqual(failures.map(String), ["Error: disk full"]);
    assert.ok(written.length >= 3);
    assert.ok(written.every((text) => text.startsWith("# HELP zt_packet ") && text.endsWith("\n")));
  });
});
