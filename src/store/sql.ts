/**
 * What the store asks of an embedded SQL database: the intersection of what libsql and Node's own SQLite offer, so that
 * one file (sqlite.ts) knows which of them it is. Everything is synchronous and blocks the thread: statements are short.
 */

/** What a column holds and what a parameter may be. Integers are exact up to 2^53; there are no booleans. */
export type SqlValue = null | number | string | Uint8Array;

export type SqlRow = Readonly<Record<string, SqlValue>>;

export interface SqlStatement {
  /** True if it gives rows. */
  readonly reader: boolean;
  run(parameters: readonly SqlValue[]): { readonly changes: number; readonly lastInsertRowid: number };
  all(parameters: readonly SqlValue[]): SqlRow[];
}

export interface SqlConnection {
  /** The statement is kept for the next time: texts come from code, values go into parameters. */
  prepare(text: string): SqlStatement;
  /** One or more statements without parameters and without a result. */
  exec(text: string): void;
  close(): void;
}
