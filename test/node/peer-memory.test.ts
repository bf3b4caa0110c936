import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Identity } from "../../src/identity/identity.ts";
import { PathTable, pathKey } from "../../src/node/path.ts";
import type { Peer } from "../../src/node/peer.ts";
import { PeerMemory } from "../../src/node/peer-memory.ts";
import type { CachedPeer } from "../../src/node/ports.ts";
import { PeerKey } from "../../src/protocol/armor.ts";
import { parseEndpoint } from "../../src/protocol/inet-address.ts";
import { Verb } from "../../src/protocol/verbs.ts";
import { IDENTITIES, testPlanet } from "../support/constellation.ts";
import { Dice, VirtualNetwork } from "../support/virtual-network.ts";

const NOW = 1_800_000_000_000;
const ROOT_AT = "192.88.99.10/9993";
const [ROOT, A, B] = IDENTITIES;
const nobodyMustStay = () => false;

function numbered(n: number): Identity {
  const key = new Uint8Array(64);
  new DataView(key.buffer).setUint32(60, n);
  return new Identity(0x1000000000 + n * 7919, key);
}

function cachedPeer(n: number, heard = NOW - 1000): CachedPeer {
  return {
    identity: numbered(n),
    protocolVersion: 13,
    version: [1, 14, 1],
    lastReceive: heard,
    paths: [{ endpoint: parseEndpoint(`192.31.${n >> 8}.${n & 255}/9993`)!, local: null, lastReceive: heard }],
  };
}

function memory(maxAwake: number): { paths: PathTable; peers: PeerMemory } {
  const paths = new PathTable();
  return { paths, peers: new PeerMemory(paths, 1000, new Dice(5).fill, maxAwake) };
}

/** Puts everybody away who may be. */
function settle(peers: PeerMemory, now = NOW, mustStay: (peer: Peer) => boolean = nobodyMustStay): void {
  for (let i = 0; i < 20; i++) peers.settle(now, mustStay);
}

function givePath(paths: PathTable, peer: Peer, text: string): void {
  const endpoint = parseEndpoint(text)!;
  const path = paths.acquire(pathKey(3, endpoint), 3, endpoint);
  path.lastIn = NOW - 20;
  path.lastOut = NOW - 10;
  path.sampleLatency(42);
  peer.learnPath(paths, path, NOW - 20, 2);
}

describe("the memory of peers", () => {
  test("a peer that was put away comes back as it was, key and all", () => {
    const { paths, peers } = memory(0);
    const peer = peers.add(numbered(1));
    peer.key = new PeerKey(new Uint8Array(48).fill(9));
    peer.protocolVersion = 12;
    peer.version = [1, 12, 300];
    peer.lastReceive = NOW - 20;
    peer.cachedAt = NOW - 1000;
    peer.worldsOwed = true;
    peer.lastHello = {
      packetId: 0xfedcba9876543210n,
      timestamp: 77n,
      receivedAt: NOW - 5,
      socket: 9,
      planetId: 3n,
      planetTimestamp: 4n,
      moons: [{ id: 5n, timestamp: 6n }],
    };
    givePath(paths, peer, "192.31.196.2/9993");
    givePath(paths, peer, "2620:4f:8000::2/9993");
    settle(peers);
    assert.deepEqual([peers.awakeCount, paths.size, peers.storedPaths.size, peers.size], [0, 0, 2, 1]);
    const again = peers.get(peer.address)!;
    assert.notEqual(again, peer);
    assert.ok(again.identity.equals(peer.identity));
    assert.deepEqual(again.key!.shared, peer.key.shared);
    assert.deepEqual(again.lastHello, peer.lastHello);
    assert.deepEqual(
      [again.protocolVersion, again.version, again.lastReceive, again.cachedAt, again.worldsOwed],
      [12, [1, 12, 300], NOW - 20, NOW - 1000, true],
    );
    const seen = again.paths.map(({ path, lastReceive, priority }) => [
      path.endpoint,
      path.socket,
      lastReceive,
      priority,
    ]);
    assert.deepEqual(seen, [
      [parseEndpoint("192.31.196.2/9993"), 3, NOW - 20, 2],
      [parseEndpoint("2620:4f:8000::2/9993"), 3, NOW - 20, 2],
    ]);
    assert.deepEqual([again.latencyMs(NOW), again.paths[0]!.path.lastOut], [42, NOW - 10]);
    assert.deepEqual([paths.size, peers.storedPaths.size], [2, 0]);
    peers.remove(again.slot);
    assert.deepEqual([peers.size, peers.awakeCount, paths.size], [0, 0, 0]);
    assert.equal(peers.get(peer.address), undefined);
  });

  test("whoever was asked for lately stays, and whoever is in the middle of something", () => {
    const { peers } = memory(3);
    for (let n = 0; n < 6; n++) peers.add(numbered(n));
    const peer = (n: number) => peers.get(numbered(n).address)!;
    peer(0).unproven = [];
    peer(1).probed(1n, "somewhere", NOW - 100);
    peer(2).probed(1n, "somewhere", NOW - 100_000);
    peer(3).keptAlive = true;
    settle(peers, NOW, ({ address }) => address === numbered(4).address);
    assert.deepEqual(
      [...peers.awake()].map(({ address }) => address),
      [0, 1, 3, 4].map((n) => numbered(n).address),
    );
    // Nobody stays busy for ever: a crowd of them is put away all the same.
    for (let n = 6; n < 40; n++) peers.add(numbered(n)).keptAlive = true;
    settle(peers);
    assert.ok(peers.awakeCount <= 12);
    assert.equal(peers.size, 40);
  });

  test("a look at a sleeping peer wakes nobody", () => {
    const { paths, peers } = memory(0);
    const cached = cachedPeer(5);
    const stored = { socket: 1, lastOut: 0, latencyMs: 65_535, priority: 1 };
    peers.addAsleep(
      cached,
      cached.paths.map(({ endpoint, lastReceive }) => ({ ...stored, endpoint, lastReceive })),
      NOW,
    );
    const slot = peers.records.find(cached.identity.address);
    assert.equal(peers.glimpse(slot).paths.length, 1);
    assert.equal(peers.lastReceive(slot), cached.lastReceive);
    assert.deepEqual([peers.awakeCount, paths.size], [0, 0]);
  });

  test("costs few bytes a peer, and as good as no objects", () => {
    const peers = new PeerMemory(new PathTable(), 50_000, new Dice(5).fill);
    const { arrayBuffers } = process.memoryUsage();
    const stored = { socket: 1, lastOut: 0, latencyMs: 65_535, priority: 1 };
    for (let n = 0; n < 50_000; n++) {
      const { endpoint } = cachedPeer(n).paths[0]!;
      peers.addAsleep(cachedPeer(n), [{ ...stored, endpoint, lastReceive: NOW }], NOW);
    }
    const bytes = (process.memoryUsage().arrayBuffers - arrayBuffers) / 50_000;
    assert.ok(bytes < 250, `${bytes} bytes a peer`);
    assert.equal(peers.awakeCount, 0);
  });
});

describe("a root with many more peers than objects", () => {
  const planet = testPlanet([{ identity: ROOT!, endpoints: [ROOT_AT] }]);
  const crowd = (from: number, to: number, heard: number) =>
    Array.from({ length: to - from }, (_, i) => cachedPeer(from + i, heard));

  function rooted(peers: readonly CachedPeer[], node: { maxAwakePeers?: number; maxPeers?: number }) {
    const network = new VirtualNetwork();
    const root = network.add({ identity: ROOT!, planet, addresses: [ROOT_AT], peers, node });
    const a = network.add({ identity: A!, planet, addresses: ["192.31.196.2/9993"] });
    const b = network.add({ identity: B!, planet, addresses: ["192.175.48.2/9993"] });
    return { network, root, a, b };
  }

  test("introduces its clients and rotates its planet as if it had objects for all", () => {
    const { network, root, a, b } = rooted([], { maxAwakePeers: 1 });
    network.advance(60_000);
    assert.equal(root.node.topology.memory.awakeCount, 1);
    assert.deepEqual(root.pathsTo(a), ["192.31.196.2/9993"]);
    const [first] = root.views.peers(network.now);
    assert.deepEqual([root.views.peers(network.now).length, first!.paths[0]!.preferred], [2, true]);
    a.node.send(b.address, Verb.USER_MESSAGE, new Uint8Array([0, 0, 0, 0, 0, 0, 0, 7, 65]), network.now);
    network.advance(1000);
    assert.deepEqual(a.pathsTo(b), ["192.175.48.2/9993"]);
    const next = testPlanet([{ identity: ROOT!, endpoints: [ROOT_AT, "192.88.99.11/9993"] }], planet.timestamp + 1n);
    assert.equal(root.views.adoptWorld(next, network.now), "adopted");
    assert.equal(root.views.gauges(network.now).adoption[0]!.older, 2);
    network.advance(200);
    for (const client of [a, b]) assert.equal(client.node.worlds.planet.timestamp, next.timestamp);
    network.advance(70_000);
    assert.equal(root.views.gauges(network.now).adoption[0]!.current, 2);
  });

  test("remembers a way once, and by the port that it was proven on, though other ports are gone", () => {
    const { now } = new VirtualNetwork();
    const endpoint = parseEndpoint("192.31.196.9/9993")!;
    const by = (local: string, age: number) => ({ endpoint, local: parseEndpoint(local)!, lastReceive: now - age });
    const peer = { ...cachedPeer(1, now - 10), paths: [] as CachedPeer["paths"] };
    const pathsOf = (paths: CachedPeer["paths"]) => {
      const { network, root } = rooted([{ ...peer, paths }], {});
      return root.views
        .peers(network.now)
        .flatMap(({ paths: its }) => its.map(({ socket, lastReceive }) => [socket, lastReceive]));
    };
    const gone = [by("192.88.99.10/31000", 10), by("192.88.99.10/32000", 20)];
    assert.deepEqual(pathsOf([...gone, by(ROOT_AT, 500)]), [[1, now - 500]]);
    assert.deepEqual(pathsOf(gone), [[1, now - 10]]);
  });

  test("counts them in steps, drops their expired paths and forgets who was silent for a month", () => {
    const start = new VirtualNetwork().now;
    const month = 30 * 24 * 3600 * 1000;
    const peers = [
      ...crowd(0, 5000, start - 1000),
      ...crowd(5000, 9000, start - 400_000),
      ...crowd(9000, 9100, start - month - 1),
    ];
    const { network, root } = rooted(peers, { maxPeers: 20_000 });
    const gauges = () => root.views.gauges(network.now);
    const { peersKnown, peersActive, peersReachable, paths } = gauges();
    assert.deepEqual([peersKnown, peersActive, peersReachable, paths], [9100, 9000, 5000, 9100]);
    assert.equal(root.node.topology.memory.awakeCount, 0);
    network.advance(35_000);
    assert.deepEqual([gauges().peersKnown, gauges().paths], [9002, 5002]);
    assert.equal(root.count("peer-evicted"), 100);
    network.advance(300_000);
    assert.deepEqual([gauges().peersActive, gauges().peersReachable, gauges().paths], [5002, 2, 2]);
  });

  test("gives up those who were silent longest when it is full", () => {
    const start = new VirtualNetwork().now;
    const peers = [...crowd(0, 8, start - 1000), ...crowd(8, 16, start - 100_000)];
    const { network, root, a, b } = rooted(peers, { maxPeers: 16 });
    network.advance(2000);
    assert.equal(root.node.topology.size, 16);
    assert.equal(root.node.statistics.peersEvicted, 2);
    for (const client of [a, b]) assert.ok(root.node.topology.peer(client.address) !== undefined);
    for (let n = 0; n < 8; n++) assert.ok(root.node.topology.identityOf(numbered(n).address) !== undefined);
  });
});
