/**
 * What `orrery doctor` thinks of facts that were gathered elsewhere: one function per question, from facts to a
 * finding. Nothing here looks at the machine.
 */
import type { Identity } from "../identity/identity.ts";
import { formatAddress } from "../protocol/address.ts";
import { PUBLIC_PLANET_ID } from "../protocol/constants.ts";
import { type Endpoint, formatEndpoint, formatIp, IpScope, ipScope } from "../protocol/inet-address.ts";
import { kindOf, supersedes, verifyWorld, type World } from "../world/world.ts";
import { shortWorldId, timestampText } from "./world-text.ts";

const CLOCK_TOLERANCE_MS = 5 * 60_000;
/** No home was ever made before this; the clock of a machine without battery starts earlier. */
const EARLIEST_PLAUSIBLE_YEAR = 2024;
const LATEST_PLAUSIBLE_YEAR = 2100;
const OTHERS_MAY_READ_OR_WRITE = 0o066;

/** One answered question. `advice` is one sentence, present unless all is well. */
export interface Finding {
  readonly name: string;
  readonly status: "ok" | "warn" | "fail" | "skip";
  readonly detail: string;
  readonly advice?: string;
}

/** A time that the clock cannot be before, and where it was seen. */
export interface TimeEvidence {
  readonly source: string;
  readonly time: number;
}

/** The clock against sanity and against everything that was written earlier. */
export function checkClock(now: number, evidence: readonly TimeEvidence[]): Finding {
  const name = "clock";
  const text = new Date(now).toISOString();
  const year = new Date(now).getUTCFullYear();
  const advice = "set the clock (timedatectl set-ntp true): signatures and certificates carry times";
  if (year < EARLIEST_PLAUSIBLE_YEAR || year > LATEST_PLAUSIBLE_YEAR) {
    return { name, status: "fail", detail: `it is not ${text}`, advice };
  }
  const newest = evidence.reduce<TimeEvidence | null>((best, one) => (one.time > (best?.time ?? 0) ? one : best), null);
  if (newest !== null && newest.time > now + CLOCK_TOLERANCE_MS) {
    return {
      name,
      status: "fail",
      detail: `${text}, but ${newest.source} is from ${new Date(newest.time).toISOString()}`,
      advice,
    };
  }
  return { name, status: "ok", detail: text };
}

/** Secret files and their permission bits. */
export function checkModes(files: readonly { readonly name: string; readonly mode: number }[]): Finding {
  const name = "file modes";
  const open = files.filter(({ mode }) => (mode & OTHERS_MAY_READ_OR_WRITE) !== 0).map((file) => file.name);
  if (open.length === 0) return { name, status: "ok", detail: `${files.length} secret files, only for their owner` };
  return {
    name,
    status: "fail",
    detail: `others can read ${open.join(", ")}`,
    advice: `chmod 600 ${open.join(" ")} in the home; if strangers have accounts here, make new secrets`,
  };
}

/** Whether one of the worlds lists exactly our identity, key included. */
export function checkMembership(identity: Identity, worlds: readonly World[]): Finding {
  const name = "world";
  const ours = worlds.filter((world) => world.roots.some((root) => root.identity.equals(identity)));
  if (ours.length > 0) {
    return { name, status: "ok", detail: ours.map((w) => `root of ${kindOf(w)} ${shortWorldId(w)}`).join(", ") };
  }
  const address = formatAddress(identity.address);
  const sameAddress = worlds.some((w) => w.roots.some((root) => root.identity.address === identity.address));
  return sameAddress
    ? {
        name,
        status: "fail",
        detail: `the world lists ${address} with another key`,
        advice: "bring back the identity.secret that belongs to it: clients refuse every other key",
      }
    : {
        name,
        status: "fail",
        detail: `no world in this home lists ${address}`,
        advice: "without that nobody treats it as a root: orrery init, or orrery world rotate --add-root elsewhere",
      };
}

/** How well a world will fare at clients and at the next rotation. */
export function checkWorldVersion(world: World, builtIn: World, now: number): Finding {
  const name = `${kindOf(world)} version`;
  const told = timestampText(world.timestamp);
  if (world.id === PUBLIC_PLANET_ID && world.timestamp < builtIn.timestamp) {
    return {
      name,
      status: "fail",
      detail: `${told}, older than the one clients have built in`,
      advice: supersedes(world, builtIn)
        ? "it will be replaced by the built-in one at the next start: let it"
        : "clients replace it by their built-in one: a private planet needs an id of its own (orrery world forge)",
    };
  }
  if (Number(world.timestamp) > now + CLOCK_TOLERANCE_MS) {
    return {
      name,
      status: "warn",
      detail: `${told}, which is in the future`,
      advice: "clients do not mind; the next rotation will be one step newer still",
    };
  }
  if (!verifyWorld(world, world.updatesMustBeSignedBy)) {
    return {
      name,
      status: "warn",
      detail: `${told}, signed by another key than the one for updates`,
      advice: "right after a change of the signing key; otherwise compare with your backup",
    };
  }
  return { name, status: "ok", detail: told };
}

/** Our root's endpoints against the addresses of this machine. */
export function checkEndpoints(endpoints: readonly Endpoint[], local: readonly Uint8Array[]): Finding {
  const name = "endpoints";
  if (endpoints.length === 0) {
    return {
      name,
      status: "fail",
      detail: "the world gives no address for this root",
      advice: "orrery world rotate --add-endpoint IP/PORT: clients cannot find it otherwise",
    };
  }
  const own = new Set(local.map(formatIp));
  const foreign = endpoints.filter((endpoint) => !own.has(formatIp(endpoint.ip)));
  if (foreign.length === 0) return { name, status: "ok", detail: endpoints.map(formatEndpoint).join(", ") };
  return {
    name,
    status: "warn",
    detail: `${foreign.map(formatEndpoint).join(", ")} not on this machine`,
    advice:
      "fine behind a NAT that forwards UDP on that port to this machine; otherwise orrery world rotate --endpoint IP/PORT",
  };
}

/** An endpoint's port against the port the daemon serves; a port forward may explain a difference. */
export function checkPorts(endpoints: readonly Endpoint[], local: readonly Uint8Array[], port: number): Finding {
  const name = "endpoint ports";
  if (port === 0) return { name, status: "skip", detail: "the daemon will choose a port when it starts" };
  const own = new Set(local.map(formatIp));
  const wrong = endpoints.filter((endpoint) => own.has(formatIp(endpoint.ip)) && endpoint.port !== port);
  if (wrong.length === 0) return { name, status: "ok", detail: `${port}` };
  return {
    name,
    status: "fail",
    detail: `the world says ${wrong.map(formatEndpoint).join(", ")}, the configuration serves port ${port}`,
    advice: `set listen.port to ${wrong[0]!.port}, or orrery world rotate --endpoint ${formatIp(wrong[0]!.ip)}/${port}`,
  };
}

/** What we ask for each socket against what the kernel gives at most; null when the system has no such limit file. */
export function checkReceiveBuffer(askedBytes: number, maximumBytes: number | null): Finding {
  const name = "receive buffer";
  if (maximumBytes === null) return { name, status: "skip", detail: "this system does not tell its limit" };
  if (maximumBytes >= askedBytes) return { name, status: "ok", detail: `${askedBytes} bytes allowed` };
  return {
    name,
    status: "warn",
    detail: `the kernel allows ${maximumBytes} bytes of the ${askedBytes} asked for: bursts will be dropped`,
    advice: `sysctl -w net.core.rmem_max=${askedBytes}, and the same line in /etc/sysctl.d`,
  };
}

/** Whether the next version of a world can be signed on this machine. */
export function checkSigningKey(world: World, state: "present" | "absent" | "foreign", file: string): Finding {
  const name = "signing key";
  switch (state) {
    case "present":
      return { name, status: "ok", detail: `${file}; keep a copy elsewhere, its loss means re-seeding every client` };
    case "foreign":
      return {
        name,
        status: "fail",
        detail: `${file} is not the key that must sign the next version of ${kindOf(world)} ${shortWorldId(world)}`,
        advice: "bring back the right one from your backup: without it this world can never be changed",
      };
    case "absent":
      return {
        name,
        status: "warn",
        detail: `${file} is not here`,
        advice: "fine if you keep it offline: orrery world rotate --signing-key FILE",
      };
  }
}

/** IPv6 of this machine against IPv6 in the world. */
export function checkIpv6(endpoints: readonly Endpoint[], local: readonly Uint8Array[]): Finding {
  const name = "IPv6";
  const global = local.filter((ip) => ip.length === 16 && ipScope(ip) === IpScope.GLOBAL);
  const listed = endpoints.some((endpoint) => endpoint.family === 6);
  if (listed) return { name, status: "ok", detail: "the world has an IPv6 endpoint" };
  if (global.length === 0) {
    return {
      name,
      status: "warn",
      detail: "this machine has no global IPv6 address",
      advice: "clients behind carrier-grade NAT meet directly over IPv6 more often: add it if you can",
    };
  }
  return {
    name,
    status: "warn",
    detail: `${formatIp(global[0]!)} is here, but the world has no IPv6 endpoint`,
    advice: `orrery world rotate --add-endpoint ${formatIp(global[0]!)}/${endpoints[0]?.port ?? 9993}`,
  };
}
