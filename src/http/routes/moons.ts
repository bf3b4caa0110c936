/** /moon and /moon/{world id}: local-api.md §3. A world ID here has ten digits, so only 40-bit ones can be named. */
import { formatIdentity } from "../../identity/identity.ts";
import { isJsonObject, type JsonObject } from "../../json/json.ts";
import { JsonSyntaxError, parseJson } from "../../json/json-parse.ts";
import { isReservedAddress } from "../../protocol/address.ts";
import { toHex } from "../../protocol/bytes.ts";
import { formatEndpoint } from "../../protocol/inet-address.ts";
import type { World } from "../../world/world.ts";
import { json } from "../reply.ts";
import { type Route, route } from "../router.ts";
import type { ServiceBackend } from "../service.ts";

const WORLD_ID_DIGITS = 16;
const NO_SEED = 0;
const DECODER = new TextDecoder();

/** Sixteen hex digits. */
export function formatWorldId(id: bigint): string {
  return id.toString(16).padStart(WORLD_ID_DIGITS, "0");
}

function worldIdOf(digits: string | undefined): bigint {
  return BigInt(`0x${digits ?? "0"}`);
}

function moonObject(moon: World): JsonObject {
  return {
    id: formatWorldId(moon.id),
    roots: moon.roots.map((root) => ({
      identity: formatIdentity(root.identity, false),
      stableEndpoints: root.stableEndpoints.map(formatEndpoint),
    })),
    signature: toHex(moon.signature),
    timestamp: moon.timestamp,
    updatesMustBeSignedBy: toHex(moon.updatesMustBeSignedBy),
    waiting: false,
  };
}

/** What is answered while the moon's definition has not arrived. */
function waitingObject(id: bigint): JsonObject {
  return {
    id: formatWorldId(id),
    roots: [],
    signature: null,
    timestamp: 0,
    updatesMustBeSignedBy: null,
    waiting: true,
  };
}

/** The seed's address, or 0 if the body has none that could be one: the route tolerates any body. */
function seedOf(body: Uint8Array): number {
  try {
    const value = parseJson(DECODER.decode(body));
    const seed = isJsonObject(value) ? value["seed"] : undefined;
    if (typeof seed !== "string" || !/^[0-9a-fA-F]{1,10}$/.test(seed)) return NO_SEED;
    const address = Number.parseInt(seed, 16);
    return isReservedAddress(address) ? NO_SEED : address;
  } catch (error) {
    if (error instanceof JsonSyntaxError) return NO_SEED;
    throw error;
  }
}

export function moonRoutes(backend: ServiceBackend): Route[] {
  const held = (id: bigint) => backend.node.moons().find((moon) => moon.id === id);
  return [
    route("GET", "/moon", () => json(backend.node.moons().map(moonObject))),
    route("GET", "/moon/{10}", (_request, [digits]) => {
      const moon = held(worldIdOf(digits));
      return json(moon === undefined ? {} : moonObject(moon));
    }),
    route("POST", "/moon/{10}", ({ body }, [digits]) => {
      const id = worldIdOf(digits);
      const moon = held(id);
      if (moon !== undefined) return json(moonObject(moon));
      const seed = seedOf(body);
      if (seed === NO_SEED || id === 0n) return json({});
      backend.commands.orbit(id, seed, backend.now());
      return json(waitingObject(id));
    }),
    route("DELETE", "/moon/{10}", (_request, [digits]) => {
      backend.commands.deorbit(worldIdOf(digits), backend.now());
      return json({ result: true });
    }),
  ];
}
