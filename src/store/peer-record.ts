/**
 * A remembered peer as bytes: in our journal, and in the reference's `peers.d/<address>.peer`
 * (vl1-behaviour.md §3.1).
 *
 * | offset | size | field of a journal record |
 * |---|---|---|
 * | 0  | 1  | kind: 1 put, 2 remove |
 * | 1  | 71 | public identity, which begins with the address (remove: the 5 bytes of the address, and no more) |
 * | 72 | 8  | last receive, ms since the epoch |
 * | 80 | 8  | protocol version, major, minor, revision, 2 bytes each |
 * | 88 | 1  | number of paths, at most 64 |
 * | 89 | …  | per path: InetAddress of the peer, InetAddress of our side (or "no address"), last receive (8) |
 *
 * | offset | size | field of a reference's file |
 * |---|---|---|
 * | 0  | 1  | 2 |
 * | 1  | 71 | public identity |
 * | 72 | 8  | protocol version, major, minor, revision, 2 bytes each |
 * | 80 | 2  | number of addresses |
 * | 82 | …  | InetAddresses |
 */
import { type Identity, readIdentity, writeIdentity } from "../identity/identity.ts";
import type { CachedPath, CachedPeer, Millis } from "../node/ports.ts";
import { ADDRESS_BYTES, type Address, isReservedAddress, readAddress } from "../protocol/address.ts";
import { Reader, Writer } from "../protocol/bytes.ts";
import { MAX_PATHS_PER_PEER } from "../protocol/constants.ts";
import { accept, refuse, type Verdict } from "../protocol/errors.ts";
import { readInetAddress, writeInetAddress } from "../protocol/inet-address.ts";

const KIND_PUT = 1;
const KIND_REMOVE = 2;
/** Of the address, in records of both kinds. */
export const RECORD_ADDRESS_OFFSET = 1;
const LAST_RECEIVE_OFFSET = 72;
const MIN_PUT_BYTES = 89;
const REMOVE_BYTES = 1 + ADDRESS_BYTES;
const PEER_FILE_TYPE = 2;
/** The longest file that can be read: a reference never writes more than 64 addresses. */
export const MAX_PEER_FILE_BYTES = 82 + 19 * MAX_PATHS_PER_PEER;
/** The longest record: 64 IPv6 paths. */
export const MAX_RECORD_BYTES = MIN_PUT_BYTES + MAX_PATHS_PER_PEER * (19 + 19 + 8);

/** What a record says at a glance, without decoding its keys and paths. */
export interface RecordSummary {
  readonly address: Address;
  /** Null for a removal. */
  readonly lastReceive: Millis | null;
}

function writeVersions(writer: Writer, peer: CachedPeer): void {
  writer.u16(peer.protocolVersion);
  for (const part of peer.version) writer.u16(part);
}

function readVersions(reader: Reader): Pick<CachedPeer, "protocolVersion" | "version"> {
  return { protocolVersion: reader.u16(), version: [reader.u16(), reader.u16(), reader.u16()] };
}

function readUsableIdentity(reader: Reader): Identity | undefined {
  const identity = readIdentity(reader);
  return identity !== undefined && isReservedAddress(identity.address) ? undefined : identity;
}

function millis(value: Millis): bigint {
  return BigInt(Math.max(0, Math.floor(value)));
}

/** Appends the record of a peer; paths beyond the 64 first are left out. */
export function writePutRecord(writer: Writer, peer: CachedPeer): void {
  const paths = peer.paths.slice(0, MAX_PATHS_PER_PEER);
  writer.u8(KIND_PUT);
  writeIdentity(writer, peer.identity);
  writer.u64(millis(peer.lastReceive));
  writeVersions(writer, peer);
  writer.u8(paths.length);
  for (const path of paths) {
    writeInetAddress(writer, path.endpoint);
    writeInetAddress(writer, path.local);
    writer.u64(millis(path.lastReceive));
  }
}

/** Appends the record that forgets a peer. */
export function writeRemoveRecord(writer: Writer, address: Address): void {
  writer.u8(KIND_REMOVE).address(address);
}

/** What the record is about, or null if it is neither a put nor a removal. */
export function summariseRecord(record: Uint8Array): RecordSummary | null {
  if (record[0] === KIND_REMOVE && record.length === REMOVE_BYTES) {
    return { address: readAddress(record, RECORD_ADDRESS_OFFSET), lastReceive: null };
  }
  if (record[0] !== KIND_PUT || record.length < MIN_PUT_BYTES) return null;
  const reader = new Reader(record, LAST_RECEIVE_OFFSET);
  const lastReceive = reader.u32() * 0x100000000 + reader.u32();
  return { address: readAddress(record, RECORD_ADDRESS_OFFSET), lastReceive };
}

/** Decodes the record of a peer. Copies what it keeps. */
export function decodePutRecord(record: Uint8Array): Verdict<CachedPeer> {
  const reader = new Reader(record);
  if (reader.u8() !== KIND_PUT) return refuse("bad_value", 0);
  const identity = readUsableIdentity(reader);
  const lastReceive = Number(reader.u64());
  const versions = readVersions(reader);
  const count = reader.u8();
  if (identity === undefined || count > MAX_PATHS_PER_PEER) return refuse("bad_value", reader.offset);
  const paths: CachedPath[] = [];
  for (let i = 0; i < count && !reader.failed; i++) {
    const endpoint = readInetAddress(reader);
    const local = readInetAddress(reader);
    const pathReceive = Number(reader.u64());
    if (reader.failed) break;
    if (endpoint === undefined || endpoint === null || local === undefined) return refuse("bad_value", reader.offset);
    paths.push({ endpoint, local, lastReceive: pathReceive });
  }
  if (reader.failed) return reader.refusal();
  if (reader.remaining > 0) return refuse("too_long", reader.offset);
  return accept({ identity, ...versions, lastReceive, paths });
}

/** Decodes a file of `peers.d`; `lastReceive` is what the file does not say (its modification time). */
export function decodePeerFile(bytes: Uint8Array, lastReceive: Millis): Verdict<CachedPeer> {
  const reader = new Reader(bytes);
  if (reader.u8() !== PEER_FILE_TYPE) return refuse("bad_value", 0);
  const identity = readUsableIdentity(reader);
  const versions = readVersions(reader);
  const count = reader.u16();
  if (reader.failed) return reader.refusal();
  if (identity === undefined) return refuse("bad_value", 1);
  if (count > MAX_PATHS_PER_PEER) return refuse("too_long", 80);
  const paths: CachedPath[] = [];
  for (let i = 0; i < count && !reader.failed; i++) {
    const endpoint = readInetAddress(reader);
    if (endpoint === undefined) return refuse("bad_value", reader.offset);
    if (endpoint !== null) paths.push({ endpoint, local: null, lastReceive });
  }
  return reader.failed ? reader.refusal() : accept({ identity, ...versions, lastReceive, paths });
}

/** A file of `peers.d`. */
export function encodePeerFile(peer: CachedPeer): Uint8Array {
  const paths = peer.paths.slice(0, MAX_PATHS_PER_PEER);
  const writer = new Writer(128).u8(PEER_FILE_TYPE);
  writeIdentity(writer, peer.identity);
  writeVersions(writer, peer);
  writer.u16(paths.length);
  for (const path of paths) writeInetAddress(writer, path.endpoint);
  return writer.finish();
}
