/**
 * The log: one JSON object per line on standard output, from the main thread only. Fields, not sentences:
 * `{ peer, network, verb, path, reason, ms }`, addresses in hex. Nothing is ever logged per packet; what happens per
 * packet is counted (node/statistics.ts).
 *
 * Levels: `error` someone must act; `warn` degraded by itself; `info` life-cycle and joins; `debug` per decision.
 */
import { createRequire } from "node:module";
import {
  type Bindings,
  type ChildLoggerOptions,
  type DestinationStream,
  type Logger,
  type LoggerOptions,
  pino,
} from "pino";
import { REDACTED, redactFields, redactText } from "./redact.ts";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "silent";

export interface LogOptions {
  readonly level: LogLevel;
  /** Coloured lines for a person, when pino-pretty is installed; otherwise JSON and one warning. */
  readonly pretty: boolean;
}

/**
 * Fields that pino blanks by path. `redactFields` already blanks them at any depth; these are the second lock, which
 * an edit of the formatter cannot open.
 */
const REDACTED_PATHS = [
  "secret",
  "token",
  "password",
  "authorization",
  "authtoken",
  "metricstoken",
  "identity.secret",
  "identity.secretKey",
  "headers.authorization",
  'headers["x-zt1-auth"]',
  'req.headers["x-zt1-auth"]',
  "req.headers.authorization",
];

/** A stream that prints for a person, or null where pino-pretty is not installed (it is a development dependency). */
function prettyStream(): DestinationStream | null {
  try {
    const pretty = createRequire(import.meta.url)("pino-pretty") as (options: object) => DestinationStream;
    return pretty({ sync: true, translateTime: "SYS:HH:MM:ss.l", ignore: "pid,hostname" });
  } catch {
    return null;
  }
}

type Child = (this: unknown, bindings: Bindings, options?: ChildLoggerOptions) => Logger;

/** Bindings of child loggers pass no formatter of pino's, so they are cleaned before pino sees them. */
function redactBindings(logger: Logger): void {
  const child: Child = logger.child;
  const redacting: Child = function (bindings, options) {
    return child.call(this, redactFields(bindings), options);
  };
  Object.assign(logger, { child: redacting });
}

/**
 * Makes the program's logger. Secrets never print: not by field name, not as an `Identity`, not as bytes, not inside
 * text (see redact.ts). `destination` replaces standard output (tests).
 */
export function createLogger(options: LogOptions, destination?: DestinationStream): Logger {
  const settings: LoggerOptions = {
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: REDACTED_PATHS, censor: REDACTED },
    formatters: {
      level: (label) => ({ level: label }),
      log: (fields) => redactFields(fields),
    },
    hooks: { streamWrite: redactText },
  };
  const pretty = options.pretty && destination === undefined ? prettyStream() : null;
  const logger = pino(settings, destination ?? pretty ?? pino.destination({ fd: 1, sync: true }));
  redactBindings(logger);
  if (options.pretty && destination === undefined && pretty === null) {
    logger.warn({ wanted: "pino-pretty" }, "pretty log asked for but not installed, logging JSON");
  }
  return logger;
}
