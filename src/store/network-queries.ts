/** Networks: what is asked of them and what changes them. */
import { type Kysely, type SqlBool, sql } from "kysely";
import type { MemberCounts, NetworkListing, NetworkOrder, NetworkQuery, Page } from "../controller/ports.ts";
import type { NetworkRecord } from "../controller/records.ts";
import { decodeCursor, type Place } from "./cursor.ts";
import { prepared } from "./prepared.ts";
import { checkLimit } from "./query-error.ts";
import { NETWORK_RECORD, networkIdOf, networkKey, networkRecord, networkRow } from "./record-columns.ts";
import type { NetworkCountsTable, NetworksTable, Tables } from "./schema.ts";
import { countOf, inPiece, likePattern, type Order, type OrderedList, pageOf } from "./walk.ts";

type Db = Kysely<Tables>;

const ORDER_COLUMNS: Readonly<Record<NetworkOrder, readonly [key: string, tie: string]>> = {
  id: ["networks.id", "networks.id"],
  name: ["networks.name_key", "networks.id"],
  created: ["networks.created_at", "networks.id"],
  members: ["network_counts.members", "network_counts.network_id"],
};

const selectNetwork = prepared((db, { id }: { id: string }) =>
  db.selectFrom("networks").select(NETWORK_RECORD).where("id", "=", id),
);

export async function findNetwork(db: Db, id: bigint): Promise<NetworkRecord | null> {
  const { rows } = await selectNetwork(db, { id: networkKey(id) });
  return rows[0] === undefined ? null : networkRecord(rows[0]);
}

export async function listNetworkIds(db: Db, after: bigint | null, limit: number): Promise<readonly bigint[]> {
  checkLimit(limit);
  const rows = await db
    .selectFrom("networks")
    .select("id")
    .$if(after !== null, (query) => query.where("id", ">", networkKey(after!)))
    .orderBy("id")
    .limit(limit)
    .execute();
  return rows.map((row) => networkIdOf(row.id));
}

export async function countNetworks(db: Db): Promise<number> {
  const { total } = await db
    .selectFrom("networks")
    .select((eb) => eb.fn.countAll<number>().as("total"))
    .executeTakeFirstOrThrow();
  return Number(total);
}

export async function countAllMembers(db: Db): Promise<number> {
  const { total } = await db
    .selectFrom("network_counts")
    .select((eb) => eb.fn.sum<number | null>("members").as("total"))
    .executeTakeFirstOrThrow();
  return Number(total ?? 0);
}

const selectCounts = prepared((db, { network }: { network: string }) =>
  db
    .selectFrom("network_counts")
    .select(["members", "authorized", "bridges", "strangers"])
    .where("network_id", "=", network),
);

export async function countMembers(db: Db, networkId: bigint): Promise<MemberCounts> {
  const [row] = (await selectCounts(db, { network: networkKey(networkId) })).rows;
  if (row === undefined) return { total: 0, authorized: 0, bridges: 0, strangers: 0 };
  return { total: row.members, authorized: row.authorized, bridges: row.bridges, strangers: row.strangers };
}

type NetworkListRow = Pick<NetworksTable, "id" | "description" | "json"> &
  Omit<NetworkCountsTable, "network_id"> &
  Place;

function orderedNetworks(db: Db, search: string, name: NetworkOrder, descending: boolean): OrderedList<NetworkListRow> {
  const [key, tie] = ORDER_COLUMNS[name];
  const order: Order = { key, tie, descending };
  const direction = descending ? "desc" : "asc";
  const ordered = () =>
    db.selectFrom("networks").innerJoin("network_counts", "network_counts.network_id", "networks.id");
  const matching = () =>
    search === ""
      ? ordered()
      : ordered().where(sql<SqlBool>`search like ${likePattern(search, "anywhere")} escape '\\'`);
  const place = [sql<string | number>`${sql.ref(key)}`.as("key"), sql<string>`${sql.ref(tie)}`.as("tie")] as const;
  const counts = ["members", "authorized", "bridges", "strangers"] as const;
  const list: OrderedList<NetworkListRow> = {
    edge: async (after: Place | null, count: number) =>
      (await ordered()
        .select(place)
        .where(inPiece(order, { after, upTo: null }))
        .orderBy(sql.ref(key), direction)
        .orderBy(sql.ref(tie), direction)
        .limit(1)
        .offset(count - 1)
        .executeTakeFirst()) ?? null,
    rows: (piece, limit) =>
      matching()
        .select([...NETWORK_RECORD, ...counts, ...place])
        .where(inPiece(order, piece))
        .orderBy(sql.ref(key), direction)
        .orderBy(sql.ref(tie), direction)
        .limit(limit)
        .execute(),
    count: async (piece) => {
      const query = matching().where(inPiece(order, piece));
      const { total } = await query.select((eb) => eb.fn.countAll<number>().as("total")).executeTakeFirstOrThrow();
      return Number(total);
    },
    placeOf: (row) => ({ key: row.key, tie: row.tie }),
  };
  return list;
}

export async function listNetworks(db: Db, query: NetworkQuery): Promise<Page<NetworkListing>> {
  checkLimit(query.limit);
  const name = `networks ${query.order} ${query.descending}`;
  const isNumber = query.order === "created" || query.order === "members";
  const after = decodeCursor(name, query.cursor, isNumber ? "number" : "string");
  const search = query.search.toLowerCase();
  const filtered = search !== "";
  const total = filtered ? await countOf(orderedNetworks(db, search, "id", false)) : await countNetworks(db);
  const list = orderedNetworks(db, search, query.order, query.descending);
  return pageOf(list, after, { limit: query.limit, name, filtered, total }, (row) => ({
    record: networkRecord(row),
    counts: { total: row.members, authorized: row.authorized, bridges: row.bridges, strangers: row.strangers },
  }));
}

export async function putNetwork(db: Db, record: NetworkRecord): Promise<void> {
  const { id, ...columns } = networkRow(record);
  await db
    .insertInto("networks")
    .values({ id, ...columns })
    .onConflict((conflict) => conflict.column("id").doUpdateSet(columns))
    .execute();
  await db
    .insertInto("network_counts")
    .values({ network_id: id, members: 0, authorized: 0, bridges: 0, strangers: 0 })
    .onConflict((conflict) => conflict.column("network_id").doNothing())
    .execute();
}

/** The network's own rows; its members have gone before. */
export async function removeNetwork(db: Db, id: bigint): Promise<void> {
  const key = networkKey(id);
  await db.deleteFrom("join_tokens").where("network_id", "=", key).execute();
  await db.deleteFrom("network_counts").where("network_id", "=", key).execute();
  await db.deleteFrom("networks").where("id", "=", key).execute();
}
