import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { registerInit } from "../../src/cli/init.ts";
import { registerWorld } from "../../src/cli/world.ts";
import { parseIdentity } from "../../src/identity/identity.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import { formatEndpoint } from "../../src/protocol/inet-address.ts";
import { Home } from "../../src/store/files.ts";
import { generateSigningKey } from "../../src/world/forge.ts";
import { formatMoonJson, parseMoonJson } from "../../src/world/moon-json.ts";
import { decodeWorld, formatWorldId, supersedes, verifyWorld, type World, WorldType } from "../../src/world/world.ts";
import { startFakeDaemon } from "./fake-daemon.ts";
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

const endpointsOf = (held: World) => held.roots.flatMap((root) => root.stableEndpoints.map(formatEndpoint));

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

describe("orrery world rotate", () => {
  test("signs a newer planet that the old one's clients accept, and keeps the old one", async () => {
    const { home, first } = await newHome();
    const { code, stdout, stderr } = await world("rotate", "--home", home.path, "--add-endpoint", "198.51.100.7/9993");
    assert.deepEqual([code, stderr], [0, ""]);
    const next = present(home.loadPlanet(), "planet");
    assert.ok(supersedes(first, next));
    assert.deepEqual(endpointsOf(next).sort(), ["198.51.100.7/9993", "203.0.113.9/9993"]);
    const [backup] = readdirSync(home.file("backup"));
    assert.equal(backup, `${formatWorldId(first.id)}-${first.timestamp}.world`);
    assert.deepEqual(new Uint8Array(readFileSync(home.file("backup", backup!))), first.bytes);
    assert.match(stdout, /no daemon runs on this home: it will be served from the next start/);
  });

  test("tells the running daemon, with the home's token", async () => {
    const { home } = await newHome();
    const daemon = await startFakeDaemon(home.path, {
      "POST /orrery/reload": { status: 200, body: { ok: true, applied: [], restart: [], errors: [] } },
    });
    try {
      const { stdout } = await world("rotate", "--home", home.path, "--add-endpoint", "198.51.100.7/9993");
      assert.match(stdout, /the running daemon serves it from now on/);
      assert.deepEqual(daemon.requests, ["POST /orrery/reload"]);
    } finally {
      await daemon.close();
    }
  });

  test("reports a daemon that refuses to reload", async () => {
    const { home } = await newHome();
    const daemon = await startFakeDaemon(home.path, {
      "POST /orrery/reload": { status: 422, body: { ok: false, errors: ["orrery.yaml:3:1: no"] } },
    });
    try {
      const args = ["rotate", "--home", home.path, "--add-endpoint", "198.51.100.7/9993", "--json"];
      const result = JSON.parse((await world(...args)).stdout) as { daemon: string; warnings: string[] };
      assert.equal(result.daemon, "refused");
      assert.match(result.warnings.join(), /the daemon answered 422: .*orrery\.yaml:3:1/);
    } finally {
      await daemon.close();
    }
  });

  test("warns when an endpoint is dropped that clients still need", async () => {
    const { home } = await newHome();
    await world("rotate", "--home", home.path, "--add-endpoint", "198.51.100.7/9993");
    const removed = await world("rotate", "--home", home.path, "--remove-endpoint", "203.0.113.9/9993");
    assert.equal(removed.code, 0);
    assert.match(removed.stderr, /keep the old endpoint answering until "orrery world adoption" shows everyone/);
    assert.doesNotMatch(removed.stderr, /must be re-seeded/);
    const replaced = await world("rotate", "--home", home.path, "--endpoint", "192.0.2.1/9993");
    assert.match(replaced.stderr, /no old endpoint is left: a client that is away during the change must be re-seeded/);
    assert.deepEqual(endpointsOf(present(home.loadPlanet(), "planet")), ["192.0.2.1/9993"]);
  });

  test("changes nothing when the world already says so", async () => {
    const { home, first } = await newHome();
    const { code, stdout } = await world("rotate", "--home", home.path, "--endpoint", "203.0.113.9/9993");
    assert.equal(code, 0);
    assert.match(stdout, /^nothing to change:/);
    assert.deepEqual(home.loadPlanet()?.bytes, first.bytes);
    assert.ok(!existsSync(home.file("backup")));
  });

  test("adds and removes other roots", async () => {
    const { home } = await newHome();
    await world("rotate", "--home", home.path, "--add-root", `${otherPublic}=198.51.100.7/9993`);
    assert.equal(home.loadPlanet()?.roots.length, 2);
    const removed = await world("rotate", "--home", home.path, "--remove-root", "dfa2df89d5");
    assert.equal(removed.code, 0);
    assert.equal(home.loadPlanet()?.roots.length, 1);
    const unknown = await world("rotate", "--home", home.path, "--remove-root", "dfa2df89d5");
    assert.match(unknown.stderr, /dfa2df89d5 is no root of this world/);
  });

  test("rotates a moon, whose planet stays as it is", async () => {
    const { home, first } = await newHome("--moon");
    const planet = readFileSync(home.file("planet"));
    const id = formatWorldId(first.id).slice(6);
    const { code } = await world("rotate", "--home", home.path, "--moon", id, "--add-endpoint", "198.51.100.7/9993");
    assert.equal(code, 0);
    assert.ok(supersedes(first, home.loadMoons()[0]!));
    assert.deepEqual(readFileSync(home.file("planet")), planet);
    const unknown = await world("rotate", "--home", home.path, "--moon", "1234567890", "--add-endpoint", "1.2.3.4/1");
    assert.match(unknown.stderr, /this home holds no moon 0000001234567890, but 000000/);
  });

  test("takes the signing key from elsewhere, and refuses every other key", async () => {
    const { home, first } = await newHome();
    const key = home.file("signing", `${formatWorldId(first.id)}.secret`);
    const offline = join(directory, `offline-${count}.secret`);
    renameSync(key, offline);
    const args = ["rotate", "--home", home.path, "--add-endpoint", "198.51.100.7/9993"];
    const missing = await world(...args);
    assert.equal(missing.code, 78);
    assert.match(missing.stderr, /is not here, and only this key can sign the next version: .*--signing-key FILE/);
    const wrong = await world(...args, "--signing-key", "key.json");
    assert.equal(wrong.code, 78);
    assert.match(wrong.stderr, /key\.json: is key [0-9a-f]{16}…, but the next version must be signed by/);
    assert.deepEqual(home.loadPlanet()?.bytes, first.bytes);
    assert.equal((await world(...args, "--signing-key", offline)).code, 0);
    assert.ok(supersedes(first, present(home.loadPlanet(), "planet")));
    rmSync(offline);
  });

  test("is still newer than a version from the future", async () => {
    const { home, first } = await newHome();
    const key = present(home.loadSigningKey(first.id), "key");
    const { forgeWorld } = await import("../../src/world/forge.ts");
    const future = forgeWorld({ ...first, timestamp: BigInt(Date.now()) + 86_400_000n, signingKey: key });
    home.savePlanet(future);
    await world("rotate", "--home", home.path, "--add-endpoint", "198.51.100.7/9993");
    assert.equal(home.loadPlanet()?.timestamp, future.timestamp + 1n);
  });

  test("cannot change endpoints of a root that is not this home's", async () => {
    const { home, first } = await newHome();
    const stranger = parseIdentity(otherPublic)!;
    const key = present(home.loadSigningKey(first.id), "key");
    const { forgeWorld } = await import("../../src/world/forge.ts");
    home.savePlanet(forgeWorld({ ...first, roots: [{ identity: stranger, stableEndpoints: [] }], signingKey: key }));
    const { code, stderr } = await world("rotate", "--home", home.path, "--add-endpoint", "198.51.100.7/9993");
    assert.equal(code, 1);
    assert.match(stderr, /this home's identity is no root of this world/);
  });
});

describe("orrery world adoption", () => {
  const planet = {
    id: "00000012345678ab",
    kind: "planet",
    timestamp: 1700000000000,
    current: 5,
    older: 3,
    newer: 1,
    without: 2,
  };
  const moon = {
    id: "0000003a6b42e392",
    kind: "moon",
    timestamp: 1700000000000,
    current: 0,
    older: 0,
    newer: 0,
    without: 9,
  };

  test("draws a bar for each world and counts strangers apart", async () => {
    const { home } = await newHome();
    const daemon = await startFakeDaemon(home.path, { "GET /orrery/adoption": { status: 200, body: [planet, moon] } });
    try {
      const { code, stdout } = await world("adoption", "--home", home.path);
      assert.equal(code, 0);
      assert.equal(
        stdout,
        [
          "planet 00000012345678ab  version 1700000000000 (2023-11-14T22:13:20.000Z)",
          `  [${"#".repeat(20)}${"-".repeat(10)}]  66%  6 of 9 on this version, 3 older, 1 on a newer one than ours, 2 without it`,
          "",
          "moon 3a6b42e392  version 1700000000000 (2023-11-14T22:13:20.000Z)",
          `  [${"-".repeat(30)}]   -   nobody has told a version yet, 9 without it`,
          "",
        ].join("\n"),
      );
      const asJson = await world("adoption", "--home", home.path, "--json");
      assert.deepEqual(JSON.parse(asJson.stdout), [planet, moon]);
    } finally {
      await daemon.close();
    }
  });

  test("fails in one line when nothing runs or the answer is something else", async () => {
    const { home } = await newHome();
    const absent = await world("adoption", "--home", home.path);
    assert.equal(absent.code, 1);
    assert.match(absent.stderr, /^no daemon answers for .*: start orrery up first\n$/);
    const daemon = await startFakeDaemon(home.path, { "GET /orrery/adoption": { status: 200, body: [{ id: 7 }] } });
    try {
      assert.match((await world("adoption", "--home", home.path)).stderr, /an answer that is no adoption list/);
    } finally {
      await daemon.close();
    }
    const closed = await world("adoption", "--home", home.path);
    assert.match(closed.stderr, /ECONNREFUSED/);
  });
});
