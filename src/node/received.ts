/**
 * What every authenticated packet does for its sender, after its handler: the peer is alive, the path it came on
 * is fresh, and a place that is no path yet is asked to prove itself.
 * Facts: vl1-behaviour.md §3.2. Ours: only the answer to a probe that was sent to that very place proves it, so a
 * replayed packet with a forged source changes no path.
 */

import { PACKET_HEADER_BYTES } from "../protocol/constants.ts";
import { type Endpoint, endpointKey, ipsEqual } from "../protocol/inet-address.ts";
import { Verb } from "../protocol/verbs.ts";
import { helloBytes } from "./hello-out.ts";
import type { Node } from "./node.ts";
import type { Path } from "./path.ts";
import type { Peer } from "./peer.ts";
import type { Millis } from "./ports.ts";
import { pushDirectPaths } from "./push-direct-paths.ts";
import { PATH_CONFIRMATION_MS } from "./rate-gate.ts";
import type { Request } from "./request.ts";
import { prove, unprovenPath } from "./unproven.ts";

const NONTRIVIAL = new Set<number>([
  Verb.FRAME,
  Verb.EXT_FRAME,
  Verb.NETWORK_CONFIG_REQUEST,
  Verb.NETWORK_CONFIG,
  Verb.MULTICAST_FRAME,
]);

/** How often the cache is told that a peer is still there. */
const CACHE_TOUCH_MS = 60_000;

/**
 * While another port of the same IP was heard this recently, a new port is a second socket of the peer and not a
 * changed NAT binding: clients ask their root something every 5 s on the path they use. (The reference waits 19 s.)
 */
const SAME_IP_QUIET_MS = 6000;

/** To be called after the handler of an authenticated packet. */
export function received(node: Node, request: Request): void {
  const { peer, now } = request;
  peer.lastReceive = now;
  if (NONTRIVIAL.has(request.verb)) {
    peer.lastNontrivialReceive = now;
    node.keepalive.watch(peer);
  }
  if (request.hops === 0) {
    pathHeard(node, request);
    node.bonder?.heard(request);
  }
  if (peer.trustedUntil > now) pushDirectPaths(node, request);
  if (now - peer.cachedAt >= CACHE_TOUCH_MS && peer.paths.length > 0) node.cachePeer(peer, now);
}

function pathHeard(node: Node, request: Request): void {
  const { peer, now, pathKey } = request;
  const entry = peer.findPath(pathKey);
  if (entry !== undefined) {
    entry.lastReceive = now;
    entry.path.lastIn = now;
    if (peer.paths.length > 1 && node.topology.isUpstream) dropIdleSiblings(node, peer, entry.path, now);
    node.installRoute(peer, now);
  } else if (node.topology.mayUse(peer.address, request.from)) {
    const { answers, from } = request;
    const probe = answers === undefined ? undefined : peer.findProbe(answers, endpointKey(from));
    if (probe === undefined) confirm(node, request);
    else learn(node, request, now - probe.at);
  }
}

/**
 * A client greets its root from several ports at once and then uses one. The others are paths that its NAT forgets
 * soon; kept, one of them could be chosen after a restart, when all that is known of them is the same age.
 */
function dropIdleSiblings(node: Node, peer: Peer, used: Path, now: Millis): void {
  const before = peer.paths.length;
  peer.dropPaths(
    node.paths,
    ({ path }) =>
      path !== used && path.socket === used.socket && ipsEqual(path.endpoint, used.endpoint) && !path.isAlive(now),
  );
  if (peer.paths.length < before) node.cachePeer(peer, now);
}

/** The place answered our probe, after `roundTripMs`: it is a path from now on. */
function learn(node: Node, request: Request, roundTripMs: number): void {
  const { peer, now, pathKey, socket, from } = request;
  const path = node.paths.acquire(pathKey, socket, from);
  path.lastIn = now;
  path.sampleLatency(roundTripMs);
  const moved = peer.paths.length > 0;
  peer.learnPath(node.paths, path, now);
  node.installRoute(peer, now);
  for (const packet of prove(peer, pathKey, now)) node.sender.onPath(path, packet, now);
  if (peer.worldsOwed) node.handout.hand(peer, now);
  node.cachePeer(peer, now);
  node.peerKnown(peer, now);
  if (moved) node.peerMoved(peer, now);
}

/** Where something came from that a peer sent, or may have sent. */
interface Sighting {
  readonly peer: Peer;
  readonly pathKey: string;
  readonly socket: number;
  readonly from: Endpoint;
  readonly now: Millis;
}

/**
 * A packet that we relayed says it is from `peer`, but came from none of its paths: it may have moved. Nothing is
 * authenticated about it, so the place is only asked, for no more bytes than it sent.
 */
export function seenElsewhere(node: Node, sighting: Sighting, bytes: number): void {
  const { peer, pathKey, socket, from, now } = sighting;
  if (!node.topology.mayUse(peer.address, from)) return;
  unprovenPath(peer, pathKey, socket, from, now).credit += bytes;
  confirm(node, sighting);
}

/** Asks the place to prove itself, if it has paid for the question. */
function confirm(node: Node, sighting: Sighting): void {
  const { peer, now, pathKey, socket, from } = sighting;
  if (hasLiveSibling(sighting)) return;
  const place = unprovenPath(peer, pathKey, socket, from, now);
  const cost = peer.answersEcho ? PACKET_HEADER_BYTES : helloBytes(node, from);
  if (now - place.lastProbe < PATH_CONFIRMATION_MS || place.credit < cost) return;
  place.lastProbe = now;
  place.credit -= cost;
  node.sender.probe(peer, socket, from, now);
}

/** Every path of a bonded peer counts. */
function hasLiveSibling({ peer, socket, from, now }: Sighting): boolean {
  if (peer.bond !== undefined) return false;
  return peer.paths.some(
    ({ path }) => path.socket === socket && ipsEqual(path.endpoint, from) && now - path.lastIn < SAME_IP_QUIET_MS,
  );
}
