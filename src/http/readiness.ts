/**
 * Readiness: does a client that comes now get an answer? The root is asked what clients ask (a HELLO from a socket
 * and an identity of its own, to each family that it listens on), so a green light means that the datapath works.
 * Facts: design §2 (listeners).
 */

import type { Identity } from "../identity/identity.ts";
import { type ProbeResult, probeHello } from "../io/hello-probe.ts";
import type { TransportStatistics } from "../io/transport.ts";
import type { LocalSocket } from "../node/ports.ts";
import type { NodeQueries } from "../node/queries.ts";
import { formatEndpoint } from "../protocol/inet-address.ts";
import type { Readiness, ReadinessCheck } from "./telemetry-listener.ts";

/** Well above a local round trip, well below a probe's patience. */
const PROBE_TIMEOUT_MS = 1500;

export interface ReadinessSource {
  readonly node: NodeQueries;
  /** The identity that asks; null while it is being made. */
  prober(): Identity | null;
  sockets(): readonly LocalSocket[];
  transport(): TransportStatistics;
  /** Writes of the peer cache that failed since the start. */
  cacheFailing(): boolean;
}

/** Runs every check. Never throws. */
export async function checkReadiness(source: ReadinessSource): Promise<Readiness> {
  const { node } = source;
  const checks: Record<string, ReadinessCheck> = {
    sockets: checkSockets(source),
    world: node.isUpstream()
      ? { ok: true, detail: "our identity is a root of a world that we hold" }
      : { ok: false, detail: "our identity is no root of any world that we hold: see `orrery doctor`" },
    peerCache: source.cacheFailing()
      ? { ok: false, detail: "peers cannot be written down: a restart would cut clients off (disk full?)" }
      : { ok: true, detail: "peers are written down" },
    ...(await checkDatapath(source)),
  };
  return { ready: Object.values(checks).every(({ ok }) => ok), checks };
}

function checkSockets(source: ReadinessSource): ReadinessCheck {
  const open = source.sockets().length;
  const { problems } = source.transport();
  const missing = problems.map(({ local, code }) => `${formatEndpoint(local)} (${code})`).join(", ");
  if (open === 0) return { ok: false, detail: `no socket is open${missing === "" ? "" : `: ${missing}`}` };
  return { ok: true, detail: missing === "" ? `${open} open` : `${open} open; not bound: ${missing}` };
}

/** One HELLO per address family, to the first primary socket of it. */
async function checkDatapath(source: ReadinessSource): Promise<Record<string, ReadinessCheck>> {
  const identity = source.prober();
  if (identity === null) return { datapath: { ok: false, detail: "the probing identity is still being made" } };
  const checks: Record<string, ReadinessCheck> = {};
  for (const family of [4, 6] as const) {
    const socket = source.sockets().find(({ primary, local }) => primary && local.family === family);
    if (socket === undefined) continue;
    const options = { target: socket.local, root: source.node.identity, timeoutMs: PROBE_TIMEOUT_MS, identity };
    checks[`datapathIpv${family}`] = describe(await probeHello(options), formatEndpoint(socket.local));
  }
  return Object.keys(checks).length > 0 ? checks : { datapath: { ok: false, detail: "no primary socket to ask" } };
}

function describe(result: ProbeResult, at: string): ReadinessCheck {
  return result.ok
    ? { ok: true, detail: `HELLO to ${at} answered in ${result.rttMs.toFixed(1)} ms` }
    : { ok: false, detail: `HELLO to ${at}: ${result.reason}` };
}
