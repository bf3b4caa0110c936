/** Reads the files under grafana/ for the tests: dashboards, the queries in them, rules. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

const GRAFANA = join(import.meta.dirname, "../../grafana");
export const ALERTS_FILE = join(GRAFANA, "alerts.yml");

export interface Target {
  readonly expr: string;
  readonly range: boolean;
  readonly instant: boolean;
  readonly datasource: { readonly uid: string };
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly Target[];
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
}

export interface Dashboard {
  readonly file: string;
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { name: string; type: string; query: string | { query: string } }[] };
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
}

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Every dashboard of the repository. */
export function dashboards(): Dashboard[] {
  const directory = join(GRAFANA, "dashboards");
  return readdirSync(directory)
    .sort()
    .map((file) => ({ ...(JSON.parse(readFileSync(join(directory, file), "utf8")) as Omit<Dashboard, "file">), file }));
}

/** Every alert rule of the repository. */
export function alertRules(): AlertRule[] {
  const { groups } = parse(readFileSync(ALERTS_FILE, "utf8")) as { groups: { rules: AlertRule[] }[] };
  return groups.flatMap((group) => group.rules);
}

/** The queries of a dashboard's panels, each with the place to look for it. */
export function panelQueries(dashboard: Dashboard): { where: string; target: Target }[] {
  return dashboard.panels.flatMap((panel) =>
    (panel.targets ?? []).map((target) => ({ where: `${dashboard.file}: "${panel.title}"`, target })),
  );
}

/** The names of our metrics and the reference's that an expression uses, suffixes of histograms taken off. */
export function metricNames(expression: string): string[] {
  const names = expression.match(/\b(?:orrery|zt|controller)_[a-zA-Z0-9_]+/g) ?? [];
  // The reference's controller has names of its own that end in _count.
  return names.map((name) => (name.startsWith("controller_") ? name : name.replace(/_(bucket|sum|count)$/, "")));
}
