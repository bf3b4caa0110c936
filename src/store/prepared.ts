/**
 * Statements whose text is made once. The query builder costs several times what the database needs for a statement of
 * one row, so what a member's request needs (and nothing else) goes this way. A home has one kind of database: the text
 * is that of the first one asked.
 */
import type { Compilable, CompiledQuery, Kysely, QueryResult } from "kysely";
import type { Tables } from "./schema.ts";
import type { SqlValue } from "./sql.ts";

/** Stands in a statement for the value of that name. */
class Slot {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/**
 * `build` is called once, with something that stands for each value it takes out of `values`: it must not look at them.
 * What comes back runs the statement with real ones, and rejects with what the database says.
 */
export function prepared<P extends Readonly<Record<string, SqlValue>>, R>(
  build: (db: Kysely<Tables>, values: P) => Compilable<R>,
): (db: Kysely<Tables>, values: P) => Promise<QueryResult<R>> {
  const slots = new Proxy({}, { get: (_, name) => new Slot(String(name)) }) as P;
  let compiled: CompiledQuery<R> | null = null;
  return (db, values) => {
    compiled ??= build(db, slots).compile();
    const parameters = compiled.parameters.map((one) => (one instanceof Slot ? values[one.name] : one));
    return db.executeQuery({ ...compiled, parameters });
  };
}
