/**
 * Ordered lists that are filtered: walked in pieces of bounded size, so that no statement takes long, however few of a
 * large list match, and the thread is free between them.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { type RawBuilder, type SqlBool, sql } from "kysely";
import type { Page } from "../controller/ports.ts";
import { encodeCursor, type Place } from "./cursor.ts";

/** How many rows a statement looks at. */
const PIECE_ROWS = 2000;

/** A piece of a list: what is behind `after` (null = from the start) and at or before `upTo` (null = to the end). */
export interface Piece {
  readonly after: Place | null;
  readonly upTo: Place | null;
}

/** A list as the walk sees it. `Row` is what a page is made of. */
export interface OrderedList<Row> {
  /** The place of the `count`-th row behind `after`, matching or not; null if there are fewer. */
  edge(after: Place | null, count: number): Promise<Place | null>;
  /** Matching rows of a piece in order, at most `limit`. */
  rows(piece: Piece, limit: number): Promise<readonly Row[]>;
  /** How many rows of a piece match. */
  count(piece: Piece): Promise<number>;
  placeOf(row: Row): Place;
}

/** Columns that order a list, and the direction. `key` and `tie` may be the same. */
export interface Order {
  readonly key: string;
  readonly tie: string;
  readonly descending: boolean;
}

/** A condition that holds in a piece; `Order.key` and `Order.tie` are columns from code, never from outside. */
export function inPiece({ key, tie, descending }: Order, { after, upTo }: Piece): RawBuilder<SqlBool> {
  const compare = (operator: string, place: Place) =>
    key === tie
      ? sql<SqlBool>`${sql.ref(key)} ${sql.raw(operator)} ${place.tie}`
      : sql<SqlBool>`(${sql.ref(key)}, ${sql.ref(tie)}) ${sql.raw(operator)} (${place.key}, ${place.tie})`;
  const behind = after === null ? null : compare(descending ? "<" : ">", after);
  const before = upTo === null ? null : compare(descending ? ">=" : "<=", upTo);
  if (behind !== null && before !== null) return sql<SqlBool>`${behind} and ${before}`;
  return behind ?? before ?? sql<SqlBool>`1 = 1`;
}

/** Goes through `list` from `after` in pieces until `visit` says that it is enough. */
async function walk<Row>(
  list: OrderedList<Row>,
  after: Place | null,
  visit: (piece: Piece) => Promise<boolean>,
): Promise<void> {
  for (let from = after; ; ) {
    const upTo = await list.edge(from, PIECE_ROWS);
    if ((await visit({ after: from, upTo })) || upTo === null) return;
    from = upTo;
    await nextTurn();
  }
}

/** The page behind `after`. `filtered` tells whether rows may fail to match. */
export async function pageOf<Row, Item>(
  list: OrderedList<Row>,
  after: Place | null,
  request: { readonly limit: number; readonly name: string; readonly filtered: boolean; readonly total: number },
  itemOf: (row: Row) => Item,
): Promise<Page<Item>> {
  const wanted = request.limit + 1;
  const found: Row[] = [];
  const visit = async (piece: Piece) => {
    found.push(...(await list.rows(piece, wanted - found.length)));
    return found.length >= wanted;
  };
  if (request.filtered) await walk(list, after, visit);
  else await visit({ after, upTo: null });
  const rows = found.slice(0, request.limit);
  const last = rows.at(-1);
  const more = found.length > request.limit && last !== undefined;
  return {
    items: rows.map(itemOf),
    next: more ? encodeCursor(request.name, list.placeOf(last)) : null,
    total: request.total,
  };
}

/** How many rows of the whole list match. */
export async function countOf<Row>(list: OrderedList<Row>): Promise<number> {
  let total = 0;
  await walk(list, null, async (piece) => {
    total += await list.count(piece);
    return false;
  });
  return total;
}

/**
 * Pattern for `like … escape '\'` that finds `part` anywhere in a text in lower case, or at its beginning. What stands
 * for something else in a pattern stands for itself.
 */
export function likePattern(part: string, where: "anywhere" | "beginning"): string {
  const escaped = part.replace(/[\\%_]/g, "\\$&");
  return where === "anywhere" ? `%${escaped}%` : `${escaped}%`;
}
