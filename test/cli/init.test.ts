import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { registerInit } from "../../src/cli/init.ts";
import { prepareHome } from "../../src/cli/prepare-home.ts";
import { PUBLIC_PLANET_ID } from "../../src/protocol/constants.ts";
import { formatEndpoint, parseIp } from "../../src/protocol/inet-address.ts";
import { Home } from "../../src/store/files.ts";
import { isReservedWorldId } from "../../src/world/forge.ts";
import { publicPlanet } from "../../src/world/planet.ts";
import { formatWorldId, verifyWorld, WorldType } from "../../src/world/world.ts";
import { cli, present, temporaryDirectory } from "./run-cli.ts";

const directory = temporaryDirectory();
let count = 0;
function freshHome(): string {
  count += 1;
  return join(directory, `home-${count}`);
}

const interfaces = (...list: [string, string][]) => list.map(([name, ip]) => ({ name, ip: present(parseIp(ip), ip) }));

/** Every file below a directory with its bytes, to see that nothing changed. */
function snapshot(home: string): Record<string, string> {
  const files = readdirSync(home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  return Object.fromEntries(paths.map((path) => [path, readFileSync(path, "hex")]));
}

describe("orrery init", () => {
  test("makes a private planet with this root at the given endpoints, signed by a key of its own", async () => {
    const path = freshHome();
    const args = ["init", "--home", path, "--endpoint", "203.0.113.9/9993", "--endpoint", "2001:db8::9/9993"];
    const { code, stdout, stderr } = await cli(registerInit, args);
    assert.deepEqual([code, stderr], [0, ""]);
    const home = new Home(path);
    const identity = present(home.loadIdentity(), "identity");
    const planet = present(home.loadPlanet(), "planet");
    assert.equal(planet.type, WorldType.PLANET);
    assert.ok(!isReservedWorldId(planet.id));
    assert.equal(planet.roots.length, 1);
    assert.ok(planet.roots[0]?.identity.equals(identity));
    assert.deepEqual(planet.roots[0]?.stableEndpoints.map(formatEndpoint), ["203.0.113.9/9993", "2001:db8::9/9993"]);
    const key = present(home.loadSigningKey(planet.id), "signing key");
    assert.ok(verifyWorld(planet, key.public));
    assert.deepEqual(planet.updatesMustBeSignedBy, key.public);
    const secrets = ["identity.secret", "authtoken.secret", "metricstoken.secret"];
    for (const file of [...secrets, `signing/${formatWorldId(planet.id)}.secret`]) {
      assert.equal(statSync(join(path, file)).mode & 0o777, 0o600, file);
    }
    for (const needed of [
      "/var/lib/zerotier-one/planet",
      "/Library/Application Support/ZeroTier/One/planet",
      "C:\\ProgramData\\ZeroTier\\One\\planet",
      "BACK UP",
      "identity.secret",
      `signing/${formatWorldId(planet.id)}.secret`,
      "re-seeded by hand",
    ]) {
      assert.ok(stdout.includes(needed), `the report does not mention ${needed}`);
    }
  });

  test("run again it changes nothing and exits 0", async () => {
    const path = freshHome();
    const args = ["init", "--home", path, "--endpoint", "203.0.113.9/9993"];
    await cli(registerInit, args);
    const before = snapshot(path);
    const again = await cli(registerInit, args);
    assert.equal(again.code, 0);
    assert.match(again.stdout, /kept {6}identity\.secret, planet, authtoken\.secret, metricstoken\.secret/);
    assert.doesNotMatch(again.stdout, /^made/m);
    assert.equal((await cli(registerInit, ["init", "--home", path])).code, 0);
    assert.deepEqual(snapshot(path), before);
  });

  test("refuses to change endpoints and names the command that does", async () => {
    const path = freshHome();
    await cli(registerInit, ["init", "--home", path, "--endpoint", "203.0.113.9/9993"]);
    const before = snapshot(path);
    const { code, stderr } = await cli(registerInit, ["init", "--home", path, "--endpoint", "203.0.113.10/9993"]);
    assert.equal(code, 78);
    assert.match(stderr, /planet: says that this root is at 203\.0\.113\.9\/9993/);
    assert.match(stderr, /orrery world rotate --endpoint 203\.0\.113\.10\/9993/);
    assert.deepEqual(snapshot(path), before);
  });

  test("refuses a home whose planet belongs to others", async () => {
    const path = freshHome();
    const home = new Home(path);
    home.prepare();
    home.savePlanet(publicPlanet());
    const { code, stderr } = await cli(registerInit, ["init", "--home", path, "--endpoint", "203.0.113.9/9993"]);
    assert.equal(code, 78);
    assert.match(stderr, /planet: is planet 0000000008eac90a, of which [0-9a-f]{10} is no root: move it away/);
    assert.deepEqual(present(home.loadPlanet(), "planet").bytes, publicPlanet().bytes);
  });

  test("makes a moon named after this root beside the public planet", async () => {
    const path = freshHome();
    const { code, stdout } = await cli(registerInit, [
      "init",
      "--moon",
      "--home",
      path,
      "--endpoint",
      "203.0.113.9/443",
    ]);
    assert.equal(code, 0);
    const home = new Home(path);
    const identity = present(home.loadIdentity(), "identity");
    const [moon] = home.loadMoons();
    assert.equal(moon?.id, BigInt(identity.address));
    assert.equal(present(home.loadPlanet(), "planet").id, PUBLIC_PLANET_ID);
    const address = identity.address.toString(16).padStart(10, "0");
    assert.ok(stdout.includes(`zerotier-cli orbit ${address} ${address}`));
    assert.ok(stdout.includes(`000000${address}.moon`));
  });

  test("a lost moon file is made again with the key that clients know", async () => {
    const path = freshHome();
    const args = ["init", "--moon", "--home", path, "--endpoint", "203.0.113.9/443"];
    await cli(registerInit, args);
    const home = new Home(path);
    const [first] = home.loadMoons();
    rmSync(join(path, "moons.d"), { recursive: true });
    await cli(registerInit, args);
    const [second] = home.loadMoons();
    assert.deepEqual(second?.updatesMustBeSignedBy, first?.updatesMustBeSignedBy);
  });

  test("does not miss a signing key that was moved away, but says so", async () => {
    const path = freshHome();
    await cli(registerInit, ["init", "--home", path, "--endpoint", "203.0.113.9/9993"]);
    rmSync(join(path, "signing"), { recursive: true });
    const again = await cli(registerInit, ["init", "--home", path, "--json"]);
    assert.equal(again.code, 0);
    const report = JSON.parse(again.stdout) as { signingKeyFile: unknown; warnings: string[]; endpointSource: string };
    assert.equal(report.signingKeyFile, null);
    assert.match(report.warnings.join(), /signing key is not in this home: fine if you keep it offline/);
    assert.equal(report.endpointSource, "kept");
    assert.ok(!existsSync(join(path, "signing")));
  });

  test("as JSON tells where everything is, and no secret", async () => {
    const path = freshHome();
    const { stdout } = await cli(registerInit, ["init", "--home", path, "--endpoint", "203.0.113.9/9993", "--json"]);
    const report = JSON.parse(stdout) as Record<string, unknown>;
    assert.equal(report["home"], path);
    assert.equal(report["worldFile"], join(path, "planet"));
    assert.deepEqual(report["endpoints"], ["203.0.113.9/9993"]);
    assert.match(String(report["address"]), /^[0-9a-f]{10}$/);
    const identitySecret = readFileSync(join(path, "identity.secret"), "utf8").split(":")[3];
    assert.ok(!stdout.includes(present(identitySecret, "secret")));
    assert.ok(!stdout.includes(readFileSync(join(path, "authtoken.secret"), "utf8")));
  });

  test("refuses wrong arguments in plain words before it makes anything", async () => {
    const path = freshHome();
    const refused: [string[], RegExp][] = [
      [["--endpoint", "example.org/9993"], /"example\.org\/9993" is not an endpoint: write IP\/PORT/],
      [["--endpoint", "203.0.113.9"], /write IP\/PORT/],
      [["--port", "0"], /"0" is not a port/],
      [["--planet", "--moon"], /give one of the two/],
    ];
    for (const [args, message] of refused) {
      const { code, stderr } = await cli(registerInit, ["init", "--home", path, ...args]);
      assert.equal(code, 1);
      assert.match(stderr, message);
    }
    assert.ok(!existsSync(path));
  });

  test("reports a damaged identity instead of replacing it", async () => {
    const path = freshHome();
    new Home(path).prepare();
    writeFileSync(join(path, "identity.secret"), "nonsense", { mode: 0o600 });
    const { code, stderr } = await cli(registerInit, ["init", "--home", path, "--endpoint", "203.0.113.9/9993"]);
    assert.equal(code, 78);
    assert.match(stderr, /identity\.secret/);
    assert.equal(readFileSync(join(path, "identity.secret"), "utf8"), "nonsense");
  });
});

describe("the choice of endpoints", () => {
  const chosen = (...list: [string, string][]) => {
    const report = prepareHome({
      home: new Home(freshHome()),
      kind: "planet",
      endpoints: [],
      port: 9993,
      now: 1_700_000_000_000,
      addresses: interfaces(...list),
    });
    return { endpoints: report.endpoints.map(formatEndpoint), warnings: report.warnings.join("\n"), report };
  };

  test("takes global addresses of both families and leaves private ones of the same family out", () => {
    const { endpoints, warnings } = chosen(["eth0", "192.168.1.5"], ["eth0", "8.8.4.4"], ["eth0", "2a00:1450::5"]);
    assert.deepEqual(endpoints, ["8.8.4.4/9993", "2a00:1450::5/9993"]);
    assert.equal(warnings, "");
  });

  test("falls back to private addresses, and says that others need the public one", () => {
    const { endpoints, warnings, report } = chosen(["eth0", "192.168.1.5"]);
    assert.deepEqual(endpoints, ["192.168.1.5/9993"]);
    assert.match(warnings, /only private addresses/);
    assert.equal(report.endpointSource, "chosen");
    assert.equal(report.world.timestamp, 1_700_000_000_000n);
  });

  test("never takes loopback, link-local, tunnel or container addresses", () => {
    const { endpoints, warnings } = chosen(
      ["lo", "127.0.0.1"],
      ["eth0", "fe80::1:2"],
      ["ztabcdef", "10.147.0.1"],
      ["docker0", "172.17.0.1"],
      ["br-0123456789ab", "172.18.0.1"],
    );
    assert.deepEqual(endpoints, []);
    assert.match(warnings, /no address found for this root/);
  });
});
