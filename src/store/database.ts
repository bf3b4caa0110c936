/**
 * `orrery.db`: one file, one connection that writes and one that reads what is committed. A database in memory has a
 * single connection, and readers wait until no transaction is open: inside one, read through the transaction only.
 */
import { statSync } from "node:fs";
import { Kysely, type Transaction } from "kysely";
import { migrate } from "./migrations.ts";
import type { Tables } from "./schema.ts";
import type { SqlConnection } from "./sql.ts";
import { IN_MEMORY, openSqlite, openSqliteReader } from "./sqlite.ts";
import { ConnectionDialect, type Gate } from "./sqlite-dialect.ts";
import { TransactionQueue, type TransactionStatistics } from "./transaction-queue.ts";

/** Its name in the home. */
export const DATABASE_FILE = "orrery.db";

export interface DatabaseStatistics extends TransactionStatistics {
  /** Of the file and its write-ahead log. */
  readonly bytes: number;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function kyselyOver(connection: SqlConnection, gate: Gate | null): Kysely<Tables> {
  return new Kysely<Tables>({ dialect: new ConnectionDialect(connection, gate) });
}

export class Database {
  /** Where the file is; `:memory:` if there is none. */
  readonly path: string;
  /** Reads what is committed. */
  readonly reader: Kysely<Tables>;
  readonly #connections: readonly SqlConnection[];
  readonly #queue: TransactionQueue;

  private constructor(path: string, writer: Kysely<Tables>, connections: readonly SqlConnection[]) {
    this.path = path;
    this.#connections = connections;
    this.#queue = new TransactionQueue(writer);
    const [only, second] = connections;
    this.reader = second === undefined ? kyselyOver(only!, () => this.#queue.settled()) : kyselyOver(second, null);
  }

  /**
   * Opens a file, or `:memory:`, and brings it up to date. Throws ConfigError if it cannot be used or was written by a
   * newer program.
   */
  static async open(path: string): Promise<Database> {
    const connection = openSqlite(path);
    const connections = [connection];
    try {
      const writer = kyselyOver(connection, null);
      await migrate(writer as unknown as Kysely<unknown>, path);
      if (path !== IN_MEMORY) connections.push(openSqliteReader(path));
      return new Database(path, writer, connections);
    } catch (error) {
      for (const opened of connections) opened.close();
      throw error;
    }
  }

  /** Commits when `work` resolves; changes nothing when it rejects, and rejects with the same reason. */
  transaction<T>(work: (transaction: Transaction<Tables>) => Promise<T>): Promise<T> {
    return this.#queue.run(work);
  }

  /** What is written down of something that happens once; null if it has not happened. */
  async marker(name: string): Promise<string | null> {
    const row = await this.reader.selectFrom("markers").select("value").where("name", "=", name).executeTakeFirst();
    return row?.value ?? null;
  }

  async setMarker(name: string, value: string): Promise<void> {
    await this.transaction(async (db) => {
      await db.deleteFrom("markers").where("name", "=", name).execute();
      await db.insertInto("markers").values({ name, value }).execute();
    });
  }

  get statistics(): DatabaseStatistics {
    const bytes = this.path === IN_MEMORY ? 0 : sizeOf(this.path) + sizeOf(`${this.path}-wal`);
    return { ...this.#queue.statistics, bytes };
  }

  /** Finishes the transactions that are waiting, then closes the file. */
  async close(): Promise<void> {
    await this.#queue.close();
    for (const connection of this.#connections) connection.close();
  }
}
