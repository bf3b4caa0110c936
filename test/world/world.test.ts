import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { formatIdentity } from "../../src/identity/identity.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import { formatEndpoint } from "../../src/protocol/inet-address.ts";
import {
  decodeWorld,
  encodeWorld,
  formatWorldId,
  kindOf,
  MAX_WORLD_BYTES,
  signedBytes,
  supersedes,
  verifyWorld,
  WorldType,
} from "../../src/world/world.ts";
import { allWorldVectors, decodeVector, hex, worldVectors } from "./world-vectors.ts";

describe("recorded worlds", () => {
  for (const vector of allWorldVectors) {
    test(`"${vector.name}" decodes to its recorded fields`, () => {
      const bytes = hex(vector.binary);
      const verdict = decodeWorld(bytes);
      assert.ok(verdict.ok);
      const { world, length } = verdict.value;
      assert.equal(length, bytes.length);
      assert.equal(world.type, vector.type);
      assert.equal(kindOf(world), vector.type === 1 ? "planet" : "moon");
      assert.equal(formatWorldId(world.id), vector.id);
      assert.equal(world.timestamp, BigInt(vector.timestamp));
      assert.equal(toHex(world.updatesMustBeSignedBy), vector.updates_must_be_signed_by);
      assert.equal(toHex(world.signature), vector.signature);
      assert.deepEqual(
        world.roots.map((root) => ({
          identity: formatIdentity(root.identity),
          stable_endpoints: root.stableEndpoints.map(formatEndpoint),
        })),
        vector.roots,
      );
    });

    test(`"${vector.name}" encodes to its recorded bytes and signs the recorded ones`, () => {
      const world = decodeVector(vector);
      assert.equal(toHex(encodeWorld(world, world.signature)), vector.binary);
      assert.equal(toHex(world.bytes), vector.binary);
      assert.equal(toHex(signedBytes(world.bytes)), vector.signed_bytes);
    });
  }

  for (const vector of worldVectors.generated_worlds) {
    test(`"${vector.name}" carries a valid signature of the key that it names`, () => {
      const world = decodeVector(vector);
      assert.ok(verifyWorld(world, world.updatesMustBeSignedBy));
      const changed = decodeVector(vector).bytes;
      changed[16]! ^= 1;
      const verdict = decodeWorld(changed);
      assert.ok(verdict.ok && !verifyWorld(verdict.value.world, world.updatesMustBeSignedBy));
    });
  }
});

describe("succession of worlds", () => {
  const byName = new Map(worldVectors.made_worlds.map((vector) => [vector.name, decodeVector(vector)]));
  for (const { current, candidate, replaced } of worldVectors.update_matrix) {
    test(`${candidate} ${replaced ? "replaces" : "does not replace"} ${current}`, () => {
      assert.equal(supersedes(byName.get(current)!, byName.get(candidate)!), replaced);
    });
  }

  test("a moon never replaces a planet of the same id and key", () => {
    const planet = byName.get("planet-1")!;
    const moon = { ...byName.get("planet-2")!, type: WorldType.MOON };
    assert.equal(supersedes(planet, moon), false);
  });
});

describe("hostile worlds", () => {
  const planet = hex(worldVectors.made_worlds[0]!.binary);
  const moon = hex(worldVectors.made_worlds.find((vector) => vector.type === 127)!.binary);

  test("every truncation is refused as too short", () => {
    for (const whole of [planet, moon]) {
      for (let length = 0; length < whole.length; length++) {
        const verdict = decodeWorld(whole.subarray(0, length));
        assert.ok(!verdict.ok && verdict.code === "too_short", `accepted ${length} of ${whole.length} bytes`);
      }
    }
  });

  test("a type that is neither planet nor moon is refused", () => {
    for (const type of [0, 2, 126, 128, 255]) {
      const bytes = planet.slice();
      bytes[0] = type;
      assert.deepEqual(decodeWorld(bytes), { ok: false, code: "bad_value", offset: 0 });
    }
  });

  test("five roots and thirty-three endpoints are refused before anything of them is read", () => {
    const roots = planet.slice();
    roots[177] = 5;
    assert.deepEqual(decodeWorld(roots), { ok: false, code: "too_long", offset: 177 });
    const endpoints = planet.slice();
    endpoints[178 + 71] = 33;
    assert.deepEqual(decodeWorld(endpoints), { ok: false, code: "too_long", offset: 178 + 71 });
  });

  test("an identity that brings its secret is refused", () => {
    const bytes = new Uint8Array(planet.length + 64);
    bytes.set(planet.subarray(0, 178 + 71));
    bytes[178 + 70] = 64;
    bytes.set(planet.subarray(178 + 71), 178 + 71 + 64);
    assert.deepEqual(decodeWorld(bytes), { ok: false, code: "bad_value", offset: 178 });
  });

  test("an endpoint of an unknown address type is refused", () => {
    const bytes = planet.slice();
    bytes[178 + 72] = 9;
    const verdict = decodeWorld(bytes);
    assert.ok(!verdict.ok && verdict.code === "bad_value");
  });

  test("a moon's dictionary is skipped within the size limit and refused beyond it", () => {
    const attach = (count: number) => {
      const bytes = new Uint8Array(moon.length + count);
      bytes.set(moon);
      bytes[moon.length - 2] = count >> 8;
      bytes[moon.length - 1] = count & 0xff;
      return decodeWorld(bytes);
    };
    const fitting = MAX_WORLD_BYTES - moon.length;
    const accepted = attach(fitting);
    assert.ok(accepted.ok && accepted.value.length === MAX_WORLD_BYTES);
    const refused = attach(fitting + 1);
    assert.ok(!refused.ok && refused.code === "too_long");
  });

  test("concatenated worlds are walked by length, and the decoded one does not alias its input", () => {
    const both = new Uint8Array([...planet, ...moon, 1, 2, 3]);
    const first = decodeWorld(both);
    assert.ok(first.ok);
    const second = decodeWorld(both, first.value.length);
    assert.ok(second.ok && second.value.world.type === WorldType.MOON);
    assert.equal(first.value.length + second.value.length, both.length - 3);
    both.fill(0xee);
    assert.deepEqual(first.value.world.bytes, planet);
    assert.equal(toHex(first.value.world.signature), worldVectors.made_worlds[0]!.signature);
  });

  test("no bytes make the decoder throw, and what it accepts keeps the limits", () => {
    const mutated = fc
      .tuple(
        fc.constantFrom(planet, moon),
        fc.array(fc.tuple(fc.nat(700), fc.integer({ min: 0, max: 255 })), { maxLength: 12 }),
      )
      .map(([base, changes]) => {
        const bytes = base.slice();
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        return bytes;
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 800 }), mutated), fc.nat(40), (bytes, offset) => {
        const verdict = decodeWorld(bytes, offset);
        if (!verdict.ok) return;
        const { world, length } = verdict.value;
        assert.ok(offset + length <= bytes.length && length <= MAX_WORLD_BYTES);
        assert.ok(world.roots.length <= 4 && world.roots.every((root) => root.stableEndpoints.length <= 32));
        assert.deepEqual(world.bytes, bytes.subarray(offset, offset + length));
        assert.equal(typeof verifyWorld(world, world.updatesMustBeSignedBy), "boolean");
      }),
      { seed: 20240611, numRuns: 1500 },
    );
  });
});
