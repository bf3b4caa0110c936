/**
 * All peers that a node knows: a record for each, and a `Peer` object for those that are talking. An object is made
 * when a peer is asked for, and written back to its record when there are many and it was not asked for lately. So a
 * root may know a million peers and have objects for a few thousand.
 *
 * An object is put away only in `settle`, which the node calls between two inputs: whoever holds a `Peer` while he
 * handles one packet may rely on it. Peers with anything in progress (upstreams, those kept alive, places on
 * probation, questions in flight, a gate that is closed for long) stay awake.
 */
import type { Identity } from "../identity/identity.ts";
import type { Address } from "../protocol/address.ts";
import { NO_SLOT } from "./address-index.ts";
import { type Path, PathTable, pathKey, UNKNOWN_LATENCY_MS } from "./path.ts";
import { PathRecords, type StoredPath } from "./path-records.ts";
import { Peer } from "./peer.ts";
import { PeerRecords } from "./peer-records.ts";
import type { CachedPeer, Millis, Random } from "./ports.ts";
import { PUSH_GATE_MS } from "./rate-gate.ts";

/** Peers that have objects, of nearly 2 kB each; waking one takes 3 µs. */
const MAX_AWAKE = 8192;
/** Whoever is busy may stay until there are this many times more. */
const BUSY_FACTOR = 4;
/** Peers looked at per call of `settle`, which is called for every packet. */
const STEPS_PER_SETTLE = 8;
/** While a probe is younger, its answer may come. */
const PROBE_ANSWER_MS = 10_000;

export class PeerMemory {
  readonly records: PeerRecords;
  readonly storedPaths = new PathRecords();
  readonly #paths: PathTable;
  readonly #maxAwake: number;
  readonly #awake = new Map<Address, Peer>();
  #hand: Iterator<Peer> | undefined;

  /** Paths of peers that are awake are in `paths`. */
  constructor(paths: PathTable, maxPeers: number, random: Random, maxAwake = MAX_AWAKE) {
    this.records = new PeerRecords(maxPeers, random);
    this.#paths = paths;
    this.#maxAwake = maxAwake;
  }

  get size(): number {
    return this.records.size;
  }

  /** Peers that have an object now. */
  awake(): IterableIterator<Peer> {
    return this.#awake.values();
  }

  get awakeCount(): number {
    return this.#awake.size;
  }

  /** The peer, woken if needed. */
  get(address: Address): Peer | undefined {
    const awake = this.#awake.get(address);
    if (awake !== undefined) {
      awake.wanted = true;
      return awake;
    }
    const slot = this.records.find(address);
    return slot === NO_SLOT ? undefined : this.#wake(slot);
  }

  /** A new peer, awake; its address must not be known yet. */
  add(identity: Identity): Peer {
    const slot = this.records.add(identity);
    const peer = new Peer(identity, slot);
    this.records.wake(slot);
    this.#awake.set(peer.address, peer);
    return peer;
  }

  /** A new peer, asleep, with the paths given. Its address must not be known yet. */
  addAsleep(cached: CachedPeer, paths: readonly StoredPath[], now: Millis): void {
    const slot = this.records.add(cached.identity);
    const version = cached.protocolVersion > 0 ? cached.version : null;
    this.records.setRemembered(slot, cached.protocolVersion, version, Math.min(cached.lastReceive, now), now);
    this.#storePaths(slot, paths);
  }

  /** Forgets the peer in a slot. */
  remove(slot: number): void {
    const address = this.records.address(slot);
    const peer = this.#awake.get(address);
    if (peer !== undefined) {
      peer.dropPaths(this.#paths, () => true);
      this.#awake.delete(address);
    }
    this.dropPaths(slot);
    this.records.remove(slot);
  }

  /** Forgets the paths of a sleeping peer. */
  dropPaths(slot: number): void {
    this.storedPaths.free(this.records.paths(slot));
    this.records.setPaths(slot, 0);
  }

  /** When the peer in a slot was last heard. */
  lastReceive(slot: number): Millis {
    if (!this.records.isAwake(slot)) return this.records.lastReceive(slot);
    return this.#awake.get(this.records.address(slot))!.lastReceive;
  }

  /** The peer in a slot to look at, not to keep or to change: nobody is woken by it. */
  glimpse(slot: number): Peer {
    const awake = this.#awake.get(this.records.address(slot));
    return awake ?? this.#read(slot, new PathTable());
  }

  /** Puts peers away that were not asked for lately, if there are too many objects. `mustStay` names exceptions. */
  settle(now: Millis, mustStay: (peer: Peer) => boolean): void {
    for (let step = 0; this.#awake.size > this.#maxAwake && step < STEPS_PER_SETTLE; step++) {
      this.#hand ??= this.#awake.values();
      const next = this.#hand.next();
      if (next.done === true) this.#hand = undefined;
      else if (next.value.wanted) next.value.wanted = false;
      else if (!mustStay(next.value) && (this.#crowded || !isBusy(next.value, now))) this.#putAway(next.value);
    }
  }

  get #crowded(): boolean {
    return this.#awake.size > BUSY_FACTOR * this.#maxAwake;
  }

  #wake(slot: number): Peer {
    const peer = this.#read(slot, this.#paths);
    this.storedPaths.free(this.records.paths(slot));
    this.records.wake(slot);
    this.#awake.set(peer.address, peer);
    return peer;
  }

  #read(slot: number, table: PathTable): Peer {
    const peer = this.records.load(slot);
    for (const stored of this.storedPaths.read(this.records.paths(slot))) {
      const { socket, endpoint, lastReceive, priority } = stored;
      const path = table.acquire(pathKey(socket, endpoint), socket, endpoint);
      refresh(path, stored);
      peer.paths.push({ path, lastReceive, priority });
    }
    return peer;
  }

  #putAway(peer: Peer): void {
    const stored = peer.paths.map(
      ({ path, lastReceive, priority }): StoredPath => ({
        socket: path.socket,
        endpoint: path.endpoint,
        lastReceive,
        lastOut: path.lastOut,
        latencyMs: path.latencyMs,
        priority,
      }),
    );
    peer.dropPaths(this.#paths, () => true);
    this.#awake.delete(peer.address);
    this.records.store(peer.slot, peer);
    this.#storePaths(peer.slot, stored);
  }

  #storePaths(slot: number, paths: readonly StoredPath[]): void {
    let chain = 0;
    for (let i = paths.length - 1; i >= 0; i--) chain = this.storedPaths.prepend(chain, paths[i]!);
    this.records.setPaths(slot, chain);
  }
}

/** A path may be shared with a peer that was awake all the time: what is newer counts. */
function refresh(path: Path, stored: StoredPath): void {
  path.lastIn = Math.max(path.lastIn, stored.lastReceive);
  path.lastOut = Math.max(path.lastOut, stored.lastOut);
  if (path.latencyMs === UNKNOWN_LATENCY_MS) path.latencyMs = stored.latencyMs;
}

/** True while forgetting what a record does not hold would be noticed. */
function isBusy(peer: Peer, now: Millis): boolean {
  const lastProbe = peer.probes?.at(-1);
  return (
    peer.keptAlive ||
    peer.unproven !== undefined ||
    (lastProbe !== undefined && now - lastProbe.at < PROBE_ANSWER_MS) ||
    now - peer.lastPush <= PUSH_GATE_MS
  );
}
