/** Ready-made identities, because finding one takes the better part of a second. For tests only: their secrets are public. */
import { readFileSync } from "node:fs";
import { type Identity, parseIdentity } from "../../src/identity/identity.ts";
import { formatAddress } from "../../src/protocol/address.ts";
import { parseEndpoint } from "../../src/protocol/inet-address.ts";
import { forgeWorld, generateSigningKey } from "../../src/world/forge.ts";
import { type World, WorldType } from "../../src/world/world.ts";
import type { Host } from "./lab.ts";
import { endpointsOf } from "./root-daemon.ts";

const VECTORS = new URL("../fixtures/vectors/identities.json", import.meta.url);

const known: Identity[] = (JSON.parse(readFileSync(VECTORS, "utf8")).valid as { secret: string }[]).map(
  ({ secret }) => parseIdentity(secret)!,
);

/** The identity number `index` (0 to 11), with its secret. */
export function identityNumber(index: number): Identity {
  const identity = known[index];
  if (identity === undefined || !identity.hasSecret) throw new Error(`there is no test identity ${index}`);
  return identity;
}

/** A planet of several roots, each at all addresses of its host. */
export function planetOf(roots: readonly { identity: Identity; host: Host }[]): World {
  let next = 1;
  const signingKey = generateSigningKey((into) => into.fill(next++));
  return forgeWorld({
    type: WorldType.PLANET,
    id: BigInt(`0x${formatAddress(roots[0]!.identity.address)}`),
    timestamp: 1_800_000_000_000n,
    updatesMustBeSignedBy: signingKey.public,
    roots: roots.map(({ identity, host }) => ({
      identity,
      stableEndpoints: endpointsOf(host).map((text) => parseEndpoint(text)!),
    })),
    signingKey,
  });
}
