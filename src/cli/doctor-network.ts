/** The questions of `orrery doctor` that need sockets: is our port free or ours, and do our endpoints answer. */
import { generateIdentity } from "../identity/generate.ts";
import type { Identity } from "../identity/identity.ts";
import { type ProbeResult, probeHello } from "../io/hello-probe.ts";
import { randomFill } from "../io/random.ts";
import { type Endpoint, formatEndpoint, formatIp } from "../protocol/inet-address.ts";
import type { Finding } from "./doctor-checks.ts";
import { type PortState, tryTcpPort, tryUdpPort } from "./port-check.ts";

const PROBE_TIMEOUT_MS = 3000;

/** What answers for this home: its own daemon, a daemon with another identity, or nothing. */
export type DaemonState = "ours" | "other" | "none";

/** Sends one probe; `probeHello` unless a test gives its own. */
export type Probe = (options: { target: Endpoint; root: Identity; timeoutMs: number }) => Promise<ProbeResult>;

/** Binds the ports for a moment and judges what came of it. */
export async function checkListenPort(port: number, daemon: DaemonState): Promise<Finding> {
  return judgePort(port, await tryUdpPort(port), await tryTcpPort(port), daemon);
}

/** Port states (null = free) against what is known to run. */
export function judgePort(port: number, udp: PortState, tcp: PortState, daemon: DaemonState): Finding {
  const name = "port";
  if (port === 0) return { name, status: "skip", detail: "the daemon will choose a port when it starts" };
  const taken = [...(udp === null ? [] : [`UDP ${port} (${udp})`]), ...(tcp === null ? [] : [`TCP ${port} (${tcp})`])];
  const advice = `ss -lnp 'sport = :${port}' names the program: stop it, or set another listen.port`;
  if (daemon === "ours") {
    return udp === null
      ? {
          name,
          status: "warn",
          detail: `our daemon answers its API, but nothing holds UDP ${port} over IPv4`,
          advice: "right if listen.bind names IPv6 addresses only; otherwise restart it and read its log",
        }
      : { name, status: "ok", detail: `${port}, served by our own daemon` };
  }
  if (daemon === "other") {
    return { name, status: "fail", detail: `a daemon with another identity or token answers for this home`, advice };
  }
  if (taken.length === 0) return { name, status: "ok", detail: `${port} is free, no daemon runs` };
  const permission = udp === "EACCES" || tcp === "EACCES";
  return {
    name,
    status: "fail",
    detail: `${taken.join(" and ")} cannot be bound`,
    advice: permission ? "choose a port of 1024 or more, or give the process CAP_NET_BIND_SERVICE" : advice,
  };
}

/**
 * Sends a HELLO to every endpoint that the world tells clients, from another socket and identity, one after the
 * other. An endpoint that is not on this machine may be out of reach from inside and work from outside.
 */
export async function checkReachability(
  root: Identity,
  endpoints: readonly Endpoint[],
  local: readonly Uint8Array[],
  daemon: DaemonState,
  probe?: Probe,
): Promise<Finding[]> {
  const name = "reachability";
  if (endpoints.length === 0) return [];
  if (daemon !== "ours") {
    return [{ name, status: "skip", detail: "our daemon is not running", advice: "start it and run this again" }];
  }
  const own = new Set(local.map(formatIp));
  const ask = probe ?? probeWith(generateIdentity(randomFill));
  const findings: Finding[] = [];
  for (const endpoint of endpoints) {
    const result = await ask({ target: endpoint, root, timeoutMs: PROBE_TIMEOUT_MS });
    findings.push(judgeProbe(endpoint, result, own.has(formatIp(endpoint.ip))));
  }
  return findings;
}

function probeWith(identity: Identity): Probe {
  return (options) => probeHello({ ...options, identity });
}

function judgeProbe(endpoint: Endpoint, result: ProbeResult, local: boolean): Finding {
  const name = "reachability";
  const where = formatEndpoint(endpoint);
  if (result.ok) return { name, status: "ok", detail: `${where} answered a HELLO in ${result.rttMs.toFixed(1)} ms` };
  const detail = `${where}: ${result.reason}`;
  return local
    ? {
        name,
        status: "fail",
        detail,
        advice: `is the daemon serving that port, and does a firewall of this machine drop UDP ${endpoint.port}?`,
      }
    : {
        name,
        status: "warn",
        detail,
        advice:
          "many routers do not lead back in from inside: ask from outside; if clients fail too, forward " +
          `UDP ${endpoint.port} to this machine`,
      };
}
