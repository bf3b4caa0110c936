/** What is sent through the network, and how it is seen: ping, iperf3, tcpdump, and frames that no tool sends. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Host, Lab } from "../e2e/lab.ts";
import { run } from "./node.ts";

const SEND_FRAME = fileURLToPath(new URL("./send-frame.ts", import.meta.url));
const LISTEN_MS = 400;
const CAPTURE_MS = 8000;

/** Answered questions of `count`, one each 200 ms. */
export function ping(host: Host, ip: string, count = 3, more: readonly string[] = []): number {
  const words = ["-n", "-i", "0.2", "-c", String(count), "-W", "1", ...more, ip];
  const shown = run(host, "sh", ["-c", `ping ${words.join(" ")} || true`]) ?? "";
  return Number(/(\d+) received/.exec(shown)?.[1] ?? 0);
}

/** Milliseconds until a first answer. Throws after `limitMs`. */
export async function pingable(host: Host, ip: string, limitMs: number, more: readonly string[] = []): Promise<number> {
  const started = performance.now();
  while (ping(host, ip, 1, more) === 0) {
    if (performance.now() - started > limitMs) throw new Error(`no answer from ${ip} in ${limitMs / 1000} s`);
    await sleep(50);
  }
  return Math.round(performance.now() - started);
}

/** Mbit/s that came, and the share that was lost (UDP only, else 0). Throws if nothing came. */
export async function iperf(
  lab: Lab,
  from: Host,
  to: Host,
  ip: string,
  words: readonly string[],
): Promise<{ readonly mbits: number; readonly lost: number }> {
  const server = lab.spawn(to, "iperf3", ["-s", "-1"]);
  server.stdout?.resume();
  await sleep(LISTEN_MS);
  const shown = run(from, "iperf3", ["-c", ip, "-t", "2", "-J", ...words]);
  server.kill("SIGTERM");
  if (shown === null) throw new Error("iperf3 did not come to its end");
  const { end } = JSON.parse(shown) as { end: { sum?: Sum; sum_received?: Sum } };
  const sum = end.sum_received ?? end.sum;
  if (sum === undefined) throw new Error(`iperf3 tells nothing: ${shown.slice(0, 200)}`);
  return { mbits: Math.round(sum.bits_per_second / 1e6), lost: (end.sum?.lost_percent ?? 0) / 100 };
}

interface Sum {
  readonly bits_per_second: number;
  readonly lost_percent?: number;
}

/** Sends one frame as it is through an interface. */
export function sendFrame(host: Host, device: string, frame: Uint8Array): void {
  const hex = Buffer.from(frame).toString("hex");
  if (run(host, process.execPath, ["--import", "tsx", SEND_FRAME, device, hex]) === null) {
    throw new Error(`no frame could be sent through ${device}`);
  }
}

/** Listens with tcpdump while `act` runs. Gives the first packet that matches, in hex with its header; null if none came. */
export async function capture(
  lab: Lab,
  host: Host,
  device: string,
  filter: string,
  act: () => void | Promise<void>,
  limitMs = CAPTURE_MS,
): Promise<string | null> {
  const words = ["-i", device, "-n", "-e", "-xx", "-c", "1", "-l", filter];
  const child = lab.spawn(host, "tcpdump", words);
  let shown = "";
  child.stdout?.on("data", (data) => {
    shown += String(data);
  });
  await listening(child);
  const ended = once(child, "exit");
  await act();
  await Promise.race([ended, sleep(limitMs)]);
  child.kill("SIGTERM");
  await ended;
  const hex = [...shown.matchAll(/^\s+0x[0-9a-f]+:\s+([0-9a-f ]+)$/gm)].map(([, text]) => text!.replaceAll(" ", ""));
  return hex.length === 0 ? null : hex.join("");
}

async function listening(child: ChildProcess): Promise<void> {
  let said = "";
  await new Promise<void>((resolve) => {
    child.stderr?.on("data", (data) => {
      said += String(data);
      if (said.includes("listening on")) resolve();
    });
    child.once("exit", () => resolve());
  });
}
