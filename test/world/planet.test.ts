import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "../../src/protocol/bytes.ts";
import { PUBLIC_PLANET_ID } from "../../src/protocol/constants.ts";
import { publicPlanet } from "../../src/world/planet.ts";
import { verifyWorld } from "../../src/world/world.ts";
import { worldVectors } from "./world-vectors.ts";

test("the built-in public planet is the recorded one, with four roots and a valid signature", () => {
  const planet = publicPlanet();
  assert.equal(toHex(planet.bytes), worldVectors.generated_worlds.at(-1)!.binary);
  assert.equal(planet.id, PUBLIC_PLANET_ID);
  assert.equal(planet.timestamp, 1644592324813n);
  assert.equal(planet.roots.length, 4);
  assert.ok(verifyWorld(planet, planet.updatesMustBeSignedBy));
  assert.equal(publicPlanet(), planet);
});
