/** Builders for tests: identities that were generated once, planets over them, and clients in a virtual network. */
import { readFileSync } from "node:fs";
import { type Identity, parseIdentity } from "../../src/identity/identity.ts";
import { parseEndpoint } from "../../src/protocol/inet-address.ts";
import { forgeWorld, generateSigningKey } from "../../src/world/forge.ts";
import { type World, WorldType } from "../../src/world/world.ts";
import { Dice } from "./virtual-network.ts";

interface IdentityVector {
  readonly secret: string;
}

/** The valid identities of the vectors, with their secrets. For tests only. */
export const IDENTITIES: readonly Identity[] = (
  JSON.parse(readFileSync(new URL("../fixtures/vectors/identities.json", import.meta.url), "utf8")) as {
    valid: IdentityVector[];
  }
).valid.map(({ secret }) => parseIdentity(secret)!);

/** The key that signs the worlds of tests. */
export const SIGNING_KEY = generateSigningKey(new Dice(4711).fill);

export const PLANET_ID = 0x0123456789abcdefn;

/** A private planet of the given roots. */
export function testPlanet(
  roots: readonly { identity: Identity; endpoints: readonly string[] }[],
  timestamp = 1_700_000_000_000n,
): World {
  return testWorld(WorldType.PLANET, PLANET_ID, roots, timestamp);
}

export function testWorld(
  type: WorldType,
  id: bigint,
  roots: readonly { identity: Identity; endpoints: readonly string[] }[],
  timestamp = 1_700_000_000_000n,
): World {
  return forgeWorld({
    type,
    id,
    timestamp,
    updatesMustBeSignedBy: SIGNING_KEY.public,
    roots: roots.map(({ identity, endpoints }) => ({
      identity: identity.publicOnly(),
      stableEndpoints: endpoints.map((text) => parseEndpoint(text)!),
    })),
    signingKey: SIGNING_KEY,
  });
}
