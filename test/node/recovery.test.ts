import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseEndpoint } from "../../src/protocol/inet-address.ts";
import { Verb } from "../../src/protocol/verbs.ts";
import { IDENTITIES, testPlanet } from "../support/constellation.ts";
import { type Host, Nat, VirtualNetwork } from "../support/virtual-network.ts";

const ROOT_AT = "192.88.99.10/9993";
const [ROOT, A, B, OTHER] = IDENTITIES;

function say(from: Host, to: Host, text: string, network: VirtualNetwork): void {
  const payload = new Uint8Array(8 + text.length);
  payload.set(new TextEncoder().encode(text), 8);
  from.node.send(to.address, Verb.USER_MESSAGE, payload, network.now);
}

function relayedPair() {
  const network = new VirtualNetwork();
  const planet = testPlanet([{ identity: ROOT!, endpoints: [ROOT_AT] }]);
  const root = network.add({ identity: ROOT!, planet, addresses: [ROOT_AT] });
  const nat = (ip: string) => ({ addresses: ["192.168.1.2/9993"], nat: new Nat("symmetric", ip) });
  const a = network.add({ identity: A!, planet, ...nat("192.31.196.2") });
  const b = network.add({ identity: B!, planet, ...nat("192.175.48.2") });
  network.advance(1000);
  say(a, b, "before", network);
  network.advance(2000);
  return { network, planet, root, a, b };
}

describe("recovery", () => {
  test("a root that was killed relays again with the first packet after its restart, from its cache alone", () => {
    const { network, planet, root, a, b } = relayedPair();
    assert.deepEqual(b.messages(), ["before"]);
    network.kill(root);
    network.advance(3000);
    const peers = [...root.cache.values()];
    const again = network.add({ identity: ROOT!, planet, addresses: [ROOT_AT], peers });
    say(a, b, "after", network);
    network.advance(100);
    assert.deepEqual(b.messages(), ["before", "after"]);
    assert.equal(again.validationsAsked, 0);
  });

  test("a root that lost its cache is found again by its clients' next HELLO", () => {
    const { network, planet, root, a, b } = relayedPair();
    network.kill(root);
    network.add({ identity: ROOT!, planet, addresses: [ROOT_AT] });
    network.advance(70_000);
    say(a, b, "late", network);
    network.advance(1000);
    assert.equal(b.messages().at(-1), "late");
  });

  test("a cached path that expired before the restart is not relayed to", () => {
    const { network, planet, root, b } = relayedPair();
    network.kill(root);
    network.advance(300_000);
    const again = network.add({ identity: ROOT!, planet, addresses: [ROOT_AT], peers: [...root.cache.values()] });
    assert.equal(again.views.gauges(network.now).peersReachable, 0);
    assert.equal(again.views.gauges(network.now).peersKnown, 2);
    assert.ok(again.node.topology.peer(b.address) !== undefined);
  });

  test("a client whose NAT changes its port is reachable again within seconds", () => {
    const network = new VirtualNetwork();
    const planet = testPlanet([{ identity: ROOT!, endpoints: [ROOT_AT] }]);
    const root = network.add({ identity: ROOT!, planet, addresses: [ROOT_AT] });
    const nat = new Nat("cone", "192.31.196.2");
    const a = network.add({ identity: A!, planet, addresses: ["192.168.1.2/9993"], nat });
    const b = network.add({ identity: B!, planet, addresses: ["192.175.48.2/9993"] });
    network.advance(30_000);
    const before = root.pathsTo(a);
    nat.reset();
    const took = network.until(() => root.pathsTo(a).some((path) => !before.includes(path)), 60_000);
    assert.ok(took >= 0 && took <= 20_000, `the new port was learned after ${took} ms`);
    say(b, a, "found you", network);
    network.advance(1000);
    assert.deepEqual(a.messages(), ["found you"]);
  });

  test("a client that moves to another address is reachable there as soon as it speaks", () => {
    const network = new VirtualNetwork();
    const planet = testPlanet([{ identity: ROOT!, endpoints: [ROOT_AT] }]);
    const root = network.add({ identity: ROOT!, planet, addresses: [ROOT_AT] });
    const a = network.add({ identity: A!, planet, addresses: ["192.31.196.2/9993"] });
    network.advance(1000);
    a.sockets = [{ id: 9, local: parseEndpoint("192.52.193.2/9993")!, primary: true }];
    a.node.sender.greet(a.node.topology.peer(root.address)!, null, parseEndpoint(ROOT_AT)!, network.now);
    const took = network.until(() => root.pathsTo(a).includes("192.52.193.2/9993"), 1000);
    assert.ok(took >= 0 && took < 100, `learned after ${took} ms`);
    const now = network.now;
    assert.equal(root.node.topology.peer(a.address)!.bestPath(now)!.path.endpoint.ip[1], 52);
  });

  test("a client that moves and only talks through the root is found with the first packet that is relayed", () => {
    const { network, root, a, b } = relayedPair();
    a.nat!.reset("192.52.193.77");
    say(a, b, "from elsewhere", network);
    const moved = () => root.pathsTo(a).some((path) => path.startsWith("192.52.193.77/"));
    const took = network.until(moved, 5000);
    assert.ok(took >= 0 && took < 100, `found after ${took} ms`);
    say(b, a, "there you are", network);
    network.advance(100);
    assert.deepEqual(a.messages(), ["there you are"]);
  });

  test("a client that moves is introduced again to whom it talks directly, who would else wait for a dead path", () => {
    const network = new VirtualNetwork();
    const planet = testPlanet([{ identity: ROOT!, endpoints: [ROOT_AT] }]);
    const root = network.add({ identity: ROOT!, planet, addresses: [ROOT_AT] });
    const nat = new Nat("cone", "192.31.196.2");
    const a = network.add({ identity: A!, planet, addresses: ["192.168.1.2/9993"], nat });
    const b = network.add({ identity: B!, planet, addresses: ["192.175.48.2/9993"] });
    network.advance(1000);
    say(a, b, "first", network);
    network.advance(60_000);
    assert.ok(b.pathsTo(a).some((path) => path.startsWith("192.31.196.2/")));
    nat.reset("192.52.193.2");
    const took = network.until(() => b.pathsTo(a).some((path) => path.startsWith("192.52.193.2/")), 30_000);
    assert.ok(took >= 0 && took <= 16_000, `b knows the new place after ${took} ms`);
    assert.ok(root.pathsTo(a).some((path) => path.startsWith("192.52.193.2/")));
  });

  test("a peer that was silent for its paths' life is not relayed to any more", () => {
    const { network, root, a, b } = relayedPair();
    network.kill(b);
    network.advance(250_000);
    const before = root.reactor.counters.drops.unknown_destination;
    say(a, b, "into the void", network);
    network.advance(1000);
    assert.ok(root.reactor.counters.drops.unknown_destination > before);
  });
});

describe("a node whose machine gets another address", () => {
  const planet = testPlanet([{ identity: ROOT!, endpoints: [ROOT_AT] }]);

  function pair() {
    const network = new VirtualNetwork();
    const root = network.add({ identity: ROOT!, planet, addresses: [ROOT_AT] });
    const a = network.add({ identity: A!, planet, addresses: ["192.31.196.2/9993", "192.31.196.2/30001"] });
    const b = network.add({ identity: B!, planet, addresses: ["192.175.48.2/9993"] });
    for (const host of [root, a, b]) host.node.socketWatch.look(network.now);
    network.advance(6000);
    for (let i = 0; i < 20; i++) {
      say(a, b, "hello", network);
      say(b, a, "hello", network);
      network.advance(100);
    }
    /** As a transport does at its next look: other sockets, which have other ids. */
    const move = (text: string) => {
      a.sockets = a.sockets.map((socket, i) => ({
        ...socket,
        id: socket.id + 10,
        local: parseEndpoint(text.replace("*", i === 0 ? "9993" : "30001"))!,
      }));
      return a.node.socketWatch.look(network.now);
    };
    const heard = (host: Host) => host.node.statistics.packetsIn[Verb.USER_MESSAGE]!;
    return { network, root, a, b, move, heard };
  }

  test("goes on where it was, and is found at its new place within a second", () => {
    const { network, root, a, b, move, heard } = pair();
    assert.deepEqual(a.pathsTo(b), ["192.175.48.2/9993"]);
    const before = root.reactor.counters.forwardedPackets;
    assert.ok(move("192.31.196.7/*"));
    network.advance(1000);
    const [atA, atB] = [heard(a), heard(b)];
    for (let i = 0; i < 30; i++) {
      say(a, b, "hello", network);
      say(b, a, "hello", network);
      network.advance(100);
    }
    assert.equal(heard(b) - atB, 30, "nothing that it says is lost");
    assert.ok(heard(a) - atA >= 28, `${heard(a) - atA} of 30 answers`);
    assert.ok(b.pathsTo(a).includes("192.31.196.7/9993"), b.pathsTo(a).join());
    assert.ok(root.pathsTo(a).includes("192.31.196.7/9993"), root.pathsTo(a).join());
    assert.ok(root.reactor.counters.forwardedPackets - before <= 30);
    const open = new Set(a.sockets.map(({ id }) => id));
    for (const { paths } of a.views.peers(network.now)) assert.ok(paths.every(({ socket }) => open.has(socket)));
  });

  test("changes nothing while its sockets stay", () => {
    const { network, a } = pair();
    const before = a.views.peers(network.now).map(({ paths }) => paths.length);
    assert.equal(a.node.socketWatch.look(network.now), false);
    assert.deepEqual(
      a.views.peers(network.now).map(({ paths }) => paths.length),
      before,
    );
  });

  test("loses the paths of a family that it has no address of any more", () => {
    const { network, a } = pair();
    a.sockets = [];
    assert.ok(a.node.socketWatch.look(network.now));
    assert.ok(a.views.peers(network.now).every(({ paths }) => paths.length === 0));
  });
});

describe("several roots in one planet", () => {
  const SECOND_AT = "192.88.100.10/9993";

  function twoRoots() {
    const network = new VirtualNetwork();
    const planet = testPlanet([
      { identity: ROOT!, endpoints: [ROOT_AT] },
      { identity: OTHER!, endpoints: [SECOND_AT] },
    ]);
    const first = network.add({ identity: ROOT!, planet, addresses: [ROOT_AT] });
    const second = network.add({ identity: OTHER!, planet, addresses: [SECOND_AT] });
    const a = network.add({ identity: A!, planet, addresses: ["192.31.196.2/9993"] });
    const b = network.add({ identity: B!, planet, addresses: ["192.175.48.2/9993"] });
    const reach = (client: string, rootAt: string) => (from: string, to: string) =>
      !((from === client && to === rootAt) || (from === rootAt && to === client));
    const rules = [reach("192.31.196.2/9993", SECOND_AT), reach("192.175.48.2/9993", ROOT_AT)];
    network.filter = (from, to) => {
      const text = (end: { ip: Uint8Array; port: number }) => `${[...end.ip].join(".")}/${end.port}`;
      return rules.every((rule) => rule(text(from), text(to)));
    };
    network.advance(6000);
    return { network, first, second, a, b };
  }

  test("each knows the other, and clients that reach only one of them find each other by WHOIS through both", () => {
    const { network, first, second, a, b } = twoRoots();
    assert.equal(first.pathsTo(second).length, 1);
    assert.equal(first.pathsTo(b).length, 0);
    say(a, b, "across", network);
    const took = network.until(() => b.messages().length === 1, 5000);
    assert.ok(took >= 0 && took < 1500, `arrived after ${took} ms`);
    assert.ok(first.reactor.counters.forwardedToUpstream >= 1);
    assert.ok(first.node.statistics.whois.asked_upstream >= 1);
  });

  test("a packet for nobody does not circle between roots", () => {
    const { network, first, second } = twoRoots();
    const sent = first.reactor.counters.forwardedPackets + second.reactor.counters.forwardedPackets;
    for (let i = 0; i < 10; i++) {
      const packet = new Uint8Array(40).fill(0x11);
      packet.set([0x11, 0x22, 0x33, 0x44, 0x55], 8);
      packet[18] = 0x08;
      network.put(parseEndpoint("192.31.196.2/9993")!, parseEndpoint(ROOT_AT)!, packet);
    }
    network.advance(1000);
    assert.equal(first.reactor.counters.forwardedPackets + second.reactor.counters.forwardedPackets - sent, 10);
  });
});
