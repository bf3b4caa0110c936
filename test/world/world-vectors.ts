/** The recorded worlds (fixtures/vectors/worlds.json), typed, for the tests of this folder. */
import { readFileSync } from "node:fs";
import { fromHex } from "../../src/protocol/bytes.ts";
import { decodeWorld, type World } from "../../src/world/world.ts";

export interface WorldVector {
  name: string;
  type: number;
  id: string;
  timestamp: number;
  updates_must_be_signed_by: string;
  signature: string;
  roots: { identity: string; stable_endpoints: string[] }[];
  binary: string;
  signed_bytes: string;
  signing_key_public?: string;
  signing_key_secret?: string;
}

export interface MoonTemplateJson {
  id: string;
  roots: { identity: string; stableEndpoints: string[] }[];
  signingKey: string;
  signingKey_SECRET: string;
  updatesMustBeSignedBy: string;
}

export const worldVectors = JSON.parse(
  readFileSync(new URL("../fixtures/vectors/worlds.json", import.meta.url), "utf8"),
) as {
  made_worlds: WorldVector[];
  generated_worlds: WorldVector[];
  update_matrix: { current: string; candidate: string; replaced: boolean }[];
  moon_template: MoonTemplateJson;
};

export const allWorldVectors = [...worldVectors.made_worlds, ...worldVectors.generated_worlds];

export function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes === null) throw new Error("not hex");
  return bytes;
}

export function decodeVector(vector: WorldVector): World {
  const verdict = decodeWorld(hex(vector.binary));
  if (!verdict.ok) throw new Error(`${vector.name} does not decode: ${verdict.code} at ${verdict.offset}`);
  return verdict.value.world;
}

/** Deterministic bytes for tests: not random at all, but different for each seed. */
export function seededRandom(seed: number): (into: Uint8Array) => void {
  let state = seed >>> 0 || 1;
  return (into) => {
    for (let i = 0; i < into.length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      into[i] = state;
    }
  };
}
