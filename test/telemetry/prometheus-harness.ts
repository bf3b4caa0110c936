/** Runs the real Prometheus and promtool on loopback, with a temporary store, for one test file. */
import { type ChildProcess, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ownDirectory, spawnOwned, stopChild } from "./owned.ts";

/** Null when both programs run here; otherwise what to do, for the reader of the test's output. */
export function missingPrometheus(): string | null {
  for (const program of ["prometheus", "promtool"]) {
    if (spawnSync(program, ["--version"]).status !== 0) {
      return `${program} is not installed: dashboards and alerts are NOT checked (Debian: apt-get install prometheus)`;
    }
  }
  return null;
}

/** Runs promtool to its end. */
export function promtool(args: readonly string[], input = ""): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync("promtool", args, { input, encoding: "utf8" });
  return { status, output: stdout + stderr };
}

/** What Prometheus is to scrape, and under which name. */
export interface Target {
  readonly job: string;
  readonly url: string;
}

/** One series of a query's result: its labels and its values, oldest first. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly number[];
}

export interface Rule {
  readonly name: string;
  readonly state: "inactive" | "pending" | "firing";
  readonly health: "ok" | "err" | "unknown";
  readonly lastError?: string;
  readonly query: string;
}

interface RawSeries {
  readonly metric: Record<string, string>;
  readonly value?: [number, string];
  readonly values?: [number, string][];
}

const START_TIMEOUT_MS = 20_000;
const RANGE_SECONDS = 10;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** A running Prometheus. Stop it in any case. */
export class Prometheus {
  readonly #process: ChildProcess;
  readonly #url: string;

  private constructor(process: ChildProcess, url: string) {
    this.#process = process;
    this.#url = url;
  }

  /** Scrapes the targets every second and evaluates the rules of the file as often. */
  static async start(targets: readonly Target[], rulesFile: string): Promise<Prometheus> {
    const directory = ownDirectory();
    copyFileSync(rulesFile, join(directory, "rules.yml"));
    const jobs = targets.map(({ job, url }) => ({
      job_name: job,
      metrics_path: new URL(url).pathname,
      static_configs: [{ targets: [new URL(url).host] }],
    }));
    const configuration = {
      global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
      rule_files: ["rules.yml"],
      scrape_configs: jobs,
    };
    writeFileSync(join(directory, "prometheus.yml"), JSON.stringify(configuration));
    const port = await freePort();
    const child = spawnOwned(
      "prometheus",
      [
        `--config.file=${join(directory, "prometheus.yml")}`,
        `--storage.tsdb.path=${join(directory, "data")}`,
        `--web.listen-address=127.0.0.1:${port}`,
        "--log.level=error",
      ],
      "ignore",
    );
    const prometheus = new Prometheus(child, `http://127.0.0.1:${port}`);
    try {
      await prometheus.until("Prometheus answers", async () => (await fetch(`${prometheus.#url}/-/ready`)).ok);
    } catch (error) {
      await prometheus.stop();
      throw error;
    }
    return prometheus;
  }

  /** Waits until `condition` holds; failures of it count as "not yet". Throws when it takes too long. */
  async until(what: string, condition: () => Promise<boolean>, timeoutMs = START_TIMEOUT_MS): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (Date.now() < deadline) {
      if (this.#process.exitCode !== null) throw new Error(`Prometheus ended with ${this.#process.exitCode}`);
      if (await condition().catch(() => false)) return;
      await sleep(100);
    }
    throw new Error(`waited in vain: ${what}`);
  }

  /** The value now. Throws what Prometheus says against the query. */
  async query(expression: string): Promise<Series[]> {
    return this.#series("query", { query: expression });
  }

  /** The values of the last seconds. */
  async queryRange(expression: string): Promise<Series[]> {
    const end = Date.now() / 1000;
    return this.#series("query_range", {
      query: expression,
      start: String(end - RANGE_SECONDS),
      end: String(end),
      step: "1",
    });
  }

  /** What a dashboard variable `label_values(selector, label)` offers. */
  async labelValues(selector: string, label: string): Promise<string[]> {
    return (await this.#get(`label/${label}/values`, { "match[]": selector })) as string[];
  }

  /** All loaded rules. */
  async rules(): Promise<Rule[]> {
    const { groups } = (await this.#get("rules", {})) as { groups: { rules: Rule[] }[] };
    return groups.flatMap((group) => group.rules);
  }

  /** Ends the process. */
  async stop(): Promise<void> {
    await stopChild(this.#process);
  }

  async #series(endpoint: string, parameters: Record<string, string>): Promise<Series[]> {
    const { result } = (await this.#get(endpoint, parameters)) as { result: RawSeries[] };
    return result.map(({ metric, value, values }) => ({
      metric,
      values: (values ?? (value ? [value] : [])).map(([, text]) => Number(text)),
    }));
  }

  async #get(endpoint: string, parameters: Record<string, string>): Promise<unknown> {
    const response = await fetch(`${this.#url}/api/v1/${endpoint}?${new URLSearchParams(parameters)}`);
    const body = (await response.json()) as { status: string; data: unknown; error?: string };
    if (body.status !== "success") throw new Error(`${JSON.stringify(parameters)}: ${body.error}`);
    return body.data;
  }
}
