/** The audit log: entries are appended, and the oldest go when there are too many. Lists begin with the newest. */
import { type Kysely, type SelectQueryBuilder, type SqlBool, sql } from "kysely";
import type { AuditEntry, AuditQuery, AuditRecord, Page } from "../controller/ports.ts";
import { formatJson } from "../json/json.ts";
import { decodeCursor, type Place } from "./cursor.ts";
import { prepared } from "./prepared.ts";
import { checkLimit } from "./query-error.ts";
import { networkKey, storedObject } from "./record-columns.ts";
import type { AuditTable, Tables } from "./schema.ts";
import { countOf, inPiece, likePattern, type Order, type OrderedList, pageOf } from "./walk.ts";

type Db = Kysely<Tables>;
type Audit = SelectQueryBuilder<Tables, "audit", object>;

const LIST = "audit";
const NEWEST_FIRST: Order = { key: "id", tie: "id", descending: true };
/** How many old entries go with each new one at most, where the configured number has become smaller. */
const MAX_TRIMMED = 100;

type AuditRow = Omit<AuditTable, "id"> & { readonly id: number };

function recordOf(row: AuditRow): AuditRecord {
  return {
    id: row.id,
    at: row.at,
    actor: row.actor,
    action: row.action,
    networkId: row.network_id,
    object: row.object,
    changes: storedObject(row.changes, `audit entry ${row.id}`),
  };
}

function auditList(db: Db, query: AuditQuery): OrderedList<AuditRow> {
  const indexed = (): Audit => {
    let result = db.selectFrom("audit") as Audit;
    if (query.networkId !== null) result = result.where("network_id", "=", networkKey(query.networkId));
    else if (query.actor !== null) result = result.where("actor", "=", query.actor);
    return result;
  };
  const matching = (): Audit => {
    let result = indexed();
    if (query.actor !== null) result = result.where("actor", "=", query.actor);
    if (query.action !== "") {
      result = result.where(sql<SqlBool>`action like ${likePattern(query.action, "beginning")} escape '\\'`);
    }
    return result;
  };
  const list: OrderedList<AuditRow> = {
    edge: async (after: Place | null, count: number) => {
      const row = await indexed()
        .select("id")
        .where(inPiece(NEWEST_FIRST, { after, upTo: null }))
        .orderBy("id", "desc")
        .limit(1)
        .offset(count - 1)
        .executeTakeFirst();
      return row === undefined ? null : { key: row.id, tie: row.id };
    },
    rows: (piece, limit): Promise<AuditRow[]> =>
      matching()
        .select(["id", "at", "actor", "action", "network_id", "object", "changes"])
        .where(inPiece(NEWEST_FIRST, piece))
        .orderBy("id", "desc")
        .limit(limit)
        .execute(),
    count: async (piece) => {
      const { total } = await matching()
        .select((eb) => eb.fn.countAll<number>().as("total"))
        .where(inPiece(NEWEST_FIRST, piece))
        .executeTakeFirstOrThrow();
      return Number(total);
    },
    placeOf: (row) => ({ key: row.id, tie: row.id }),
  };
  return list;
}

export async function listAudit(db: Db, query: AuditQuery): Promise<Page<AuditRecord>> {
  checkLimit(query.limit);
  const after = decodeCursor(LIST, query.cursor, "number", "number");
  const list = auditList(db, query);
  const request = { limit: query.limit, name: LIST, filtered: true, total: await countOf(list) };
  return pageOf(list, after, request, recordOf);
}

const insertAudit = prepared((db, entry: Omit<AuditTable, "id">) =>
  db
    .insertInto("audit")
    .values({
      at: entry.at,
      actor: entry.actor,
      action: entry.action,
      network_id: entry.network_id,
      object: entry.object,
      changes: entry.changes,
    })
    .returning("id"),
);
const trimAudit = prepared((db, { upTo }: { upTo: number }) =>
  db
    .deleteFrom("audit")
    .where("id", "in", (eb) =>
      eb.selectFrom("audit").select("id").where("id", "<=", upTo).orderBy("id").limit(MAX_TRIMMED),
    ),
);

/** Keeps at most `keep` entries, give or take what a smaller number than before still has to trim. */
export async function appendAudit(db: Db, entry: AuditEntry, keep: number): Promise<void> {
  const { rows } = await insertAudit(db, {
    at: entry.at,
    actor: entry.actor,
    action: entry.action,
    network_id: entry.networkId,
    object: entry.object,
    changes: formatJson(entry.changes),
  });
  await trimAudit(db, { upTo: rows[0]!.id - keep });
}
