/**
 * How the database came to have its tables: one step after the other, each in a transaction of its own, never changed
 * once it was released.
 */
import { type Kysely, sql } from "kysely";
import { ConfigError } from "../config/errors.ts";

/** Makes version n from version n − 1; its place in the list is its version, counted from 1. */
export type Migration = (db: Kysely<unknown>) => Promise<void>;

async function controllerTables(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  await schema
    .createTable("networks")
    .addColumn("id", "text", (column) => column.primaryKey().notNull())
    .addColumn("name_key", "text", (column) => column.notNull())
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addColumn("search", "text", (column) => column.notNull())
    .addColumn("description", "text", (column) => column.notNull())
    .addColumn("json", "text", (column) => column.notNull())
    .execute();
  await schema.createIndex("networks_name").on("networks").columns(["name_key", "id"]).execute();
  await schema.createIndex("networks_created").on("networks").columns(["created_at", "id"]).execute();

  await schema
    .createTable("network_counts")
    .addColumn("network_id", "text", (column) => column.primaryKey().notNull())
    .addColumn("members", "bigint", (column) => column.notNull())
    .addColumn("authorized", "bigint", (column) => column.notNull())
    .addColumn("bridges", "bigint", (column) => column.notNull())
    .addColumn("strangers", "bigint", (column) => column.notNull())
    .execute();
  await schema.createIndex("network_counts_members").on("network_counts").columns(["members", "network_id"]).execute();

  // What lists need stands before the record, so that it is read without the pages that a long record spills into.
  await schema
    .createTable("members")
    .addColumn("network_id", "text", (column) => column.notNull())
    .addColumn("address", "text", (column) => column.notNull())
    .addColumn("spelled_id", "text", (column) => column.notNull())
    .addColumn("revision", "text", (column) => column.notNull())
    .addColumn("name_key", "text", (column) => column.notNull())
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addColumn("authorized", "integer", (column) => column.notNull())
    .addColumn("bridge", "integer", (column) => column.notNull())
    .addColumn("stranger_since", "bigint")
    .addColumn("expires_at", "bigint")
    .addColumn("last_seen", "bigint", (column) => column.notNull())
    .addColumn("physical_address", "text", (column) => column.notNull())
    .addColumn("search", "text", (column) => column.notNull())
    .addColumn("description", "text", (column) => column.notNull())
    .addColumn("authorization_expires_at", "bigint", (column) => column.notNull())
    .addColumn("json", "text", (column) => column.notNull())
    .addColumn("metadata", "blob")
    .addPrimaryKeyConstraint("members_key", ["network_id", "address"])
    .execute();
  for (const [name, ...columns] of [
    ["members_name", "network_id", "name_key", "address"],
    ["members_created", "network_id", "created_at", "address"],
    ["members_seen", "network_id", "last_seen", "address"],
    ["members_authorized", "network_id", "authorized", "address"],
    ["members_bridge", "network_id", "bridge", "address"],
    ["members_stranger", "network_id", "stranger_since", "address"],
    ["members_expiry", "expires_at", "network_id", "address"],
    ["members_revision", "network_id", "address", "spelled_id", "revision"],
  ] as const) {
    await schema.createIndex(name).on("members").columns(columns).execute();
  }

  await schema
    .createTable("member_ips")
    .addColumn("network_id", "text", (column) => column.notNull())
    .addColumn("ip", "blob", (column) => column.notNull())
    .addColumn("address", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("member_ips_key", ["network_id", "ip", "address"])
    .execute();
  await schema.createIndex("member_ips_address").on("member_ips").columns(["network_id", "address"]).execute();

  await schema
    .createTable("audit")
    .addColumn("id", "integer", (column) => column.primaryKey().autoIncrement())
    .addColumn("at", "bigint", (column) => column.notNull())
    .addColumn("actor", "text", (column) => column.notNull())
    .addColumn("action", "text", (column) => column.notNull())
    .addColumn("network_id", "text", (column) => column.notNull())
    .addColumn("object", "text", (column) => column.notNull())
    .addColumn("changes", "text", (column) => column.notNull())
    .execute();
  await schema.createIndex("audit_network").on("audit").columns(["network_id", "id"]).execute();
  await schema.createIndex("audit_actor").on("audit").columns(["actor", "id"]).execute();

  await schema
    .createTable("join_tokens")
    .addColumn("id", "text", (column) => column.primaryKey().notNull())
    .addColumn("network_id", "text", (column) => column.notNull())
    .addColumn("hash", "blob", (column) => column.notNull())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addColumn("expires_at", "bigint", (column) => column.notNull())
    .addColumn("uses_left", "bigint")
    .addColumn("authorization_ms", "bigint", (column) => column.notNull())
    .execute();
  await schema
    .createIndex("join_tokens_network")
    .on("join_tokens")
    .columns(["network_id", "created_at", "id"])
    .execute();

  await schema
    .createTable("markers")
    .addColumn("name", "text", (column) => column.primaryKey().notNull())
    .addColumn("value", "text", (column) => column.notNull())
    .execute();
}

async function apiTokens(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("api_tokens")
    .addColumn("id", "text", (column) => column.primaryKey().notNull())
    .addColumn("hash", "blob", (column) => column.notNull())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("scope", "text", (column) => column.notNull())
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addColumn("expires_at", "bigint", (column) => column.notNull())
    .addColumn("last_used_at", "bigint", (column) => column.notNull())
    .execute();
}

export const MIGRATIONS: readonly Migration[] = [controllerTables, apiTokens];

/** The version that a database has; 0 = it is empty. */
async function versionOf(db: Kysely<unknown>): Promise<number> {
  await db.schema
    .createTable("schema_version")
    .ifNotExists()
    .addColumn("version", "integer", (column) => column.primaryKey().notNull())
    .execute();
  const { rows } = await sql<{ version: number | null }>`select max(version) as version from schema_version`.execute(
    db,
  );
  return rows[0]?.version ?? 0;
}

/**
 * Brings a database to the version of this program. `file` is how errors call it. Throws ConfigError if it is of a newer
 * one, before anything is touched.
 */
export async function migrate(
  db: Kysely<unknown>,
  file: string,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<void> {
  const version = await versionOf(db);
  if (version > migrations.length) {
    throw new ConfigError(
      `was written by a newer program: its version is ${version}, and this one knows ${migrations.length}`,
      { file, advice: "install the newer program again, or restore a backup that this one made" },
    );
  }
  for (const [index, migration] of migrations.entries()) {
    if (index < version) continue;
    await db.transaction().execute(async (transaction) => {
      await migration(transaction);
      await sql`insert into schema_version (version) values (${index + 1})`.execute(transaction);
    });
  }
}
