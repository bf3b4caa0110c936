/**
 * PUSH_DIRECT_PATHS as we receive it: a peer's own addresses, each worth an attempt. Bounded per packet and in time.
 * Facts: vl1-packets.md §5.16, vl1-behaviour.md §3.6.
 */

import { PATH_EXPIRATION_MS } from "../protocol/constants.ts";
import { type Endpoint, endpointsEqual, ipScope } from "../protocol/inet-address.ts";
import {
  decodePushDirectPaths,
  PUSH_FLAG_CLUSTER_REDIRECT,
  PUSH_FLAG_FORGET,
} from "../protocol/messages/push-direct-paths.ts";
import type { Node } from "./node.ts";
import type { Peer } from "./peer.ts";
import type { Millis } from "./ports.ts";
import { PUSH_GATE_COUNT, PUSH_GATE_MS } from "./rate-gate.ts";
import type { Request } from "./request.ts";

/** Attempts per (scope, family) and packet. */
const MAX_PER_SCOPE_AND_FAMILY = 8;

export function handlePushDirectPaths(node: Node, request: Request): boolean {
  const { peer, now } = request;
  peer.pushCount = now - peer.lastPush <= PUSH_GATE_MS ? peer.pushCount + 1 : 0;
  peer.lastPush = now;
  if (peer.pushCount >= PUSH_GATE_COUNT) {
    node.statistics.rateLimited.push_direct_paths++;
    return true;
  }
  const decoded = decodePushDirectPaths(request.payload);
  if (!decoded.ok) {
    node.drop("malformed");
    return false;
  }
  const tried = new Map<number, number>();
  for (const { flags, endpoint } of decoded.value.paths) {
    // A redirect asks to be believed at once; we treat it as any other address: it has to answer first.
    const redirect = (flags & PUSH_FLAG_CLUSTER_REDIRECT) !== 0;
    if ((flags & PUSH_FLAG_FORGET) !== 0 || (!redirect && hasPath(peer, endpoint, now))) continue;
    if (!node.topology.mayUse(peer.address, endpoint)) continue;
    const kind = ipScope(endpoint.ip) * 2 + (endpoint.family === 6 ? 1 : 0);
    const count = (tried.get(kind) ?? 0) + 1;
    tried.set(kind, count);
    if (count <= MAX_PER_SCOPE_AND_FAMILY) node.sender.approachFromAll(peer, endpoint, now);
  }
  return true;
}

function hasPath(peer: Peer, endpoint: Endpoint, now: Millis): boolean {
  return peer.paths.some(
    ({ path, lastReceive }) => endpointsEqual(path.endpoint, endpoint) && now - lastReceive < PATH_EXPIRATION_MS,
  );
}
