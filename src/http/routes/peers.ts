/** GET /peer and /peer/{address}: local-api.md §3. */

import { ExactNumber, type JsonObject } from "../../json/json.ts";
import type { BondView, LinkView, PathView, PeerView } from "../../node/queries.ts";
import { formatAddress, parseAddress } from "../../protocol/address.ts";
import { formatEndpoint } from "../../protocol/inet-address.ts";
import { json } from "../reply.ts";
import { type Route, route } from "../router.ts";
import type { ServiceBackend } from "../service.ts";

const UNKNOWN_VERSION = [-1, -1, -1] as const;

/** A number that has decimals whatever it is: 0 is 0.0. */
function decimal(value: number): ExactNumber {
  return new ExactNumber(Number.isInteger(value) ? value.toFixed(1) : String(value));
}

function linkFields(link: LinkView): JsonObject {
  return {
    assignedFlowCount: link.flows,
    bonded: link.used ? 1 : 0,
    eligible: link.eligible ? 1 : 0,
    givenLinkSpeed: link.capacity,
    ifname: link.device,
    lastInAge: Math.trunc(link.lastInAge),
    lastOutAge: Math.trunc(link.lastOutAge),
    latencyMean: decimal(link.latencyMs),
    latencyVariance: decimal(link.varianceMs),
    localPort: link.localPort,
    // Packets that cannot be authenticated are nobody's, so they are no link's either.
    packetErrorRatio: decimal(0),
    packetLossRatio: decimal(link.lossRatio),
    relativeQuality: decimal(link.quality),
  };
}

function pathObject(path: PathView): JsonObject {
  return {
    active: !path.expired,
    address: formatEndpoint(path.endpoint),
    expired: path.expired,
    lastReceive: Math.trunc(path.lastReceive),
    lastSend: Math.trunc(path.lastSend),
    // Only bonded paths tell their port.
    localPort: 0,
    localSocket: path.socket,
    preferred: path.preferred,
    trustedPathId: path.trustedPathId,
    ...(path.link === undefined ? {} : linkFields(path.link)),
  };
}

function bondFields(bond: BondView): JsonObject {
  return {
    bondingPolicyCode: bond.policyCode,
    bondingPolicyStr: bond.policy,
    downDelay: bond.downDelayMs,
    failoverInterval: bond.failoverMs,
    numAliveLinks: bond.aliveLinks,
    numTotalLinks: bond.totalLinks,
    packetsPerLink: bond.packetsPerLink,
    upDelay: bond.upDelayMs,
  };
}

/** A peer as the API shows it: local-api.md §3. `tunneled`: this node uses a TCP relay, the same for all peers. */
export function peerObject(peer: PeerView, tunneled: boolean): JsonObject {
  const [major, minor, revision] = peer.version ?? UNKNOWN_VERSION;
  return {
    address: formatAddress(peer.address),
    isBonded: peer.bond !== undefined,
    ...(peer.bond === undefined ? {} : bondFields(peer.bond)),
    latency: Math.trunc(peer.latencyMs),
    paths: peer.paths.map(pathObject),
    role: peer.role,
    tunneled,
    version: `${major}.${minor}.${revision}`,
    versionMajor: major,
    versionMinor: minor,
    versionRev: revision,
  };
}

export function peerRoutes(backend: ServiceBackend): Route[] {
  const { node } = backend;
  return [
    route("GET", "/peer", () => {
      const { tcpFallbackActive } = backend.config();
      const others = node.peers(backend.now()).filter((peer) => peer.address !== node.identity.address);
      return json(others.map((peer) => peerObject(peer, tcpFallbackActive)));
    }),
    // An unknown peer, and ourselves, is an empty object and no error.
    route("GET", "/peer/{10}", (_request, [digits]) => {
      const address = parseAddress(digits ?? "");
      const known = address !== null && address !== node.identity.address;
      const peer = known ? node.peer(address, backend.now()) : null;
      return json(peer === null ? {} : peerObject(peer, backend.config().tcpFallbackActive));
    }),
  ];
}
