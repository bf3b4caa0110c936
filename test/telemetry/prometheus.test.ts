/**
 * The real Prometheus scrapes real daemons, one without clients and one with everything to do, loads the alert rules,
 * and answers every query of every dashboard. A panel that would be empty fails here and not before an operator at
 * night. The busy root needs namespaces; where there are none, the idle one is still asked.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { labUnavailable } from "../e2e/lab.ts";
import { BusyRoot } from "./busy-root.ts";
import { expectedFigures } from "./busy-root-figures.ts";
import { ALERTS_FILE, alertRules, dashboards, panelQueries } from "./dashboard-files.ts";
import { parseExposition } from "./exposition-parser.ts";
import { type LiveRoot, startIdleRoot } from "./live-roots.ts";
import { missingPrometheus, Prometheus, promtool, type Series } from "./prometheus-harness.ts";

/** The shortest window that Grafana chooses with our scrape interval: here, the whole life of the roots. */
const RATE_WINDOW = "1m";
/** Relayed traffic must have stopped for 15 s before a pair counts as direct, and is looked at every 5 s. */
const VERDICT_TIMEOUT_MS = 40_000;
/** Alerts that a slow machine may see coming; they fire only if that lasts. */
const DEPENDS_ON_MACHINE = ["OrreryEventLoopSlow"];

const missing = missingPrometheus();
if (missing) process.stderr.write(`\n*** SKIPPED: ${missing} ***\n\n`);
const noLab = missing === null ? labUnavailable() : false;

/** A query as Grafana sends it once the variables are chosen; both take regular expressions. */
function fillIn(expression: string, job: string, instance: string): string {
  return expression
    .replaceAll("$__rate_interval", RATE_WINDOW)
    .replaceAll("$job", job)
    .replaceAll("$instance", instance.replaceAll(".", "\\\\."));
}

const pointsOf = (series: readonly Series[]) => series.flatMap(({ values }) => values);
const hostOf = (root: LiveRoot) => new URL(root.metricsUrl).host;
const textOf = async (root: LiveRoot) => (await fetch(root.metricsUrl)).text();
/** Roots of one job belong to one planet; these do not. */
const jobOf = (root: LiveRoot) => (root instanceof BusyRoot ? "busy" : "idle");

describe("Prometheus with live roots", { skip: missing ?? false }, () => {
  let busy: BusyRoot | null = null;
  let idle: LiveRoot;
  let prometheus: Prometheus;

  before(async () => {
    idle = await startIdleRoot();
    if (noLab === false) busy = await BusyRoot.start();
    const roots = busy === null ? [idle] : [idle, busy];
    const targets = roots.map((root) => ({ job: jobOf(root), url: root.metricsUrl }));
    prometheus = await Prometheus.start(targets, ALERTS_FILE);
    await prometheus.until("three scrapes of each root", async () => {
      const scrapes = await prometheus.query("count_over_time(orrery_build_info[1m])");
      return scrapes.length === roots.length && pointsOf(scrapes).every((count) => count >= 3);
    });
    if (busy === null) return;
    await busy.populate();
    const direct = 'orrery_pairs_total{outcome="direct"} > 0';
    const decided = async () => (await prometheus.query(direct)).length > 0;
    await prometheus.until("a pair counted as direct", decided, VERDICT_TIMEOUT_MS);
  });

  after(async () => {
    await prometheus?.stop();
    await Promise.all([busy?.stop(), idle?.stop()]);
  });

  /** What a panel shows of one root. */
  async function ask(root: LiveRoot, { expr, range }: { expr: string; range: boolean }): Promise<number[]> {
    const expression = fillIn(expr, jobOf(root), hostOf(root));
    assert.ok(!expression.includes("$"), `a variable that nobody fills in: ${expression}`);
    return pointsOf(await (range ? prometheus.queryRange(expression) : prometheus.query(expression)));
  }

  test("every root is scraped without an error, and clients add no series", async () => {
    const up = pointsOf(await prometheus.query("up"));
    assert.deepEqual(up, busy === null ? [1] : [1, 1]);
    const samples = pointsOf(await prometheus.query("scrape_samples_scraped"));
    assert.ok(samples[0]! > 150 && samples[0]! < 450, `series per root: ${samples}`);
    assert.equal(new Set(samples).size, 1, `series per root: ${samples}`);
  });

  test("every figure of the busy root tells what happened to it", { skip: noLab }, async () => {
    const samples = new Map(parseExposition(await textOf(busy!)).flatMap((family) => [...family.samples]));
    for (const { of, from, to } of expectedFigures()) {
      const value = samples.get(of);
      assert.ok(value !== undefined && value >= from && value <= to, `${of} is ${value}, not in ${from} to ${to}`);
    }
  });

  for (const dashboard of dashboards()) {
    test(`every variable of ${dashboard.file} offers something to choose`, async () => {
      const variables = dashboard.templating.list.filter(({ type }) => type === "query");
      assert.deepEqual(
        variables.map(({ name }) => name),
        ["job", "instance"],
      );
      for (const { name, query } of variables) {
        const text = fillIn(typeof query === "string" ? query : query.query, ".+", ".+");
        const [, selector, label] = /^label_values\((.+), (\w+)\)$/.exec(text) ?? assert.fail(`${name}: ${text}`);
        assert.notDeepEqual(await prometheus.labelValues(selector!, label!), [], name);
      }
    });

    test(`every query of ${dashboard.file} has an answer for an idle root`, async () => {
      for (const { where, target } of panelQueries(dashboard)) {
        // There need not be a number: a root without clients truly has no ratio of nothing to nothing.
        assert.ok((await ask(idle, target)).length > 0, `${where} is empty: ${target.expr}`);
      }
    });

    test(`every query of ${dashboard.file} has a number for a busy root`, { skip: noLab }, async () => {
      for (const { where, target } of panelQueries(dashboard)) {
        const points = await ask(busy!, target);
        assert.ok(points.some(Number.isFinite), `${where} has no number: ${target.expr}`);
      }
    });

    test(`the annotations of ${dashboard.file} are valid queries`, async () => {
      for (const { expr } of dashboard.annotations.list)
        await prometheus.queryRange(fillIn(expr, jobOf(idle), hostOf(idle)));
    });
  }

  test("every alert rule is evaluated without an error, and none fires over healthy roots", async () => {
    await prometheus.until("a first evaluation of all rules", async () =>
      (await prometheus.rules()).every(({ health }) => health !== "unknown"),
    );
    const rules = await prometheus.rules();
    assert.deepEqual(
      rules.map(({ name }) => name).sort(),
      alertRules()
        .map(({ alert }) => alert)
        .sort(),
    );
    for (const { name, health, state, lastError } of rules) {
      assert.equal(health, "ok", `${name}: ${lastError}`);
      if (!DEPENDS_ON_MACHINE.includes(name)) assert.equal(state, "inactive", name);
    }
  });

  test("promtool finds no fault with our metrics, only with names that the reference chose", async () => {
    for (const root of busy === null ? [idle] : [idle, busy]) {
      const { output } = promtool(["check", "metrics"], await textOf(root));
      const faults = output.split("\n").filter((line) => line !== "");
      assert.deepEqual(
        faults.filter((line) => !/^(?:zt|controller)_\w+ /.test(line)),
        [],
      );
    }
  });
});

describe("promtool with the alert rules", { skip: missing ?? false }, () => {
  test("the rules are valid", () => {
    const { status, output } = promtool(["check", "rules", ALERTS_FILE]);
    assert.equal(status, 0, output);
  });

  test("each rule fires in its scenario and is silent otherwise", () => {
    const { status, output } = promtool(["test", "rules", new URL("alert-scenarios.yml", import.meta.url).pathname]);
    assert.equal(status, 0, output);
  });
});
