import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { registerInit } from "../../src/cli/init.ts";
import { registerWorld } from "../../src/cli/world.ts";
import { parseIdentity } from "../../src/identity/identity.ts";
import { formatEndpoint } from "../../src/protocol/inet-address.ts";
import { Home } from "../../src/store/files.ts";
import { formatSigningKey } from "../../src/store/signing-keys.ts";
import { forgeWorld, generateSigningKey } from "../../src/world/forge.ts";
import { formatWorldId, supersedes, type World } from "../../src/world/world.ts";
import { startFakeDaemon } from "./fake-daemon.ts";
import { cli, present, temporaryDirectory } from "./run-cli.ts";

const directory = temporaryDirectory();
const world = (...args: string[]) => cli(registerWorld, ["world", ...args]);
const otherPublic =
  "dfa2df89d5:0:0e064c311dfa21e0f211392d6a0bb8726166a7581e21bca9ee8f8555a8eb344c0167a6c172fb430dbea908ec2a911c23645c9a99d93149083fed0acf12f433db";

let count = 0;
/** A home made by `orrery init`, with its first world. */
async function newHome(...args: string[]): Promise<{ home: Home; first: World }> {
  count += 1;
  const home = new Home(join(directory, `home-${count}`));
  const run = await cli(registerInit, ["init", "--home", home.path, "--endpoint", "203.0.113.9/9993", ...args]);
  assert.equal(run.code, 0, run.stderr);
  return { home, first: args.includes("--moon") ? home.loadMoons()[0]! : present(home.loadPlanet(), "planet") };
}

const endpointsOf = (held: World) => held.roots.flatMap((root) => root.stableEndpoints.map(formatEndpoint));

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
    const strange = join(directory, "strange.secret");
    writeFileSync(strange, formatSigningKey(generateSigningKey((into) => into.fill(5))));
    const wrong = await world(...args, "--signing-key", strange);
    assert.equal(wrong.code, 78);
    assert.match(wrong.stderr, /strange\.secret: is key [0-9a-f]{16}…, but the next version must be signed by/);
    assert.deepEqual(home.loadPlanet()?.bytes, first.bytes);
    assert.equal((await world(...args, "--signing-key", offline)).code, 0);
    assert.ok(supersedes(first, present(home.loadPlanet(), "planet")));
    rmSync(offline);
  });

  test("is still newer than a version from the future", async () => {
    const { home, first } = await newHome();
    const key = present(home.loadSigningKey(first.id), "key");
    const future = forgeWorld({ ...first, timestamp: BigInt(Date.now()) + 86_400_000n, signingKey: key });
    home.savePlanet(future);
    await world("rotate", "--home", home.path, "--add-endpoint", "198.51.100.7/9993");
    assert.equal(home.loadPlanet()?.timestamp, future.timestamp + 1n);
  });

  test("cannot change endpoints of a root that is not this home's", async () => {
    const { home, first } = await newHome();
    const stranger = parseIdentity(otherPublic)!;
    const key = present(home.loadSigningKey(first.id), "key");
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
