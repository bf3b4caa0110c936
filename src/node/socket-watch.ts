/**
 * Notices that sockets have gone, as when the machine gets another address: what used them goes on with those that are
 * there, and everybody we talk to hears from us at our new place at once. (The reference finds out as paths expire.)
 * Facts: vl1-behaviour.md §7 (rescan).
 */
import type { Node } from "./node.ts";
import { pathKey } from "./path.ts";
import type { Peer, PeerPath } from "./peer.ts";
import type { LocalSocket, Millis } from "./ports.ts";
import { SocketChoice } from "./socket-choice.ts";

/** Places that are told at once; the rest hear from us when there is something to say. */
const MAX_PROBES = 256;

export class SocketWatch {
  readonly #node: Node;
  #known = new Map<number, LocalSocket>();

  constructor(node: Node) {
    this.#node = node;
  }

  /** To be called when sockets may have changed. True if some had gone. */
  look(now: Millis): boolean {
    const open = this.#node.ports.outbox.sockets();
    const gone = new Map(this.#known);
    for (const { id } of open) gone.delete(id);
    this.#known = new Map(open.map((socket) => [socket.id, socket]));
    if (gone.size === 0) return false;
    const choice = new SocketChoice(open);
    let probes = 0;
    // Sleeping peers are left out: they have no traffic, and are answered where they speak to us.
    for (const peer of this.#node.topology.memory.awake()) {
      const moved = this.#move(peer, gone, choice, now);
      for (const { path } of moved) {
        if (probes++ < MAX_PROBES) this.#node.sender.probe(peer, path.socket, path.endpoint, now);
      }
    }
    for (const { identity } of this.#node.topology.upstreams()) {
      const root = this.#node.topology.peer(identity.address);
      if (root !== undefined) root.lastFullHello = 0;
    }
    this.#node.keepalive.soon(now);
    return true;
  }

  /** The paths that a peer has now in place of those of sockets that have gone. */
  #move(peer: Peer, gone: ReadonlyMap<number, LocalSocket>, choice: SocketChoice, now: Millis): PeerPath[] {
    const lost = peer.paths.filter(({ path }) => gone.has(path.socket));
    if (lost.length === 0) return [];
    const moved: PeerPath[] = [];
    lost.sort((a, b) => b.lastReceive - a.lastReceive);
    for (const { path, lastReceive, priority } of lost) {
      const { socket } = choice.choose(gone.get(path.socket)!.local, path.endpoint);
      if (socket === null) continue;
      const key = pathKey(socket, path.endpoint);
      if (peer.findPath(key) !== undefined) continue;
      const next = this.#node.paths.acquire(key, socket, path.endpoint);
      next.lastIn = Math.max(next.lastIn, path.lastIn);
      next.latencyMs = Math.min(next.latencyMs, path.latencyMs);
      const entry = { path: next, lastReceive, priority };
      peer.paths.push(entry);
      moved.push(entry);
    }
    peer.dropPaths(this.#node.paths, (entry) => gone.has(entry.path.socket));
    this.#node.installRoute(peer, now);
    this.#node.cachePeer(peer, now);
    return moved;
  }
}
