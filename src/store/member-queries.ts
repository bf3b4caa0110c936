/** Members, asked one by one or by what they have. Lists for people are in member-list.ts. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Kysely } from "kysely";
import type { MemberRecord } from "../controller/records.ts";
import { type Address, formatAddress } from "../protocol/address.ts";
import { prepared } from "./prepared.ts";
import { checkLimit, MAX_PAGE } from "./query-error.ts";
import { MEMBER_RECORD, memberRecord, networkKey } from "./record-columns.ts";
import type { Tables } from "./schema.ts";

type Db = Kysely<Tables>;

const selectMember = prepared((db, { network, address }: { network: string; address: string }) =>
  db.selectFrom("members").select(MEMBER_RECORD).where("network_id", "=", network).where("address", "=", address),
);

export async function findMember(db: Db, networkId: bigint, address: Address): Promise<MemberRecord | null> {
  const { rows } = await selectMember(db, { network: networkKey(networkId), address: formatAddress(address) });
  return rows[0] === undefined ? null : memberRecord(rows[0]);
}

export async function listMemberRecords(
  db: Db,
  networkId: bigint,
  after: Address | null,
  limit: number,
): Promise<readonly MemberRecord[]> {
  checkLimit(limit);
  const rows = await db
    .selectFrom("members")
    .select(MEMBER_RECORD)
    .where("network_id", "=", networkKey(networkId))
    .$if(after !== null, (query) => query.where("address", ">", formatAddress(after!)))
    .orderBy("address")
    .limit(limit)
    .execute();
  return rows.map(memberRecord);
}

/** In pieces: a network may have more members than a statement should read at once. */
export async function listMemberRevisions(
  db: Db,
  networkId: bigint,
): Promise<readonly { readonly id: string; readonly revision: bigint }[]> {
  const found: { readonly id: string; readonly revision: bigint }[] = [];
  for (let after = ""; ; ) {
    const rows = await db
      .selectFrom("members")
      .select(["address", "spelled_id", "revision"])
      .where("network_id", "=", networkKey(networkId))
      .where("address", ">", after)
      .orderBy("address")
      .limit(MAX_PAGE)
      .execute();
    for (const row of rows) found.push({ id: row.spelled_id, revision: BigInt(row.revision) });
    if (rows.length < MAX_PAGE) return found;
    after = rows.at(-1)!.address;
    await nextTurn();
  }
}

export async function listBridges(db: Db, networkId: bigint, limit: number): Promise<readonly Address[]> {
  checkLimit(limit);
  const rows = await db
    .selectFrom("members")
    .select("address")
    .where("network_id", "=", networkKey(networkId))
    .where("bridge", "=", 1)
    .orderBy("address")
    .limit(limit)
    .execute();
  return rows.map((row) => Number.parseInt(row.address, 16));
}

const selectIpHolder = prepared((db, { network, ip, but }: { network: string; ip: Uint8Array; but: string }) =>
  db
    .selectFrom("member_ips")
    .select("address")
    .where("network_id", "=", network)
    .where("ip", "=", ip)
    .where("address", "!=", but)
    .limit(1),
);

export async function isIpTaken(db: Db, networkId: bigint, ip: Uint8Array, but: Address): Promise<boolean> {
  const { rows } = await selectIpHolder(db, { network: networkKey(networkId), ip, but: formatAddress(but) });
  return rows.length > 0;
}

export async function listExpired(db: Db, now: number, limit: number): Promise<readonly MemberRecord[]> {
  checkLimit(limit);
  const rows = await db
    .selectFrom("members")
    .select(MEMBER_RECORD)
    .where("expires_at", "<=", now)
    .orderBy("expires_at")
    .orderBy("network_id")
    .orderBy("address")
    .limit(limit)
    .execute();
  return rows.map(memberRecord);
}

export async function findNextExpiry(db: Db): Promise<number | null> {
  const row = await db
    .selectFrom("members")
    .select("expires_at")
    .where("expires_at", "is not", null)
    .orderBy("expires_at")
    .limit(1)
    .executeTakeFirst();
  return row?.expires_at ?? null;
}

export async function findOldestStranger(db: Db, networkId: bigint): Promise<MemberRecord | null> {
  const row = await db
    .selectFrom("members")
    .select(MEMBER_RECORD)
    .where("network_id", "=", networkKey(networkId))
    .where("stranger_since", "is not", null)
    .orderBy("stranger_since")
    .orderBy("address")
    .limit(1)
    .executeTakeFirst();
  return row === undefined ? null : memberRecord(row);
}
