/**
 * k6: do our own API, the reference's API and the event stream answer quickly while networks and members are changed?
 *
 *   k6 run --no-usage-report -e AUTHTOKEN="$(cat home/authtoken.secret)" loadtest/controller.ts
 *
 * Makes a network of its own, and deletes it at the end. Environment: API (http://127.0.0.1:9993), AUTHTOKEN (needed),
 * SECONDS (30), RATE (requests per second and scenario, 50), WATCHERS (10).
 */
import { check } from "k6";
import http from "k6/http";
import { Counter, Trend } from "k6/metrics";
import type { Options } from "k6/options";
import ws from "k6/ws";

const API = __ENV.API ?? "http://127.0.0.1:9993";
const AUTHTOKEN = __ENV.AUTHTOKEN ?? "";
const RATE = Number(__ENV.RATE ?? "50");
const SECONDS = Number(__ENV.SECONDS ?? "30");
const WATCHERS = Number(__ENV.WATCHERS ?? "10");
const HEADERS = { "X-ZT1-Auth": AUTHTOKEN, "Content-Type": "application/json" };
const MEMBERS = 200;

const eventDelay = new Trend("event_delay_ms", true);
const events = new Counter("events_seen");

function scenario(exec: string, rate: number) {
  return {
    executor: "constant-arrival-rate",
    exec,
    rate,
    timeUnit: "1s",
    duration: `${SECONDS}s`,
    preAllocatedVUs: 8,
    maxVUs: 64,
  } as const;
}

export const options: Options = {
  scenarios: {
    read: scenario("read", RATE),
    change: scenario("change", Math.max(1, Math.floor(RATE / 2))),
    reference: scenario("reference", RATE),
    watch: {
      executor: "per-vu-iterations",
      exec: "watch",
      vus: WATCHERS,
      iterations: 1,
      maxDuration: `${SECONDS + 5}s`,
    },
  },
  thresholds: {
    checks: ["rate>0.999"],
    "http_req_duration{scenario:read}": ["p(95)<50"],
    "http_req_duration{scenario:change}": ["p(95)<150"],
    "http_req_duration{scenario:reference}": ["p(95)<100"],
    event_delay_ms: ["p(95)<250"],
    events_seen: ["count>0"],
  },
};

interface Data {
  readonly network: string;
}

export function setup(): Data {
  if (AUTHTOKEN === "") throw new Error("AUTHTOKEN is needed: the text of authtoken.secret in the home");
  const made = http.post(`${API}/api/v1/networks`, JSON.stringify({ name: "load test" }), { headers: HEADERS });
  if (made.status !== 201) throw new Error(`no network: ${made.status} ${String(made.body)}`);
  return { network: String(made.json("id")) };
}

export function teardown({ network }: Data): void {
  http.del(`${API}/api/v1/networks/${network}`, null, { headers: HEADERS });
}

function someMember(): string {
  return (0x2000000000 + Math.floor(Math.random() * MEMBERS)).toString(16);
}

/** Lists and single records of our own API. */
export function read({ network }: Data): void {
  const path = Math.random() < 0.5 ? `/networks/${network}/members?limit=50` : `/networks/${network}`;
  const answer = http.get(`${API}/api/v1${path}`, { headers: HEADERS });
  check(answer, { "read answers 200": ({ status }) => status === 200 });
}

/** A member is expected, authorized and renamed. */
export function change({ network }: Data): void {
  const body = JSON.stringify({ name: `member ${Date.now()}`, authorized: true });
  const answer = http.put(`${API}/api/v1/networks/${network}/members/${someMember()}`, body, { headers: HEADERS });
  check(answer, { "change answers 200 or 201": ({ status }) => status === 200 || status === 201 });
}

/** What ztncui, ztnet and Terraform ask for. */
export function reference({ network }: Data): void {
  const path = Math.random() < 0.5 ? `/controller/network/${network}` : `/controller/network/${network}/member`;
  const answer = http.get(`${API}${path}`, { headers: HEADERS });
  check(answer, { "the reference's API answers 200": ({ status }) => status === 200 });
}

/** Sees the changes that the other scenarios make. */
export function watch({ network }: Data): void {
  const url = `${API.replace(/^http/, "ws")}/api/v1/events?network=${network}`;
  const answer = ws.connect(url, { headers: HEADERS }, (socket) => {
    socket.on("message", (text) => {
      const { at } = JSON.parse(text) as { at: number };
      events.add(1);
      eventDelay.add(Math.max(0, Date.now() - at));
    });
    socket.setTimeout(() => socket.close(), SECONDS * 1000);
  });
  check(answer, { "the stream opens": ({ status }) => status === 101 });
}
