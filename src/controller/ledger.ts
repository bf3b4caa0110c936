/**
 * The one way by which records change: a pure function from the record as it is to the record as it shall be, applied
 * in a transaction, compared with what is there, numbered, written with its line in the audit log, and only then put
 * into memory and told. Facts: controller.md §5 (revisions).
 */
import { asBoolean, asInteger } from "../json/coerce.ts";
import { equalJson, type JsonObject } from "../json/json.ts";
import type { Millis } from "../node/ports.ts";
import { type Address, formatAddress } from "../protocol/address.ts";
import { describeChanges } from "./audit.ts";
import type { MemberChange, NetworkChange } from "./management.ts";
import { type NetworkState, networkState } from "./network-state.ts";
import type { Actor, ControllerEventSink, ControllerStore, ControllerTransaction } from "./ports.ts";
import { RecordCache } from "./record-cache.ts";
import type { MemberRecord, NetworkRecord } from "./records.ts";
import { keyOf } from "./sessions.ts";
import { type MemberSettings, memberSettings } from "./settings.ts";
import type { ControllerStatistics } from "./statistics.ts";

/** A member's record and what it means. */
export interface MemberState {
  readonly record: MemberRecord;
  readonly settings: MemberSettings;
}

/** A record before and after a change; equal objects if nothing changed. */
export interface Changed<T> {
  readonly before: T | null;
  readonly after: T;
}

/** What a network's configuration names of its members, at most. */
const MAX_BRIDGES = 256;

export class Ledger {
  readonly store: ControllerStore;
  readonly #statistics: ControllerStatistics;
  readonly #events: ControllerEventSink;
  readonly #networks: RecordCache<NetworkState | null>;
  readonly #members: RecordCache<MemberState | null>;

  constructor(
    store: ControllerStore,
    capacity: { readonly networks: number; readonly members: number },
    statistics: ControllerStatistics,
    events: ControllerEventSink,
  ) {
    this.store = store;
    this.#networks = new RecordCache(capacity.networks);
    this.#members = new RecordCache(capacity.members);
    this.#statistics = statistics;
    this.#events = events;
  }

  async network(id: bigint): Promise<NetworkState | null> {
    const key = id.toString(16);
    const state = await this.#networks.get(key, async () => {
      const record = await this.store.network(id);
      return record === null ? null : networkState(record, await this.store.bridges(id, MAX_BRIDGES));
    });
    // Whoever asks about networks that do not exist must not push out those that do.
    if (state === null) this.#networks.forget(key);
    return state;
  }

  member(networkId: bigint, address: Address): Promise<MemberState | null> {
    return this.#members.get(keyOf(networkId, address), async () =>
      memberState(await this.store.member(networkId, address)),
    );
  }

  async changeNetwork(id: bigint, actor: Actor, now: Millis, change: NetworkChange): Promise<Changed<NetworkRecord>> {
    const changed = await this.store.transaction(async (transaction): Promise<Changed<NetworkRecord>> => {
      const before = await transaction.network(id);
      const { json, own } = change(before);
      if (before !== null && sameIgnoringRevision(before.json, json) && sameOwn(before.own, own)) {
        return { before, after: before };
      }
      const after = { id, json: numbered(before?.json, json), own };
      await transaction.putNetwork(after);
      const action = before === null ? "network.create" : "network.change";
      const changes = describeChanges(before, after);
      await transaction.appendAudit({ at: now, actor, action, networkId: hex16(id), object: "", changes });
      return { before, after };
    });
    const { before, after } = changed;
    if (after === before) return changed;
    this.#networks.forget(id.toString(16));
    if (before !== null) this.#statistics.networkChanges++;
    const revision = revisionOf(after.json);
    this.#events({ type: "network-changed", networkId: id, revision, actor });
    return changed;
  }

  /** The network as it was, or null. */
  async deleteNetwork(id: bigint, actor: Actor, now: Millis): Promise<NetworkRecord | null> {
    const before = await this.store.transaction(async (transaction) => {
      const record = await transaction.network(id);
      if (record === null) return null;
      await transaction.deleteNetwork(id);
      const changes = describeChanges(record, null);
      await transaction.appendAudit({
        at: now,
        actor,
        action: "network.delete",
        networkId: hex16(id),
        object: "",
        changes,
      });
      return record;
    });
    if (before === null) return null;
    // Members of it are in memory under keys of their own, and a network may come back under the same id.
    this.#networks.forget(id.toString(16));
    this.#members.clear();
    this.#events({ type: "network-deleted", networkId: id, actor });
    return before;
  }

  /** Null if there is no such network. */
  async changeMember(
    networkId: bigint,
    address: Address,
    actor: Actor,
    now: Millis,
    change: MemberChange,
  ): Promise<Changed<MemberRecord> | null> {
    const changed = await this.store.transaction(async (transaction) => {
      const network = await transaction.network(networkId);
      if (network === null) return null;
      const before = await transaction.member(networkId, address);
      return this.putMember(transaction, before, { networkId, address, ...change(before, network) }, actor, now);
    });
    if (changed !== null) this.memberWritten(changed, actor);
    return changed;
  }

  /**
   * Writes a member inside a transaction if it differs from `before`, and its line in the audit log. What a node
   * changes by asking (its version, its first record) is told by events, and is no line of the log: anybody may ask.
   */
  async putMember(
    transaction: ControllerTransaction,
    before: MemberRecord | null,
    draft: MemberRecord,
    actor: Actor,
    now: Millis,
  ): Promise<Changed<MemberRecord>> {
    if (before !== null && sameIgnoringRevision(before.json, draft.json) && sameOwn(before.own, draft.own)) {
      return { before, after: before };
    }
    const after = { ...draft, json: numbered(before?.json, draft.json) };
    await transaction.putMember(after);
    const action = actionOf(before, after);
    if (!actor.startsWith("node:") || action === "member.authorize") {
      const object = formatAddress(after.address);
      const changes = describeChanges(before, after);
      await transaction.appendAudit({ at: now, actor, action, networkId: hex16(after.networkId), object, changes });
    }
    return { before, after };
  }

  /** To be called when a transaction that wrote a member is committed: memory, counters, events. */
  memberWritten({ before, after }: Changed<MemberRecord>, actor: Actor): void {
    if (after === before) return;
    const { networkId, address } = after;
    this.#members.set(keyOf(networkId, address), memberState(after));
    if (isBridge(before) !== isBridge(after)) this.#networks.forget(networkId.toString(16));
    this.#statistics.memberChanges++;
    this.#events({ type: "member-changed", networkId, address, actor });
    if (!isAuthorized(before) && isAuthorized(after)) {
      this.#statistics.authorizations++;
      this.#events({ type: "member-authorized", networkId, address, by: authorizedBy(after), actor });
    } else if (isAuthorized(before) && !isAuthorized(after)) {
      this.#statistics.deauthorizations++;
      this.#events({ type: "member-deauthorized", networkId, address, actor });
    }
    const had = new Set(memberIps(before));
    for (const ip of memberIps(after)) {
      if (!had.has(ip)) this.#events({ type: "address-assigned", networkId, address, ip });
    }
  }

  /** The member as it was, or null. */
  async deleteMember(networkId: bigint, address: Address, actor: Actor, now: Millis): Promise<MemberRecord | null> {
    const before = await this.store.transaction(async (transaction) => {
      const record = await transaction.member(networkId, address);
      if (record === null) return null;
      await transaction.deleteMember(networkId, address);
      const changes = describeChanges(record, null);
      const object = formatAddress(address);
      await transaction.appendAudit({
        at: now,
        actor,
        action: "member.delete",
        networkId: hex16(networkId),
        object,
        changes,
      });
      return record;
    });
    if (before === null) return null;
    this.memberRemoved(before);
    this.#events({ type: "member-deleted", networkId, address, actor });
    if (isAuthorized(before)) this.#statistics.deauthorizations++;
    return before;
  }

  /** To be called when a transaction that deleted a member is committed. */
  memberRemoved(record: MemberRecord): void {
    this.#members.forget(keyOf(record.networkId, record.address));
    if (isBridge(record)) this.#networks.forget(record.networkId.toString(16));
  }

  /** Forgets what is in memory: the store was replaced. */
  reset(): void {
    this.#networks.clear();
    this.#members.clear();
  }
}

export function memberState(record: MemberRecord): MemberState;
export function memberState(record: MemberRecord | null): MemberState | null;
export function memberState(record: MemberRecord | null): MemberState | null {
  return record === null ? null : { record, settings: memberSettings(record.json) };
}

export function isAuthorized(record: MemberRecord | null): boolean {
  return record !== null && asBoolean(record.json["authorized"], false);
}

export function isBridge(record: MemberRecord | null): boolean {
  return record !== null && asBoolean(record.json["activeBridge"], false);
}

export function revisionOf(json: JsonObject): bigint {
  return asInteger(json["revision"], 0n);
}

function memberIps(record: MemberRecord | null): string[] {
  const ips = record?.json["ipAssignments"];
  return Array.isArray(ips) ? ips.filter((ip): ip is string => typeof ip === "string") : [];
}

function authorizedBy({ json }: MemberRecord): "api" | "public" | "token" {
  const by = json["lastAuthorizedCredentialType"];
  return by === "public" || by === "token" ? by : "api";
}

function actionOf(before: MemberRecord | null, after: MemberRecord): string {
  if (!isAuthorized(before) && isAuthorized(after)) return "member.authorize";
  if (isAuthorized(before) && !isAuthorized(after)) return "member.deauthorize";
  return before === null ? "member.create" : "member.change";
}

function numbered(before: JsonObject | undefined, json: JsonObject): JsonObject {
  return { ...json, revision: revisionOf(before ?? {}) + 1n };
}

function sameIgnoringRevision(a: JsonObject, b: JsonObject): boolean {
  return a === b || equalJson({ ...a, revision: undefined }, { ...b, revision: undefined });
}

function sameOwn<T extends object>(a: T, b: T): boolean {
  return (Object.keys(a) as (keyof T)[]).every((key) => a[key] === b[key]);
}

function hex16(networkId: bigint): string {
  return networkId.toString(16).padStart(16, "0");
}
