/** Worlds as people read them: a description in text, the same as JSON, and the progress of an adoption. */
import { formatIdentity } from "../identity/identity.ts";
import { formatAddress } from "../protocol/address.ts";
import { bytesEqual, toHex } from "../protocol/bytes.ts";
import { PUBLIC_PLANET_ID } from "../protocol/constants.ts";
import { formatEndpoint } from "../protocol/inet-address.ts";
import { formatWorldId, kindOf, verifyWorld, type World, WorldType } from "../world/world.ts";

const BAR_CELLS = 30;
const SHOWN_KEY_DIGITS = 16;

/** A key under which a signature may be tried, and what to call it. */
export interface NamedKey {
  readonly name: string;
  readonly key: Uint8Array;
}

/** Who has which version of one world, as `GET /orrery/adoption` tells it. */
export interface Adoption {
  readonly id: string;
  readonly kind: string;
  readonly timestamp: string;
  readonly current: number;
  readonly older: number;
  readonly newer: number;
  readonly without: number;
}

/** The name of the key that made the world's signature, or null if it is none of those that are known. */
export function signerOf(world: World, others: readonly NamedKey[]): string | null {
  const own = { name: "the key that must sign the next version", key: world.updatesMustBeSignedBy };
  return [own, ...others].find(({ key }) => verifyWorld(world, key))?.name ?? null;
}

/** Ten digits for a moon (that is how clients orbit it), sixteen for a planet. */
export function shortWorldId(world: World): string {
  return world.type === WorldType.MOON && world.id >> 40n === 0n
    ? formatAddress(Number(world.id))
    : formatWorldId(world.id);
}

/** "1795397216893 (2026-11-22T23:06:56.893Z)"; only the number if it is no date. */
export function timestampText(timestamp: bigint): string {
  const date = isoDate(timestamp);
  return date === null ? `${timestamp}` : `${timestamp} (${date})`;
}

function isoDate(timestamp: bigint): string | null {
  const date = new Date(Number(timestamp));
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

/** The readable description of a world, newline-terminated. `others` are further keys to try on its signature. */
export function describeWorld(world: World, others: readonly NamedKey[]): string {
  const signer = signerOf(world, others);
  const lines = [
    `${kindOf(world)} ${shortWorldId(world)}${world.id === PUBLIC_PLANET_ID ? "  (the public planet's id)" : ""}`,
    `  timestamp    ${timestampText(world.timestamp)}`,
    `  next signer  ${shortKey(world.updatesMustBeSignedBy)}`,
    signer === null
      ? "  signature    not by the key that signs the next version, nor by any other key known here"
      : `  signature    valid, by ${signer}`,
    `  size         ${world.bytes.length} bytes`,
    `  roots        ${world.roots.length}`,
  ];
  for (const root of world.roots) {
    const endpoints = root.stableEndpoints.map(formatEndpoint);
    lines.push(`    ${formatAddress(root.identity.address)}  ${endpoints.join("  ") || "(no endpoints)"}`);
  }
  return `${lines.join("\n")}\n`;
}

/** The same for machines. */
export function worldJson(world: World, others: readonly NamedKey[]): Record<string, unknown> {
  const signer = signerOf(world, others);
  return {
    kind: kindOf(world),
    id: formatWorldId(world.id),
    timestamp: Number(world.timestamp),
    date: isoDate(world.timestamp),
    updatesMustBeSignedBy: toHex(world.updatesMustBeSignedBy),
    signatureValid: signer !== null,
    signedBy: signer,
    roots: world.roots.map((root) => ({
      identity: formatIdentity(root.identity),
      stableEndpoints: root.stableEndpoints.map(formatEndpoint),
    })),
  };
}

/** The first digits of a key, enough to compare by eye. */
export function shortKey(key: Uint8Array): string {
  return `${toHex(key).slice(0, SHOWN_KEY_DIGITS)}…`;
}

/** True if the two worlds say the same but for timestamp and signature. */
export function sameContent(a: World, b: World): boolean {
  const told = (world: World) =>
    world.roots.map((root) => `${formatIdentity(root.identity)} ${root.stableEndpoints.map(formatEndpoint)}`).join();
  return (
    a.type === b.type &&
    a.id === b.id &&
    bytesEqual(a.updatesMustBeSignedBy, b.updatesMustBeSignedBy) &&
    told(a) === told(b)
  );
}

/**
 * One world's progress bar. Clients that told no version of it (of another planet, or not orbiting this moon) are
 * counted apart: no rotation will ever reach them.
 */
export function adoptionText(adoption: Adoption): string {
  const done = adoption.current + adoption.newer;
  const all = done + adoption.older;
  const percent = all === 0 ? 0 : Math.floor((100 * done) / all);
  const filled = all === 0 ? 0 : Math.floor((BAR_CELLS * done) / all);
  const bar = "#".repeat(filled) + "-".repeat(BAR_CELLS - filled);
  const apart = adoption.without === 0 ? "" : `, ${adoption.without} without it`;
  const ahead = adoption.newer === 0 ? "" : `, ${adoption.newer} on a newer one than ours`;
  const told =
    all === 0 ? "nobody has told a version yet" : `${done} of ${all} on this version, ${adoption.older} older`;
  const id = adoption.kind === "moon" ? adoption.id.replace(/^000000/, "") : adoption.id;
  return [
    `${adoption.kind} ${id}  version ${timestampText(BigInt(adoption.timestamp))}`,
    `  [${bar}] ${all === 0 ? "  - " : `${String(percent).padStart(3)}%`}  ${told}${ahead}${apart}`,
    "",
  ].join("\n");
}
