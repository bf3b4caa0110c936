/** Join tokens: who shows one becomes a member. */
import type { Kysely } from "kysely";
import type { JoinToken } from "../controller/ports.ts";
import { networkIdOf, networkKey } from "./record-columns.ts";
import type { JoinTokensTable, Tables } from "./schema.ts";

type Db = Kysely<Tables>;

function tokenOf(row: JoinTokensTable): JoinToken {
  return {
    id: row.id,
    networkId: networkIdOf(row.network_id),
    hash: row.hash,
    name: row.name,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    usesLeft: row.uses_left,
    authorizationMs: row.authorization_ms,
  };
}

export async function findJoinToken(db: Db, id: string): Promise<JoinToken | null> {
  const row = await db.selectFrom("join_tokens").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? null : tokenOf(row);
}

/** The oldest first. */
export async function listJoinTokens(db: Db, networkId: bigint): Promise<readonly JoinToken[]> {
  const rows = await db
    .selectFrom("join_tokens")
    .selectAll()
    .where("network_id", "=", networkKey(networkId))
    .orderBy("created_at")
    .orderBy("id")
    .execute();
  return rows.map(tokenOf);
}

export async function putJoinToken(db: Db, token: JoinToken): Promise<void> {
  const columns = {
    network_id: networkKey(token.networkId),
    hash: token.hash,
    name: token.name,
    created_at: token.createdAt,
    expires_at: token.expiresAt,
    uses_left: token.usesLeft,
    authorization_ms: token.authorizationMs,
  };
  await db
    .insertInto("join_tokens")
    .values({ id: token.id, ...columns })
    .onConflict((conflict) => conflict.column("id").doUpdateSet(columns))
    .execute();
}

export async function removeJoinToken(db: Db, id: string): Promise<void> {
  await db.deleteFrom("join_tokens").where("id", "=", id).execute();
}
