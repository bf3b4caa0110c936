/**
 * The only file that knows libsql. Four things about it are not obvious: it ends the process when a boolean is bound, it
 * binds every number as a floating-point one, it cuts texts at a NUL, and it gives blobs as ArrayBuffers.
 */
import { closeSync, openSync } from "node:fs";
import Libsql from "libsql";
import { ConfigError } from "../config/errors.ts";
import { fileError, fsCode, SECRET_MODE, tightenSecret } from "./atomic-file.ts";
import type { SqlConnection, SqlRow, SqlStatement, SqlValue } from "./sql.ts";

/** A database that lives as long as its connection. */
export const IN_MEMORY = ":memory:";

/** Statement texts come from code and are few; the bound only holds what nobody expects. */
const MAX_STATEMENTS = 512;
/** How long a statement waits for another process that writes to the same file. */
const BUSY_TIMEOUT_MS = 5000;
/** Pages that a connection keeps in memory, in KiB. */
const CACHE_KIB = 16_384;

function bound(value: unknown): null | number | bigint | string | Uint8Array {
  if (value === null || value instanceof Uint8Array) return value;
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
  // PostgreSQL refuses the character, and here the text would end at it.
  if (typeof value === "string") return value.includes("\0") ? value.replaceAll("\0", "\ufffd") : value;
  throw new TypeError(`a ${typeof value} cannot be a parameter of a statement`);
}

class LibsqlStatement implements SqlStatement {
  readonly reader: boolean;
  readonly #statement: Libsql.Statement;

  constructor(statement: Libsql.Statement) {
    this.#statement = statement;
    this.reader = statement.reader;
  }

  run(parameters: readonly SqlValue[]): { readonly changes: number; readonly lastInsertRowid: number } {
    const { changes, lastInsertRowid } = this.#statement.run(parameters.map(bound));
    return { changes, lastInsertRowid: Number(lastInsertRowid) };
  }

  all(parameters: readonly SqlValue[]): SqlRow[] {
    const rows = this.#statement.all(parameters.map(bound)) as Record<string, SqlValue | ArrayBuffer>[];
    for (const row of rows) {
      for (const name in row) {
        const value = row[name];
        if (value instanceof ArrayBuffer) row[name] = new Uint8Array(value);
      }
    }
    return rows as SqlRow[];
  }
}

class LibsqlConnection implements SqlConnection {
  readonly #database: Libsql.Database;
  readonly #statements = new Map<string, SqlStatement>();

  constructor(database: Libsql.Database) {
    this.#database = database;
  }

  prepare(text: string): SqlStatement {
    const known = this.#statements.get(text);
    if (known !== undefined) return known;
    const statement = new LibsqlStatement(this.#database.prepare(text));
    if (this.#statements.size >= MAX_STATEMENTS) this.#statements.clear();
    this.#statements.set(text, statement);
    return statement;
  }

  exec(text: string): void {
    this.#database.exec(text);
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }
}

/** The database's own code of an error, such as `SQLITE_FULL`; empty if it is not the database's. */
export function sqliteCode(error: unknown): string {
  return error instanceof Libsql.SqliteError ? String(error.code) : "";
}

/** Makes the file with the mode of a secret before the database would make it for everybody to read. */
function prepareFile(path: string): void {
  try {
    closeSync(openSync(path, "a", SECRET_MODE));
  } catch (error) {
    throw fileError("open the database", path, error);
  }
  tightenSecret(path);
}

function openError(path: string, error: unknown): ConfigError {
  const code = sqliteCode(error) || fsCode(error);
  const damaged = code === "SQLITE_NOTADB" || code === "SQLITE_CORRUPT";
  return new ConfigError(
    damaged ? `is no database, or a damaged one (${code})` : `cannot be opened: ${String(error)}`,
    {
      file: path,
      advice: damaged ? "restore it from a backup; move it away to start with an empty one" : "see the system's log",
    },
  );
}

/**
 * Opens the file, which is made with mode 0600 if it is missing. What is committed has reached the disk: write-ahead log,
 * synced at each commit. Throws ConfigError.
 */
export function openSqlite(path: string): SqlConnection {
  if (path !== IN_MEMORY) prepareFile(path);
  try {
    const database = new Libsql(path);
    const connection = new LibsqlConnection(database);
    connection.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    connection.exec(`PRAGMA cache_size = -${CACHE_KIB}`);
    database.pragma("journal_mode = WAL");
    connection.exec("PRAGMA synchronous = FULL");
    return connection;
  } catch (error) {
    throw openError(path, error);
  }
}

/** Opens a file that exists for reading only. Throws ConfigError. */
export function openSqliteReader(path: string): SqlConnection {
  const connection = openSqlite(path);
  connection.exec("PRAGMA query_only = ON");
  return connection;
}

/**
 * Copies a database to a new file while others go on using it: what was committed when it began is in the copy.
 * Throws ConfigError or what the database says.
 */
export function snapshotSqlite(from: string, to: string): void {
  const connection = openSqlite(from);
  try {
    connection.exec(`vacuum into '${to.replaceAll("'", "''")}'`);
  } finally {
    connection.close();
  }
}
