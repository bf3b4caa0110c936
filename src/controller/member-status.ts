/** How a member is right now: what its last request told, and how the node reaches it. */
import { decodeRequestMetadata } from "../network/request-metadata.ts";
import type { Node } from "../node/node.ts";
import type { Millis } from "../node/ports.ts";
import { type Address, formatAddress } from "../protocol/address.ts";
import { formatEndpoint } from "../protocol/inet-address.ts";
import type { MemberStatus } from "./management.ts";
import { ONLINE_MS } from "./sessions.ts";

/** Of a session, or of a presence that was written down. */
export interface LastHeard {
  readonly lastSeen: Millis;
  readonly metadata: Uint8Array;
  readonly physicalAddress: string;
}

export function memberStatus(node: Node, address: Address, heard: LastHeard | null, now: Millis): MemberStatus {
  const {
    versionMajor: major,
    versionMinor: minor,
    versionRevision: revision,
    platform,
  } = decodeRequestMetadata(heard?.metadata ?? new Uint8Array(0));
  const peer = address === node.identity.address ? null : node.topology.glimpse(address);
  const best = peer?.bestPath(now) ?? null;
  const isHeard = heard !== null && now - heard.lastSeen < ONLINE_MS;
  const upstream = best === null ? node.topology.bestUpstream(now) : null;
  const isReached = best !== null || (isHeard && upstream !== null);
  return {
    online: isHeard,
    lastSeen: Math.max(heard?.lastSeen ?? 0, peer?.lastReceive ?? 0),
    version: heard === null || major + minor + revision === 0 ? "" : `${major}.${minor}.${revision}`,
    platform,
    physicalAddress: best !== null ? formatEndpoint(best.path.endpoint) : (heard?.physicalAddress ?? ""),
    reach: best !== null ? "direct" : isReached ? "relayed" : "unknown",
    root: isReached && upstream !== null ? formatAddress(upstream.address) : "",
    latency: peer?.latencyMs(now) ?? -1,
  };
}
