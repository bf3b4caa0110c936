/** The generator's options: parsed, bounded, and refused when the target is not one's own to load. */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Endpoint } from "../../src/protocol/inet-address.ts";
import { formatEndpoint, IpScope, ipScope, parseEndpoint, parseIp } from "../../src/protocol/inet-address.ts";
import { MIN_PROBE_BYTES } from "./synthetic-peer.ts";

export const USAGE = `usage: node --import tsx loadtest/udp/generator.ts --target IP/PORT --root IDENTITY [options]

  --target IP/PORT        the root's UDP endpoint; loopback, link-local and private addresses only
  --allow-target IP/PORT  repeat the target here to load a public address; load your own roots only
  --root IDENTITY         the root's public identity, or the file that holds it (identity.public)
  --local IP              local address to send from (default: the system's choice)
  --mode MODE             relay: probes between pairs through the root (default; not possible over loopback)
                          hello: repeated HELLOs        echo: repeated ECHOs, at most 5/s per peer
  --peers N               synthetic peers, each with its own identity and socket (default 20, 2 to 2000)
  --identities FILE       keep the generated identities here and use them again (about 0.3 s each to make)
  --hello-rate N          first HELLOs per second (default 50, 1 to 10000)
  --rate N                requests or probes per second, all peers together (default 1000, 1 to 500000)
  --size BYTES            bytes of a probe, header included (default 512, ${MIN_PROBE_BYTES} to 1432)
  --armored               encrypt the probes for real (costs the generator most of its speed)
  --seconds N             how long to load (default 10, 1 to 3600)
  --greet-seconds N       how long to wait for every peer's greeting (default 30, 1 to 600)
  --max-loss RATIO        exit 1 if a larger share of the probes is lost (0 to 1)
  --max-p99 MS            exit 1 if the 99th percentile of the measured latency is higher
  --json                  print the report as JSON`;

/** The operator's mistake; the message says what to write instead. */
export class UsageError extends Error {}

export type Mode = "relay" | "hello" | "echo";

/** Everything a run needs to know. Rates are per second, all peers together. */
export interface GeneratorOptions {
  readonly target: Endpoint;
  /** Text of the root's public identity. */
  readonly root: string;
  readonly local: string | null;
  readonly mode: Mode;
  readonly peers: number;
  readonly identities: string | null;
  readonly helloRate: number;
  readonly rate: number;
  readonly packetBytes: number;
  readonly armored: boolean;
  readonly seconds: number;
  readonly greetSeconds: number;
  readonly maxLossRatio: number | null;
  readonly maxP99Ms: number | null;
  readonly json: boolean;
}

const MODES: readonly string[] = ["relay", "hello", "echo"];
const OWN_SCOPES: readonly IpScope[] = [IpScope.LOOPBACK, IpScope.LINK_LOCAL, IpScope.PRIVATE];

/** Parses the command line (without node and script). Throws UsageError. `readText` reads the identity file. */
export function parseOptions(
  argv: readonly string[],
  readText: (path: string) => string = (path) => readFileSync(path, "utf8"),
): GeneratorOptions {
  const values = parsed(argv);
  const target = endpointOf("--target", values.target);
  checkTarget(
    target,
    values["allow-target"] === undefined ? null : endpointOf("--allow-target", values["allow-target"]),
  );
  const mode = values.mode ?? "relay";
  if (!MODES.includes(mode)) throw new UsageError(`--mode is ${mode}: write relay, hello or echo`);
  if (mode === "relay" && ipScope(target.ip) === IpScope.LOOPBACK) {
    throw new UsageError("roots learn no path over loopback: use --mode hello or echo, or a network namespace");
  }
  const local = values.local ?? null;
  if (local !== null && parseIp(local)?.length !== target.ip.length) {
    throw new UsageError(`--local is ${local}: write an IP of the target's family`);
  }
  return {
    target,
    root: rootText(values.root, readText),
    local,
    mode: mode as Mode,
    peers: integer("--peers", values.peers, 20, 2, 2000),
    identities: values.identities ?? null,
    helloRate: integer("--hello-rate", values["hello-rate"], 50, 1, 10_000),
    rate: integer("--rate", values.rate, 1000, 1, 500_000),
    packetBytes: integer("--size", values.size, 512, MIN_PROBE_BYTES, 1432),
    armored: values.armored ?? false,
    seconds: integer("--seconds", values.seconds, 10, 1, 3600),
    greetSeconds: integer("--greet-seconds", values["greet-seconds"], 30, 1, 600),
    maxLossRatio: decimal("--max-loss", values["max-loss"], 1),
    maxP99Ms: decimal("--max-p99", values["max-p99"], 60_000),
    json: values.json ?? false,
  };
}

function parsed(argv: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: false,
      options: {
        target: text,
        "allow-target": text,
        root: text,
        local: text,
        mode: text,
        peers: text,
        identities: text,
        "hello-rate": text,
        rate: text,
        size: text,
        armored: { type: "boolean" },
        seconds: text,
        "greet-seconds": text,
        "max-loss": text,
        "max-p99": text,
        json: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function endpointOf(name: string, text: string | undefined): Endpoint {
  const endpoint = text === undefined ? null : parseEndpoint(text);
  if (endpoint === null || endpoint.port === 0) {
    throw new UsageError(`${name} is ${text ?? "missing"}: write it as IP/PORT, for example 10.0.0.1/9993`);
  }
  return endpoint;
}

/** Refuses addresses that are not clearly the operator's own, unless they were written a second time. */
function checkTarget(target: Endpoint, allowed: Endpoint | null): void {
  if (OWN_SCOPES.includes(ipScope(target.ip))) return;
  const text = formatEndpoint(target);
  if (allowed !== null && formatEndpoint(allowed) === text) return;
  throw new UsageError(
    `${text} is not a loopback or private address: if it is your own root, add --allow-target ${text}`,
  );
}

function rootText(given: string | undefined, readText: (path: string) => string): string {
  if (given === undefined) throw new UsageError("--root is missing: name the root's identity.public");
  if (/^[0-9a-f]{10}:0:[0-9a-f]{128}/i.test(given)) return given;
  try {
    return readText(given).trim();
  } catch {
    throw new UsageError(`--root: cannot read ${given}: name the root's identity.public`);
  }
}

function integer(name: string, text: string | undefined, fallback: number, low: number, high: number): number {
  if (text === undefined) return fallback;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= low && value <= high))
    throw new UsageError(`${name} is ${text}: write a number from ${low} to ${high}`);
  return value;
}

function decimal(name: string, text: string | undefined, high: number): number | null {
  if (text === undefined) return null;
  const value = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= 0 && value <= high)) throw new UsageError(`${name} is ${text}: write a number from 0 to ${high}`);
  return value;
}
