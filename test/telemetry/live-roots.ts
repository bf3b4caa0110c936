/** The roots that Prometheus scrapes in prometheus.test.ts: what they have in common, and the one without clients. */
import { type ChildProcess, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ownDirectory, spawnOwned, stopChild } from "./owned.ts";

/** A root whose metrics can be scraped without a token. */
export interface LiveRoot {
  /** `http://127.0.0.1:port/metrics`. */
  readonly metricsUrl: string;
  stop(): Promise<void>;
}

/** Less than any kernel grants, so that no alert depends on the machine. */
export const RECEIVE_BUFFER_BYTES = 131_072;

const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

/** A healthy root that has no client. Needs no privilege and nothing but loopback. */
export async function startIdleRoot(): Promise<LiveRoot> {
  const home = join(ownDirectory(), "home");
  const init = spawnSync(process.execPath, [MAIN, "init", "--home", home, "--endpoint", "127.0.0.1/9993"]);
  if (init.status !== 0) throw new Error(`orrery init: ${init.stderr}`);
  writeFileSync(
    join(home, "orrery.yaml"),
    JSON.stringify({
      listen: { bind: ["127.0.0.1"], receiveBufferBytes: RECEIVE_BUFFER_BYTES },
      telemetry: { listen: "127.0.0.1:0" },
      log: { level: "warn" },
    }),
  );
  const child = spawnOwned(process.execPath, [MAIN, "up", "--home", home, "--port", "0"], "pipe");
  try {
    const port = await telemetryPort(child);
    return { metricsUrl: `http://127.0.0.1:${port}/metrics`, stop: () => stopChild(child) };
  } catch (error) {
    await stopChild(child);
    throw error;
  }
}

/** The daemon says in its first line which port it chose. */
async function telemetryPort(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const port = /metrics on port (\d+)/.exec(line)?.[1];
    if (port !== undefined) {
      child.stdout!.resume();
      return port;
    }
  }
  throw new Error("the idle root ended, or never said where its metrics are");
}
