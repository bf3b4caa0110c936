/** The files under grafana/ against the list of metrics and against each other. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { METRICS } from "../../src/telemetry/metrics.ts";
import { alertRules, dashboards, metricNames, type Panel, panelQueries } from "./dashboard-files.ts";

/** Our metrics that nobody shows, each with its reason. */
const SHOWN_NOWHERE: Readonly<Record<string, string>> = {
  orrery_peer_series_omitted: "only moves when an operator opts in to series by peer",
};

const expressions = [
  ...dashboards().flatMap((dashboard) => [
    ...panelQueries(dashboard).map(({ where, target }) => ({ where, expr: target.expr })),
    ...dashboard.annotations.list.map(({ expr }) => ({ where: dashboard.file, expr })),
  ]),
  ...alertRules().map(({ alert, expr }) => ({ where: `alert ${alert}`, expr })),
];

function overlap({ gridPos: a }: Panel, { gridPos: b }: Panel): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

describe("dashboards and alerts", () => {
  test("every metric that they use exists", () => {
    const known = new Set(METRICS.map(({ name }) => name));
    for (const { where, expr } of expressions) {
      for (const name of metricNames(expr)) assert.ok(known.has(name), `${where} uses ${name}`);
    }
  });

  test("every metric of ours is shown or alerted on somewhere, or has a reason not to be", () => {
    const used = new Set(expressions.flatMap(({ expr }) => metricNames(expr)));
    const unused = METRICS.map(({ name }) => name).filter((name) => name.startsWith("orrery_") && !used.has(name));
    assert.deepEqual(unused, Object.keys(SHOWN_NOWHERE));
  });

  test("every label that they match on belongs to a metric or to the target", () => {
    const labels = new Set([...METRICS.flatMap((metric) => metric.labels), "job", "instance", "le"]);
    for (const { where, expr } of expressions) {
      for (const [, label] of expr.matchAll(/[{,]\s*(\w+)\s*(?:=~|!~|!=|=)\s*"/g)) {
        assert.ok(labels.has(label!), `${where} matches on ${label}`);
      }
    }
  });

  for (const dashboard of dashboards()) {
    test(`${dashboard.file} chooses its data source, job and root, and every panel says what it shows`, () => {
      assert.deepEqual(
        dashboard.templating.list.map(({ name }) => name),
        ["datasource", "job", "instance"],
      );
      const ids = dashboard.panels.map(({ id }) => id);
      assert.equal(new Set(ids).size, ids.length, "panel ids repeat");
      for (const panel of dashboard.panels.filter(({ type }) => type !== "row")) {
        assert.ok((panel.description ?? "").length > 20, `"${panel.title}" has no description`);
        assert.ok(panel.fieldConfig?.defaults.unit, `"${panel.title}" has no unit`);
        assert.ok((panel.targets ?? []).length > 0, `"${panel.title}" has no query`);
        for (const { expr, datasource } of panel.targets ?? []) {
          assert.equal(datasource.uid, "$" + "{datasource}", panel.title);
          for (const [selector] of expr.matchAll(/\b(?:orrery|zt)_\w+(?:\{[^}]*\})?/g)) {
            assert.match(selector, /job=~"\$job",instance=~"\$instance"/, `"${panel.title}": ${selector}`);
          }
        }
      }
    });

    test(`the panels of ${dashboard.file} do not overlap and stay within 24 columns`, () => {
      dashboard.panels.forEach((panel, index) => {
        assert.ok(panel.gridPos.x + panel.gridPos.w <= 24, `"${panel.title}" is too wide`);
        for (const other of dashboard.panels.slice(index + 1)) {
          assert.ok(!overlap(panel, other), `"${panel.title}" lies over "${other.title}"`);
        }
      });
    });
  }

  test("every alert has a severity, a summary, a description, and a scenario in which it fires", () => {
    const scenarios = readFileSync(new URL("alert-scenarios.yml", import.meta.url), "utf8");
    for (const { alert, labels, annotations } of alertRules()) {
      assert.match(labels["severity"] ?? "", /^(critical|warning)$/, alert);
      assert.ok(annotations["summary"] && annotations["description"], alert);
      assert.ok(scenarios.includes(`alertname: ${alert}\n`), `${alert} has no scenario`);
    }
  });
});
