import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import { formatIdentity } from "../../src/identity/identity.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import { formatEndpoint } from "../../src/protocol/inet-address.ts";
import { forgeWorld, generateSigningKey, WorldError } from "../../src/world/forge.ts";
import { formatMoonJson, newMoonTemplate, parseMkworldConfig, parseMoonJson } from "../../src/world/moon-json.ts";
import { WorldType } from "../../src/world/world.ts";
import { seededRandom, worldVectors } from "./world-vectors.ts";

const recorded = readFileSync(new URL("../fixtures/cli/idtool.txt", import.meta.url), "utf8");

/** The text between two markers of the recording. */
function between(from: string, to: string): string {
  const start = recorded.indexOf(from) + from.length;
  return recorded.slice(start, recorded.indexOf(to, start));
}

const initmoon = between("$ zerotier-idtool initmoon id2.public\n", "\n[exit 0]");
const filledIn = between("## moon.json after adding stableEndpoints\n", "\n\n$ zerotier-idtool genmoon");
const moonHex = between("## hex of 0000003a6b42e392.moon\n", "\n");
const template = worldVectors.moon_template;

function without(key: string): string {
  return JSON.stringify({ ...template, [key]: undefined });
}

describe("moon templates", () => {
  test("a parsed recording of initmoon is printed again character for character", () => {
    assert.equal(formatMoonJson(parseMoonJson(initmoon, "moon.json")), initmoon);
    assert.equal(formatMoonJson(parseMoonJson(filledIn, "moon.json")), filledIn);
  });

  test("a new template is what initmoon makes of the same identity and key", () => {
    const parsed = parseMoonJson(initmoon, "moon.json");
    assert.equal(formatMoonJson(newMoonTemplate(parsed.roots[0]!.identity, parsed.signingKey)), initmoon);
  });

  test("signing the recorded template at the recorded time gives the recorded moon file", () => {
    const world = forgeWorld({ ...parseMoonJson(filledIn, "moon.json"), timestamp: 1795397216893n });
    assert.equal(toHex(world.bytes), moonHex);
  });

  test("signing the same template as a planet gives the recorded planet file", () => {
    const planet = parseMoonJson(filledIn.replace('"moon"', '"planet"'), "planet.json");
    const hexOfPlanet = recorded.slice(recorded.lastIndexOf("## hex of")).split("\n")[1];
    assert.equal(toHex(forgeWorld({ ...planet, timestamp: 1795397216907n }).bytes), hexOfPlanet);
  });

  test("the recorded template makes the recorded moon A", () => {
    const moonA = worldVectors.generated_worlds[0]!;
    const parsed = parseMoonJson(JSON.stringify(template), "moon.json");
    assert.equal(toHex(forgeWorld({ ...parsed, timestamp: BigInt(moonA.timestamp) }).bytes), moonA.binary);
  });

  test("complaints name what is wrong, in the reference's words where it has any", () => {
    const broken: [string, RegExp][] = [
      [without("worldType"), /^invalid worldType$/],
      [JSON.stringify({ ...template, worldType: "sun" }), /^invalid worldType$/],
      [without("id"), /^ID in moon\.json is invalid$/],
      [JSON.stringify({ ...template, id: "0000000000" }), /^ID in moon\.json is invalid$/],
      [JSON.stringify({ ...template, id: "xyz" }), /^ID in moon\.json is invalid$/],
      [without("roots"), /"roots" in moon\.json must be a list/],
      [JSON.stringify({ ...template, roots: [{ identity: "nobody" }] }), /roots\[0\]\.identity in moon\.json/],
      [
        JSON.stringify({ ...template, roots: [{ ...template.roots[0], stableEndpoints: ["203.0.113.9:9993"] }] }),
        /roots\[0\]\.stableEndpoints .*"203\.0\.113\.9:9993" is not "ip\/port"/,
      ],
      [without("signingKey_SECRET"), /"signingKey_SECRET" in moon\.json must be 128 hex digits/],
      [JSON.stringify({ ...template, updatesMustBeSignedBy: "00" }), /"updatesMustBeSignedBy"/],
      ["[]", /does not hold a JSON object/],
      ["null", /does not hold a JSON object/],
    ];
    for (const [text, message] of broken)
      assert.throws(() => parseMoonJson(text, "moon.json"), { name: "WorldError", message });
  });

  test("a syntax error tells the place and never quotes the secret beside it", () => {
    const text = JSON.stringify(template).replace('","updates', '"updates');
    assert.throws(
      () => parseMoonJson(text, "moon.json"),
      (error) =>
        error instanceof WorldError &&
        error.message.includes("moon.json is not valid JSON") &&
        !error.message.includes(template.signingKey_SECRET.slice(-8)),
    );
  });

  test("no text makes the parser fail in any other way than by WorldError", () => {
    const whole = JSON.stringify(template);
    const cut = fc.tuple(fc.nat(whole.length), fc.nat(40), fc.string({ maxLength: 8 })).map(([at, drop, put]) => {
      return whole.slice(0, at) + put + whole.slice(at + drop);
    });
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), cut), (text) => {
        try {
          parseMoonJson(text, "moon.json");
        } catch (error) {
          assert.ok(error instanceof WorldError, String(error));
        }
      }),
      { seed: 11, numRuns: 800 },
    );
  });
});

describe("mkworld configurations", () => {
  const config = {
    rootNodes: [{ comments: "home", identity: template.roots[0]!.identity, endpoints: ["203.0.113.10/9993"] }],
    signing: ["previous.c25519", "current.c25519"],
    output: "planet.custom",
    plID: 0,
    plBirth: 0,
    plRecommend: true,
  };

  test("roots, key files and the tool's own choice of id are read", () => {
    const parsed = parseMkworldConfig(JSON.stringify(config), "mkworld.config.json");
    assert.equal(formatIdentity(parsed.roots[0]!.identity), template.roots[0]!.identity);
    assert.deepEqual(parsed.roots[0]!.stableEndpoints.map(formatEndpoint), ["203.0.113.10/9993"]);
    assert.deepEqual(
      [parsed.signingKeyFile, parsed.updateKeyFile, parsed.id, parsed.timestamp],
      ["previous.c25519", "current.c25519", null, null],
    );
  });

  test("a 64-bit id is read exactly", () => {
    const text = JSON.stringify({ ...config, plRecommend: false, plBirth: 1700000000000 }).replace(
      '"plID":0',
      '"plID": 18446744073709551557',
    );
    const parsed = parseMkworldConfig(text, "mkworld.config.json");
    assert.equal(parsed.id, 18446744073709551557n);
    assert.equal(parsed.timestamp, 1700000000000n);
    const key = generateSigningKey(seededRandom(3));
    const world = forgeWorld({
      type: WorldType.PLANET,
      id: parsed.id,
      timestamp: parsed.timestamp,
      updatesMustBeSignedBy: key.public,
      roots: parsed.roots,
      signingKey: key,
    });
    assert.equal(world.id, 18446744073709551557n);
  });

  test("missing key files and bad numbers are named", () => {
    assert.throws(
      () => parseMkworldConfig(JSON.stringify({ ...config, signing: ["one"] }), "c.json"),
      /"signing" in c\.json/,
    );
    assert.throws(
      () => parseMkworldConfig(JSON.stringify({ ...config, plRecommend: false, plID: -4 }), "c.json"),
      /"plID" in c\.json must be a whole number/,
    );
  });
});
