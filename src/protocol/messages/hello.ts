/**
 * HELLO (verb 1), any node to any node, suite 0, never compressed; and its answer OK(HELLO).
 * Facts: vl1-packets.md §5.2; vl1-identity-crypto.md §7 (the encrypted section).
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0  | 1 | protocol version | 12 now; below 4 is refused by the node, not here |
 * | 1  | 1 | major | software version |
 * | 2  | 1 | minor | |
 * | 3  | 2 | revision | |
 * | 5  | 8 | timestamp | ms since the epoch at the sender, echoed in OK |
 * | 13 | 71 | identity | of the sender, without secret |
 * | 84 | 1/7/19 | sent to | InetAddress this datagram is sent to; none in a relayed HELLO |
 * | +0 | 8 | planet id | |
 * | +8 | 8 | planet timestamp | |
 * | +16 | … | moons | encrypted to the end of the packet, see `decodeHelloMoons` |
 *
 * Old senders end after the identity or after the address; `decodeHello` reports the missing parts as null and 0.
 */
import { Reader, Writer } from "../bytes.ts";
import { accept, refuse, type Verdict } from "../errors.ts";
import { readIdentityBytes } from "../identity-bytes.ts";
import { type Endpoint, readInetAddress, writeInetAddress } from "../inet-address.ts";

const IDENTITY_OFFSET = 13;
const WORLD_REFERENCE_BYTES = 16;
const MOON_TYPE = 127;
const MOON_ENTRY_BYTES = 17;
const MAX_MOONS = 0xffff;

/** A world the sender holds; timestamp 0 for a moon that it wants and has not got. */
export interface WorldReference {
  readonly id: bigint;
  readonly timestamp: bigint;
}

export interface Hello {
  readonly protocolVersion: number;
  readonly versionMajor: number;
  readonly versionMinor: number;
  readonly versionRevision: number;
  /** Milliseconds since the epoch at the sender. */
  readonly timestamp: bigint;
  /** The sender's identity, 71 bytes without secret. When decoded: a view of the packet. */
  readonly identity: Uint8Array;
  /** The physical address the sender aimed at; null if it did not know one. */
  readonly sentTo: Endpoint | null;
  readonly planetId: bigint;
  readonly planetTimestamp: bigint;
  readonly moons: readonly WorldReference[];
}

/**
 * The payload in the clear, and the in-payload offset from which it must still be masked (`cipherHelloField`, at
 * packet offset 28 + encryptedFrom) before the packet is armoured.
 */
export function encodeHello(hello: Hello): { payload: Uint8Array; encryptedFrom: number } {
  const writer = new Writer(160);
  writer.u8(hello.protocolVersion).u8(hello.versionMajor).u8(hello.versionMinor).u16(hello.versionRevision);
  writer.u64(hello.timestamp).bytes(hello.identity);
  writeInetAddress(writer, hello.sentTo);
  writer.u64(hello.planetId).u64(hello.planetTimestamp);
  const encryptedFrom = writer.length;
  writer.bytes(encodeHelloMoons(hello.moons));
  return { payload: writer.finish(), encryptedFrom };
}

/**
 * Decodes everything but the moons, which need the sender's key: `encryptedFrom` is the in-payload offset of that
 * section, −1 if there is none. A reserved type of address counts as none.
 */
export function decodeHello(payload: Uint8Array): Verdict<{ hello: Hello; encryptedFrom: number }> {
  const reader = new Reader(payload);
  const protocolVersion = reader.u8();
  const versionMajor = reader.u8();
  const versionMinor = reader.u8();
  const versionRevision = reader.u16();
  const timestamp = reader.u64();
  const identity = readIdentityBytes(reader);
  if (reader.failed) return reader.refusal();
  if (identity === undefined) return refuse("bad_value", IDENTITY_OFFSET);

  const sentToOffset = reader.offset;
  const sentTo = reader.remaining > 0 ? readInetAddress(reader) : null;
  if (sentTo === undefined) return refuse("bad_value", sentToOffset);
  if (reader.failed) return reader.refusal();

  const hasPlanet = reader.remaining >= WORLD_REFERENCE_BYTES;
  const planetId = hasPlanet ? reader.u64() : 0n;
  const planetTimestamp = hasPlanet ? reader.u64() : 0n;
  const hello = {
    protocolVersion,
    versionMajor,
    versionMinor,
    versionRevision,
    timestamp,
    identity,
    sentTo,
    planetId,
    planetTimestamp,
    moons: [],
  };
  return accept({ hello, encryptedFrom: hasPlanet && reader.remaining > 0 ? reader.offset : -1 });
}

/**
 * The moon section in the clear: 2 bytes count, then per moon 1 byte world type (127), 8 bytes id, 8 bytes
 * timestamp. The two bytes are written for no moon, too.
 */
export function encodeHelloMoons(moons: readonly WorldReference[]): Uint8Array {
  if (moons.length > MAX_MOONS) throw new RangeError(`${moons.length} moons do not fit a HELLO`);
  const writer = new Writer(2 + moons.length * MOON_ENTRY_BYTES).u16(moons.length);
  for (const moon of moons) writer.u8(MOON_TYPE).u64(moon.id).u64(moon.timestamp);
  return writer.finish();
}

/** Decodes the unmasked moon section. Entries of another type are skipped, bytes behind the list are ignored. */
export function decodeHelloMoons(section: Uint8Array): Verdict<WorldReference[]> {
  const reader = new Reader(section);
  const moons: WorldReference[] = [];
  for (let left = reader.u16(); left > 0 && !reader.failed; left--) {
    const type = reader.u8();
    const id = reader.u64();
    const timestamp = reader.u64();
    if (type === MOON_TYPE && !reader.failed) moons.push({ id, timestamp });
  }
  return reader.failed ? reader.refusal() : accept(moons);
}

/**
 * The body of OK(HELLO), behind the 9 bytes every OK begins with.
 *
 * | offset in body | size | field | meaning |
 * |---|---|---|---|
 * | 0  | 8 | timestamp | of the HELLO, echoed |
 * | 8  | 1 | protocol version | of the responder |
 * | 9  | 1 | major | |
 * | 10 | 1 | minor | |
 * | 11 | 2 | revision | |
 * | 13 | 1/7/19 | surface | InetAddress the HELLO came from, as the responder saw it |
 * | +0 | 2 | length | of the worlds, 0 if none |
 * | +2 | … | worlds | binary worlds end to end, the planet first (vl1-behaviour.md §6) |
 */
export interface OkHello {
  readonly timestamp: bigint;
  readonly protocolVersion: number;
  readonly versionMajor: number;
  readonly versionMinor: number;
  readonly versionRevision: number;
  readonly surface: Endpoint | null;
  /** Concatenated binary worlds; a view when decoded, empty if there are none. */
  readonly worlds: Uint8Array;
}

/** Encodes the body; the caller has set the surface's port to 0 for requesters below protocol 5. */
export function encodeOkHello(ok: OkHello): Uint8Array {
  if (ok.worlds.length > 0xffff) throw new RangeError(`${ok.worlds.length} bytes of worlds do not fit an OK`);
  const writer = new Writer(64 + ok.worlds.length);
  writer.u64(ok.timestamp).u8(ok.protocolVersion).u8(ok.versionMajor).u8(ok.versionMinor).u16(ok.versionRevision);
  writeInetAddress(writer, ok.surface);
  return writer.u16(ok.worlds.length).bytes(ok.worlds).finish();
}

/** Decodes the body. As in HELLO an old responder may end before the surface or before the worlds. */
export function decodeOkHello(body: Uint8Array): Verdict<OkHello> {
  const reader = new Reader(body);
  const timestamp = reader.u64();
  const protocolVersion = reader.u8();
  const versionMajor = reader.u8();
  const versionMinor = reader.u8();
  const versionRevision = reader.u16();
  const surfaceOffset = reader.offset;
  const surface = reader.remaining > 0 ? readInetAddress(reader) : null;
  if (surface === undefined) return refuse("bad_value", surfaceOffset);
  const worlds = reader.bytes(reader.remaining > 0 ? reader.u16() : 0);
  if (reader.failed) return reader.refusal();
  return accept({ timestamp, protocolVersion, versionMajor, versionMinor, versionRevision, surface, worlds });
}
