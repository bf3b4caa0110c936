import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type Identity, parseIdentity } from "../../src/identity/identity.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import { PUBLIC_PLANET_ID } from "../../src/protocol/constants.ts";
import { formatEndpoint, makeEndpoint, parseEndpoint } from "../../src/protocol/inet-address.ts";
import {
  type ForgeInput,
  forgeWorld,
  generateSigningKey,
  isReservedWorldId,
  RESERVED_WORLD_ID,
  randomPlanetId,
  WorldError,
} from "../../src/world/forge.ts";
import { decodeWorld, supersedes, verifyWorld, WorldType } from "../../src/world/world.ts";
import { allWorldVectors, decodeVector, hex, seededRandom, worldVectors } from "./world-vectors.ts";

const identities: Identity[] = [
  ...new Set(allWorldVectors.flatMap((vector) => vector.roots.map((root) => root.identity))),
].map((text) => parseIdentity(text)!);
const key = generateSigningKey(seededRandom(7));

function endpoint(text: string) {
  const parsed = parseEndpoint(text);
  assert.ok(parsed !== null);
  return parsed;
}

function input(changes: Partial<ForgeInput> = {}): ForgeInput {
  return {
    type: WorldType.PLANET,
    id: 0x1234567890n,
    timestamp: 1_700_000_000_000n,
    updatesMustBeSignedBy: key.public,
    roots: [{ identity: identities[0]!, stableEndpoints: [endpoint("203.0.113.10/9993")] }],
    signingKey: key,
    ...changes,
  };
}

describe("worlds of the reference's generator", () => {
  for (const vector of worldVectors.generated_worlds.filter((vector) => vector.signing_key_secret !== undefined)) {
    test(`"${vector.name}" comes out byte for byte, whatever the order of its parts`, () => {
      const recorded = decodeVector(vector);
      const forged = forgeWorld({
        ...recorded,
        roots: recorded.roots.toReversed().map((root) => ({
          identity: root.identity,
          stableEndpoints: root.stableEndpoints.toReversed(),
        })),
        signingKey: { public: hex(vector.signing_key_public!), secret: hex(vector.signing_key_secret!) },
      });
      assert.equal(toHex(forged.bytes), vector.binary);
    });
  }
});

describe("the forge", () => {
  test("makes a world that decodes to what went in and is signed by its key", () => {
    const world = forgeWorld(input());
    const verdict = decodeWorld(world.bytes);
    assert.ok(verdict.ok);
    assert.deepEqual(verdict.value.world.bytes, world.bytes);
    assert.ok(verifyWorld(verdict.value.world, key.public));
    assert.ok(!verifyWorld(world, generateSigningKey(seededRandom(8)).public));
  });

  test("hands over to another key, which alone may sign the next version", () => {
    const next = generateSigningKey(seededRandom(9));
    const first = forgeWorld(input({ updatesMustBeSignedBy: next.public }));
    const later = { timestamp: first.timestamp + 1n };
    assert.equal(supersedes(first, forgeWorld(input(later))), false);
    assert.equal(supersedes(first, forgeWorld(input({ ...later, signingKey: next }))), true);
    assert.equal(supersedes(first, forgeWorld(input({ signingKey: next }))), false);
  });

  test("never writes a root's secret into a world", () => {
    const recording = readFileSync(new URL("../fixtures/cli/idtool.txt", import.meta.url), "utf8");
    const identity = parseIdentity(/[0-9a-f]{10}:0:[0-9a-f]{128}:[0-9a-f]{128}/.exec(recording)![0])!;
    assert.ok(identity.hasSecret);
    const world = forgeWorld(input({ roots: [{ identity, stableEndpoints: [] }] }));
    assert.equal(world.roots[0]!.identity.hasSecret, false);
    assert.ok(!toHex(world.bytes).includes(toHex(identity.secretKey!)));
    assert.ok(decodeWorld(world.bytes).ok);
  });

  test("writes a repeated endpoint once and sorts them as the reference does", () => {
    const texts = ["2001:db8::1/9993", "198.51.100.1/443", "203.0.113.10/9993", "192.0.2.9/9993", "192.0.2.9/9993"];
    const world = forgeWorld(input({ roots: [{ identity: identities[0]!, stableEndpoints: texts.map(endpoint) }] }));
    assert.deepEqual(world.roots[0]!.stableEndpoints.map(formatEndpoint), [
      "192.0.2.9/9993",
      "203.0.113.10/9993",
      "198.51.100.1/443",
      "2001:db8::1/9993",
    ]);
  });

  test("takes four roots and refuses a fifth in plain words", () => {
    const roots = identities.slice(0, 5).map((identity) => ({ identity, stableEndpoints: [] }));
    assert.equal(roots.length, 5);
    assert.equal(forgeWorld(input({ roots: roots.slice(0, 4) })).roots.length, 4);
    assert.throws(() => forgeWorld(input({ roots })), {
      name: "WorldError",
      message: "a world holds at most 4 roots, and 5 were given",
    });
  });

  test("takes 32 endpoints and refuses the next in plain words", () => {
    const many = Array.from({ length: 33 }, (_, i) => makeEndpoint(new Uint8Array([192, 0, 2, i + 1]), 9993));
    const withEndpoints = (count: number) =>
      forgeWorld(input({ roots: [{ identity: identities[0]!, stableEndpoints: many.slice(0, count) }] }));
    assert.equal(withEndpoints(32).roots[0]!.stableEndpoints.length, 32);
    assert.throws(() => withEndpoints(33), /a root holds at most 32 endpoints, and 33 were given for [0-9a-f]{10}/);
  });

  test("refuses what no client could use", () => {
    const root = (text: string) => [{ identity: identities[0]!, stableEndpoints: [endpoint(text)] }];
    const refused: [Partial<ForgeInput>, RegExp][] = [
      [{ roots: [] }, /at least one root/],
      [{ id: 0n }, /other than 0/],
      [{ roots: [...input().roots, ...input().roots] }, /listed twice/],
      [{ roots: root("203.0.113.1/0") }, /no port/],
      [{ roots: root("0.0.0.0/9993") }, /not an address that clients can reach/],
      [{ roots: root("ff02::1/9993") }, /not an address that clients can reach/],
      [{ type: WorldType.MOON, id: 1n << 40n }, /longer than ten hex digits/],
      [{ updatesMustBeSignedBy: new Uint8Array(63) }, /63 bytes instead of 64/],
    ];
    for (const [changes, message] of refused) {
      assert.throws(
        () => forgeWorld(input(changes)),
        (error) => error instanceof WorldError && message.test(error.message),
      );
    }
  });

  test("gives a planet a random id that is never a reserved one", () => {
    const answers = [0n, PUBLIC_PLANET_ID, RESERVED_WORLD_ID, 0xfeedn];
    const id = randomPlanetId((into) => new DataView(into.buffer).setBigUint64(0, answers.shift()!));
    assert.equal(id, 0xfeedn);
    assert.equal(answers.length, 0);
    assert.ok(isReservedWorldId(0x08eac90an) && isReservedWorldId(227883110n) && !isReservedWorldId(id));
  });

  test("any legal content survives the way to bytes and back", () => {
    const anyEndpoint = fc
      .tuple(
        fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 })),
        fc.integer({ min: 1, max: 65535 }),
      )
      .map(([ip, port]) => {
        ip[0] = ip.length === 4 ? 10 : 0x20;
        return makeEndpoint(ip, port);
      });
    const anyRoots = fc
      .uniqueArray(fc.nat(identities.length - 1), { minLength: 1, maxLength: 4 })
      .chain((picks) =>
        fc.tuple(
          ...picks.map((pick) =>
            fc
              .array(anyEndpoint, { maxLength: 32 })
              .map((stableEndpoints) => ({ identity: identities[pick]!, stableEndpoints })),
          ),
        ),
      );
    fc.assert(
      fc.property(
        anyRoots,
        fc.bigInt({ min: 1n, max: (1n << 40n) - 1n }),
        fc.constantFrom(WorldType.PLANET, WorldType.MOON),
        (roots, id, type) => {
          const world = forgeWorld(input({ roots, id, type }));
          const verdict = decodeWorld(world.bytes);
          assert.ok(verdict.ok);
          assert.equal(verdict.value.length, world.bytes.length);
          assert.ok(verifyWorld(verdict.value.world, key.public));
          const told = (list: readonly { identity: Identity; stableEndpoints: readonly { port: number }[] }[]) =>
            list.map((root) => `${root.identity.address}:${root.stableEndpoints.length}`);
          assert.deepEqual(told(verdict.value.world.roots), told(world.roots));
        },
      ),
      { seed: 5, numRuns: 60 },
    );
  });
});
