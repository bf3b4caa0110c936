/**
 * PUSH_DIRECT_PATHS both ways: telling those that we are in a network with where we can be reached, and trying what they
 * tell us; bounded per packet and in time. Facts: vl1-packets.md §5.16, vl1-behaviour.md §3.6.
 */

import { PATH_EXPIRATION_MS } from "../protocol/constants.ts";
import { type Endpoint, endpointKey, endpointsEqual, IpScope, ipScope } from "../protocol/inet-address.ts";
import {
  decodePushDirectPaths,
  encodePushDirectPaths,
  PUSH_FLAG_CLUSTER_REDIRECT,
  PUSH_FLAG_FORGET,
  splitDirectPaths,
} from "../protocol/messages/push-direct-paths.ts";
import { Verb } from "../protocol/verbs.ts";
import type { Node } from "./node.ts";
import type { Peer } from "./peer.ts";
import type { Millis } from "./ports.ts";
import { PUSH_GATE_COUNT, PUSH_GATE_MS } from "./rate-gate.ts";
import type { Request } from "./request.ts";

/** Attempts per (scope, family) and packet. */
const MAX_PER_SCOPE_AND_FAMILY = 8;
/** How often a peer is told of our addresses: while its packets are relayed, and while they are not. */
const PUSH_INTERVAL_RELAYED_MS = 15_000;
const PUSH_INTERVAL_DIRECT_MS = 120_000;
/** Of our addresses, how many are told. */
const MAX_TOLD = 64;

/**
 * After a packet of a peer that showed itself to be in a network with us: tells it of our addresses, if that is due, on
 * the way that the packet came.
 */
export function pushDirectPaths(node: Node, request: Request): void {
  const { peer, now, hops, socket, from } = request;
  const interval = hops === 0 ? PUSH_INTERVAL_DIRECT_MS : PUSH_INTERVAL_RELAYED_MS;
  if (peer.trustedUntil <= now || now - peer.lastPushSent < interval) return;
  if (node.topology.upstream(peer.address) !== undefined) return;
  peer.lastPushSent = now;
  const own = node.ports.outbox.sockets().map(({ local }) => local);
  const all = [...own, ...node.mapped, ...node.selfAwareness.surfaces()];
  const told = new Map(all.map((endpoint) => [endpointKey(endpoint), endpoint]));
  const paths = [...told.values()].filter(isTellable).slice(0, MAX_TOLD);
  for (const part of splitDirectPaths(paths.map((endpoint) => ({ flags: 0, endpoint })))) {
    node.sender.direct(peer, socket, from, Verb.PUSH_DIRECT_PATHS, encodePushDirectPaths({ paths: part }));
  }
}

/** Only addresses that anybody could use as a path. */
function isTellable({ ip }: Endpoint): boolean {
  switch (ipScope(ip)) {
    case IpScope.PRIVATE:
    case IpScope.PSEUDO_PRIVATE:
    case IpScope.SHARED:
    case IpScope.GLOBAL:
      return true;
    default:
      return false;
  }
}

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
