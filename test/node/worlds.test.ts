import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { WorldType } from "../../src/world/world.ts";
import { IDENTITIES, testPlanet, testWorld } from "../support/constellation.ts";
import { VirtualNetwork } from "../support/virtual-network.ts";

const ROOT_AT = "192.88.99.10/9993";
const SECOND_AT = "192.88.100.10/9993";
const [ROOT, A, SECOND] = IDENTITIES;

describe("worlds", () => {
  test("a rotated planet reaches a client that is left alone, within a second, and is told as adopted later", () => {
    const network = new VirtualNetwork();
    const planet = testPlanet([{ identity: ROOT!, endpoints: [ROOT_AT] }]);
    const root = network.add({ identity: ROOT!, planet, addresses: [ROOT_AT] });
    const a = network.add({ identity: A!, planet, addresses: ["192.31.196.2/9993"] });
    network.advance(20_000);
    const next = testPlanet([{ identity: ROOT!, endpoints: [ROOT_AT, "192.88.99.11/9993"] }], planet.timestamp + 1n);
    assert.equal(root.views.adoptWorld(next, network.now), "adopted");
    assert.equal(root.views.gauges(network.now).adoption[0]!.older, 1);
    const took = network.until(() => a.node.worlds.planet.timestamp === next.timestamp, 1000);
    assert.ok(took >= 0 && took < 200, `adopted after ${took} ms`);
    const latency = a.views.peer(root.address, network.now)!.latencyMs;
    assert.ok(latency < 1000, `the handout spoilt the client's latency: ${latency} ms`);
    network.advance(70_000);
    assert.deepEqual(
      root.views.gauges(network.now).adoption.map(({ current, older }) => ({ current, older })),
      [{ current: 1, older: 0 }],
    );
  });

  test("a client with an old planet gets the new one at first contact, but only once its address is proven", () => {
    const network = new VirtualNetwork();
    const old = testPlanet([{ identity: ROOT!, endpoints: [ROOT_AT] }]);
    const planet = testPlanet([{ identity: ROOT!, endpoints: [ROOT_AT] }], old.timestamp + 5n);
    network.add({ identity: ROOT!, planet, addresses: [ROOT_AT] });
    const a = network.add({ identity: A!, planet: old, addresses: ["192.31.196.2/9993"] });
    assert.ok(network.until(() => a.node.worlds.planet.timestamp === planet.timestamp, 1000) >= 0);
    const answers = network.captured.filter(({ from }) => from === ROOT_AT);
    const beforeProof = answers.slice(0, 2).reduce((sum, { bytes }) => sum + bytes.length, 0);
    assert.ok(beforeProof <= 137);
  });

  test("a planet that is older, of another id or signed by another key is refused", () => {
    const network = new VirtualNetwork();
    const planet = testPlanet([{ identity: ROOT!, endpoints: [ROOT_AT] }]);
    const root = network.add({ identity: ROOT!, planet, addresses: [ROOT_AT] });
    const roots = [{ identity: ROOT!, endpoints: [ROOT_AT] }];
    const older = testPlanet(roots, planet.timestamp - 1n);
    const other = testWorld(WorldType.PLANET, 77n, roots, planet.timestamp + 9n);
    const forged = { ...testPlanet(roots, planet.timestamp + 9n), signature: new Uint8Array(96) };
    for (const world of [older, other, forged]) assert.equal(root.views.adoptWorld(world, network.now), "refused");
    assert.equal(root.views.adoptWorld(planet, network.now), "unchanged");
  });

  test("a client orbits a moon through its seed, and the moon becomes its root beside the planet", () => {
    const network = new VirtualNetwork();
    const planet = testPlanet([{ identity: ROOT!, endpoints: [ROOT_AT] }]);
    const moonId = BigInt(SECOND!.address);
    const moon = testWorld(WorldType.MOON, moonId, [{ identity: SECOND!, endpoints: [SECOND_AT] }]);
    network.add({ identity: ROOT!, planet, addresses: [ROOT_AT] });
    const seed = network.add({ identity: SECOND!, planet, moons: [moon], addresses: [SECOND_AT] });
    const a = network.add({ identity: A!, planet, addresses: ["192.31.196.2/9993"] });
    network.advance(1000);
    assert.ok(a.views.orbit(moonId, SECOND!.address, network.now));
    const took = network.until(() => a.views.moons().length === 1, 60_000);
    assert.ok(took >= 0, "the moon never came");
    network.advance(1000);
    assert.equal(a.views.peer(seed.address, network.now)!.role, "MOON");
    assert.equal(a.pathsTo(seed).length, 1);
    assert.ok(a.views.deorbit(moonId, network.now));
    assert.equal(a.views.peer(seed.address, network.now)!.role, "LEAF");
  });
});
