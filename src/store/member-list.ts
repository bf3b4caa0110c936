/** Members of a network as a list: searched, filtered, ordered, page by page. */
import { type Kysely, type SelectQueryBuilder, type SqlBool, sql } from "kysely";
import type { MemberCounts, MemberListing, MemberOrder, MemberQuery, Page } from "../controller/ports.ts";
import { decodeCursor, type Place } from "./cursor.ts";
import { countMembers } from "./network-queries.ts";
import { PRESENCE, presenceOf } from "./presence-queries.ts";
import { checkLimit } from "./query-error.ts";
import { MEMBER_RECORD, memberRecord, networkKey } from "./record-columns.ts";
import type { MembersTable, Tables } from "./schema.ts";
import { countOf, inPiece, likePattern, type Order, type OrderedList, pageOf } from "./walk.ts";

type Db = Kysely<Tables>;
type Members = SelectQueryBuilder<Tables, "members", object>;

const ORDER_COLUMNS: Readonly<Record<MemberOrder, string>> = {
  address: "address",
  name: "name_key",
  created: "created_at",
  lastSeen: "last_seen",
};

type MemberListRow = Pick<MembersTable, (typeof MEMBER_RECORD)[number] | (typeof PRESENCE)[number]> & {
  readonly key: string | number;
};

type Filters = Pick<
  MemberQuery,
  "networkId" | "search" | "authorized" | "bridge" | "stranger" | "seenSince" | "notSeenSince"
>;

/** The conditions that an index of the order answers, so that the walk does not even see what they leave out. */
function indexed(members: Members, filters: Filters, order: MemberOrder): Members {
  let result = members.where("network_id", "=", networkKey(filters.networkId));
  if (order === "address") {
    if (filters.bridge === true) result = result.where("bridge", "=", 1);
    else if (filters.authorized !== null) result = result.where("authorized", "=", filters.authorized ? 1 : 0);
  }
  if (order === "lastSeen") result = seen(result, filters);
  return result;
}

function seen(members: Members, { seenSince, notSeenSince }: Filters): Members {
  let result = members;
  if (seenSince !== null) result = result.where("last_seen", ">=", seenSince);
  if (notSeenSince !== null) result = result.where("last_seen", "<", notSeenSince);
  return result;
}

/** All conditions. */
function matching(members: Members, filters: Filters, order: MemberOrder): Members {
  let result = seen(indexed(members, filters, order), filters);
  if (filters.authorized !== null) result = result.where("authorized", "=", filters.authorized ? 1 : 0);
  if (filters.bridge !== null) result = result.where("bridge", "=", filters.bridge ? 1 : 0);
  if (filters.stranger !== null) {
    result = result.where("stranger_since", filters.stranger ? "is not" : "is", null);
  }
  if (filters.search !== "") {
    const pattern = likePattern(filters.search.toLowerCase(), "anywhere");
    result = result.where(
      sql<SqlBool>`(search like ${pattern} escape '\\' or physical_address like ${pattern} escape '\\')`,
    );
  }
  return result;
}

function orderedMembers(db: Db, filters: Filters, name: MemberOrder, descending: boolean): OrderedList<MemberListRow> {
  const key = ORDER_COLUMNS[name];
  const order: Order = { key, tie: "address", descending };
  const direction = descending ? "desc" : "asc";
  const members = () => db.selectFrom("members") as Members;
  const list: OrderedList<MemberListRow> = {
    edge: async (after: Place | null, count: number) =>
      (await indexed(members(), filters, name)
        .select([sql<string | number>`${sql.ref(key)}`.as("key"), "address as tie"])
        .where(inPiece(order, { after, upTo: null }))
        .orderBy(sql.ref(key), direction)
        .orderBy("address", direction)
        .limit(1)
        .offset(count - 1)
        .executeTakeFirst()) ?? null,
    rows: (piece, limit) =>
      matching(members(), filters, name)
        .select([...MEMBER_RECORD, ...PRESENCE, sql<string | number>`${sql.ref(key)}`.as("key")])
        .where(inPiece(order, piece))
        .orderBy(sql.ref(key), direction)
        .orderBy("address", direction)
        .limit(limit)
        .execute(),
    count: async (piece) => {
      const { total } = await matching(members(), filters, name)
        .select((eb) => eb.fn.countAll<number>().as("total"))
        .where(inPiece(order, piece))
        .executeTakeFirstOrThrow();
      return Number(total);
    },
    placeOf: (row) => ({ key: row.key, tie: row.address }),
  };
  return list;
}

function total(db: Db, filters: Filters, counts: MemberCounts): Promise<number> | number {
  const seenOnly = filters.seenSince !== null || filters.notSeenSince !== null;
  if (filters.search === "" && !seenOnly && filters.stranger === null) {
    if (filters.authorized === null && filters.bridge === null) return counts.total;
    if (filters.bridge === null) return filters.authorized ? counts.authorized : counts.total - counts.authorized;
    if (filters.authorized === null) return filters.bridge ? counts.bridges : counts.total - counts.bridges;
  }
  return countOf(orderedMembers(db, filters, seenOnly ? "lastSeen" : "address", false));
}

export async function listMembers(db: Db, query: MemberQuery): Promise<Page<MemberListing>> {
  checkLimit(query.limit);
  const name = `members ${query.order} ${query.descending}`;
  const isNumber = query.order === "created" || query.order === "lastSeen";
  const after = decodeCursor(name, query.cursor, isNumber ? "number" : "string");
  const filtered =
    query.search !== "" ||
    [query.authorized, query.bridge, query.stranger, query.seenSince, query.notSeenSince].some(
      (filter) => filter !== null,
    );
  const list = orderedMembers(db, query, query.order, query.descending);
  const counts = await countMembers(db, query.networkId);
  const request = { limit: query.limit, name, filtered, total: await total(db, query, counts) };
  return pageOf(list, after, request, (row) => ({ record: memberRecord(row), presence: presenceOf(row) }));
}
