/** What changes members. Counts and addresses are kept in step with the records, in the same transaction. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { type Kysely, type RawBuilder, sql } from "kysely";
import type { MemberRecord } from "../controller/records.ts";
import { type Address, formatAddress } from "../protocol/address.ts";
import { prepared } from "./prepared.ts";
import { MAX_PAGE } from "./query-error.ts";
import { ipKey, MEMBER_ROW, type MemberRow, managedIps, memberRow, networkKey } from "./record-columns.ts";
import type { MembersTable, Tables } from "./schema.ts";

type Db = Kysely<Tables>;
type Counted = Pick<MembersTable, "authorized" | "bridge" | "stranger_since">;

type Key = { readonly network: string; readonly address: string };

const COUNTS = ["members", "authorized", "bridges", "strangers"] as const;
const NOBODY = [0, 0, 0, 0] as const;

/** What one member adds to the counts of its network, in the order of `COUNTS`. */
function countsOf(member: Counted | undefined): readonly [number, number, number, number] {
  if (member === undefined) return NOBODY;
  return [1, member.authorized, member.bridge, member.stranger_since === null ? 0 : 1];
}

type CountMoves = { readonly network: string } & Readonly<Record<(typeof COUNTS)[number], number>>;

const addCounts = prepared((db, moved: CountMoves) => {
  const set: Partial<Record<(typeof COUNTS)[number], RawBuilder<number>>> = {};
  for (const column of COUNTS) set[column] = sql<number>`${sql.ref(column)} + ${moved[column]}`;
  return db.updateTable("network_counts").set(set).where("network_id", "=", moved.network);
});

/** Throws if there is no such network. */
async function moveCounts(
  db: Db,
  network: string,
  before: Counted | undefined,
  after: Counted | undefined,
): Promise<void> {
  const old = countsOf(before);
  const moved = countsOf(after).map((count, index) => count - old[index]!);
  if (moved.every((count) => count === 0)) return;
  const [members, authorized, bridges, strangers] = moved as [number, number, number, number];
  const { numAffectedRows } = await addCounts(db, { network, members, authorized, bridges, strangers });
  if (numAffectedRows === 0n) throw new Error(`there is no network ${network} to have a member`);
}

const selectIps = prepared((db, { network, address }: Key) =>
  db.selectFrom("member_ips").select("ip").where("network_id", "=", network).where("address", "=", address),
);
const deleteIp = prepared((db, { network, address, ip }: Key & { ip: Uint8Array }) =>
  db.deleteFrom("member_ips").where("network_id", "=", network).where("ip", "=", ip).where("address", "=", address),
);
const insertIp = prepared((db, { network, address, ip }: Key & { ip: Uint8Array }) =>
  db.insertInto("member_ips").values({ network_id: network, ip, address }),
);

async function replaceIps(db: Db, network: string, address: string, ips: readonly Uint8Array[]): Promise<void> {
  const { rows } = await selectIps(db, { network, address });
  const wanted = new Map(ips.map((ip) => [ipKey(ip), ip]));
  for (const { ip } of rows) {
    if (wanted.delete(ipKey(ip))) continue;
    await deleteIp(db, { network, address, ip });
  }
  for (const ip of wanted.values()) await insertIp(db, { network, address, ip });
}

const selectCounted = prepared((db, { network, address }: Key) =>
  db
    .selectFrom("members")
    .select(["authorized", "bridge", "stranger_since", "last_seen"])
    .where("network_id", "=", network)
    .where("address", "=", address),
);
/** The columns out of `values`: the statement is made without knowing them. */
function columnsOf(values: MemberRow): MemberRow {
  return Object.fromEntries(MEMBER_ROW.map((column) => [column, values[column]])) as unknown as MemberRow;
}
const insertMember = prepared((db, values: MemberRow) =>
  db.insertInto("members").values({ ...columnsOf(values), last_seen: 0, physical_address: "", metadata: null }),
);
const updateMember = prepared((db, values: MemberRow) =>
  db
    .updateTable("members")
    .set(columnsOf(values))
    .where("network_id", "=", values.network_id)
    .where("address", "=", values.address),
);

/** Throws if there is no such network. */
export async function putMember(db: Db, record: MemberRecord): Promise<void> {
  const network = networkKey(record.networkId);
  const address = formatAddress(record.address);
  const [before] = (await selectCounted(db, { network, address })).rows;
  const row = memberRow(record, before?.last_seen ?? 0);
  await moveCounts(db, network, before, row);
  await (before === undefined ? insertMember(db, row) : updateMember(db, row));
  await replaceIps(db, network, address, managedIps(record.json));
}

export async function removeMember(db: Db, networkId: bigint, address: Address): Promise<void> {
  const network = networkKey(networkId);
  const key = formatAddress(address);
  const [before] = (await selectCounted(db, { network, address: key })).rows;
  if (before === undefined) return;
  await moveCounts(db, network, before, undefined);
  await db.deleteFrom("member_ips").where("network_id", "=", network).where("address", "=", key).execute();
  await db.deleteFrom("members").where("network_id", "=", network).where("address", "=", key).execute();
}

/** All members of a network, in pieces. The counts are left to whoever removes the network. */
export async function removeMembers(db: Db, networkId: bigint): Promise<void> {
  const network = networkKey(networkId);
  for (;;) {
    const rows = await db
      .selectFrom("members")
      .select("address")
      .where("network_id", "=", network)
      .orderBy("address")
      .limit(MAX_PAGE)
      .execute();
    const last = rows.at(-1)?.address;
    if (last === undefined) return;
    await db.deleteFrom("member_ips").where("network_id", "=", network).where("address", "<=", last).execute();
    await db.deleteFrom("members").where("network_id", "=", network).where("address", "<=", last).execute();
    await nextTurn();
  }
}
