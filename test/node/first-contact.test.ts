import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Verb } from "../../src/protocol/verbs.ts";
import { IDENTITIES, testPlanet } from "../support/constellation.ts";
import { type Host, Nat, type NatKind, VirtualNetwork } from "../support/virtual-network.ts";

const ROOT_AT = "192.88.99.10/9993";
const [ROOT, A, B] = IDENTITIES;
const KIND = 7n;

function text(message: string): Uint8Array {
  const data = new TextEncoder().encode(message);
  const payload = new Uint8Array(8 + data.length);
  payload[7] = Number(KIND);
  payload.set(data, 8);
  return payload;
}

function constellation(options: { natA?: NatKind; natB?: NatKind; loss?: number; jitterMs?: number; seed?: number }): {
  network: VirtualNetwork;
  root: Host;
  a: Host;
  b: Host;
} {
  const network = new VirtualNetwork({
    loss: options.loss ?? 0,
    jitterMs: options.jitterMs ?? 0,
    seed: options.seed ?? 1,
  });
  const planet = testPlanet([{ identity: ROOT!, endpoints: [ROOT_AT] }]);
  const root = network.add({ identity: ROOT!, planet, addresses: [ROOT_AT] });
  const place = (nat: NatKind | undefined, publicIp: string, inside: string) =>
    nat === undefined ? { addresses: [`${publicIp}/9993`] } : { addresses: [inside], nat: new Nat(nat, publicIp) };
  const a = network.add({ identity: A!, planet, ...place(options.natA, "192.31.196.2", "192.168.1.2/9993") });
  const b = network.add({ identity: B!, planet, ...place(options.natB, "192.175.48.2", "192.168.2.2/9993") });
  return { network, root, a, b };
}

describe("first contact with a root", () => {
  test("a client that knows only its planet gets online within a second", () => {
    const { network, root, a } = constellation({});
    assert.ok(network.until(() => root.pathsTo(a).length === 1 && a.pathsTo(root).length === 1, 1000) >= 0);
    assert.equal(root.node.statistics.hello.accepted, 2);
    network.advance(5000);
    assert.equal(a.count("online"), 1);
    assert.deepEqual(root.pathsTo(a), ["192.31.196.2/9993"]);
    assert.ok(root.views.peer(a.address, network.now)!.latencyMs >= 20);
  });

  test("a client with several ports and both families is answered at each of its places", () => {
    const network = new VirtualNetwork();
    const both = [ROOT_AT, "2620:4f:8000::10/9993"];
    const planet = testPlanet([{ identity: ROOT!, endpoints: both }]);
    const root = network.add({ identity: ROOT!, planet, addresses: both });
    const places = ["192.31.196.2/9993", "192.31.196.2/29994", "2620:4f:8001::2/9993", "2620:4f:8001::2/29994"];
    const a = network.add({ identity: A!, planet, addresses: places });
    network.advance(300);
    assert.deepEqual(a.pathsTo(root).length, 4, "each of its sockets has a path to the root");
    const families = new Set(root.pathsTo(a).map((path) => path.includes(":")));
    assert.equal(families.size, 2, "the root has a path over each family");
    assert.equal(root.validationsAsked, 1);
    // From now on it uses one port of each address, as the reference's clients do.
    network.filter = (from, to) => from.port !== 29994 && to.port !== 29994;
    network.advance(60_000);
    assert.equal(root.pathsTo(a).length, 2, "the ports that it does not use are paths no more");
    assert.equal(root.cache.get(a.address)!.paths.length, 2);
  });

  test("two clients in the open find each other by WHOIS and RENDEZVOUS and stop using the root", () => {
    const { network, root, a, b } = constellation({});
    network.advance(1000);
    a.node.send(b.address, Verb.USER_MESSAGE, text("hello b"), network.now);
    network.advance(20);
    a.node.send(b.address, Verb.USER_MESSAGE, text("and again"), network.now);
    network.advance(1000);
    assert.deepEqual(b.messages(), ["hello b", "and again"]);
    assert.deepEqual(a.pathsTo(b), ["192.175.48.2/9993"]);
    const relayed = root.reactor.counters.forwardedPackets;
    a.node.send(b.address, Verb.USER_MESSAGE, text("direct"), network.now);
    network.advance(1000);
    assert.equal(b.messages().at(-1), "direct");
    assert.equal(root.reactor.counters.forwardedPackets, relayed);
    network.advance(30_000);
    assert.equal(root.node.statistics.pairs.direct, 1);
  });

  for (const [natA, natB] of [
    ["cone", "cone"],
    ["cone", undefined],
    [undefined, "symmetric"],
  ] as const) {
    test(`NATs ${natA ?? "none"} and ${natB ?? "none"} are traversed`, () => {
      const { network, a, b } = constellation({ ...(natA && { natA }), ...(natB && { natB }) });
      network.advance(1000);
      const start = network.now;
      for (let i = 0; i < 10; i++) {
        a.node.send(b.address, Verb.USER_MESSAGE, text(`message ${i}`), network.now);
        network.advance(50);
      }
      assert.ok(network.until(() => a.pathsTo(b).length > 0 && b.pathsTo(a).length > 0, 5000) >= 0);
      assert.ok(network.now - start <= 550, `direct after ${network.now - start} ms`);
      assert.equal(b.messages().length, 10, "nothing was lost on the way to the direct path");
    });
  }

  test("two symmetric NATs are relayed without loss, and counted as relayed", () => {
    const { network, root, a, b } = constellation({ natA: "symmetric", natB: "symmetric" });
    network.advance(1000);
    for (let i = 0; i < 100; i++) {
      a.node.send(b.address, Verb.USER_MESSAGE, text(`message ${i}`), network.now);
      network.advance(1000);
    }
    assert.equal(b.messages().length, 100);
    assert.deepEqual(a.pathsTo(b), []);
    assert.ok(root.reactor.counters.forwardedPackets >= 100);
    assert.equal(root.node.statistics.pairs.relayed, 1);
    assert.equal(root.views.gauges(network.now).relayPairsActive, 1);
  });

  test("everything still works over a network that loses a fifth and reorders", () => {
    for (let seed = 1; seed <= 5; seed++) {
      const { network, a, b } = constellation({ natA: "cone", natB: "cone", loss: 0.2, jitterMs: 50, seed });
      network.advance(20_000);
      for (let i = 0; i < 40 && a.pathsTo(b).length === 0; i++) {
        a.node.send(b.address, Verb.USER_MESSAGE, text(`try ${i}`), network.now);
        network.advance(1000);
      }
      assert.ok(b.messages().length > 0, `seed ${seed}: nothing arrived`);
    }
  });
});
