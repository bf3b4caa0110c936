/**
 * Peers from the cache. Their unexpired paths were proven before the restart, so they serve at once: a root that
 * forgot them would be deaf to its clients for minutes (vl1-behaviour.md §4.6). Nobody is woken: there may be a
 * million of them.
 */
import type { Identity } from "../identity/identity.ts";
import { PATH_EXPIRATION_MS } from "../protocol/constants.ts";
import { NO_SLOT } from "./address-index.ts";
import type { Node } from "./node.ts";
import { Path, pathKey, UNKNOWN_LATENCY_MS } from "./path.ts";
import type { StoredPath } from "./path-records.ts";
import { Peer } from "./peer.ts";
import type { CachedPeer, Millis } from "./ports.ts";
import { SocketChoice } from "./socket-choice.ts";

/** Takes in what the peer cache remembers, as long as there is room. */
export function rememberPeers(node: Node, peers: Iterable<CachedPeer>, now: Millis): void {
  const sockets = new SocketChoice(node.ports.outbox.sockets());
  for (const cached of peers) {
    const { topology } = node;
    if (cached.identity.address === node.identity.address || topology.size >= topology.maxPeers) continue;
    const paths = usablePaths(node, cached, sockets, now);
    const known = topology.peer(cached.identity.address);
    if (known !== undefined) refreshKnown(node, known, cached, paths, now);
    else rememberNew(node, cached, paths, now);
    topology.settle(now);
  }
}

function usablePaths(node: Node, cached: CachedPeer, sockets: SocketChoice, now: Millis): StoredPath[] {
  const ways = cached.paths.map(({ local, endpoint, lastReceive }) => {
    return { ...sockets.choose(local, endpoint), endpoint, lastReceive: Math.min(lastReceive, now) };
  });
  // What used a socket that is gone may be the same way as another that is still there: that one was proven.
  ways.sort((a, b) => Number(b.isSame) - Number(a.isSame) || b.lastReceive - a.lastReceive);
  const paths = new Map<string, StoredPath>();
  for (const { socket, endpoint, lastReceive } of ways) {
    if (socket === null || !node.topology.mayUse(cached.identity.address, endpoint)) continue;
    const key = pathKey(socket, endpoint);
    if (paths.has(key)) continue;
    paths.set(key, { socket, endpoint, lastReceive, lastOut: 0, latencyMs: UNKNOWN_LATENCY_MS, priority: 1 });
  }
  return [...paths.values()];
}

function rememberNew(node: Node, cached: CachedPeer, paths: readonly StoredPath[], now: Millis): void {
  const { address } = cached.identity;
  node.topology.memory.addAsleep(cached, paths, now);
  const alive = paths.filter(({ lastReceive }) => now - lastReceive < PATH_EXPIRATION_MS);
  const [only] = alive;
  if (only === undefined) return;
  if (alive.length === 1) {
    node.ports.routes.install(address, only.socket, only.endpoint, only.lastReceive + PATH_EXPIRATION_MS);
  } else node.installRoute(lookalike(cached.identity, alive), now);
}

/** As much of a peer as it takes to choose among its paths, without waking it. */
function lookalike(identity: Identity, paths: readonly StoredPath[]): Peer {
  const peer = new Peer(identity, NO_SLOT);
  for (const { socket, endpoint, lastReceive, priority } of paths) {
    const path = new Path(pathKey(socket, endpoint), socket, endpoint);
    path.lastIn = lastReceive;
    peer.paths.push({ path, lastReceive, priority });
  }
  return peer;
}

/** A root of a held world is known already, and awake. */
function refreshKnown(node: Node, peer: Peer, cached: CachedPeer, paths: readonly StoredPath[], now: Millis): void {
  if (!peer.identity.equals(cached.identity)) return;
  peer.protocolVersion = cached.protocolVersion;
  peer.version = cached.protocolVersion > 0 ? cached.version : null;
  peer.lastReceive = Math.min(cached.lastReceive, now);
  peer.cachedAt = now;
  for (const { socket, endpoint, lastReceive } of paths) {
    const path = node.paths.acquire(pathKey(socket, endpoint), socket, endpoint);
    path.lastIn = Math.max(path.lastIn, lastReceive);
    peer.learnPath(node.paths, path, lastReceive);
  }
  node.installRoute(peer, now);
}
