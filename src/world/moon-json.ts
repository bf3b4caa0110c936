/**
 * The two JSON files from which worlds are made elsewhere: the moon template that `zerotier-idtool initmoon` prints
 * and `genmoon` signs (cli.md §3, vl1-behaviour.md §6.3), and the `mkworld.config.json` of ztnet. Both are written
 * by hand between the two steps, so every complaint names the key.
 */
import { formatIdentity, type Identity, parseIdentity } from "../identity/identity.ts";
import { formatAddress } from "../protocol/address.ts";
import { fromHex, toHex } from "../protocol/bytes.ts";
import { type Endpoint, formatEndpoint, parseEndpoint } from "../protocol/inet-address.ts";
import { type SigningKey, WorldError } from "./forge.ts";
import { type WorldRoot, WorldType } from "./world.ts";

const KEY_BYTES = 64;

/** What a moon template holds: everything of a world but its timestamp, and the key that signs it. */
export interface MoonTemplate {
  readonly type: WorldType;
  readonly id: bigint;
  readonly roots: readonly WorldRoot[];
  readonly signingKey: SigningKey;
  readonly updatesMustBeSignedBy: Uint8Array;
}

/** What a mkworld configuration holds. Keys are named by files, which the caller reads (64 bytes public, 64 secret). */
export interface MkworldConfig {
  readonly roots: readonly WorldRoot[];
  /** Files of the key that signs now and of the key that must sign the next version. */
  readonly signingKeyFile: string;
  readonly updateKeyFile: string;
  /** Null where the file leaves the choice to the tool (0, or "plRecommend": true). */
  readonly id: bigint | null;
  readonly timestamp: bigint | null;
}

/** The template that `initmoon` makes: a moon named after its first root, which has no endpoint yet. */
export function newMoonTemplate(identity: Identity, signingKey: SigningKey): MoonTemplate {
  return {
    type: WorldType.MOON,
    id: BigInt(identity.address),
    roots: [{ identity, stableEndpoints: [] }],
    signingKey,
    updatesMustBeSignedBy: signingKey.public,
  };
}

/** Text of a template as `initmoon` prints it: sorted keys, one space of indentation, no final newline. */
export function formatMoonJson(template: MoonTemplate): string {
  const ordered = {
    id: template.id >> 40n === 0n ? formatAddress(Number(template.id)) : template.id.toString(16),
    objtype: "world",
    roots: template.roots.map((root) => ({
      identity: formatIdentity(root.identity),
      stableEndpoints: root.stableEndpoints.map(formatEndpoint),
    })),
    signingKey: toHex(template.signingKey.public),
    signingKey_SECRET: toHex(template.signingKey.secret),
    updatesMustBeSignedBy: toHex(template.updatesMustBeSignedBy),
    worldType: template.type === WorldType.PLANET ? "planet" : "moon",
  };
  return JSON.stringify(ordered, null, 1);
}

/** Parses a moon template. Throws WorldError whose message names the key at fault and `name`, the file. */
export function parseMoonJson(text: string, name: string): MoonTemplate {
  const json = parseObject(text, name);
  const type = json["worldType"];
  if (type !== "moon" && type !== "planet") throw new WorldError("invalid worldType");
  const idText = json["id"];
  if (typeof idText !== "string" || !/^[0-9a-fA-F]{1,16}$/.test(idText) || /^0+$/.test(idText)) {
    throw new WorldError(`ID in ${name} is invalid`);
  }
  return {
    type: type === "moon" ? WorldType.MOON : WorldType.PLANET,
    id: BigInt(`0x${idText}`),
    roots: rootsOf(json, "roots", "stableEndpoints", name),
    signingKey: { public: keyOf(json, "signingKey", name), secret: keyOf(json, "signingKey_SECRET", name) },
    updatesMustBeSignedBy: keyOf(json, "updatesMustBeSignedBy", name),
  };
}

/** Parses ztnet's `mkworld.config.json`. Throws WorldError whose message names the key at fault and `name`. */
export function parseMkworldConfig(text: string, name: string): MkworldConfig {
  const json = parseObject(text, name);
  const signing = json["signing"];
  if (!Array.isArray(signing) || signing.length !== 2 || !signing.every((file) => typeof file === "string")) {
    throw new WorldError(`"signing" in ${name} must be two file names: the key that signs, and the next one`);
  }
  const chosenByTool = json["plRecommend"] === true;
  const [signingKeyFile, updateKeyFile] = signing as [string, string];
  return {
    roots: rootsOf(json, "rootNodes", "endpoints", name),
    signingKeyFile,
    updateKeyFile,
    id: chosenByTool ? null : exactNumber(text, "plID", name),
    timestamp: chosenByTool ? null : exactNumber(text, "plBirth", name),
  };
}

function parseObject(text: string, name: string): Record<string, unknown> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    // The parser quotes the text around the fault, and this file holds a secret key: only the place is told.
    const place = /position \d+(?: \(line \d+ column \d+\))?/.exec(error instanceof Error ? error.message : "");
    throw new WorldError(`${name} is not valid JSON${place === null ? "" : ` (at ${place[0]})`}`);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new WorldError(`${name} does not hold a JSON object`);
  }
  return json as Record<string, unknown>;
}

function rootsOf(json: Record<string, unknown>, key: string, endpointsKey: string, name: string): WorldRoot[] {
  const roots = json[key];
  if (!Array.isArray(roots)) throw new WorldError(`"${key}" in ${name} must be a list`);
  return roots.map((root: unknown, index) => {
    const where = `${key}[${index}]`;
    if (typeof root !== "object" || root === null) throw new WorldError(`${where} in ${name} must be an object`);
    const fields = root as Record<string, unknown>;
    const identity = typeof fields["identity"] === "string" ? parseIdentity(fields["identity"]) : null;
    if (identity === null) throw new WorldError(`${where}.identity in ${name} is not an identity`);
    return {
      identity: identity.publicOnly(),
      stableEndpoints: endpointsOf(fields[endpointsKey], `${where}.${endpointsKey}`, name),
    };
  });
}

function endpointsOf(list: unknown, where: string, name: string): Endpoint[] {
  if (list === undefined) return [];
  if (!Array.isArray(list)) throw new WorldError(`${where} in ${name} must be a list of "ip/port"`);
  return list.map((text: unknown) => {
    const endpoint = typeof text === "string" ? parseEndpoint(text) : null;
    if (endpoint === null) {
      throw new WorldError(
        `${where} in ${name}: ${JSON.stringify(text)} is not "ip/port", for example "203.0.113.9/9993"`,
      );
    }
    return endpoint;
  });
}

function keyOf(json: Record<string, unknown>, key: string, name: string): Uint8Array {
  const text = json[key];
  const bytes = typeof text === "string" ? fromHex(text) : null;
  if (bytes === null || bytes.length !== KEY_BYTES) {
    throw new WorldError(`"${key}" in ${name} must be ${2 * KEY_BYTES} hex digits`);
  }
  return bytes;
}

/** A 64-bit number that JSON.parse would round, so it is read from the text; null for 0 and for a missing key. */
function exactNumber(text: string, key: string, name: string): bigint | null {
  const match = new RegExp(`"${key}"\\s*:\\s*([^,}\\s]+)`).exec(text);
  if (match === null) return null;
  if (!/^\d{1,20}$/.test(match[1]!)) throw new WorldError(`"${key}" in ${name} must be a whole number`);
  const value = BigInt(match[1]!);
  return value === 0n ? null : value;
}
