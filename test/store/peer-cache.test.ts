import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import type { CachedPeer } from "../../src/node/ports.ts";
import { Writer } from "../../src/protocol/bytes.ts";
import { Home } from "../../src/store/files.ts";
import { FilePeerCache, type PeerCacheOptions } from "../../src/store/peer-cache.ts";
import {
  decodePeerFile,
  decodePutRecord,
  encodePeerFile,
  summariseRecord,
  writePutRecord,
} from "../../src/store/peer-record.ts";
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

describe("the peer cache", () => {
  test("gives back what was put, exactly", async () => {
    const first = open();
    assert.deepEqual([first.peers, first.warnings], [[], []]);
    for (const n of [1, 3, 2]) first.cache.put(numberedPeer(n));
    assert.equal(first.cache.size, 3);
    await first.cache.close();
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const second = open();
    assert.deepEqual(second.peers, [numberedPeer(3), numberedPeer(2), numberedPeer(1)]);
    assert.deepEqual(second.warnings, []);
    await second.cache.close();
  });

  test("writes soon and in one group, only the last word about each peer", async () => {
    const { cache } = open();
    for (let i = 0; i < 100; i++) cache.put({ ...numberedPeer(1), lastReceive: i });
    cache.put(numberedPeer(2));
    cache.remove(numberedPeer(2).identity.address);
    for (let i = 0; i < 300 && cache.statistics.pending > 0; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.deepEqual(
      { ...cache.statistics, fileBytes: 0 },
      {
        peers: 1,
        maxPeers: 10_000,
        pending: 0,
        fileBytes: 0,
        commits: 1,
        compactions: 0,
        failures: 0,
        failing: false,
      },
    );
    assert.ok(statSync(file).size < 200);
    await cache.close();
    assert.equal(open().peers[0]!.lastReceive, 99);
  });

  test("forgets what is removed, also after a restart", async () => {
    await filled(1, 2, 3);
    const { cache } = open();
    cache.remove(numberedPeer(2).identity.address);
    cache.remove(numberedPeer(99).identity.address);
    assert.equal(cache.size, 2);
    await cache.close();
    cache.put(numberedPeer(4));
    assert.deepEqual(numbers(open().peers), [3, 1]);
  });

  test("keeps everything that a flush confirmed when the process is killed", async () => {
    const script = fileURLToPath(new URL("cache-child.ts", import.meta.url));
    const child = spawn(process.execPath, ["--import", "tsx", script, path], { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
      if (output.split("\n").length > 30) child.kill("SIGKILL");
    });
    const [, signal] = await once(child, "exit");
    assert.equal(signal, "SIGKILL");
    const confirmed = output.trim().split("\n").length * 50;
    assert.ok(confirmed >= 1500);
    const { peers, cache } = open();
    const held = new Map(peers.map((peer) => [peer.identity.address, peer]));
    for (let n = 50; n < 50 + confirmed; n++) {
      assert.deepEqual(held.get(0x1000000000 + n), numberedPeer(n), `peer ${n}`);
    }
    await cache.close();
  });

  test("stays within its bound: the least recently heard are forgotten when it is rewritten", async () => {
    const { cache } = open({ maxPeers: 100 });
    for (let round = 0; round < 5; round++) {
      for (let n = 1; n <= 50; n++) cache.put(numberedPeer(round * 50 + n));
      await cache.flush();
      assert.ok(cache.size <= 116);
    }
    assert.ok(cache.statistics.compactions >= 1);
    await cache.close();
    assert.deepEqual(
      numbers(open({ maxPeers: 100 }).peers),
      Array.from({ length: 100 }, (_, i) => 250 - i),
    );
    assert.deepEqual(numbers(open({ maxPeers: 3 }).peers), [250, 249, 248]);
  });

  test("rewrites itself when most of it is out of date, and goes on after that", async () => {
    const { cache } = open();
    for (let round = 1; round <= 30; round++) {
      for (let n = 1; n <= 500; n++) cache.put(numberedPeer(n, round));
      await cache.flush();
    }
    const { compactions, fileBytes, peers } = cache.statistics;
    assert.ok(compactions >= 1);
    assert.ok(fileBytes < 1_300_000, `${fileBytes} bytes`);
    assert.equal(peers, 500);
    assert.equal(statSync(file).size, fileBytes);
    cache.put(numberedPeer(501, 30));
    await cache.close();
    assert.deepEqual(readdirSync(path), ["peers.cache"]);
    const again = open();
    assert.equal(again.peers.length, 501);
    assert.deepEqual(again.peers[0], numberedPeer(501, 30));
    assert.deepEqual(again.peers.at(-1), numberedPeer(1, 30));
  });

  test("survives a disk that refuses: puts are kept, told once, and written when it works again", async () => {
    const warnings: string[] = [];
    const { cache } = open({ warn: (text) => warnings.push(text) });
    cache.put(numberedPeer(1));
    await cache.flush();
    const descriptor = readdirSync("/proc/self/fd")
      .map(Number)
      .find((fd) => pointsTo(fd, file))!;
    closeSync(descriptor);
    assert.equal(openSync(file, "r"), descriptor, "the journal's descriptor is read-only now");
    cache.put(numberedPeer(2));
    await assert.rejects(cache.flush(), { code: "EBADF" });
    cache.put(numberedPeer(3));
    await assert.rejects(cache.flush(), { code: "EBADF" });
    assert.deepEqual(warnings, [`${file} cannot be written (EBADF): retrying`]);
    assert.deepEqual([cache.size, cache.statistics.pending, cache.statistics.failures], [3, 2, 2]);
    closeSync(descriptor);
    assert.equal(openSync(file, "r+"), descriptor);
    await cache.flush();
    await cache.close();
    assert.deepEqual(numbers(open().peers), [3, 2, 1]);
  });
});

function pointsTo(descriptor: number, target: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`) === target;
  } catch {
    return false;
  }
}

describe("a damaged peer cache", () => {
  test("loses only the record that a crash cut off", async () => {
    await filled(1, 2, 3);
    const whole = readFileSync(file);
    for (const missing of [1, 50, 100]) {
      writeFileSync(file, whole.subarray(0, whole.length - missing));
      const { peers, warnings, cache } = open();
      assert.deepEqual(numbers(peers), [2, 1]);
      assert.match(warnings[0]!, /peers\.cache: \d+ bytes of an unfinished write at its end were dropped$/);
      cache.put(numberedPeer(4));
      await cache.close();
      assert.deepEqual(numbers(open().peers), [4, 2, 1]);
    }
  });

  test("loses only the record in which a bit flipped, and is rewritten", async () => {
    await filled(1, 2, 3);
    const bytes = readFileSync(file);
    bytes[16 + 8 + 130 + 20]! ^= 1;
    writeFileSync(file, bytes);
    const { peers, warnings, cache } = open();
    assert.deepEqual(numbers(peers), [3, 1]);
    assert.match(warnings[0]!, /peers\.cache: \d+ damaged bytes were skipped$/);
    await cache.close();
    const again = open();
    assert.deepEqual([numbers(again.peers), again.warnings], [[3, 1], []]);
  });

  test("is set aside when its beginning is not ours, each time under a new name", async () => {
    for (const [index, content] of ["rubbish", "x".repeat(100), "ORRPEERS\0\0\0\u0009...."].entries()) {
      writeFileSync(file, content);
      const { peers, warnings, cache } = open();
      assert.deepEqual(peers, []);
      assert.deepEqual(warnings, [
        `${file} is damaged: it was set aside as ${file}.damaged-${index + 1}; ` +
          "peers are learned anew as they say HELLO",
      ]);
      assert.equal(readFileSync(`${file}.damaged-${index + 1}`, "utf8"), content);
      cache.put(numberedPeer(1));
      await cache.close();
      assert.deepEqual(numbers(open().peers), [1]);
    }
  });

  test("never throws and never invents a peer, whatever is in the file", async () => {
    await filled(1, 2, 3, 4, 5, 6);
    const whole = readFileSync(file);
    const original = new Map([1, 2, 3, 4, 5, 6].map((n) => [n, numberedPeer(n)]));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 20 }),
        fc.uint8Array({ maxLength: 200 }),
        async (changes, tail) => {
          const bytes = Buffer.concat([whole, tail]);
          for (const [at, value] of changes) bytes[at] = value;
          writeFileSync(file, bytes);
          const { peers, cache } = open();
          for (const peer of peers) assert.deepEqual(peer, original.get(numbers([peer])[0]!));
          await cache.close();
        },
      ),
      { seed: 7, numRuns: 60 },
    );
  });

  test("leaves no half-written rewrite behind", async () => {
    await filled(1);
    writeFileSync(`${file}.new`, "half");
    await open().cache.close();
    assert.deepEqual(readdirSync(path), ["peers.cache"]);
  });
});

describe("peer records", () => {
  test("refuse every truncation and anything behind their end", () => {
    const writer = new Writer();
    writePutRecord(writer, numberedPeer(3));
    const record = writer.finish().slice();
    assert.deepEqual(summariseRecord(record), {
      address: 0x1000000003,
      lastReceive: numberedPeer(3).lastReceive,
    });
    for (let length = 0; length < record.length; length++) {
      assert.equal(decodePutRecord(record.subarray(0, length)).ok, false, `${length} bytes`);
    }
    assert.deepEqual(decodePutRecord(record), { ok: true, value: numberedPeer(3) });
    assert.equal(decodePutRecord(new Uint8Array([...record, 0])).ok, false);
  });

  test("hold at most 64 paths", () => {
    const [path] = numberedPeer(1).paths;
    const many = { ...numberedPeer(1), paths: Array.from({ length: 100 }, () => path!) };
    const writer = new Writer();
    writePutRecord(writer, many);
    const decoded = decodePutRecord(writer.finish());
    assert.equal(decoded.ok && decoded.value.paths.length, 64);
    assert.ok(decodePeerFile(encodePeerFile(many), 0).ok);
  });
});
