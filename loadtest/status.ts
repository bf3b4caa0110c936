/**
 * k6: do metrics, probes and the service API answer quickly while a root works? Start the UDP generator beside it to
 * ask the question under load.
 *
 *   k6 run --no-usage-report -e AUTHTOKEN="$(cat home/authtoken.secret)" loadtest/status.ts
 *
 * Environment: TELEMETRY (http://127.0.0.1:9994), API (http://127.0.0.1:9993), AUTHTOKEN (without it the API is left
 * alone), SECONDS (30), RATE (requests per second and scenario, 50).
 */
import { check } from "k6";
import http, { type RefinedResponse } from "k6/http";
import { Trend } from "k6/metrics";
import type { Options } from "k6/options";

const TELEMETRY = __ENV.TELEMETRY ?? "http://127.0.0.1:9994";
const API = __ENV.API ?? "http://127.0.0.1:9993";
const AUTHTOKEN = __ENV.AUTHTOKEN ?? "";
const RATE = Number(__ENV.RATE ?? "50");
const SECONDS = Number(__ENV.SECONDS ?? "30");

const metricsBytes = new Trend("metrics_bytes");

function scenario(exec: string, ratePerSecond: number) {
  return {
    executor: "constant-arrival-rate",
    exec,
    rate: ratePerSecond,
    timeUnit: "1s",
    duration: `${SECONDS}s`,
    preAllocatedVUs: 4,
    maxVUs: 32,
  } as const;
}

/** Scrapes are heavier and rarer than probes in real life, hence the lower rate. */
export const options: Options = {
  scenarios: {
    scrape: scenario("scrape", Math.max(1, Math.floor(RATE / 10))),
    probe: scenario("probe", RATE),
    ...(AUTHTOKEN === "" ? {} : { status: scenario("status", RATE) }),
  },
  thresholds: {
    checks: ["rate==1"],
    http_req_failed: ["rate==0"],
    dropped_iterations: ["count==0"],
    "http_req_duration{scenario:scrape}": ["p(99)<250"],
    "http_req_duration{scenario:probe}": ["p(99)<50"],
    ...(AUTHTOKEN === "" ? {} : { "http_req_duration{scenario:status}": ["p(99)<50"] }),
  },
};

function textOf(response: RefinedResponse<"text">): string {
  return response.body;
}

/** Prometheus' scrape: complete, and of a size that does not grow with the number of clients. */
export function scrape(): void {
  const response = http.get<"text">(`${TELEMETRY}/metrics`, { responseType: "text" });
  metricsBytes.add(textOf(response).length);
  check(response, {
    "metrics: 200": (answer) => answer.status === 200,
    "metrics: build info": (answer) => textOf(answer).includes("orrery_build_info"),
    "metrics: the reference's families": (answer) => textOf(answer).includes("# TYPE zt_packet counter"),
    "metrics: below 256 kB": (answer) => textOf(answer).length < 262_144,
  });
}

/** An orchestrator's probes. */
export function probe(): void {
  for (const path of ["/healthz/live", "/healthz/ready"]) {
    const response = http.get<"text">(`${TELEMETRY}${path}`, { responseType: "text" });
    check(response, { [`${path}: 200`]: (answer) => answer.status === 200 });
  }
}

/** What `info` asks. */
export function status(): void {
  const response = http.get<"text">(`${API}/status`, {
    headers: { "X-ZT1-Auth": AUTHTOKEN },
    responseType: "text",
  });
  check(response, {
    "status: 200": (answer) => answer.status === 200,
    "status: online": (answer) => (JSON.parse(textOf(answer)) as { online?: boolean }).online === true,
  });
}
