/**
 * What APIs and the command line may do with the controller. `Controller` (controller.ts) implements it; whoever serves
 * people depends on this file only. Changes are functions from the record as it is to the record as it shall be, run
 * inside a transaction: two that come at the same time are applied one after the other, none is lost.
 */
import type { JsonObject } from "../json/json.ts";
import type { Address } from "../protocol/address.ts";
import type { Actor, ControllerEventSink, ControllerReader, JoinToken } from "./ports.ts";
import type { MemberOwn, MemberRecord, NetworkOwn, NetworkRecord } from "./records.ts";

/** A record as a change leaves it. `json.revision` is not the change's business: it is set when the record is saved. */
export interface NetworkDraft {
  readonly json: JsonObject;
  readonly own: NetworkOwn;
}

export interface MemberDraft {
  readonly json: JsonObject;
  readonly own: MemberOwn;
}

/**
 * Makes the next record from the current one (null = there is none yet). May throw: then nothing is changed and the
 * caller gets what was thrown. Pure: it may be run again.
 */
export type NetworkChange = (current: NetworkRecord | null) => NetworkDraft;
export type MemberChange = (current: MemberRecord | null, network: NetworkRecord) => MemberDraft;

/** How a member is right now. */
export interface MemberStatus {
  /** It asked for its configuration within the last 120 s. */
  readonly online: boolean;
  /** ms since the epoch; 0 = never. */
  readonly lastSeen: number;
  /** `major.minor.revision`; empty if unknown. */
  readonly version: string;
  /** `platform/arch` as told in its request; empty if unknown. */
  readonly platform: string;
  /** `ip/port` it is reached at directly; empty if it is not, or not known. */
  readonly physicalAddress: string;
  /** How this controller reaches it; `unknown` if it does not. */
  readonly reach: "direct" | "relayed" | "unknown";
  /** The root that carries its relayed packets, ten hex digits; empty if none does or it is not known. */
  readonly root: string;
  /** ms; −1 = unknown. */
  readonly latency: number;
}

export interface ControllerManagement {
  /** The controller's own address: it serves networks whose id begins with it. */
  readonly address: Address;
  /** Reads what is committed. */
  readonly reader: ControllerReader;

  /** A network id of ours that is free, at random. Rejects with `NoFreeNetworkId` if none is found. */
  freeNetworkId(): Promise<bigint>;
  /** Applies a change, saves it if it changed anything, tells and pushes to members. Resolves with what is stored now. */
  changeNetwork(id: bigint, actor: Actor, now: number, change: NetworkChange): Promise<NetworkRecord>;
  /** The network as it was, or null if there was none. Members lose their certificates at once. */
  deleteNetwork(id: bigint, actor: Actor, now: number): Promise<NetworkRecord | null>;
  /** As `changeNetwork`. Null if there is no such network. A change of `authorized` takes effect at once. */
  changeMember(
    networkId: bigint,
    address: Address,
    actor: Actor,
    now: number,
    change: MemberChange,
  ): Promise<MemberRecord | null>;
  /** The member as it was, or null. */
  deleteMember(networkId: bigint, address: Address, actor: Actor, now: number): Promise<MemberRecord | null>;

  status(networkId: bigint, address: Address, now: number): Promise<MemberStatus>;

  putJoinToken(token: JoinToken, actor: Actor, now: number): Promise<void>;
  /** False if there was none. */
  deleteJoinToken(id: string, actor: Actor, now: number): Promise<boolean>;
  /**
   * Authorizes a member by the secret of a join token. Null if the secret is unknown, expired or used up: which of the
   * three is nobody's business.
   */
  redeemJoinToken(secret: string, address: Address, now: number): Promise<MemberRecord | null>;

  /** Tells of everything that happens until the returned function is called. */
  subscribe(sink: ControllerEventSink): () => void;
}
