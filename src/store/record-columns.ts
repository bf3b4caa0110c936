/**
 * Records to rows and back. What the columns beside `json` hold is read loosely, because records come from files that
 * anybody may have written; the record itself comes back as it was (controller.md §2, §3, §6).
 */
import type { MemberRecord, NetworkRecord } from "../controller/records.ts";
import { ExactNumber, formatJson, isJsonObject, type JsonObject, type JsonValue } from "../json/json.ts";
import { parseJson } from "../json/json-parse.ts";
import { formatAddress, parseAddress } from "../protocol/address.ts";
import { parseIp } from "../protocol/inet-address.ts";
import type { MembersTable, NetworksTable } from "./schema.ts";

/** Characters that order a list by name; what follows is left out of account. */
const NAME_KEY_CHARS = 128;
/** Characters of a name or description that are searched. */
const SEARCH_CHARS = 1024;
const MAX_SEARCHED_IPS = 64;
/** More than anybody can be given (controller.md §4: 32 are sent). */
const MAX_INDEXED_IPS = 1024;
const TWO_POW_64 = 1n << 64n;

/** Sixteen lower-case hex digits. */
export function networkKey(id: bigint): string {
  return id.toString(16).padStart(16, "0");
}

export function networkIdOf(key: string): bigint {
  return BigInt(`0x${key}`);
}

/** Column of a text as lists order it. */
function nameKey(value: JsonValue | undefined): string {
  return typeof value === "string" ? value.slice(0, NAME_KEY_CHARS).toLowerCase() : "";
}

function searchText(parts: readonly (JsonValue | undefined)[]): string {
  const texts = parts.map((part) => (typeof part === "string" ? part.slice(0, SEARCH_CHARS) : ""));
  return texts.join("\n").toLowerCase();
}

/** An integer of a record as JavaScript can order it; 0 if it is none. */
function timeOf(value: JsonValue | undefined): number {
  const number = Number(value instanceof ExactNumber ? value.text : typeof value === "object" ? 0 : value);
  return Number.isFinite(number) && number > 0 ? Math.min(Math.trunc(number), Number.MAX_SAFE_INTEGER) : 0;
}

function revisionOf(value: JsonValue | undefined): bigint {
  const text = value instanceof ExactNumber ? value.text : String(value ?? "");
  const digits = /^\d{1,20}/.exec(text)?.[0];
  const revision = digits === undefined ? 0n : BigInt(digits);
  return revision < TWO_POW_64 ? revision : 0n;
}

/** True, 1, "true" and "1" are true, as the reference reads them. */
function flagOf(value: JsonValue | undefined): 0 | 1 {
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value === "string") return /^[tT1]/.test(value) ? 1 : 0;
  if (value instanceof ExactNumber || typeof value === "bigint") return 1;
  return typeof value === "number" && value !== 0 ? 1 : 0;
}

function textsOf(value: JsonValue | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((item: JsonValue) => typeof item === "string") : [];
}

/** Managed addresses of a member's record, each once; what is no address is left out, bits are cut off. */
export function managedIps(json: JsonObject): readonly Uint8Array[] {
  const found = new Map<string, Uint8Array>();
  for (const text of textsOf(json["ipAssignments"])) {
    const ip = parseIp(text.split("/", 1)[0]!);
    if (ip !== null && found.size < MAX_INDEXED_IPS) found.set(ipKey(ip), ip);
  }
  return [...found.values()];
}

/** Equal for equal addresses. */
export function ipKey(ip: Uint8Array): string {
  return Buffer.from(ip.buffer, ip.byteOffset, ip.length).toString("hex");
}

/** The object of a `json` column. Throws if the database holds something else. */
export function storedObject(text: string, what: string): JsonObject {
  const value = parseJson(text, true);
  if (!isJsonObject(value)) throw new Error(`the database holds no object for ${what}`);
  return value;
}

export function networkRow({ id, json, own }: NetworkRecord): NetworksTable {
  const key = networkKey(id);
  return {
    id: key,
    name_key: nameKey(json["name"]),
    created_at: timeOf(json["creationTime"]),
    search: searchText([key, json["name"], own.description]),
    description: own.description,
    json: formatJson(json),
  };
}

/** Columns of `networks` that a record is made of. */
export const NETWORK_RECORD = ["networks.id", "networks.description", "networks.json"] as const;

export function networkRecord(row: Pick<NetworksTable, "id" | "description" | "json">): NetworkRecord {
  const json = storedObject(row.json, `network ${row.id}`);
  return { id: networkIdOf(row.id), json, own: { description: row.description } };
}

/** What `putMember` writes; how the member was last seen is written by others. */
export const MEMBER_ROW = [
  "network_id",
  "address",
  "spelled_id",
  "revision",
  "name_key",
  "created_at",
  "authorized",
  "bridge",
  "stranger_since",
  "expires_at",
  "search",
  "description",
  "authorization_expires_at",
  "json",
] as const;
export type MemberRow = Pick<MembersTable, (typeof MEMBER_ROW)[number]>;

/** `lastSeen` is what the store knows already; 0 = never. */
export function memberRow({ networkId, address, json, own }: MemberRecord, lastSeen: number): MemberRow {
  const key = formatAddress(address);
  const { id } = json;
  const createdAt = timeOf(json["creationTime"]);
  const authorized = flagOf(json["authorized"]);
  const expiresAt = own.authorizationExpiresAt;
  return {
    network_id: networkKey(networkId),
    address: key,
    spelled_id: typeof id === "string" && parseAddress(id) === address ? id : key,
    revision: String(revisionOf(json["revision"])),
    name_key: nameKey(json["name"]),
    created_at: createdAt,
    authorized,
    bridge: flagOf(json["activeBridge"]),
    stranger_since: own.stranger ? Math.max(createdAt, lastSeen) : null,
    expires_at: authorized === 1 && expiresAt > 0 ? expiresAt : null,
    search: searchText([
      key,
      json["name"],
      own.description,
      ...textsOf(json["ipAssignments"]).slice(0, MAX_SEARCHED_IPS),
    ]),
    description: own.description,
    authorization_expires_at: expiresAt,
    json: formatJson(json),
  };
}

/** Columns of `members` that a record is made of. */
export const MEMBER_RECORD = [
  "network_id",
  "address",
  "description",
  "authorization_expires_at",
  "stranger_since",
  "json",
] as const;

export function memberRecord(row: Pick<MembersTable, (typeof MEMBER_RECORD)[number]>): MemberRecord {
  return {
    networkId: networkIdOf(row.network_id),
    address: Number.parseInt(row.address, 16),
    json: storedObject(row.json, `member ${row.address} of network ${row.network_id}`),
    own: {
      description: row.description,
      authorizationExpiresAt: row.authorization_expires_at,
      stranger: row.stranger_since !== null,
    },
  };
}
