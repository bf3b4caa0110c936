/**
 * Handing newer worlds to those who have older ones. The protocol carries worlds only in OK(HELLO), and a client
 * says HELLO to its root every 224 s; but an OK to its last HELLO is still an answer to a packet that it sent, so a
 * root need not wait. The echoed time is moved on by what has passed, or the client would take it for latency.
 * Facts: vl1-behaviour.md §6.2, vl1-identity-crypto.md §10 (which OKs are believed).
 */
import { encodeOk } from "../protocol/messages/ok.ts";
import { Verb } from "../protocol/verbs.ts";
import { newerWorlds, okHelloBody } from "./hello.ts";
import type { Node } from "./node.ts";
import type { Peer } from "./peer.ts";
import type { Millis } from "./ports.ts";

/** Peers told per step, and the time between steps: a rotation at a large root must not be a burst. */
const PEERS_PER_STEP = 500;
const STEP_MS = 100;

export class WorldHandout {
  readonly #node: Node;
  #queue: Peer[] = [];
  deadline: Millis = Number.POSITIVE_INFINITY;

  constructor(node: Node) {
    this.#node = node;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** A world of ours is new: queue everybody who is there and has an older one. */
  offer(now: Millis): void {
    if (!this.#node.topology.isUpstream) return;
    this.#queue = [...this.#node.topology.peers()].filter((peer) => peer.isActive(now) && this.#owed(peer).length > 0);
    this.deadline = this.#queue.length > 0 ? now : Number.POSITIVE_INFINITY;
  }

  tick(now: Millis): void {
    if (now < this.deadline) return;
    for (const peer of this.#queue.splice(0, PEERS_PER_STEP)) this.hand(peer, now);
    this.deadline = this.#queue.length > 0 ? now + STEP_MS : Number.POSITIVE_INFINITY;
  }

  /** Hands one peer what it lacks, if it has a proven path and ever said HELLO; else it stays owed. */
  hand(peer: Peer, now: Millis): void {
    const path = this.#node.pathTo(peer, now)?.path;
    const { lastHello } = peer;
    if (lastHello === undefined) return;
    const worlds = this.#owed(peer);
    peer.worldsOwed = path === undefined && worlds.length > 0;
    if (path === undefined || worlds.length === 0) return;
    const elapsed = BigInt(Math.max(0, now - lastHello.receivedAt));
    const body = okHelloBody(lastHello.timestamp + elapsed, peer.protocolVersion, path.endpoint, worlds);
    const packet = this.#node.sender.seal(peer, Verb.OK, encodeOk(Verb.HELLO, lastHello.packetId, body));
    this.#node.sender.onPath(path, packet, now);
    this.#node.statistics.worldsSent++;
  }

  #owed(peer: Peer): Uint8Array {
    const told = peer.lastHello;
    return told === undefined ? new Uint8Array(0) : newerWorlds(this.#node, told, told.moons);
  }
}
