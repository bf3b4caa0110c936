/**
 * What the sans-IO node needs from the world, as interfaces. The edge (io, store, dataplane, identity/pool)
 * implements them; tests implement them in memory. Nothing here may be asynchronous: whatever takes time is
 * asked for through a port and its answer is handed back to the node as an input.
 */
import type { Identity } from "../identity/identity.ts";
import type { Address } from "../protocol/address.ts";
import type { Endpoint } from "../protocol/inet-address.ts";
import type { World } from "../world/world.ts";

/** Milliseconds since the epoch, injected. */
export type Millis = number;

/** A received datagram. `bytes` is valid until the call returns: copy to keep. */
export interface Datagram {
  bytes: Uint8Array;
  /** Never changed afterwards: may be kept. */
  from: Endpoint;
  /** Id of the local socket it arrived on. */
  socket: number;
}

/** A bound UDP socket. Ids are stable for the life of the socket and never reused within one run. */
export interface LocalSocket {
  readonly id: number;
  readonly local: Endpoint;
  /** On the port that others know us by; the others exist for NAT traversal. */
  readonly primary: boolean;
  /** Name of the interface that has the address; null or missing if there is none, as for a wildcard. */
  readonly device?: string | null;
}

/** Where datagrams go. */
export interface Outbox {
  /**
   * Sends one datagram from a local socket. The bytes must not be changed afterwards; a failure is counted by the
   * transport, never thrown. `ttl` is the IP hop limit of this one datagram (hole punching).
   */
  send(socket: number, to: Endpoint, bytes: Uint8Array, ttl?: number): void;
  /**
   * Sends the pieces of one packet, in order: all but the last of equal length, the last not longer. A transport that can
   * hand them to the kernel at once offers this; else each goes by `send`.
   */
  sendPieces?(socket: number, to: Endpoint, pieces: readonly Uint8Array[]): void;
  /** The sockets that are open now. */
  sockets(): readonly LocalSocket[];
}

/** Something that has things to do by the clock. */
export interface Timed {
  tick(now: Millis): void;
  nextDeadline(): Millis;
}

/** Fills `into` with uniformly random bytes. */
export type Random = (into: Uint8Array) => void;

/** The memory-hard check of an identity, off the packet path. The answer comes back by `Node.identityValidated`. */
export interface IdentityValidator {
  /** False when the bounded queue is full; then no answer follows. */
  validate(ticket: number, identity: Identity): boolean;
}

/** One remembered path of a peer. */
export interface CachedPath {
  readonly endpoint: Endpoint;
  /** The local address it was proven on, so that answers keep coming from there; null = not known. */
  readonly local: Endpoint | null;
  /** When the last authenticated packet came in on it (ms since the epoch). */
  readonly lastReceive: Millis;
}

/** What survives a restart of a peer. */
export interface CachedPeer {
  readonly identity: Identity;
  /** Protocol, major, minor, revision; protocol 0 = never told. */
  readonly protocolVersion: number;
  readonly version: readonly [number, number, number];
  /** When anything authenticated was last heard from it (ms since the epoch). */
  readonly lastReceive: Millis;
  readonly paths: readonly CachedPath[];
}

/** The crash-safe memory of peers. Writes are queued by the store; nothing here blocks. */
export interface PeerCache {
  put(peer: CachedPeer): void;
  remove(address: Address): void;
}

/** The writer's side of the shared peer table that relays read (dataplane/peer-table.ts). */
export interface RelayRoutes {
  /** Relay packets for `address` to `endpoint` from `socket` until `expiresAt`. */
  install(address: Address, socket: number, endpoint: Endpoint, expiresAt: Millis): void;
  remove(address: Address): void;
}

/** Worlds are written down when they change. */
export interface WorldStore {
  savePlanet(world: World): void;
  saveMoon(world: World): void;
  removeMoon(id: bigint): void;
}

/** Occasions that the edge may log or show. Closed list; rare by nature (never one per packet). */
export type NodeEvent =
  | { readonly type: "online" }
  | { readonly type: "offline" }
  | { readonly type: "peer-added"; readonly address: Address; readonly from: Endpoint | null }
  | { readonly type: "peer-evicted"; readonly address: Address; readonly reason: "silent" | "table-full" }
  | { readonly type: "identity-collision"; readonly address: Address; readonly from: Endpoint }
  | { readonly type: "own-identity-collision" }
  | { readonly type: "world-updated"; readonly id: bigint; readonly timestamp: bigint }
  | { readonly type: "pair-introduced"; readonly a: Address; readonly b: Address; readonly family: 4 | 6 }
  /** Relay traffic of an introduced pair stopped `afterMs` after its introduction. */
  | { readonly type: "pair-direct"; readonly a: Address; readonly b: Address; readonly afterMs: number }
  /** A pair was introduced and is still relayed after a minute. */
  | { readonly type: "pair-relayed"; readonly a: Address; readonly b: Address }
  | { readonly type: "user-message"; readonly from: Address; readonly kind: bigint; readonly data: Uint8Array };

export type EventSink = (event: NodeEvent) => void;

export interface NodePorts {
  readonly outbox: Outbox;
  readonly random: Random;
  readonly validator: IdentityValidator;
  readonly peerCache: PeerCache;
  readonly routes: RelayRoutes;
  readonly worlds: WorldStore;
  readonly events: EventSink;
}
