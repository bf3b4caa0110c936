import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { registerInit } from "../../src/cli/init.ts";
import { registerWorld } from "../../src/cli/world.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import { Home } from "../../src/store/files.ts";
import { generateSigningKey } from "../../src/world/forge.ts";
import { formatMoonJson, parseMoonJson } from "../../src/world/moon-json.ts";
import { decodeWorld, formatWorldId, verifyWorld, type World, WorldType } from "../../src/world/world.ts";
import { idtoolRecording, recordedRuns } from "./idtool-recording.ts";
import { cli, present, temporaryDirectory } from "./run-cli.ts";

const directory = temporaryDirectory();
process.chdir(directory);
const world = (...args: string[]) => cli(registerWorld, ["world", ...args]);

const recordedPublic = present(/3a6b42e392:0:[0-9a-f]{127}4/.exec(idtoolRecording), "recorded identity")[0];
const otherPublic =
  "dfa2df89d5:0:0e064c311dfa21e0f211392d6a0bb8726166a7581e21bca9ee8f8555a8eb344c0167a6c172fb430dbea908ec2a911c23645c9a99d93149083fed0acf12f433db";
const filledTemplate = present(
  /## moon\.json after adding stableEndpoints\n([\s\S]*?)\n\n/.exec(idtoolRecording),
  "recorded template",
)[1]!;

let count = 0;
/** A home made by `orrery init`, with its first world. */
async function newHome(...args: string[]): Promise<{ home: Home; first: World }> {
  count += 1;
  const home = new Home(join(directory, `home-${count}`));
  const run = await cli(registerInit, ["init", "--home", home.path, "--endpoint", "203.0.113.9/9993", ...args]);
  assert.equal(run.code, 0, run.stderr);
  return { home, first: args.includes("--moon") ? home.loadMoons()[0]! : present(home.loadPlanet(), "planet") };
}

function worldIn(file: string): World {
  const verdict = decodeWorld(readFileSync(file));
  assert.ok(verdict.ok);
  return verdict.value.world;
}

describe("orrery world moon, against the recorded initmoon and genmoon", () => {
  test("init prints a template of the recorded form with a key of its own", async () => {
    const { code, stdout } = await world("moon", "init", recordedPublic);
    assert.equal(code, 0);
    assert.ok(stdout.endsWith("}\n"));
    const template = parseMoonJson(stdout, "moon.json");
    assert.equal(`${formatMoonJson(template)}\n`, stdout);
    const recorded = present(
      recordedRuns("initmoon").find((run) => run.code === 0 && run.stdout.startsWith("{")),
      "recorded initmoon",
    ).stdout;
    const withoutKeys = (text: string) => text.replace(/"[0-9a-f]{128}"/g, '"key"');
    assert.equal(withoutKeys(stdout), withoutKeys(recorded));
    assert.deepEqual(
      generateSigningKey((into) => into.set(template.signingKey.secret)).public,
      template.signingKey.public,
    );
  });

  test("init without a valid identity fails in the recorded words", async () => {
    const recorded = present(
      recordedRuns("initmoon").find((run) => run.args[1] === "missing"),
      "recorded run",
    );
    assert.deepEqual(await world("moon", "init", "missing"), { code: 1, stdout: "", stderr: recorded.stderr });
  });

  test("sign writes the moon file of the recorded template and says so in the recorded words", async () => {
    writeFileSync("moon.json", filledTemplate);
    const before = Date.now();
    const { code, stdout } = await world("moon", "sign", "moon.json");
    assert.equal(code, 0);
    const told = /^wrote 0000003a6b42e392\.moon \(signed world with timestamp (\d+)\)\n$/.exec(stdout);
    const moon = worldIn("0000003a6b42e392.moon");
    assert.equal(moon.timestamp, BigInt(present(told, stdout)[1]!));
    assert.ok(Number(moon.timestamp) >= before && Number(moon.timestamp) <= Date.now());
    assert.ok(verifyWorld(moon, moon.updatesMustBeSignedBy));
    const recordedHex = present(/## hex of 0000003a6b42e392\.moon\n([0-9a-f]+)/.exec(idtoolRecording), "hex")[1]!;
    const unsigned = (hex: string) => hex.slice(0, 18) + hex.slice(34, 162) + hex.slice(354);
    assert.equal(unsigned(toHex(moon.bytes)), unsigned(recordedHex));
  });

  test("sign of a planet template writes the same file name, to the directory that is asked for", async () => {
    writeFileSync("planet.json", filledTemplate.replace('"moon"', '"planet"'));
    mkdirSync("elsewhere", { recursive: true });
    assert.equal((await world("moon", "sign", "planet.json", "--directory", "elsewhere")).code, 0);
    assert.equal(worldIn("elsewhere/0000003a6b42e392.moon").type, WorldType.PLANET);
  });

  test("sign fails in the recorded words, and on bad JSON with a line instead of a crash", async () => {
    writeFileSync("bad.json", filledTemplate.replace('"moon"', '"comet"'));
    writeFileSync("bad2.json", filledTemplate.replace('"id": "3a6b42e392"', '"id": "0"'));
    writeFileSync("bad3.json", "nonsense");
    for (const run of recordedRuns("genmoon").filter((run) => run.code === 1)) {
      assert.deepEqual(await world(...["moon", "sign", ...run.args.slice(1)]), {
        code: 1,
        stdout: "",
        stderr: run.stderr,
      });
    }
    const { code, stderr } = await world("moon", "sign", "bad3.json");
    assert.equal(code, 1);
    assert.match(stderr, /^bad3\.json is not valid JSON[^\n]*\n$/);
  });
});

describe("orrery world forge", () => {
  test("makes a planet of several roots, with a new signing key beside it", async () => {
    const { code, stdout, stderr } = await world(
      ...["forge", "--identity", recordedPublic, "--endpoint", "203.0.113.9/9993", "--endpoint", "2001:db8::9/9993"],
      ...["--root", `${otherPublic}=198.51.100.7/9993,198.51.100.7/443`, "--output", "forged"],
    );
    assert.equal(code, 0, stderr);
    const planet = worldIn("forged");
    assert.equal(planet.type, WorldType.PLANET);
    assert.deepEqual(
      planet.roots.map((root) => root.stableEndpoints.length),
      [2, 2],
    );
    assert.match(stdout, /^wrote forged\nplanet [0-9a-f]{16}\n/);
    assert.match(stderr, /made a new signing key, forged\.signing-key\.secret: back it up/);
    assert.equal(statSync("forged.signing-key.secret").mode & 0o777, 0o600);
    assert.equal(readFileSync("forged.signing-key.secret", "utf8").slice(0, 128), toHex(planet.updatesMustBeSignedBy));
  });

  test("signs with a given key, under a given id, and overwrites nothing", async () => {
    writeFileSync("key.json", filledTemplate);
    const args = ["forge", "--identity", recordedPublic, "--signing-key", "key.json", "--id", "1234567890", "--output"];
    const { code, stdout } = await world(...args, "named", "--json");
    assert.equal(code, 0);
    const planet = worldIn("named");
    assert.equal(planet.id, 0x1234567890n);
    assert.equal(toHex(planet.updatesMustBeSignedBy), /"signingKey": "([0-9a-f]+)"/.exec(filledTemplate)?.[1]);
    assert.equal((JSON.parse(stdout) as { id: string }).id, "0000001234567890");
    const again = await world(...args, "named");
    assert.equal(again.code, 1);
    assert.match(again.stderr, /named exists: the next version of a world is made by "orrery world rotate"/);
  });

  test("warns of the public planet's id", async () => {
    const args = ["forge", "--identity", recordedPublic, "--signing-key", "key.json", "--id", "08eac90a"];
    const { code, stderr } = await world(...args, "--output", "public-id");
    assert.equal(code, 0);
    assert.match(stderr, /0000000008eac90a is a reserved id/);
  });

  test("reads a mkworld configuration with its binary keys", async () => {
    const key = generateSigningKey((into) => into.fill(5));
    writeFileSync("current.c25519", new Uint8Array([...key.public, ...key.secret]));
    const config = {
      rootNodes: [{ comments: "", identity: otherPublic, endpoints: ["203.0.113.10/9993"] }],
      signing: ["current.c25519", "current.c25519"],
      output: "planet.custom",
      plID: 4242424242,
      plBirth: 1700000000000,
      plRecommend: false,
    };
    writeFileSync("mkworld.config.json", JSON.stringify(config));
    const { code, stderr } = await world("forge", "--mkworld", "mkworld.config.json", "--output", "planet.custom");
    assert.equal(code, 0, stderr);
    const planet = worldIn("planet.custom");
    assert.deepEqual([planet.id, planet.timestamp], [4242424242n, 1700000000000n]);
    assert.ok(verifyWorld(planet, key.public));
  });

  test("refuses a fifth root and a wrong endpoint in plain words, and writes nothing", async () => {
    const roots = Array.from({ length: 5 }, (_, i) => ["--root", otherPublic.replace(/^d/, String(i + 1))]).flat();
    const five = await world("forge", ...roots, "--output", "five");
    assert.equal(five.code, 1);
    assert.match(five.stderr, /^a world holds at most 4 roots, and 5 were given\n$/);
    const wrong = await world(
      "forge",
      "--identity",
      recordedPublic,
      "--endpoint",
      "root.example/9993",
      "--output",
      "five",
    );
    assert.match(wrong.stderr, /"root\.example\/9993" is not an endpoint/);
    assert.ok(!existsSync("five") && !existsSync("five.signing-key.secret"));
  });
});

describe("orrery world show", () => {
  test("describes the worlds of a home: roots, endpoints, date, next signer, signature", async () => {
    const { home, first } = await newHome("--moon");
    const { code, stdout } = await world("show", "home", "--home", home.path);
    assert.equal(code, 0);
    assert.match(
      stdout,
      /planet 0000000008eac90a {2}\(the public planet's id\)\n {2}timestamp {4}1644592324813 \(2022-02-11T/,
    );
    assert.match(stdout, new RegExp(`moon ${formatWorldId(first.id).slice(6)}\n`));
    assert.match(stdout, /signature {4}valid, by the key that must sign the next version/);
    assert.match(stdout, /203\.0\.113\.9\/9993/);
    const asDirectory = await world("show", home.path, "--json");
    const list = JSON.parse(asDirectory.stdout) as { id: string; signatureValid: boolean }[];
    assert.deepEqual(
      list.map((one) => [one.id, one.signatureValid]),
      [
        ["0000000008eac90a", true],
        [formatWorldId(first.id), true],
      ],
    );
  });

  test("finds the signer of a handed-over world among the keys it is given", async () => {
    const held = worldIn("0000003a6b42e392.moon");
    const bytes = held.bytes.slice();
    bytes[16]! ^= 1;
    writeFileSync("tampered.moon", bytes);
    const tampered = await world("show", "tampered.moon");
    assert.match(tampered.stdout, /signature {4}not by the key that signs the next version/);
    const signed = JSON.parse((await world("show", "0000003a6b42e392.moon", "--json")).stdout) as { signedBy: string };
    assert.equal(signed.signedBy, "the key that must sign the next version");
  });

  test("says what is wrong with a file that is no world", async () => {
    writeFileSync("short", new Uint8Array([1, 2, 3]));
    assert.match((await world("show", "short")).stderr, /^short is no planet and no moon \(too_short at byte 1\)\n$/);
    assert.match((await world("show", "nowhere")).stderr, /^cannot read nowhere\n$/);
    mkdirSync("empty", { recursive: true });
    const empty = await world("show", "empty");
    assert.equal(empty.code, 78);
    assert.match(empty.stderr, /holds no world: make one: orrery init --home/);
  });
});
