/** The query builder's dialect over a connection of ours. */
import { CompiledQuery, type DatabaseConnection, SqliteDialect, type SqliteDialectConfig, SqliteDriver } from "kysely";
import type { SqlConnection } from "./sql.ts";

/** Resolves when statements may run. */
export type Gate = () => Promise<void>;

class GatedDriver extends SqliteDriver {
  readonly #gate: Gate | null;

  constructor(config: SqliteDialectConfig, gate: Gate | null) {
    super(config);
    this.#gate = gate;
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    if (this.#gate !== null) await this.#gate();
    return super.acquireConnection();
  }

  /** Takes the right to write at once: one that is taken later fails if somebody else has written meanwhile. */
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("begin immediate"));
  }
}

/** A dialect that waits at `gate`, if there is one, before each statement. */
export class ConnectionDialect extends SqliteDialect {
  readonly #config: SqliteDialectConfig;
  readonly #gate: Gate | null;

  constructor(connection: SqlConnection, gate: Gate | null) {
    const config = { database: connection as unknown as NonNullable<SqliteDialectConfig["database"]> };
    super(config);
    this.#config = config;
    this.#gate = gate;
  }

  override createDriver(): SqliteDriver {
    return new GatedDriver(this.#config, this.#gate);
  }
}
