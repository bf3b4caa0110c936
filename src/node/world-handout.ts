/**
 * Handing newer worlds to those who have older ones. The protocol carries worlds only in OK(HELLO), and a client
 * says HELLO to its root every 224 s; but an OK to its last HELLO is still an answer to a packet that it sent, so a
 * root need not wait. The echoed time is moved on by what has passed, or the client would take it for latency.
 * Facts: vl1-behaviour.md §6.2, vl1-identity-crypto.md §10 (which OKs are believed).
 */
import { PEER_ACTIVITY_TIMEOUT_MS } from "../protocol/constants.ts";
import { encodeOk } from "../protocol/messages/ok.ts";
import { Verb } from "../protocol/verbs.ts";
import { newerWorlds, okHelloBody } from "./hello.ts";
import type { Node } from "./node.ts";
import type { Peer } from "./peer.ts";
import type { Millis } from "./ports.ts";
import type { ToldWorlds } from "./told-worlds.ts";

/** Peers told and looked at per step, and the time between steps: a rotation at a large root must not be a burst. */
const TOLD_PER_STEP = 100;
const LOOKED_AT_PER_STEP = 8192;
const STEP_MS = 20;

export class WorldHandout {
  readonly #node: Node;
  /** The next slot to look at. */
  #slot = 0;
  deadline: Millis = Number.POSITIVE_INFINITY;

  constructor(node: Node) {
    this.#node = node;
  }

  /** A world of ours is new: everybody who is there and has an older one is told, from the first slot on. */
  offer(now: Millis): void {
    if (!this.#node.topology.isUpstream) return;
    this.#slot = 0;
    this.deadline = now;
  }

  tick(now: Millis): void {
    if (now < this.deadline) return;
    const { topology } = this.#node;
    const { records } = topology.memory;
    const end = Math.min(records.end, this.#slot + LOOKED_AT_PER_STEP);
    for (let told = 0; told < TOLD_PER_STEP && this.#slot < end; this.#slot++) {
      if (!this.#isDue(this.#slot, now)) continue;
      this.hand(topology.peer(records.address(this.#slot))!, now);
      topology.settle(now);
      told++;
    }
    this.deadline = this.#slot < records.end ? now + STEP_MS : Number.POSITIVE_INFINITY;
  }

  /** Hands one peer what it lacks, if it has a proven path and ever said HELLO; else it stays owed. */
  hand(peer: Peer, now: Millis): void {
    const path = this.#node.pathTo(peer, now)?.path;
    const { lastHello } = peer;
    if (lastHello === undefined) return;
    const worlds = this.#owed(lastHello);
    peer.worldsOwed = path === undefined && worlds.length > 0;
    if (path === undefined || worlds.length === 0) return;
    const elapsed = BigInt(Math.max(0, now - lastHello.receivedAt));
    const body = okHelloBody(lastHello.timestamp + elapsed, peer.protocolVersion, path.endpoint, worlds);
    const packet = this.#node.sender.seal(peer, Verb.OK, encodeOk(Verb.HELLO, lastHello.packetId, body));
    this.#node.sender.onPath(path, packet, now);
    this.#node.statistics.worldsSent++;
  }

  /** True for a peer that is there and has told of an older world. Nobody is woken for the question. */
  #isDue(slot: number, now: Millis): boolean {
    const { memory } = this.#node.topology;
    const { records } = memory;
    if (!records.isUsed(slot) || now - memory.lastReceive(slot) >= PEER_ACTIVITY_TIMEOUT_MS) return false;
    const told = records.isAwake(slot) ? memory.glimpse(slot).lastHello : records.told(slot)?.worlds;
    return told !== undefined && this.#owed(told).length > 0;
  }

  #owed(told: ToldWorlds): Uint8Array {
    return newerWorlds(this.#node, told, told.moons);
  }
}
