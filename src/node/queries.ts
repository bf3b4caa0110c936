/**
 * What the edge (service API, command line, metrics, console) may ask of a node and tell it. Views are plain
 * values made when asked; holding one keeps nothing alive.
 */
import type { Identity } from "../identity/identity.ts";
import type { Address } from "../protocol/address.ts";
import type { Endpoint } from "../protocol/inet-address.ts";
import type { World } from "../world/world.ts";
import type { Millis } from "./ports.ts";
import type { NodeGauges, NodeStatistics } from "./statistics.ts";

export type PeerRole = "LEAF" | "MOON" | "PLANET";

/** One link of a bond: local-api.md §3 (peer object) has what the service API makes of it. */
export interface LinkView {
  /** Name of the interface, "" if it is not known. */
  readonly device: string;
  readonly localPort: number;
  /** One way, mean and standard deviation in ms; 0 until measured. */
  readonly latencyMs: number;
  readonly varianceMs: number;
  /** 0 … 1. */
  readonly lossRatio: number;
  readonly quality: number;
  readonly flows: number;
  /** As set; 0 = not told. */
  readonly capacity: number;
  /** ms; −1 = never. */
  readonly lastInAge: number;
  readonly lastOutAge: number;
  readonly eligible: boolean;
  /** It carries packets now. */
  readonly used: boolean;
}

/** The bond with one peer. */
export interface BondView {
  readonly policyCode: number;
  readonly policy: string;
  readonly aliveLinks: number;
  readonly totalLinks: number;
  readonly failoverMs: number;
  readonly upDelayMs: number;
  readonly downDelayMs: number;
  readonly packetsPerLink: number;
}

export interface PathView {
  readonly endpoint: Endpoint;
  /** Local socket id. */
  readonly socket: number;
  readonly expired: boolean;
  readonly preferred: boolean;
  /** ms since the epoch; 0 = never. */
  readonly lastSend: Millis;
  readonly lastReceive: Millis;
  /** 0 unless the address lies in a configured trusted path. */
  readonly trustedPathId: bigint;
  /** Missing unless it is a link of a bond. */
  readonly link?: LinkView;
}

export interface PeerView {
  readonly address: Address;
  readonly identity: Identity;
  readonly role: PeerRole;
  /** Null until its HELLO or OK told it. */
  readonly version: readonly [number, number, number] | null;
  readonly protocolVersion: number;
  /** Round trip in ms; −1 = unknown. */
  readonly latencyMs: number;
  readonly lastReceive: Millis;
  readonly paths: readonly PathView[];
  /** Missing if the peer is not bonded. */
  readonly bond?: BondView;
}

/** A moon that was asked for and has not arrived yet. */
export interface WantedMoon {
  readonly id: bigint;
  readonly seed: Address;
}

/** The reading side of a node. */
export interface NodeQueries {
  readonly identity: Identity;
  readonly statistics: NodeStatistics;
  /** True when a root heard of us lately, or when we are one. */
  online(now: Millis): boolean;
  /** True when our full identity is listed as a root in a world that we hold. */
  isUpstream(): boolean;
  planet(): World;
  moons(): readonly World[];
  wantedMoons(): readonly WantedMoon[];
  /** Peers in memory that the reference would list: heard from lately, or upstream. Ascending by address. */
  peers(now: Millis): PeerView[];
  peer(address: Address, now: Millis): PeerView | null;
  /** Our addresses as others see them, without repetition. */
  surfaceAddresses(): readonly Endpoint[];
  gauges(now: Millis): NodeGauges;
}

/** The changing side of a node. */
export interface NodeCommands {
  /** Starts orbiting: loads nothing, remembers (id, seed) as wanted. False if that moon is already held. */
  orbit(id: bigint, seed: Address, now: Millis): boolean;
  /** Forgets a moon, its file and its seeds. False if it was neither held nor wanted. */
  deorbit(id: bigint, now: Millis): boolean;
  /** Offers a world (an operator's file). Returns what came of it. */
  adoptWorld(world: World, now: Millis): "adopted" | "unchanged" | "refused";
}

/** "off": nobody is bonded; "unknown": no link has that interface and remote IP. */
export type MtuResult = "done" | "off" | "unreasonable" | "unknown";

/** What the edge may do with bonds. */
export interface BondCommands {
  /** Goes on to another link; false if there is no bond, no other link, or a policy without one active link. */
  rotate(peer: Address, now: Millis): boolean;
  /** Largest datagram, bytes of UDP payload, for the links of an interface to a remote IP. */
  setMtu(mtu: number, device: string, ip: Uint8Array): MtuResult;
}
