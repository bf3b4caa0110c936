import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { ConfigError } from "../../src/config/errors.ts";
import { parseIdentity } from "../../src/identity/identity.ts";
import { randomFill } from "../../src/io/random.ts";
import { fromHex } from "../../src/protocol/bytes.ts";
import { Home } from "../../src/store/files.ts";
import { generateSigningKey } from "../../src/world/forge.ts";
import { decodeWorld, type World } from "../../src/world/world.ts";

function vectors(name: string) {
  return JSON.parse(readFileSync(new URL(`../fixtures/vectors/${name}.json`, import.meta.url), "utf8"));
}
const IDENTITIES: { secret: string; public: string }[] = vectors("identities").valid;
const WORLDS: { name: string; id: string; type: number; binary: string }[] = [
  ...vectors("worlds").made_worlds,
  ...vectors("worlds").generated_worlds,
];
const ME = IDENTITIES[0]!;
const OTHER = IDENTITIES[1]!;

function world(name: string): World {
  const decoded = decodeWorld(fromHex(WORLDS.find((entry) => entry.name.startsWith(name))!.binary)!);
  assert.ok(decoded.ok);
  return decoded.value.world;
}

let path: string;
let home: Home;

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "orrery-home-"));
  home = new Home(path);
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

function put(name: string, content: string | Uint8Array, mode = 0o600): string {
  const file = home.file(name);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, content, { mode });
  chmodSync(file, mode);
  return file;
}

function text(name: string): string {
  return readFileSync(home.file(name), "utf8");
}

function mode(name: string): number {
  return statSync(home.file(name)).mode & 0o777;
}

/** Runs `action`, which must throw a ConfigError, and gives its one line with the home's path as `~`. */
function complaint(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.ok(error.file !== undefined && error.advice !== "");
    return error.describe().replaceAll(path, "~");
  }
  return assert.fail("nothing was thrown");
}

describe("identity files", () => {
  test("are absent on an empty home, and come back as they were saved", () => {
    assert.equal(home.loadIdentity(), null);
    const identity = parseIdentity(ME.secret)!;
    home.saveIdentity(identity);
    assert.equal(text("identity.secret"), ME.secret);
    assert.equal(text("identity.public"), ME.public);
    assert.equal(mode("identity.secret"), 0o600);
    assert.equal(mode("identity.public"), 0o644);
    const loaded = home.loadIdentity()!;
    assert.ok(loaded.equals(identity));
    assert.deepEqual(loaded.secretKey, identity.secretKey);
    assert.deepEqual(home.warnings, []);
  });

  test("of the reference are taken over as they are; a missing or differing public one is rewritten", () => {
    put("identity.secret", ME.secret);
    put("identity.public", OTHER.public, 0o644);
    assert.ok(home.loadIdentity());
    assert.equal(text("identity.public"), ME.public);
    assert.equal(text("identity.secret"), ME.secret);
  });

  test("are closed to others, with a warning", () => {
    put("identity.secret", ME.secret, 0o644);
    home.loadIdentity();
    assert.equal(mode("identity.secret"), 0o600);
    assert.deepEqual(home.warnings, [`${home.file("identity.secret")} was open to others; its mode is now 600`]);
  });

  const swapped = `${ME.secret.split(":").slice(0, 3).join(":")}:${OTHER.secret.split(":")[3]}`;
  const readdressed = `0123456789${ME.secret.slice(10)}`;
  const advice = "restore it from a backup; move it away only if a new address, unknown to every client, is acceptable";
  for (const [what, content, message] of [
    ["empty", "", "holds no identity"],
    ["cut off", ME.secret.slice(0, 200), "holds no identity"],
    ["binary rubbish", new Uint8Array([0, 255, 254, 7]), "holds no identity"],
    ["public only", ME.public, "holds a public identity only, without its secret"],
    ["somebody else's secret", swapped, "is damaged: its secret key does not belong to its public key"],
    ["another address", readdressed, "is damaged: its address does not follow from its key"],
  ] as const) {
    test(`are refused in one line when damaged: ${what}`, () => {
      put("identity.secret", content);
      assert.equal(
        complaint(() => home.loadIdentity()),
        `~/identity.secret: ${message}: ${advice}`,
      );
    });
  }

  test("are refused when they are no files or far too large", () => {
    mkdirSync(home.file("identity.secret"));
    assert.equal(
      complaint(() => home.loadIdentity()),
      "~/identity.secret: cannot read the file (EISDIR): it is a directory: move it away",
    );
    rmSync(home.file("identity.secret"), { recursive: true });
    put("identity.secret", "x".repeat(70_000));
    assert.match(
      complaint(() => home.loadIdentity()),
      /^~\/identity\.secret: has 70000 bytes, and at most 65536 make sense: this is not the file it should be/,
    );
  });
});

describe("tokens", () => {
  test("are made once: 24 characters a-z0-9, no newline, mode 600", () => {
    const auth = home.authToken(randomFill);
    const metrics = home.metricsToken(randomFill);
    assert.match(auth, /^[a-z0-9]{24}$/);
    assert.notEqual(auth, metrics);
    assert.equal(text("authtoken.secret"), auth);
    assert.equal(text("metricstoken.secret"), metrics);
    assert.equal(mode("authtoken.secret"), 0o600);
    assert.equal(home.authToken(randomFill), auth);
  });

  test("of an operator are used as they are, trimmed; an empty file counts as missing", () => {
    put("authtoken.secret", "  My Own Token!\n");
    assert.equal(home.authToken(randomFill), "My Own Token!");
    assert.equal(text("authtoken.secret"), "  My Own Token!\n");
    put("metricstoken.secret", "\n");
    assert.match(home.metricsToken(randomFill), /^[a-z0-9]{24}$/);
  });
});

describe("planet and moons", () => {
  test("come back byte for byte", () => {
    assert.equal(home.loadPlanet(), null);
    assert.deepEqual(home.loadMoons(), []);
    const planet = world("own-planet");
    const moons = [world("moon A"), world("moon B")];
    home.savePlanet(planet);
    for (const moon of moons) home.saveMoon(moon);
    assert.deepEqual(home.loadPlanet(), planet);
    assert.deepEqual(
      home.loadMoons().map((moon) => moon.id),
      moons.map((moon) => moon.id).sort(),
    );
    assert.deepEqual(readdirSync(home.file("moons.d")), ["000000c4c2bb9d0f.moon", "000000dfa2df89d5.moon"]);
    home.removeMoon(moons[0]!.id);
    home.removeMoon(moons[0]!.id);
    assert.deepEqual(home.loadMoons(), [moons[1]]);
  });

  test("are only rewritten when they changed", () => {
    const planet = world("own-planet");
    home.savePlanet(planet);
    utimesSync(home.file("planet"), 1000, 1000);
    home.savePlanet(planet);
    assert.equal(statSync(home.file("planet")).mtimeMs, 1_000_000);
    home.savePlanet(world("planet-1"));
    assert.notEqual(statSync(home.file("planet")).mtimeMs, 1_000_000);
  });

  test("are refused in one line when damaged", () => {
    const planet = world("own-planet");
    put("planet", planet.bytes.subarray(0, 100));
    assert.equal(
      complaint(() => home.loadPlanet()),
      "~/planet: holds no planet (too_short at byte 81 of 100, at most 8480): " +
        "restore it from a backup, or move it away to have a new planet made",
    );
    put("planet", world("moon A").bytes);
    assert.match(
      complaint(() => home.loadPlanet()),
      /^~\/planet: holds a world that is no planet: /,
    );
    put("moons.d/000000dfa2df89d5.moon", world("moon A").bytes.subarray(0, 200));
    assert.match(
      complaint(() => home.loadMoons()),
      /^~\/moons\.d\/000000dfa2df89d5\.moon: holds no moon \(too_short/,
    );
    put("moons.d/000000dfa2df89d5.moon", world("moon B").bytes);
    assert.equal(
      complaint(() => home.loadMoons()),
      "~/moons.d/000000dfa2df89d5.moon: holds moon 000000c4c2bb9d0f, which is not its name: " +
        "rename it to 000000c4c2bb9d0f.moon",
    );
  });

  test("beside files of other names, which are ignored and kept", () => {
    home.saveMoon(world("moon A"));
    put("moons.d/readme.txt", "hello");
    put("moons.d/000000DFA2DF89D5.moon", "hello");
    assert.equal(home.loadMoons().length, 1);
    assert.ok(existsSync(home.file("moons.d/readme.txt")));
  });

  test("that cannot be written are told, and the node is not thrown at", () => {
    put("moons.d", "a file where a directory should be");
    const failures: unknown[] = [];
    const store = home.worldStore((error) => failures.push(error));
    store.saveMoon(world("moon A"));
    store.savePlanet(world("own-planet"));
    assert.equal(failures.length, 1);
    assert.ok(failures[0] instanceof ConfigError);
    assert.ok(home.loadPlanet());
  });

  test("keep a link a link, and leave nothing temporary behind", () => {
    put("elsewhere/planet-file", world("planet-1").bytes);
    symlinkSync("elsewhere/planet-file", home.file("planet"));
    home.savePlanet(world("own-planet"));
    assert.deepEqual(new Uint8Array(readFileSync(home.file("elsewhere/planet-file"))), world("own-planet").bytes);
    assert.deepEqual(readdirSync(path), ["elsewhere", "planet"]);
    assert.deepEqual(readdirSync(home.file("elsewhere")), ["planet-file"]);
  });
});

describe("port, pid and local.conf", () => {
  test("are texts without newline", () => {
    home.writePort(9993);
    assert.equal(text("zerotier-one.port"), "9993");
    home.acquirePid();
    assert.equal(text("zerotier-one.pid"), String(process.pid));
    assert.deepEqual(readdirSync(path), ["zerotier-one.pid", "zerotier-one.port"]);
    home.releasePid();
    assert.deepEqual(readdirSync(path), ["zerotier-one.port"]);
  });

  test("a live process keeps the home; a dead one's file is replaced", async () => {
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000); console.log('up')"]);
    await once(child.stdout, "data");
    put("zerotier-one.pid", String(child.pid));
    assert.equal(
      complaint(() => home.acquirePid()),
      `~/zerotier-one.pid: process ${child.pid} already runs on this home directory: ` +
        `stop it first (kill ${child.pid}), or give this one another home with --home`,
    );
    home.releasePid();
    assert.equal(text("zerotier-one.pid"), String(child.pid), "not ours to remove");
    child.kill("SIGKILL");
    await once(child, "exit");
    home.acquirePid();
    assert.equal(text("zerotier-one.pid"), String(process.pid));
    assert.deepEqual(readdirSync(path), ["zerotier-one.pid"]);
  });

  test("a pid that another kind of program has by now is stale, and so is rubbish", async () => {
    const child = spawn("sleep", ["30"]);
    await once(child, "spawn");
    for (const content of [String(child.pid), "", "-1", "0", "many", "99999999999999"]) {
      put("zerotier-one.pid", content);
      home.acquirePid();
      assert.equal(text("zerotier-one.pid"), String(process.pid));
    }
    child.kill("SIGKILL");
    await once(child, "exit");
  });

  test("local.conf is read and written as text", () => {
    assert.equal(home.readLocalConf(), null);
    home.writeLocalConf("{}");
    assert.equal(home.readLocalConf(), "{}");
  });
});

describe("signing keys", () => {
  test("live in a closed directory and come back by id or by file", () => {
    const key = generateSigningKey(randomFill);
    const file = home.saveSigningKey(0x1234n, key);
    assert.equal(file, home.file("signing", "0000000000001234.secret"));
    assert.equal(mode("signing"), 0o700);
    assert.equal(mode("signing/0000000000001234.secret"), 0o600);
    assert.deepEqual(home.loadSigningKey(0x1234n), key);
    assert.deepEqual(home.loadSigningKey(file), key);
    assert.equal(home.loadSigningKey(0x1235n), null);
  });

  test("are refused in one line when damaged", () => {
    const key = generateSigningKey(randomFill);
    const file = home.saveSigningKey(1n, key);
    writeFileSync(file, "abc");
    assert.match(
      complaint(() => home.loadSigningKey(1n)),
      /secret: holds no signing key: it is one line, <128 hex digits>:<128 hex digits>: restore it from your backup$/,
    );
    home.saveSigningKey(1n, { public: generateSigningKey(randomFill).public, secret: key.secret });
    assert.match(
      complaint(() => home.loadSigningKey(1n)),
      /its public half does not belong to its secret half/,
    );
  });
});

describe("a home", () => {
  test("is made with its parents, and what the reference left there stays untouched", () => {
    const fresh = new Home(join(path, "a/b"));
    fresh.prepare();
    assert.ok(statSync(fresh.path).isDirectory());
    assert.equal(home.hasPeersDirectory, false);
    const kept = ["networks.d/9c650471be000002.conf", "controller.d/network/x.json", "peers.d/0123456789.peer"];
    for (const name of kept) put(name, "kept");
    home.prepare();
    home.authToken(randomFill);
    home.saveIdentity(parseIdentity(ME.secret)!);
    for (const name of kept) assert.equal(text(name), "kept");
    assert.equal(home.hasPeersDirectory, true);
  });

  test("that is a file is refused in one line", () => {
    put("file", "");
    assert.equal(
      complaint(() => new Home(home.file("file/below")).prepare()),
      "~/file/below: cannot make the directory (ENOTDIR): " +
        "a part of the path is a file: choose another --home or move that file away",
    );
  });
});
