/**
 * The controller's store over SQL. What each question and change does is in the file of its subject; this one says that
 * they are the store which the controller knows.
 */
import type { Kysely } from "kysely";
import type {
  AuditEntry,
  AuditQuery,
  ControllerReader,
  ControllerStore,
  ControllerTransaction,
  JoinToken,
  MemberQuery,
  NetworkQuery,
} from "../controller/ports.ts";
import type { MemberRecord, NetworkRecord, Presence } from "../controller/records.ts";
import type { Address } from "../protocol/address.ts";
import { appendAudit, listAudit } from "./audit-queries.ts";
import type { Database } from "./database.ts";
import { findJoinToken, listJoinTokens, putJoinToken, removeJoinToken } from "./join-token-queries.ts";
import { putMember, removeMember, removeMembers } from "./member-changes.ts";
import { listMembers } from "./member-list.ts";
import {
  findMember,
  findNextExpiry,
  findOldestStranger,
  isIpTaken,
  listBridges,
  listExpired,
  listMemberRecords,
  listMemberRevisions,
} from "./member-queries.ts";
import {
  countAllMembers,
  countMembers,
  countNetworks,
  findNetwork,
  listNetworkIds,
  listNetworks,
  putNetwork,
  removeNetwork,
} from "./network-queries.ts";
import { findPresence, listPresences, putPresences } from "./presence-queries.ts";
import type { Tables } from "./schema.ts";

/** How many audit entries are kept unless told otherwise. */
const DEFAULT_AUDIT_ENTRIES = 100_000;

export interface ControllerStoreOptions {
  /** How many entries of the audit log are kept. */
  readonly auditEntries?: number;
}

class SqlReader implements ControllerReader {
  readonly #db: () => Kysely<Tables>;

  /** `db` is asked before each statement, and throws if there must be none any more. */
  constructor(db: () => Kysely<Tables>) {
    this.#db = db;
  }

  async network(id: bigint) {
    return findNetwork(this.#db(), id);
  }
  async networkIds(after: bigint | null, limit: number) {
    return listNetworkIds(this.#db(), after, limit);
  }
  async networks(query: NetworkQuery) {
    return listNetworks(this.#db(), query);
  }
  async networkCount() {
    return countNetworks(this.#db());
  }
  async memberCount() {
    return countAllMembers(this.#db());
  }
  async member(networkId: bigint, address: Address) {
    return findMember(this.#db(), networkId, address);
  }
  async members(query: MemberQuery) {
    return listMembers(this.#db(), query);
  }
  async memberRecords(networkId: bigint, after: Address | null, limit: number) {
    return listMemberRecords(this.#db(), networkId, after, limit);
  }
  async memberRevisions(networkId: bigint) {
    return listMemberRevisions(this.#db(), networkId);
  }
  async memberCounts(networkId: bigint) {
    return countMembers(this.#db(), networkId);
  }
  async bridges(networkId: bigint, limit: number) {
    return listBridges(this.#db(), networkId, limit);
  }
  async ipTaken(networkId: bigint, ip: Uint8Array, but: Address) {
    return isIpTaken(this.#db(), networkId, ip, but);
  }
  async expired(now: number, limit: number) {
    return listExpired(this.#db(), now, limit);
  }
  async nextExpiry() {
    return findNextExpiry(this.#db());
  }
  async oldestStranger(networkId: bigint) {
    return findOldestStranger(this.#db(), networkId);
  }
  async presences(networkId: bigint, seenSince: number, limit: number) {
    return listPresences(this.#db(), networkId, seenSince, limit);
  }
  async presence(networkId: bigint, address: Address) {
    return findPresence(this.#db(), networkId, address);
  }
  async audit(query: AuditQuery) {
    return listAudit(this.#db(), query);
  }
  async joinToken(id: string) {
    return findJoinToken(this.#db(), id);
  }
  async joinTokens(networkId: bigint) {
    return listJoinTokens(this.#db(), networkId);
  }
}

class SqlTransaction extends SqlReader implements ControllerTransaction {
  readonly #db: () => Kysely<Tables>;
  readonly #auditEntries: number;

  constructor(db: () => Kysely<Tables>, auditEntries: number) {
    super(db);
    this.#db = db;
    this.#auditEntries = auditEntries;
  }

  async putNetwork(record: NetworkRecord) {
    return putNetwork(this.#db(), record);
  }
  async deleteNetwork(id: bigint) {
    await removeMembers(this.#db(), id);
    return removeNetwork(this.#db(), id);
  }
  async putMember(record: MemberRecord) {
    return putMember(this.#db(), record);
  }
  async deleteMember(networkId: bigint, address: Address) {
    return removeMember(this.#db(), networkId, address);
  }
  async putPresences(presences: readonly Presence[]) {
    return putPresences(this.#db(), presences);
  }
  async putJoinToken(token: JoinToken) {
    return putJoinToken(this.#db(), token);
  }
  async deleteJoinToken(id: string) {
    return removeJoinToken(this.#db(), id);
  }
  async appendAudit(entry: AuditEntry) {
    return appendAudit(this.#db(), entry, this.#auditEntries);
  }
}

/**
 * Over a database that somebody else opens and closes. Lists and limits that make no sense reject with `QueryError`; a
 * transaction rejects with `StoreUnavailableError` when too many are waiting or the database is closed.
 */
export class SqlControllerStore extends SqlReader implements ControllerStore {
  readonly #database: Database;
  readonly #auditEntries: number;

  constructor(database: Database, options: ControllerStoreOptions = {}) {
    super(() => database.reader);
    this.#database = database;
    this.#auditEntries = options.auditEntries ?? DEFAULT_AUDIT_ENTRIES;
  }

  transaction<T>(work: (transaction: ControllerTransaction) => Promise<T>): Promise<T> {
    return this.#database.transaction(async (db) => {
      let over = false;
      const current = () => {
        // A statement that somebody did not wait for would end up in the next one's transaction.
        if (over) throw new Error("this transaction is over: await everything that is done inside it");
        return db;
      };
      try {
        return await work(new SqlTransaction(current, this.#auditEntries));
      } finally {
        over = true;
      }
    });
  }
}
