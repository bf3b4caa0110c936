import assert from "node:assert/strict";
import { chmodSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { findingText, registerDoctor } from "../../src/cli/doctor.ts";
import {
  checkClock,
  checkEndpoints,
  checkIpv6,
  checkMembership,
  checkModes,
  checkPorts,
  checkReceiveBuffer,
  checkSigningKey,
  checkWorldVersion,
  type Finding,
} from "../../src/cli/doctor-checks.ts";
import { checkReachability, judgePort } from "../../src/cli/doctor-network.ts";
import { registerInit } from "../../src/cli/init.ts";
import { tryTcpPort, tryUdpPort } from "../../src/cli/port-check.ts";
import { Identity, parseIdentity } from "../../src/identity/identity.ts";
import { type Endpoint, formatEndpoint, parseEndpoint, parseIp } from "../../src/protocol/inet-address.ts";
import { Home } from "../../src/store/files.ts";
import { forgeWorld, generateSigningKey } from "../../src/world/forge.ts";
import { publicPlanet } from "../../src/world/planet.ts";
import { formatWorldId, type World, WorldType } from "../../src/world/world.ts";
import { startFakeDaemon } from "./fake-daemon.ts";
import { cli, present, temporaryDirectory } from "./run-cli.ts";

const directory = temporaryDirectory();
const NOW = Date.parse("2026-06-01T00:00:00Z");
const root = present(
  parseIdentity(
    "dfa2df89d5:0:0e064c311dfa21e0f211392d6a0bb8726166a7581e21bca9ee8f8555a8eb344c0167a6c172fb430dbea908ec2a911c23645c9a99d93149083fed0acf12f433db",
  ),
  "identity",
);
const key = generateSigningKey((into) => into.fill(3));

const endpoint = (text: string): Endpoint => present(parseEndpoint(text), text);
const ip = (text: string): Uint8Array => present(parseIp(text), text);

function planet(changes: Partial<World> = {}, signingKey = key): World {
  const roots = [{ identity: root, stableEndpoints: [endpoint("203.0.113.9/9993")] }];
  const content = { type: WorldType.PLANET, id: 77n, timestamp: BigInt(NOW), roots, ...changes };
  return forgeWorld({ updatesMustBeSignedBy: key.public, ...content, signingKey });
}

/** A finding's status, after checking that everything but "ok" and "skip" comes with advice. */
function statusOf(finding: Finding): string {
  assert.equal(finding.advice !== undefined, finding.status === "warn" || finding.status === "fail", finding.detail);
  return finding.status;
}

describe("what the doctor thinks", () => {
  test("of a clock: that it lies outside sane years or behind what was written already", () => {
    assert.equal(statusOf(checkClock(NOW, [{ source: "planet", time: NOW - 1000 }])), "ok");
    assert.equal(statusOf(checkClock(NOW, [{ source: "planet", time: NOW + 60_000 }])), "ok");
    const behind = checkClock(NOW, [
      { source: "a", time: 1 },
      { source: "planet", time: NOW + 86_400_000 },
    ]);
    assert.equal(statusOf(behind), "fail");
    assert.match(behind.detail, /planet is from 2026-06-02/);
    assert.equal(statusOf(checkClock(0, [])), "fail");
    assert.equal(statusOf(checkClock(Date.parse("2130-01-01T00:00:00Z"), [])), "fail");
  });

  test("of secret files that others can read", () => {
    assert.equal(statusOf(checkModes([{ name: "identity.secret", mode: 0o600 }])), "ok");
    const open = checkModes([
      { name: "identity.secret", mode: 0o640 },
      { name: "authtoken.secret", mode: 0o604 },
    ]);
    assert.equal(statusOf(open), "fail");
    assert.match(open.advice ?? "", /chmod 600 identity\.secret authtoken\.secret/);
  });

  test("of worlds that do not list this root, or with another key", () => {
    assert.equal(statusOf(checkMembership(root, [publicPlanet(), planet()])), "ok");
    assert.match(checkMembership(root, [publicPlanet()]).detail, /no world in this home lists dfa2df89d5/);
    const impostor = new Identity(root.address, new Uint8Array(64).fill(9));
    const finding = checkMembership(impostor, [planet()]);
    assert.equal(statusOf(finding), "fail");
    assert.match(finding.detail, /lists dfa2df89d5 with another key/);
  });

  test("of a world's version", () => {
    const builtIn = publicPlanet();
    assert.equal(statusOf(checkWorldVersion(planet(), builtIn, NOW)), "ok");
    assert.equal(statusOf(checkWorldVersion(planet({ timestamp: BigInt(NOW) + 86_400_000n }), builtIn, NOW)), "warn");
    const otherKey = generateSigningKey((into) => into.fill(4));
    assert.match(checkWorldVersion(planet({}, otherKey), builtIn, NOW).detail, /signed by another key/);
    const old = checkWorldVersion(planet({ id: builtIn.id, timestamp: 1_600_000_000_000n }), builtIn, NOW);
    assert.equal(statusOf(old), "fail");
    assert.match(old.advice ?? "", /needs an id of its own/);
  });

  test("of endpoints that are not on this machine, or on another port", () => {
    const local = [ip("192.168.1.5"), ip("2001:db8::5")];
    assert.equal(statusOf(checkEndpoints([endpoint("192.168.1.5/9993")], local)), "ok");
    const foreign = checkEndpoints([endpoint("192.168.1.5/9993"), endpoint("198.51.100.1/9993")], local);
    assert.equal(statusOf(foreign), "warn");
    assert.match(foreign.detail, /^198\.51\.100\.1\/9993 not on this machine/);
    assert.equal(statusOf(checkEndpoints([], local)), "fail");
    assert.equal(statusOf(checkPorts([endpoint("192.168.1.5/9993")], local, 9993)), "ok");
    assert.equal(statusOf(checkPorts([endpoint("198.51.100.1/443")], local, 9993)), "ok");
    assert.match(checkPorts([endpoint("192.168.1.5/9994")], local, 9993).advice ?? "", /set listen\.port to 9994/);
  });

  test("of receive buffers, signing keys and IPv6", () => {
    assert.equal(statusOf(checkReceiveBuffer(1000, 1000)), "ok");
    assert.equal(statusOf(checkReceiveBuffer(1000, null)), "skip");
    assert.match(checkReceiveBuffer(4_194_304, 212_992).advice ?? "", /net\.core\.rmem_max=4194304/);
    assert.equal(statusOf(checkSigningKey(planet(), "present", "f")), "ok");
    assert.equal(statusOf(checkSigningKey(planet(), "absent", "f")), "warn");
    assert.equal(statusOf(checkSigningKey(planet(), "foreign", "f")), "fail");
    const v4 = [endpoint("203.0.113.9/9993")];
    assert.equal(statusOf(checkIpv6([...v4, endpoint("2001:db8::1/9993")], [])), "ok");
    assert.match(checkIpv6(v4, [ip("fd00::1")]).detail, /no global IPv6 address/);
    assert.match(checkIpv6(v4, [ip("2a00:1450::5")]).advice ?? "", /--add-endpoint 2a00:1450::5\/9993/);
  });

  test("of a port, by who holds it", () => {
    assert.equal(statusOf(judgePort(9993, null, null, "none")), "ok");
    assert.equal(statusOf(judgePort(9993, "EADDRINUSE", "EADDRINUSE", "ours")), "ok");
    assert.equal(statusOf(judgePort(9993, null, null, "ours")), "warn");
    assert.equal(statusOf(judgePort(9993, "EADDRINUSE", null, "other")), "fail");
    assert.equal(statusOf(judgePort(0, null, null, "none")), "skip");
    assert.match(judgePort(9993, "EADDRINUSE", null, "none").detail, /^UDP 9993 \(EADDRINUSE\) cannot be bound/);
    assert.match(judgePort(80, "EACCES", null, "none").advice ?? "", /CAP_NET_BIND_SERVICE/);
  });

  test("of endpoints, by whether they answer a HELLO", async () => {
    const asked: string[] = [];
    const endpoints = [endpoint("192.168.1.5/9993"), endpoint("192.168.1.6/9993"), endpoint("198.51.100.1/9993")];
    const findings = await checkReachability(
      root,
      endpoints,
      [ip("192.168.1.5"), ip("192.168.1.6")],
      "ours",
      (options) => {
        asked.push(formatEndpoint(options.target));
        const ok = asked.length === 1;
        return Promise.resolve(ok ? { ok, rttMs: 0.5, surface: null } : { ok, reason: "no answer within 3000 ms" });
      },
    );
    assert.deepEqual(asked, endpoints.map(formatEndpoint));
    assert.deepEqual(findings.map(statusOf), ["ok", "fail", "warn"]);
    const skipped = await checkReachability(root, endpoints, [], "none");
    assert.deepEqual(
      skipped.map((finding) => finding.status),
      ["skip"],
    );
  });
});

test("ports are found free or taken", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  assert.equal(await tryTcpPort(port), "EADDRINUSE");
  await new Promise((resolve) => server.close(resolve));
  assert.equal(await tryTcpPort(port), null);
  assert.equal(await tryUdpPort(port), null);
});

test("advice stands below its finding", () => {
  const text = findingText({ name: "clock", status: "fail", detail: "late", advice: "set it" });
  assert.equal(text, `fail  clock${" ".repeat(14)}late\n${" ".repeat(25)}-> set it\n`);
});

describe("orrery doctor on a home", () => {
  let count = 0;
  async function newHome(): Promise<Home> {
    count += 1;
    const home = new Home(join(directory, `home-${count}`));
    const run = await cli(registerInit, ["init", "--home", home.path, "--endpoint", "203.0.113.9/9993"]);
    assert.equal(run.code, 0, run.stderr);
    return home;
  }

  async function examined(home: Home): Promise<{ code: number; byName: Map<string, Finding>; ok: boolean }> {
    const { code, stdout } = await cli(registerDoctor, ["doctor", "--home", home.path, "--json"]);
    const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: Finding[] };
    return { code, ok, byName: new Map(findings.map((finding) => [finding.name, finding])) };
  }

  test("finds a fresh home sound, and says what it could not try", async () => {
    const { byName, code, ok } = await examined(await newHome());
    for (const name of ["file modes", "clock", "world", "planet version", "signing key"]) {
      assert.equal(byName.get(name)?.status, "ok", name);
    }
    assert.equal(byName.get("endpoints")?.status, "warn");
    assert.equal(byName.get("reachability")?.status, "skip");
    assert.equal(code === 0, ok);
  });

  test("prints one line per check with advice, for people", async () => {
    const home = await newHome();
    const { stdout } = await cli(registerDoctor, ["doctor", "--home", home.path]);
    assert.match(stdout, /^ok {4}world {14}root of planet [0-9a-f]{16}$/m);
    assert.match(stdout, /^warn {2}endpoints {10}203\.0\.113\.9\/9993 not on this machine\n {25}-> fine behind a NAT/m);
  });

  test("fails on open secrets before it mends them", async () => {
    const home = await newHome();
    chmodSync(home.file("identity.secret"), 0o644);
    const { code, byName } = await examined(home);
    assert.equal(code, 1);
    assert.equal(byName.get("file modes")?.status, "fail");
  });

  test("fails on a file from the future, a foreign key, a damaged planet, a missing identity", async () => {
    const home = await newHome();
    const tomorrow = new Date(Date.now() + 86_400_000);
    utimesSync(home.file("authtoken.secret"), tomorrow, tomorrow);
    utimesSync(home.file("planet"), tomorrow, tomorrow);
    assert.equal((await examined(home)).byName.get("clock")?.status, "fail");

    const id = present(home.loadPlanet(), "planet").id;
    home.saveSigningKey(id, key);
    assert.match((await examined(home)).byName.get("signing key")?.detail ?? "", new RegExp(formatWorldId(id)));

    writeFileSync(home.file("planet"), "nonsense");
    const damaged = await examined(home);
    assert.equal(damaged.byName.get("planet")?.status, "fail");
    assert.equal(damaged.byName.get("world")?.status, "fail");

    rmSync(home.file("identity.secret"));
    const lost = await examined(home);
    assert.equal(lost.code, 1);
    assert.match(lost.byName.get("identity")?.detail ?? "", /no identity\.secret/);
  });

  test("notices that another daemon answers for the home", async () => {
    const home = await newHome();
    const daemon = await startFakeDaemon(home.path, {
      "GET /status": { status: 200, body: { address: "1111111111" } },
    });
    try {
      const { byName } = await examined(home);
      assert.equal(byName.get("port")?.status, "fail");
      assert.match(byName.get("port")?.detail ?? "", /another identity or token/);
      assert.equal(byName.get("reachability")?.status, "skip");
    } finally {
      await daemon.close();
    }
  });

  test("reports every mistake of the configuration with its place, and goes on", async () => {
    const home = await newHome();
    writeFileSync(home.file("orrery.yaml"), "listen:\n  port: yes\nlog:\n  level: loud\n");
    const { stdout } = await cli(registerDoctor, ["doctor", "--home", home.path]);
    assert.match(stdout, /^fail {2}configuration {6}.*orrery\.yaml:2:\d+: /m);
    assert.match(stdout, /^fail {2}configuration {6}.*orrery\.yaml:4:\d+: /m);
    assert.match(stdout, /^ok {4}world /m);
    assert.match(stdout, /^skip {2}port /m);
  });

  test("compares the configured port with the endpoints of this machine", async () => {
    const home = await newHome();
    writeFileSync(home.file("orrery.yaml"), "listen:\n  port: 0\n");
    assert.equal((await examined(home)).byName.get("endpoint ports")?.status, "skip");
  });

  test("says where to begin when there is no home", async () => {
    const nowhere = join(directory, "nowhere");
    const { code, stdout } = await cli(registerDoctor, ["doctor", "--home", nowhere]);
    assert.equal(code, 1);
    assert.match(stdout, /is no directory\n *-> orrery init --home /);
  });
});
