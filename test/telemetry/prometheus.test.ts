/**
 * The real Prometheus scrapes a busy and an idle root, loads the alert rules, and answers every query of every
 * dashboard. A panel that would be empty fails here and not before an operator at night.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ALERTS_FILE, alertRules, dashboards, panelQueries } from "./dashboard-files.ts";
import { type LiveRoot, startBusyRoot, startIdleRoot } from "./live-roots.ts";
import { missingPrometheus, Prometheus, promtool, type Series } from "./prometheus-harness.ts";

const JOB = "orrery";
/** Twenty scrapes of the harness, what Grafana would choose within a factor. */
const RATE_WINDOW = "10s";

const missing = missingPrometheus();
if (missing) process.stderr.write(`\n*** SKIPPED: ${missing} ***\n\n`);

/** A query as Grafana sends it once the variables are chosen. */
function fillIn(expression: string, instance: string): string {
  return expression
    .replaceAll("$__rate_interval", RATE_WINDOW)
    .replaceAll("$job", JOB)
    .replaceAll("$instance", instance.replaceAll(".", "\\\\."));
}

const pointsOf = (series: readonly Series[]) => series.flatMap(({ values }) => values);

describe("Prometheus with a live root", { skip: missing ?? false }, () => {
  let busy: LiveRoot;
  let idle: LiveRoot;
  let prometheus: Prometheus;
  const hostOf = (root: LiveRoot) => new URL(root.metricsUrl).host;

  before(async () => {
    busy = await startBusyRoot();
    idle = await startIdleRoot();
    prometheus = await Prometheus.start(JOB, [busy.metricsUrl, idle.metricsUrl], ALERTS_FILE);
    await prometheus.until("eight scrapes of both roots", async () => {
      const scrapes = await prometheus.query(`count_over_time(orrery_build_info{job="${JOB}"}[1m])`);
      return scrapes.length === 2 && pointsOf(scrapes).every((count) => count >= 8);
    });
  });

  after(async () => {
    await prometheus?.stop();
    await Promise.all([busy?.stop(), idle?.stop()]);
  });

  test("both roots are scraped without an error", async () => {
    assert.deepEqual(pointsOf(await prometheus.query(`up{job="${JOB}"}`)), [1, 1]);
    const samples = pointsOf(await prometheus.query(`scrape_samples_scraped{job="${JOB}"}`));
    assert.ok(
      samples.every((count) => count > 150 && count < 400),
      `series per root: ${samples}`,
    );
  });

  for (const dashboard of dashboards()) {
    test(`every variable of ${dashboard.file} offers something to choose`, async () => {
      const variables = dashboard.templating.list.filter(({ type }) => type === "query");
      assert.deepEqual(
        variables.map(({ name }) => name),
        ["job", "instance"],
      );
      for (const { name, query } of variables) {
        const text = fillIn(typeof query === "string" ? query : query.query, ".+");
        const [, selector, label] = /^label_values\((.+), (\w+)\)$/.exec(text) ?? assert.fail(`${name}: ${text}`);
        assert.notDeepEqual(await prometheus.labelValues(selector!, label!), [], name);
      }
    });

    test(`every query of ${dashboard.file} has an answer, for a busy and for an idle root`, async () => {
      for (const { where, target } of panelQueries(dashboard)) {
        for (const root of [busy, idle]) {
          const expression = fillIn(target.expr, hostOf(root));
          assert.ok(!expression.includes("$"), `${where} has a variable that nobody fills in: ${expression}`);
          const series = await (target.range ? prometheus.queryRange(expression) : prometheus.query(expression));
          const points = pointsOf(series);
          assert.ok(
            points.length > 0,
            `${where} is empty for the ${root === busy ? "busy" : "idle"} root: ${expression}`,
          );
          // An idle root truly has no ratio of nothing to nothing; a busy one has numbers everywhere.
          if (root === busy) assert.ok(points.some(Number.isFinite), `${where} has no number: ${expression}`);
        }
      }
    });

    test(`the annotations of ${dashboard.file} are valid queries`, async () => {
      for (const { expr } of dashboard.annotations.list) await prometheus.queryRange(fillIn(expr, hostOf(busy)));
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
      assert.equal(state, "inactive", name);
    }
  });

  test("promtool finds no fault with our metrics, only with names that the reference chose", async () => {
    const text = await (await fetch(busy.metricsUrl)).text();
    const { output } = promtool(["check", "metrics"], text);
    const faults = output.split("\n").filter((line) => line !== "");
    assert.deepEqual(
      faults.filter((line) => !/^zt_\w+ /.test(line)),
      [],
    );
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
