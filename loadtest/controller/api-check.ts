/**
 * The same questions as loadtest/controller.ts asks with k6, for machines without k6: reads, changes, the reference's
 * API and the event stream at once, against the same limits. Exit code 1 if one is exceeded.
 *
 *   node --import tsx loadtest/controller/api-check.ts --home ./home [--seconds 10] [--rate 50] [--watchers 10]
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import WebSocket from "ws";

const { values } = parseArgs({
  options: {
    home: { type: "string", default: "./home" },
    seconds: { type: "string", default: "10" },
    rate: { type: "string", default: "50" },
    watchers: { type: "string", default: "10" },
  },
});
const RATE = Number(values.rate);
const SECONDS = Number(values.seconds);
const MEMBERS = 200;
const port = readFileSync(join(values.home, "zerotier-one.port"), "utf8").trim();
const token = readFileSync(join(values.home, "authtoken.secret"), "utf8").trim();
const HEADERS = { "X-ZT1-Auth": token, "Content-Type": "application/json" };

/** p95 in ms that each kind may take; the first three as the k6 script has them. */
const LIMITS = { read: 50, change: 150, reference: 100, event: 250 } as const;
type Kind = keyof typeof LIMITS;
const times: Record<Kind, number[]> = { read: [], change: [], reference: [], event: [] };
let failures = 0;

async function ask(kind: Kind, method: string, path: string, body?: unknown): Promise<unknown> {
  const begun = performance.now();
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: HEADERS,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  times[kind].push(performance.now() - begun);
  if (!answer.ok) failures++;
  return text === "" ? null : (JSON.parse(text) as unknown);
}

const some = () => (0x2000000000 + Math.floor(Math.random() * MEMBERS)).toString(16);

async function arrive(rate: number, one: () => Promise<unknown>): Promise<void> {
  const end = Date.now() + SECONDS * 1000;
  const running: Promise<unknown>[] = [];
  while (Date.now() < end) {
    running.push(one().catch(() => void failures++));
    await sleep(1000 / rate);
  }
  await Promise.all(running);
}

const { id: network } = (await ask("change", "POST", "/api/v1/networks", { name: "load test" })) as { id: string };
const watchers = Array.from({ length: Number(values.watchers) }, () => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/api/v1/events?network=${network}`, { headers: HEADERS });
  socket.on("message", (data) => {
    times.event.push(Math.max(0, Date.now() - (JSON.parse(String(data)) as { at: number }).at));
  });
  socket.on("error", () => void failures++);
  return socket;
});
await Promise.all([
  arrive(RATE, () =>
    ask("read", "GET", `/api/v1/networks/${network}${Math.random() < 0.5 ? "" : "/members?limit=50"}`),
  ),
  arrive(RATE / 2, () =>
    ask("change", "PUT", `/api/v1/networks/${network}/members/${some()}`, { name: `m${Date.now()}`, authorized: true }),
  ),
  arrive(RATE, () => ask("reference", "GET", `/controller/network/${network}${Math.random() < 0.5 ? "" : "/member"}`)),
]);
await sleep(500);
for (const socket of watchers) socket.close();
await ask("change", "DELETE", `/api/v1/networks/${network}`);

let exceeded = failures > 0 || times.event.length === 0;
process.stdout.write("| | requests | median ms | p95 ms | limit ms |\n|---|---|---|---|---|\n");
for (const kind of Object.keys(LIMITS) as Kind[]) {
  const sorted = times[kind].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
  if (!(at(0.95) < LIMITS[kind])) exceeded = true;
  process.stdout.write(
    `| ${kind} | ${sorted.length} | ${at(0.5).toFixed(1)} | ${at(0.95).toFixed(1)} | ${LIMITS[kind]} |\n`,
  );
}
process.stdout.write(`${failures} failures\n`);
process.exitCode = exceeded ? 1 : 0;
