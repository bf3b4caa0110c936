/**
 * Making worlds: limits checked with words an operator understands, roots and endpoints sorted as the reference's
 * generator sorts them (so that equal input gives equal bytes), then signed. Facts: vl1-behaviour.md §6.1, §6.3.
 */
import { publicFromSecret, sign } from "../crypto/c25519.ts";
import { formatAddress } from "../protocol/address.ts";
import { PUBLIC_PLANET_ID } from "../protocol/constants.ts";
import { type Endpoint, endpointsEqual, formatEndpoint, IpScope, ipScope } from "../protocol/inet-address.ts";
import {
  encodeWorld,
  formatWorldId,
  MAX_ENDPOINTS_PER_ROOT,
  MAX_ROOTS,
  signedBytes,
  type World,
  type WorldContent,
  type WorldRoot,
  WorldType,
} from "./world.ts";

/** The other id that clients treat specially, beside the public planet's (vl1-behaviour.md §6.1). */
export const RESERVED_WORLD_ID = 227883110n;
const KEY_BYTES = 64;
const MAX_U64 = 0xffff_ffff_ffff_ffffn;

/** An operator asked for a world that cannot be. The message says what to change. */
export class WorldError extends Error {
  override readonly name = "WorldError";
}

/** A world's signing key pair: Curve25519 and Ed25519 halves, 64 bytes each. Whoever holds it decides what comes next. */
export interface SigningKey {
  readonly public: Uint8Array;
  readonly secret: Uint8Array;
}

export interface ForgeInput extends WorldContent {
  readonly signingKey: SigningKey;
}

/** A fresh signing key; `random` fills its argument with random bytes. */
export function generateSigningKey(random: (into: Uint8Array) => void): SigningKey {
  const secret = new Uint8Array(KEY_BYTES);
  random(secret);
  return { public: publicFromSecret(secret), secret };
}

/** True for ids that no private world may have: 0, the public planet's and one more reserved one. */
export function isReservedWorldId(id: bigint): boolean {
  return id === 0n || id === PUBLIC_PLANET_ID || id === RESERVED_WORLD_ID;
}

/** A random 64-bit id for a private planet. Clients tell planets apart by it, so it is never a reserved one. */
export function randomPlanetId(random: (into: Uint8Array) => void): bigint {
  const bytes = new Uint8Array(8);
  for (;;) {
    random(bytes);
    const id = new DataView(bytes.buffer).getBigUint64(0);
    if (!isReservedWorldId(id)) return id;
  }
}

/**
 * Sorts, checks and signs. Repeated endpoints of a root are written once. Throws WorldError when the world would
 * exceed a limit of the protocol or is no world at all (no root, id 0, a root listed twice, an unusable endpoint).
 */
export function forgeWorld(input: ForgeInput): World {
  const roots = input.roots
    .map((root) => ({ identity: root.identity.publicOnly(), stableEndpoints: sortedEndpoints(root) }))
    .sort(
      (a, b) => a.identity.address - b.identity.address || compareBytes(a.identity.publicKey, b.identity.publicKey),
    );
  const content: WorldContent = {
    type: input.type,
    id: input.id,
    timestamp: input.timestamp,
    updatesMustBeSignedBy: new Uint8Array(input.updatesMustBeSignedBy),
    roots,
  };
  checkContent(content);
  checkKey(input.signingKey.public, "the signing key's public half");
  checkKey(input.signingKey.secret, "the signing key's secret half");
  const unsigned = encodeWorld(content, new Uint8Array(96));
  const signature = sign(input.signingKey.secret, input.signingKey.public, signedBytes(unsigned));
  return { ...content, signature, bytes: encodeWorld(content, signature) };
}

function checkContent(content: WorldContent): void {
  if (content.id <= 0n || content.id > MAX_U64) throw new WorldError("a world id is a 64-bit number other than 0");
  if (content.timestamp < 0n || content.timestamp > MAX_U64) throw new WorldError("a timestamp has 64 bits");
  checkKey(content.updatesMustBeSignedBy, "the key that must sign updates");
  if (content.roots.length === 0) throw new WorldError("a world needs at least one root");
  if (content.roots.length > MAX_ROOTS) {
    throw new WorldError(`a world holds at most ${MAX_ROOTS} roots, and ${content.roots.length} were given`);
  }
  let previous = -1;
  for (const root of content.roots) {
    const address = formatAddress(root.identity.address);
    if (root.identity.address === previous) throw new WorldError(`root ${address} is listed twice`);
    previous = root.identity.address;
    const count = root.stableEndpoints.length;
    if (count > MAX_ENDPOINTS_PER_ROOT) {
      throw new WorldError(
        `a root holds at most ${MAX_ENDPOINTS_PER_ROOT} endpoints, and ${count} were given for ${address}`,
      );
    }
    for (const endpoint of root.stableEndpoints) checkEndpoint(endpoint, address);
  }
  if (content.type === WorldType.MOON && content.id >> 40n !== 0n) {
    // Clients name a moon by ten digits when they orbit it (cli.md §2), so a longer id could not be asked for.
    throw new WorldError(`moon id ${formatWorldId(content.id)} is longer than ten hex digits: clients cannot orbit it`);
  }
}

function checkEndpoint(endpoint: Endpoint, address: string): void {
  const scope = ipScope(endpoint.ip);
  const text = formatEndpoint(endpoint);
  if (endpoint.port === 0) throw new WorldError(`endpoint ${text} of ${address} has no port`);
  if (scope === IpScope.NONE || scope === IpScope.MULTICAST) {
    throw new WorldError(`endpoint ${text} of ${address} is not an address that clients can reach`);
  }
}

function checkKey(key: Uint8Array, name: string): void {
  if (key.length !== KEY_BYTES) throw new WorldError(`${name} has ${key.length} bytes instead of ${KEY_BYTES}`);
}

function sortedEndpoints(root: WorldRoot): Endpoint[] {
  const sorted = [...root.stableEndpoints].sort(compareEndpoints);
  return sorted.filter((endpoint, index) => index === 0 || !endpointsEqual(endpoint, sorted[index - 1]!));
}

/**
 * The generator's order: IPv4 before IPv6, then the port's two wire bytes read little-endian (9993 before 443),
 * then the address (IPv4 read little-endian too). Receivers attach no meaning to it.
 */
export function compareEndpoints(a: Endpoint, b: Endpoint): number {
  if (a.family !== b.family) return a.family - b.family;
  const byPort = swapped16(a.port) - swapped16(b.port);
  if (byPort !== 0) return byPort;
  return a.family === 4 ? compareBytes(a.ip.toReversed(), b.ip.toReversed()) : compareBytes(a.ip, b.ip);
}

function swapped16(value: number): number {
  return ((value & 0xff) << 8) | (value >> 8);
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}
