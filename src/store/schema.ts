/**
 * The tables as they are after the last migration. Records are kept whole as JSON text; the other columns are taken out
 * of it for search, order and counts, and never read back into a record.
 *
 *   networks        one a network                   network_counts  how many members of each kind it has
 *   members         one a member, with how it was when it last asked for its configuration
 *   member_ips      one a managed address of a member
 *   audit           who changed what                join_tokens     whoever shows one becomes a member
 *   api_tokens      who may use the API from elsewhere
 *   markers         what has happened once          schema_version  which migrations have run
 *
 * Ids are lower-case hex of full length, so that texts order as numbers do; flags are 0 and 1; times are ms since the
 * epoch. Texts for search and order are in lower case and of bounded length.
 */
import type { Generated } from "kysely";

export interface NetworksTable {
  readonly id: string;
  readonly name_key: string;
  readonly created_at: number;
  readonly search: string;
  readonly description: string;
  readonly json: string;
}

/** Apart from `networks`, so that counting does not write the record again and again. */
export interface NetworkCountsTable {
  readonly network_id: string;
  readonly members: number;
  readonly authorized: number;
  readonly bridges: number;
  readonly strangers: number;
}

export interface MembersTable {
  readonly network_id: string;
  readonly address: string;
  /** `id` as the record spells it. */
  readonly spelled_id: string;
  /** Decimal: it may exceed 2^63. */
  readonly revision: string;
  readonly name_key: string;
  readonly created_at: number;
  readonly authorized: number;
  readonly bridge: number;
  /** Since when a stranger has been silent, or was made; null = no stranger. */
  readonly stranger_since: number | null;
  /** When its authorization ends; null = it has none, or it does not end. */
  readonly expires_at: number | null;
  /** 0 = never. */
  readonly last_seen: number;
  readonly physical_address: string;
  readonly search: string;
  readonly description: string;
  /** As set, whether it is authorized or not; 0 = never. */
  readonly authorization_expires_at: number;
  readonly json: string;
  /** Of its last request; null if it never asked. */
  readonly metadata: Uint8Array | null;
}

export interface MemberIpsTable {
  readonly network_id: string;
  /** 4 or 16 bytes. */
  readonly ip: Uint8Array;
  readonly address: string;
}

export interface AuditTable {
  readonly id: Generated<number>;
  readonly at: number;
  readonly actor: string;
  readonly action: string;
  readonly network_id: string;
  readonly object: string;
  readonly changes: string;
}

export interface JoinTokensTable {
  readonly id: string;
  readonly network_id: string;
  readonly hash: Uint8Array;
  readonly name: string;
  readonly created_at: number;
  readonly expires_at: number;
  readonly uses_left: number | null;
  readonly authorization_ms: number;
}

export interface ApiTokensTable {
  readonly id: string;
  readonly hash: Uint8Array;
  readonly name: string;
  readonly scope: string;
  readonly created_at: number;
  /** 0 = never. */
  readonly expires_at: number;
  /** 0 = never. */
  readonly last_used_at: number;
}

export interface MarkersTable {
  readonly name: string;
  readonly value: string;
}

export interface SchemaVersionTable {
  readonly version: number;
}

export interface Tables {
  readonly networks: NetworksTable;
  readonly network_counts: NetworkCountsTable;
  readonly members: MembersTable;
  readonly member_ips: MemberIpsTable;
  readonly audit: AuditTable;
  readonly join_tokens: JoinTokensTable;
  readonly api_tokens: ApiTokensTable;
  readonly markers: MarkersTable;
  readonly schema_version: SchemaVersionTable;
}
