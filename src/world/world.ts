/**
 * Worlds: the signed lists of root servers. A planet is where a client is born, a moon is added beside it; both
 * have the same layout and the same rule of succession. Facts: vl1-behaviour.md §6.1 (layout, what is signed) and
 * §6.2 (when a newer one is accepted).
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0   | 1  | type: 1 planet, 127 moon |
 * | 1   | 8  | world id |
 * | 9   | 8  | timestamp (ms since the epoch by convention; only its order matters) |
 * | 17  | 64 | public key that must sign the next version |
 * | 81  | 96 | signature |
 * | 177 | 1  | number of roots, at most 4 |
 * | 178 | …  | per root: identity (71), number of endpoints (1, at most 32), that many InetAddresses |
 * | end | 2  | moons only: length n of an attached dictionary, then n bytes that nobody reads |
 */
import { verify } from "../crypto/c25519.ts";
import { IDENTITY_BYTES, type Identity, readIdentity, writeIdentity } from "../identity/identity.ts";
import { Reader, Writer } from "../protocol/bytes.ts";
import { accept, type Refusal, refuse, type Verdict } from "../protocol/errors.ts";
import { type Endpoint, readInetAddress, writeInetAddress } from "../protocol/inet-address.ts";

export const WorldType = { PLANET: 1, MOON: 127 } as const;
export type WorldType = (typeof WorldType)[keyof typeof WorldType];

export const MAX_WORLD_BYTES = 8480;
export const MAX_ROOTS = 4;
export const MAX_ENDPOINTS_PER_ROOT = 32;

const UPDATE_KEY_BYTES = 64;
const SIGNATURE_BYTES = 96;
const SIGNATURE_OFFSET = 81;
const ROOTS_OFFSET = SIGNATURE_OFFSET + SIGNATURE_BYTES;

/** One root server: its public identity and the addresses at which clients find it without asking anybody. */
export interface WorldRoot {
  readonly identity: Identity;
  readonly stableEndpoints: readonly Endpoint[];
}

/** What a world says, before it is signed. */
export interface WorldContent {
  readonly type: WorldType;
  readonly id: bigint;
  /** Greater than that of every older version. */
  readonly timestamp: bigint;
  /** The 64-byte public key that must sign the next version. */
  readonly updatesMustBeSignedBy: Uint8Array;
  readonly roots: readonly WorldRoot[];
}

/** A world as it was decoded or forged. Immutable by convention; owns its bytes. */
export interface World extends WorldContent {
  /** 96 bytes; says nothing until `verifyWorld` is asked with a key. */
  readonly signature: Uint8Array;
  /** Exact wire form: what is served to clients and written to files. */
  readonly bytes: Uint8Array;
}

/** "planet" or "moon", as metrics, files and people say it. */
export function kindOf(world: WorldContent): "planet" | "moon" {
  return world.type === WorldType.PLANET ? "planet" : "moon";
}

/** Sixteen hex digits: the name of a moon's file, and how ids are shown. */
export function formatWorldId(id: bigint): string {
  return id.toString(16).padStart(16, "0");
}

/**
 * Decodes one world at `offset`; `length` is what it occupies, so that concatenated worlds can be walked. Copies
 * what it keeps. More than 4 roots, more than 32 endpoints or an identity with its secret are refused.
 */
export function decodeWorld(bytes: Uint8Array, offset = 0): Verdict<{ world: World; length: number }> {
  const reader = new Reader(bytes, offset);
  const type = reader.u8();
  if (!reader.failed && type !== WorldType.PLANET && type !== WorldType.MOON) return refuse("bad_value", offset);
  const id = reader.u64();
  const timestamp = reader.u64();
  const updatesMustBeSignedBy = new Uint8Array(reader.bytes(UPDATE_KEY_BYTES));
  const signature = new Uint8Array(reader.bytes(SIGNATURE_BYTES));
  const roots = readRoots(reader);
  if ("ok" in roots) return roots;
  if (type === WorldType.MOON) reader.skip(reader.u16());
  if (reader.failed) return reader.refusal();
  const length = reader.offset - offset;
  if (length > MAX_WORLD_BYTES) return refuse("too_long", offset);
  const world: World = {
    type: type === WorldType.PLANET ? WorldType.PLANET : WorldType.MOON,
    id,
    timestamp,
    updatesMustBeSignedBy,
    signature,
    roots,
    bytes: bytes.slice(offset, offset + length),
  };
  return accept({ world, length });
}

function readRoots(reader: Reader): WorldRoot[] | Refusal {
  const countAt = reader.offset;
  const count = reader.u8();
  if (count > MAX_ROOTS) return refuse("too_long", countAt);
  const roots: WorldRoot[] = [];
  for (let i = 0; i < count && !reader.failed; i++) {
    const identityAt = reader.offset;
    const identity = readIdentity(reader);
    if (reader.failed) break;
    if (identity === undefined || reader.offset - identityAt !== IDENTITY_BYTES) return refuse("bad_value", identityAt);
    const stableEndpoints = readEndpoints(reader);
    if ("ok" in stableEndpoints) return stableEndpoints;
    roots.push({ identity, stableEndpoints });
  }
  return reader.failed ? reader.refusal() : roots;
}

function readEndpoints(reader: Reader): Endpoint[] | Refusal {
  const countAt = reader.offset;
  const count = reader.u8();
  if (count > MAX_ENDPOINTS_PER_ROOT) return refuse("too_long", countAt);
  const endpoints: Endpoint[] = [];
  for (let i = 0; i < count && !reader.failed; i++) {
    const at = reader.offset;
    const endpoint = readInetAddress(reader);
    if (endpoint === undefined) return refuse("bad_value", at);
    if (endpoint !== null && !reader.failed) endpoints.push(endpoint);
  }
  return endpoints;
}

/**
 * Wire form of `content` with `signature` (96 bytes), roots and endpoints in the given order. Limits are the
 * forge's business (`forgeWorld`).
 */
export function encodeWorld(content: WorldContent, signature: Uint8Array): Uint8Array {
  const writer = new Writer(1024)
    .u8(content.type)
    .u64(content.id)
    .u64(content.timestamp)
    .bytes(content.updatesMustBeSignedBy)
    .bytes(signature)
    .u8(content.roots.length);
  for (const root of content.roots) {
    writeIdentity(writer, root.identity.publicOnly());
    writer.u8(root.stableEndpoints.length);
    for (const endpoint of root.stableEndpoints) writeInetAddress(writer, endpoint);
  }
  if (content.type === WorldType.MOON) writer.u16(0);
  return writer.finish().slice();
}

/** The bytes that a world's signature covers: everything but the signature itself, between two 8-byte marks. */
export function signedBytes(wire: Uint8Array): Uint8Array {
  const marked = new Uint8Array(wire.length - SIGNATURE_BYTES + 16);
  marked.fill(0x7f, 0, 8);
  marked.set(wire.subarray(0, SIGNATURE_OFFSET), 8);
  marked.set(wire.subarray(ROOTS_OFFSET), 8 + SIGNATURE_OFFSET);
  marked.fill(0xf7, marked.length - 8);
  return marked;
}

/** True if `world` was signed by the holder of `signer` (64-byte public key). */
export function verifyWorld(world: World, signer: Uint8Array): boolean {
  return verify(signer, signedBytes(world.bytes), world.signature);
}

/**
 * True if a node that holds `held` must replace it with `candidate`: same type and id, strictly newer, signed by
 * the key that the held version names.
 */
export function supersedes(held: World, candidate: World): boolean {
  return (
    held.type === candidate.type &&
    held.id === candidate.id &&
    candidate.timestamp > held.timestamp &&
    verifyWorld(candidate, held.updatesMustBeSignedBy)
  );
}
