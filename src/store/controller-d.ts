/**
 * `controller.d`, where the reference keeps its networks and members: taken over once into an empty database, and written
 * back when a home is handed back. Facts: controller.md §12.
 *
 * | file | object |
 * |---|---|
 * | `controller.d/network/<16 hex>.json` | network; the name has 21 characters, the `id` inside counts |
 * | `controller.d/network/<16 hex>/member/<10 hex>.json` | member; the name has 15 characters |
 *
 * Objects are compact JSON with sorted keys and no newline; what a record holds comes back byte for byte.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { ControllerStore } from "../controller/ports.ts";
import {
  type MemberRecord,
  type NetworkRecord,
  NO_MEMBER_OWN,
  NO_NETWORK_OWN,
  type Presence,
} from "../controller/records.ts";
import { formatJson, isJsonObject, type JsonObject } from "../json/json.ts";
import { parseJson } from "../json/json-parse.ts";
import { formatNetworkId, parseNetworkId } from "../network/network-id.ts";
import { encodeRequestMetadata } from "../network/request-metadata.ts";
import { formatAddress, parseAddress } from "../protocol/address.ts";
import { makeDirectory, readTextIfPresent, SECRET_MODE, writeIfChanged } from "./atomic-file.ts";

const DIRECTORY = "controller.d";
const NETWORK_NAME_LENGTH = 21;
const MEMBER_NAME_LENGTH = 15;
const DIRECTORY_MODE = 0o700;
/** The largest network has 1024 rules of some hundred bytes; this is far more. */
const MAX_RECORD_BYTES = 8 << 20;
const RECORDS_PER_TRANSACTION = 200;
const PAGE = 500;

/** What came of taking files over or writing them. */
export interface ControllerFilesReport {
  readonly networks: number;
  readonly members: number;
  /** Files that hold no record, each with the reason. */
  readonly skipped: readonly string[];
}

/** True if the home holds networks of the reference. */
export function hasControllerFiles(home: string): boolean {
  return existsSync(join(home, DIRECTORY, "network"));
}

/**
 * Reads every record into the store; one that is there already is replaced. The files are left as they are. `progress` is
 * told the records so far. Throws ConfigError if the disk refuses.
 */
export async function importControllerFiles(
  home: string,
  store: ControllerStore,
  seenAt: number | null = null,
  progress: (records: number) => void = () => {},
): Promise<ControllerFilesReport> {
  const root = join(home, DIRECTORY, "network");
  const skipped: string[] = [];
  const networks = await importAll(networksIn(root, skipped), (tx, record) => tx.putNetwork(record), store, progress);
  let members = 0;
  for (const id of networks) {
    const directory = join(root, formatNetworkId(id), "member");
    const records = membersIn(directory, id, skipped);
    const taken = await importAll(
      records,
      async (tx, record) => {
        await tx.putMember(record);
        const presence = seenAt === null ? null : presumed(record, seenAt);
        if (presence !== null) await tx.putPresences([presence]);
      },
      store,
      (count) => progress(networks.length + members + count),
    );
    members += taken.length;
  }
  return { networks: networks.length, members, skipped };
}

/** Writes every record of the store into `controller.d` of `home`, as the reference would have. Throws ConfigError. */
export async function exportControllerFiles(home: string, store: ControllerStore): Promise<ControllerFilesReport> {
  const root = join(home, DIRECTORY, "network");
  for (const path of [join(home, DIRECTORY), root, join(home, DIRECTORY, "trace")]) makeDirectory(path, DIRECTORY_MODE);
  let networks = 0;
  let members = 0;
  for (let after: bigint | null = null; ; ) {
    const ids: readonly bigint[] = await store.networkIds(after, PAGE);
    for (const id of ids) {
      const record = await store.network(id);
      if (record === null) continue;
      writeIfChanged(join(root, `${formatNetworkId(id)}.json`), formatJson(record.json), SECRET_MODE);
      networks++;
      members += await exportMembers(root, id, store);
    }
    if (ids.length < PAGE) break;
    after = ids.at(-1)!;
  }
  return { networks, members, skipped: [] };
}

async function exportMembers(root: string, id: bigint, store: ControllerStore): Promise<number> {
  const directory = join(root, formatNetworkId(id), "member");
  let written = 0;
  for (let after: number | null = null; ; ) {
    const records: readonly MemberRecord[] = await store.memberRecords(id, after, PAGE);
    if (records.length > 0 && written === 0) {
      makeDirectory(join(root, formatNetworkId(id)), DIRECTORY_MODE);
      makeDirectory(directory, DIRECTORY_MODE);
    }
    for (const { address, json } of records) {
      writeIfChanged(join(directory, `${formatAddress(address)}.json`), formatJson(json), SECRET_MODE);
      written++;
    }
    if (records.length < PAGE) return written;
    after = records.at(-1)!.address;
  }
}

/**
 * A member as it may be online now: its record tells the software that it last asked with, and a change has to reach it
 * before it asks again. Null if it is not authorized, or never asked.
 */
function presumed({ networkId, address, json }: MemberRecord, lastSeen: number): Presence | null {
  const number = (key: string) => (typeof json[key] === "number" ? Number(json[key]) : UNKNOWN_VERSION);
  const protocolVersion = number("vProto");
  if (json["authorized"] !== true || protocolVersion <= 0) return null;
  const metadata = encodeRequestMetadata({
    formatVersion: CONFIG_FORMAT_VERSION,
    vendor: 0,
    protocolVersion,
    versionMajor: Math.max(number("vMajor"), 0),
    versionMinor: Math.max(number("vMinor"), 0),
    versionRevision: Math.max(number("vRev"), 0),
    rulesEngineRevision: 1,
    platform: "",
    credential: "",
  });
  return { networkId, address, lastSeen, metadata, physicalAddress: "" };
}

const UNKNOWN_VERSION = -1;
const CONFIG_FORMAT_VERSION = 7;

type Transaction = Parameters<Parameters<ControllerStore["transaction"]>[0]>[0];

/** Puts records in batches; the ids of those that were put (of members: of their network). */
async function importAll<T extends NetworkRecord | MemberRecord>(
  records: Iterable<T>,
  put: (transaction: Transaction, record: T) => Promise<void>,
  store: ControllerStore,
  progress: (records: number) => void,
): Promise<bigint[]> {
  const taken: bigint[] = [];
  let batch: T[] = [];
  const flush = async () => {
    const writing = batch;
    batch = [];
    await store.transaction(async (transaction) => {
      for (const record of writing) await put(transaction, record);
    });
    for (const record of writing) taken.push("id" in record ? record.id : record.networkId);
    progress(taken.length);
  };
  for (const record of records) {
    batch.push(record);
    if (batch.length >= RECORDS_PER_TRANSACTION) await flush();
  }
  if (batch.length > 0) await flush();
  return taken;
}

function* networksIn(directory: string, skipped: string[]): Generator<NetworkRecord> {
  for (const { path, json } of objectsIn(directory, NETWORK_NAME_LENGTH, skipped)) {
    const id = typeof json["id"] === "string" ? parseNetworkId(json["id"]) : null;
    if (id === null) skipped.push(`${path}: "id" is not 16 hex digits`);
    else yield { id, json, own: NO_NETWORK_OWN };
  }
}

function* membersIn(directory: string, networkId: bigint, skipped: string[]): Generator<MemberRecord> {
  for (const { path, json } of objectsIn(directory, MEMBER_NAME_LENGTH, skipped)) {
    const address = typeof json["id"] === "string" ? parseAddress(json["id"].toLowerCase()) : null;
    if (address === null) skipped.push(`${path}: "id" is not 10 hex digits`);
    else yield { networkId, address, json, own: NO_MEMBER_OWN };
  }
}

function* objectsIn(
  directory: string,
  nameLength: number,
  skipped: string[],
): Generator<{ path: string; json: JsonObject }> {
  if (!existsSync(directory)) return;
  for (const name of readdirSync(directory).sort()) {
    const path = join(directory, name);
    if (!name.endsWith(".json")) continue;
    if (name.length !== nameLength) {
      skipped.push(`${path}: the name has not ${nameLength} characters`);
      continue;
    }
    const json = objectOf(path);
    if (json === null) skipped.push(`${path}: holds no JSON object`);
    else yield { path, json };
  }
}

function objectOf(path: string): JsonObject | null {
  try {
    const value = parseJson(readTextIfPresent(path, MAX_RECORD_BYTES) ?? "", true);
    return isJsonObject(value) ? value : null;
  } catch {
    return null;
  }
}
