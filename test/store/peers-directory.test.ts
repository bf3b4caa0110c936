import assert from "node:assert/strict";
import {
  existsSync,
  lutimesSync,
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
import type { CachedPeer } from "../../src/node/ports.ts";
import { formatAddress } from "../../src/protocol/address.ts";
import { Home } from "../../src/store/files.ts";
import { FilePeerCache, type PeerCacheOptions } from "../../src/store/peer-cache.ts";
import { decodePeerFile, encodePeerFile } from "../../src/store/peer-record.ts";
import { numberedPeer } from "./peers.ts";

const NOW = 1_800_000_000_000;

let path: string;
let home: Home;
let file: string;

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "orrery-cache-"));
  home = new Home(path);
  file = home.file("peers.cache");
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

function open(options: Partial<PeerCacheOptions> = {}) {
  const { cache, peers, warnings } = FilePeerCache.open(home, { maxPeers: 10_000, now: NOW, ...options });
  return { cache, warnings, peers: [...peers].sort((a, b) => b.lastReceive - a.lastReceive) };
}

async function filled(...numbers: number[]): Promise<void> {
  const { cache } = open();
  for (const n of numbers) cache.put(numberedPeer(n));
  await cache.close();
}

function numbers(peers: readonly CachedPeer[]): number[] {
  return peers.map((peer) => peer.identity.address - 0x1000000000);
}

describe("the reference's peers.d", () => {
  function putPeerFile(n: number, secondsAgo: number, content = encodePeerFile(numberedPeer(n))): string {
    mkdirSync(home.file("peers.d"), { recursive: true });
    const name = home.file("peers.d", `${formatAddress(0x1000000000 + n)}.peer`);
    writeFileSync(name, content);
    utimesSync(name, NOW / 1000 - secondsAgo, NOW / 1000 - secondsAgo);
    return name;
  }

  test("has the layout that the reference writes", () => {
    const bytes = encodePeerFile(numberedPeer(3));
    assert.equal(bytes.length, 82 + 7 + 19);
    assert.equal(Buffer.from(bytes.subarray(0, 7)).toString("hex"), "02100000000300");
    assert.equal(Buffer.from(bytes.subarray(71, 90)).toString("hex"), "00000c0001000e00010002040a0000032709" + "06");
  });

  test("is imported on a home without a cache, and then remembered in the cache", async () => {
    putPeerFile(1, 100);
    putPeerFile(2, 50);
    putPeerFile(3, 40 * 24 * 3600);
    const { peers, warnings, cache } = open();
    assert.deepEqual([numbers(peers), warnings], [[2, 1], []]);
    assert.equal(peers[0]!.lastReceive, NOW - 50_000);
    assert.deepEqual(peers[0]!.paths, [
      { endpoint: numberedPeer(2).paths[0]!.endpoint, local: null, lastReceive: NOW - 50_000 },
    ]);
    assert.deepEqual(peers[0]!.version, [1, 14, 1]);
    await cache.close();
    rmSync(home.file("peers.d"), { recursive: true });
    assert.deepEqual(numbers(open().peers), [2, 1]);
  });

  const good = encodePeerFile(numberedPeer(1));
  for (const [what, content, problem] of [
    ["cut off", good.subarray(0, 60), "it holds no peer (too_short at byte 7)"],
    ["another peer's", encodePeerFile(numberedPeer(3)), "it holds 1000000003"],
    ["empty", new Uint8Array(0), "it holds no peer (bad_value at byte 0)"],
    ["far too large", new Uint8Array(5000), "it has 5000 bytes"],
    ["of unlimited paths", good.with(80, 0xff), "it holds no peer (too_long at byte 80)"],
    ["of an unknown address type", good.with(82, 0x77), "it holds no peer (bad_value at byte 83)"],
  ] as const) {
    test(`is read but for a hostile file, which is told: ${what}`, () => {
      putPeerFile(2, 10);
      const name = putPeerFile(1, 10, content);
      const { peers, warnings } = open();
      assert.deepEqual(numbers(peers), [2]);
      assert.deepEqual(warnings, [`${name} was skipped: ${problem}`]);
    });
  }

  test("is read but for directories and links, which could be anything", () => {
    putPeerFile(2, 10);
    const directory = home.file("peers.d/1000000007.peer");
    const link = home.file("peers.d/1000000008.peer");
    mkdirSync(directory);
    symlinkSync("/dev/zero", link);
    writeFileSync(home.file("peers.d/notes.txt"), "hello");
    for (const name of [directory, link]) lutimesSync(name, NOW / 1000, NOW / 1000);
    const { peers, warnings } = open();
    assert.deepEqual(numbers(peers), [2]);
    assert.deepEqual(
      warnings,
      [directory, link].map((name) => `${name} was skipped: it is no file`),
    );
  });

  test("names at most five skipped files", () => {
    for (let n = 1; n <= 9; n++) putPeerFile(n, 10, new Uint8Array([2, n]));
    const { warnings } = open();
    assert.equal(warnings.length, 6);
    assert.match(warnings[0]!, /100000000\d\.peer was skipped: it holds no peer \(too_short at byte 1\)$/);
    assert.equal(warnings[5], "4 more peer files were skipped");
  });

  test("is imported again where the reference ran in between", async () => {
    mkdirSync(home.file("peers.d"));
    await filled(1, 2);
    utimesSync(file, NOW / 1000 - 1000, NOW / 1000 - 1000);
    putPeerFile(2, 10);
    putPeerFile(3, 20);
    putPeerFile(4, 2000);
    const { peers, cache } = open();
    assert.deepEqual(numbers(peers), [2, 3, 1]);
    assert.equal(peers[0]!.lastReceive, NOW - 10_000);
    await cache.close();
  });

  test("is written back at the end when the home has it, the most recent 4096, dated by their last receive", async () => {
    mkdirSync(home.file("peers.d"));
    const { cache } = open();
    for (let n = 1; n <= 4100; n++) cache.put(numberedPeer(n));
    await cache.close();
    const names = readdirSync(home.file("peers.d")).sort();
    assert.equal(names.length, 4096);
    assert.equal(names[0], "1000000005.peer");
    const name = home.file("peers.d/1000000009.peer");
    const { lastReceive, paths } = numberedPeer(9);
    assert.equal(Math.round(statSync(name).mtimeMs), lastReceive);
    const decoded = decodePeerFile(readFileSync(name), lastReceive);
    assert.ok(decoded.ok);
    assert.deepEqual(decoded.value, {
      ...numberedPeer(9),
      paths: paths.map((path) => ({ ...path, local: null, lastReceive })),
    });
    assert.deepEqual(open().warnings, []);
  });

  test("is not made where there is none", async () => {
    await filled(1);
    assert.equal(existsSync(home.file("peers.d")), false);
  });
});
