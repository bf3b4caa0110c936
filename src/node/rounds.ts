/**
 * Housekeeping among the peers: a round visits every one of them, some hundreds at a time, so that packets never
 * wait for it. Expired paths go, whoever was silent for a month is forgotten, and everybody is counted.
 */
import { PATH_EXPIRATION_MS } from "../protocol/constants.ts";
import { Census } from "./census.ts";
import type { Node } from "./node.ts";
import type { Peer } from "./peer.ts";
import type { Millis } from "./ports.ts";
import { tidyUnproven } from "./unproven.ts";

/** A peer silent for this long is forgotten altogether. */
const PEER_MEMORY_MS = 30 * 24 * 3600 * 1000;
/** A step ends after so much work (looking at a slot is 1), well under a millisecond; the next one follows soon. */
const STEP_WORK = 2048;
const STEP_MS = 20;
/** Work of forgetting a peer, or of waking one to look after its paths. */
const CHANGE_WORK = 16;
/** Work of dropping the paths of a sleeping peer. */
const DROP_WORK = 4;

export class Rounds {
  readonly census: Census;
  /** When the next step is due; infinite between rounds. */
  deadline: Millis = Number.POSITIVE_INFINITY;
  readonly #node: Node;
  #slot = 0;

  constructor(node: Node) {
    this.#node = node;
    this.census = new Census(node.topology.memory);
  }

  /** A round begins, unless one is under way. */
  begin(now: Millis): void {
    if (this.deadline === Number.POSITIVE_INFINITY) this.deadline = now;
  }

  tick(now: Millis): void {
    if (now < this.deadline) return;
    const { records } = this.#node.topology.memory;
    for (let work = 0; work < STEP_WORK && this.#slot < records.end; this.#slot++) {
      work += 1 + (records.isUsed(this.#slot) ? this.#tidy(this.#slot, now) : 0);
      this.census.count(this.#slot, now);
    }
    this.deadline = now + STEP_MS;
    if (this.#slot < records.end) return;
    this.census.finish();
    this.#slot = 0;
    this.deadline = Number.POSITIVE_INFINITY;
  }

  /** Returns the work that there was. */
  #tidy(slot: number, now: Millis): number {
    const { topology, ports } = this.#node;
    const { records, storedPaths } = topology.memory;
    const upstream = topology.upstream(records.address(slot)) !== undefined;
    if (!upstream && now - topology.memory.lastReceive(slot) >= PEER_MEMORY_MS) {
      topology.removePeer(slot, "silent");
      return CHANGE_WORK;
    }
    if (records.isAwake(slot)) {
      this.#tidyAwake(topology.memory.glimpse(slot), upstream, now);
      return 1;
    }
    const paths = records.paths(slot);
    if (upstream || now - storedPaths.oldest(paths) < PATH_EXPIRATION_MS) return 0;
    if (now - storedPaths.newest(paths) >= PATH_EXPIRATION_MS) {
      topology.memory.dropPaths(slot);
      ports.routes.remove(records.address(slot));
      return DROP_WORK;
    }
    // Some are expired and some are not: the way to the peer may change.
    this.#tidyAwake(topology.peer(records.address(slot))!, upstream, now);
    topology.settle(now);
    return CHANGE_WORK;
  }

  #tidyAwake(peer: Peer, upstream: boolean, now: Millis): void {
    tidyUnproven(peer, now);
    if (upstream || !peer.paths.some((entry) => now - entry.lastReceive >= PATH_EXPIRATION_MS)) return;
    peer.dropPaths(this.#node.paths, (entry) => now - entry.lastReceive >= PATH_EXPIRATION_MS);
    this.#node.installRoute(peer, now);
  }
}
