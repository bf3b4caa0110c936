/**
 * The telemetry listener: metrics for Prometheus and probes for an orchestrator, without a token, hence on loopback
 * unless the operator says otherwise. Nothing here changes anything or tells an address or a key.
 */

import { formatJson, type JsonValue } from "../json/json.ts";
import { type HttpApplication, type HttpEngine, type HttpReply, type HttpRequest, loadEngine } from "./engine.ts";

/** The outcome of one readiness check. */
export interface ReadinessCheck {
  readonly ok: boolean;
  /** One line for whoever reads the probe by hand. */
  readonly detail: string;
}

export interface Readiness {
  readonly ready: boolean;
  readonly checks: Readonly<Record<string, ReadinessCheck>>;
}

export interface TelemetryOptions {
  /** An IP address. */
  readonly host: string;
  /** 0 picks one. */
  readonly port: number;
  /** The Prometheus text. */
  metrics(): Promise<string>;
  /** False when the process should be restarted. */
  live(): boolean;
  ready(): Promise<Readiness>;
  /** `loadEngine()` unless given. */
  readonly engine?: HttpEngine;
  /** Any clock in ms that does not run backwards; for tests. */
  readonly now?: () => number;
}

export interface TelemetryListener {
  readonly port: number;
  close(): Promise<void>;
}

/** Readiness checks may be costly and probes many: an answer serves everyone for this long. */
const READY_CACHE_MS = 3000;
const MAX_BODY_BYTES = 4096;
const STATUS_UNAVAILABLE = 503;
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";
const NOT_FOUND: HttpReply = { status: 404, headers: {}, body: "" };

function jsonReply(ok: boolean, value: JsonValue): HttpReply {
  const headers = { "Content-Type": "application/json", "Cache-Control": "no-store" };
  return { status: ok ? 200 : STATUS_UNAVAILABLE, headers, body: formatJson(value) };
}

/** Remembers the last readiness, and runs the checks once however many ask. */
class ReadinessCache {
  readonly #check: () => Promise<Readiness>;
  readonly #now: () => number;
  #last: Promise<Readiness> | null = null;
  /** When `#last` was answered; until then it never expires. */
  #answeredAt = Number.POSITIVE_INFINITY;

  constructor(check: () => Promise<Readiness>, now: () => number) {
    this.#check = check;
    this.#now = now;
  }

  get(): Promise<Readiness> {
    if (this.#last === null || this.#now() - this.#answeredAt >= READY_CACHE_MS) {
      this.#answeredAt = Number.POSITIVE_INFINITY;
      this.#last = this.#run();
    }
    return this.#last;
  }

  async #run(): Promise<Readiness> {
    try {
      return await this.#check();
    } catch {
      return { ready: false, checks: { probe: { ok: false, detail: "a readiness check failed to run" } } };
    } finally {
      this.#answeredAt = this.#now();
    }
  }
}

function applicationOf(options: TelemetryOptions): HttpApplication {
  const readiness = new ReadinessCache(() => options.ready(), options.now ?? (() => performance.now()));
  const handle = async (request: HttpRequest): Promise<HttpReply> => {
    switch (request.path) {
      case "/metrics":
        return { status: 200, headers: { "Content-Type": METRICS_TYPE }, body: await options.metrics() };
      case "/healthz/live": {
        const live = options.live();
        return jsonReply(live, { live });
      }
      case "/healthz/ready": {
        const { ready, checks } = await readiness.get();
        const shown = Object.entries(checks).map(([name, { ok, detail }]) => [name, { ok, detail }]);
        return jsonReply(ready, { ready, checks: Object.fromEntries(shown) });
      }
      default:
        return NOT_FOUND;
    }
  };
  return {
    maxBodyBytes: MAX_BODY_BYTES,
    admit: ({ method }) => (method === "GET" || method === "HEAD" ? null : NOT_FOUND),
    handle,
  };
}

/** Starts the telemetry listener. Rejects with `ListenError` if the address cannot be bound. */
export async function startTelemetry(options: TelemetryOptions): Promise<TelemetryListener> {
  const engine = options.engine ?? loadEngine();
  const listener = await engine.listen([options.host], options.port, applicationOf(options));
  return { port: listener.port, close: () => listener.close() };
}
