/** How members were when they last asked for their configuration. */
import { type Kysely, sql } from "kysely";
import type { Presence } from "../controller/records.ts";
import { type Address, formatAddress } from "../protocol/address.ts";
import { prepared } from "./prepared.ts";
import { networkIdOf, networkKey } from "./record-columns.ts";
import type { MembersTable, Tables } from "./schema.ts";

type Db = Kysely<Tables>;

/** Columns of `members` that a presence is made of. */
export const PRESENCE = ["network_id", "address", "last_seen", "physical_address", "metadata"] as const;

/** Null if the member never asked. */
export function presenceOf(row: Pick<MembersTable, (typeof PRESENCE)[number]>): Presence | null {
  if (row.metadata === null) return null;
  return {
    networkId: networkIdOf(row.network_id),
    address: Number.parseInt(row.address, 16),
    lastSeen: row.last_seen,
    metadata: row.metadata,
    physicalAddress: row.physical_address,
  };
}

export async function findPresence(db: Db, networkId: bigint, address: Address): Promise<Presence | null> {
  const row = await db
    .selectFrom("members")
    .select(PRESENCE)
    .where("network_id", "=", networkKey(networkId))
    .where("address", "=", formatAddress(address))
    .executeTakeFirst();
  return row === undefined ? null : presenceOf(row);
}

export async function listPresences(
  db: Db,
  networkId: bigint,
  seenSince: number,
  limit: number,
): Promise<readonly Presence[]> {
  const rows = await db
    .selectFrom("members")
    .select(PRESENCE)
    .where("network_id", "=", networkKey(networkId))
    .where("last_seen", ">=", seenSince)
    .where("metadata", "is not", null)
    .orderBy("last_seen", "desc")
    .orderBy("address", "desc")
    .limit(limit)
    .execute();
  return rows.map((row) => presenceOf(row)!);
}

interface PresenceChange extends Readonly<Record<string, string | number | Uint8Array | null>> {
  readonly network: string;
  readonly address: string;
  readonly lastSeen: number;
  readonly metadata: Uint8Array;
  readonly physicalAddress: string;
}

const updatePresence = prepared((db, change: PresenceChange) =>
  db
    .updateTable("members")
    .set({
      last_seen: change.lastSeen,
      metadata: change.metadata,
      physical_address: change.physicalAddress,
      stranger_since: sql<
        number | null
      >`case when stranger_since < ${change.lastSeen} then ${change.lastSeen} else stranger_since end`,
    })
    .where("network_id", "=", change.network)
    .where("address", "=", change.address),
);

/** A presence of somebody who is no member any more is left out: it would stay for ever. */
export async function putPresences(db: Db, presences: readonly Presence[]): Promise<void> {
  for (const { networkId, address, lastSeen, metadata, physicalAddress } of presences) {
    const network = networkKey(networkId);
    await updatePresence(db, { network, address: formatAddress(address), lastSeen, metadata, physicalAddress });
  }
}
