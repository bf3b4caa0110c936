/** API tokens in the database; what was done with them is in the audit log. */
import type { ApiToken, ApiTokenStore, TokenScope } from "../http/api-tokens.ts";
import { appendAudit } from "./audit-queries.ts";
import type { Database } from "./database.ts";
import type { ApiTokensTable } from "./schema.ts";

function tokenOf(row: ApiTokensTable): ApiToken {
  return {
    id: row.id,
    hash: row.hash,
    name: row.name,
    scope: row.scope as TokenScope,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
  };
}

export class SqlApiTokens implements ApiTokenStore {
  readonly #database: Database;
  readonly #auditEntries: number;

  constructor(database: Database, auditEntries: number) {
    this.#database = database;
    this.#auditEntries = auditEntries;
  }

  async all(): Promise<ApiToken[]> {
    const rows = await this.#database.reader.selectFrom("api_tokens").selectAll().orderBy("created_at").execute();
    return rows.map(tokenOf);
  }

  async add(token: ApiToken, actor: string): Promise<void> {
    await this.#database.transaction(async (db) => {
      const { id, hash, name, scope, createdAt, expiresAt, lastUsedAt } = token;
      const times = { created_at: createdAt, expires_at: expiresAt, last_used_at: lastUsedAt };
      await db
        .insertInto("api_tokens")
        .values({ id, hash, name, scope, ...times })
        .execute();
      const changes = { name: [null, name], scope: [null, scope] };
      const entry = { at: createdAt, actor, action: "token.create", networkId: "", object: id, changes };
      await appendAudit(db, entry, this.#auditEntries);
    });
  }

  async remove({ id, name }: ApiToken, actor: string, now: number): Promise<void> {
    await this.#database.transaction(async (db) => {
      await db.deleteFrom("api_tokens").where("id", "=", id).execute();
      const changes = { name: [name, null] };
      const entry = { at: now, actor, action: "token.revoke", networkId: "", object: id, changes };
      await appendAudit(db, entry, this.#auditEntries);
    });
  }

  async used(times: ReadonlyMap<string, number>): Promise<void> {
    await this.#database.transaction(async (db) => {
      for (const [id, at] of times) {
        await db.updateTable("api_tokens").set({ last_used_at: at }).where("id", "=", id).execute();
      }
    });
  }
}
