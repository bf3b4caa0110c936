/**
 * What the controller needs from the world, as interfaces. The edge implements them: the store over SQL, the way to
 * members over the node. Everything that may take time is a promise; `now` comes in with each call.
 */
import type { JsonObject } from "../json/json.ts";
import type { Address } from "../protocol/address.ts";
import type { MemberRecord, NetworkRecord, Presence } from "./records.ts";

/** Who did something: `api` (the reference's API), `token:<name>`, `cli`, `node:<address>`, `controller`. */
export type Actor = string;

/** One line of the audit log. Kept without the secrets that a change may carry. */
export interface AuditEntry {
  /** ms since the epoch. */
  readonly at: number;
  readonly actor: Actor;
  /** Such as `network.create`, `member.authorize`, `token.revoke`. */
  readonly action: string;
  /** Sixteen hex digits; empty if the entry belongs to no network. */
  readonly networkId: string;
  /** Ten hex digits of a member, or the id of another object; empty for none. */
  readonly object: string;
  /** The keys that changed, each as [before, after]. */
  readonly changes: JsonObject;
}

export interface AuditRecord extends AuditEntry {
  /** Ascending, never reused. */
  readonly id: number;
}

/** A part of a list and where the next one begins; null behind the last. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
  /** Of all pages. */
  readonly total: number;
}

/** At most `limit` items (1 … 1000) behind `cursor`. */
export interface PageRequest {
  readonly limit: number;
  /** `next` of the page before; null for the first one. */
  readonly cursor: string | null;
}

export interface MemberCounts {
  readonly total: number;
  readonly authorized: number;
  readonly bridges: number;
  /** Records that only their node has touched. */
  readonly strangers: number;
}

export interface NetworkListing {
  readonly record: NetworkRecord;
  readonly counts: MemberCounts;
}

export type NetworkOrder = "id" | "name" | "created" | "members";

export interface NetworkQuery extends PageRequest {
  /** Part of id, name or description, any case; empty for all. */
  readonly search: string;
  readonly order: NetworkOrder;
  readonly descending: boolean;
}

export interface MemberListing {
  readonly record: MemberRecord;
  /** As last written down; null if it never asked. */
  readonly presence: Presence | null;
}

export type MemberOrder = "address" | "name" | "created" | "lastSeen";

export interface MemberQuery extends PageRequest {
  readonly networkId: bigint;
  /** Part of address, name, description, managed or physical address, any case; empty for all. */
  readonly search: string;
  /** Null = either. */
  readonly authorized: boolean | null;
  readonly bridge: boolean | null;
  /** Records that only their node has touched (`own.stranger`); null = either. */
  readonly stranger: boolean | null;
  /** Only those seen since (ms since the epoch); null = all. */
  readonly seenSince: number | null;
  /** Only those not seen since; null = all. */
  readonly notSeenSince: number | null;
  readonly order: MemberOrder;
  readonly descending: boolean;
}

export interface AuditQuery extends PageRequest {
  readonly networkId: bigint | null;
  readonly actor: Actor | null;
  /** The beginning of an action, such as `member.`; empty for all. */
  readonly action: string;
}

/** What can be asked, of the store as it is and inside a transaction as it will be. */
export interface ControllerReader {
  network(id: bigint): Promise<NetworkRecord | null>;
  /** Ascending. `limit` at most 1000; `after` null from the start. */
  networkIds(after: bigint | null, limit: number): Promise<readonly bigint[]>;
  networks(query: NetworkQuery): Promise<Page<NetworkListing>>;
  networkCount(): Promise<number>;
  memberCount(): Promise<number>;
  member(networkId: bigint, address: Address): Promise<MemberRecord | null>;
  members(query: MemberQuery): Promise<Page<MemberListing>>;
  /** Records in ascending order of address, at most 1000; `after` null from the start. */
  memberRecords(networkId: bigint, after: Address | null, limit: number): Promise<readonly MemberRecord[]>;
  /** In ascending order of address, without loading the records; `id` as the record spells it. */
  memberRevisions(networkId: bigint): Promise<readonly { readonly id: string; readonly revision: bigint }[]>;
  memberCounts(networkId: bigint): Promise<MemberCounts>;
  /** Members with `activeBridge`, authorized or not, ascending; at most `limit`. */
  bridges(networkId: bigint, limit: number): Promise<readonly Address[]>;
  /** True if a member other than `but` has this managed address (4 or 16 bytes) in its `ipAssignments`. */
  ipTaken(networkId: bigint, ip: Uint8Array, but: Address): Promise<boolean>;
  /** Authorizations that ended at or before `now`, the oldest first; at most `limit`. */
  expired(now: number, limit: number): Promise<readonly MemberRecord[]>;
  /** When the next authorization ends (ms since the epoch); null if none does. */
  nextExpiry(): Promise<number | null>;
  /** The stranger of the network that has been silent for longest; null if there is none. */
  oldestStranger(networkId: bigint): Promise<MemberRecord | null>;
  /** Written presences of a network seen since, the newest first; at most `limit`. */
  presences(networkId: bigint, seenSince: number, limit: number): Promise<readonly Presence[]>;
  presence(networkId: bigint, address: Address): Promise<Presence | null>;
  audit(query: AuditQuery): Promise<Page<AuditRecord>>;
  joinToken(id: string): Promise<JoinToken | null>;
  joinTokens(networkId: bigint): Promise<readonly JoinToken[]>;
}

/** Changes; all of a transaction's or none. */
export interface ControllerTransaction extends ControllerReader {
  putNetwork(record: NetworkRecord): Promise<void>;
  /** With its members, presences and join tokens. */
  deleteNetwork(id: bigint): Promise<void>;
  putMember(record: MemberRecord): Promise<void>;
  deleteMember(networkId: bigint, address: Address): Promise<void>;
  putPresences(presences: readonly Presence[]): Promise<void>;
  putJoinToken(token: JoinToken): Promise<void>;
  deleteJoinToken(id: string): Promise<void>;
  /** Appends; the oldest entries beyond the configured number go. */
  appendAudit(entry: AuditEntry): Promise<void>;
}

/** The store of the controller. Transactions run one after the other; what they wrote is on disk when they resolve. */
export interface ControllerStore extends ControllerReader {
  /** Commits when `work` resolves, changes nothing when it rejects (and rejects with the same reason). */
  transaction<T>(work: (transaction: ControllerTransaction) => Promise<T>): Promise<T>;
}

/** Whoever shows one becomes a member. The secret itself is not kept. */
export interface JoinToken {
  /** Public part, ten letters and digits: it names the token in lists and is the first part of the secret. */
  readonly id: string;
  readonly networkId: bigint;
  /** SHA-256 of the whole secret, 32 bytes. */
  readonly hash: Uint8Array;
  readonly name: string;
  /** ms since the epoch. */
  readonly createdAt: number;
  /** 0 = never. */
  readonly expiresAt: number;
  /** How many members it may still bring in; null = any number. */
  readonly usesLeft: number | null;
  /** How long an authorization given by it lasts, ms; 0 = for good. */
  readonly authorizationMs: number;
}

/** Occasions for the event stream, logs and metrics. */
export type ControllerEvent =
  | { readonly type: "network-changed"; readonly networkId: bigint; readonly revision: bigint; readonly actor: Actor }
  | { readonly type: "network-deleted"; readonly networkId: bigint; readonly actor: Actor }
  | { readonly type: "member-seen"; readonly networkId: bigint; readonly address: Address; readonly isNew: boolean }
  | { readonly type: "member-changed"; readonly networkId: bigint; readonly address: Address; readonly actor: Actor }
  | { readonly type: "member-deleted"; readonly networkId: bigint; readonly address: Address; readonly actor: Actor }
  | {
      readonly type: "member-authorized";
      readonly networkId: bigint;
      readonly address: Address;
      /** How: by somebody (`api`), because the network is `public`, by a `token`. */
      readonly by: "api" | "public" | "token";
      readonly actor: Actor;
    }
  | {
      readonly type: "member-deauthorized";
      readonly networkId: bigint;
      readonly address: Address;
      readonly actor: Actor;
    }
  | {
      readonly type: "address-assigned";
      readonly networkId: bigint;
      readonly address: Address;
      /** Text without prefix length. */
      readonly ip: string;
    }
  | {
      readonly type: "config-pushed";
      readonly networkId: bigint;
      readonly address: Address;
      /** From the change to the last chunk handed to the node. */
      readonly afterMs: number;
    }
  | {
      /** A member tells what it dropped or refused; `event` says what, `fields` are the rest of what it tells, as it came. */
      readonly type: "member-trace";
      readonly networkId: bigint;
      readonly address: Address;
      readonly event: string;
      readonly fields: Readonly<Record<string, string>>;
    };

export type ControllerEventSink = (event: ControllerEvent) => void;
