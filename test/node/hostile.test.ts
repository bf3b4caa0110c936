/** Anything may arrive on the UDP port. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { armor, PeerKey } from "../../src/protocol/armor.ts";
import { parseEndpoint } from "../../src/protocol/inet-address.ts";
import { encodeEcho } from "../../src/protocol/messages/echo.ts";
import { encodeMulticastLike } from "../../src/protocol/messages/multicast-like.ts";
import { newPacket } from "../../src/protocol/packet.ts";
import { Verb } from "../../src/protocol/verbs.ts";
import { IDENTITIES, testPlanet } from "../support/constellation.ts";
import { Dice, type Host, VirtualNetwork } from "../support/virtual-network.ts";

const ROOT_AT = "192.88.99.10/9993";
const VICTIM = "192.52.193.7/4242";
const [ROOT, A, B] = IDENTITIES;

function rooted(options: { seed?: number; node?: object; validate?: () => boolean } = {}) {
  const network = new VirtualNetwork({ seed: options.seed ?? 1 });
  const planet = testPlanet([{ identity: ROOT!, endpoints: [ROOT_AT] }]);
  const root = network.add({
    identity: ROOT!,
    planet,
    addresses: [ROOT_AT],
    ...(options.node && { node: options.node }),
    ...(options.validate && { validate: options.validate }),
  });
  return { network, planet, root, rootAt: parseEndpoint(ROOT_AT)! };
}

function bytesBetween(network: VirtualNetwork, from: string, to: string): number {
  return network.captured
    .filter((datagram) => datagram.from === from && datagram.to === to)
    .reduce((sum, { bytes }) => sum + bytes.length, 0);
}

/** What the relay and the node together counted as dropped. */
function dropped(root: Host): number {
  const sum = (drops: Readonly<Record<string, number>>) => Object.values(drops).reduce((a, b) => a + b, 0);
  return sum(root.node.statistics.drops) + sum(root.reactor.counters.drops);
}

describe("hostile datagrams", () => {
  test("random bytes of any length are dropped, counted and never answered", () => {
    const { network, root, rootAt } = rooted();
    const dice = new Dice(99);
    for (let i = 0; i < 3000; i++) {
      const bytes = new Uint8Array(Math.floor(dice.next() * 200));
      dice.fill(bytes);
      // Half of them are addressed to the root, where the decoders are.
      if (i % 2 === 0 && bytes.length > 13) bytes.set([...ROOT_BYTES], 8);
      network.put(parseEndpoint(VICTIM)!, rootAt, bytes);
    }
    network.advance(6000);
    assert.equal(bytesBetween(network, ROOT_AT, VICTIM), 0);
    const hello = Object.values(root.node.statistics.hello).reduce((a, b) => a + b, 0);
    assert.ok(dropped(root) + hello + root.node.reassembly.size >= 3000, `only ${dropped(root)} drops are counted`);
  });

  test("every datagram of a real conversation, replayed from a forged source, is answered with no more bytes", () => {
    const { network, planet, root, rootAt } = rooted();
    const a = network.add({ identity: A!, planet, addresses: ["192.31.196.2/9993"] });
    const b = network.add({ identity: B!, planet, addresses: ["192.175.48.2/9993"] });
    network.advance(1000);
    a.node.send(b.address, Verb.USER_MESSAGE, new Uint8Array(50), network.now);
    network.advance(20_000);
    const paths = root.pathsTo(a);
    const heard = network.captured.filter(({ to }) => to === ROOT_AT).map(({ bytes }) => bytes);
    assert.ok(heard.length >= 8);
    for (const [index, bytes] of heard.entries()) {
      const forged = `192.52.193.${1 + (index % 200)}/4242`;
      for (let i = 0; i < 20; i++) {
        network.put(parseEndpoint(forged)!, rootAt, bytes);
        network.advance(100);
      }
      network.advance(2000);
      const got = bytesBetween(network, ROOT_AT, forged);
      assert.ok(got <= 20 * bytes.length, `${got} bytes for ${20 * bytes.length}`);
    }
    assert.deepEqual(root.pathsTo(a), paths, "no path was learned from a replay");
  });

  test("a replayed OK from a forged source proves nothing", () => {
    const { network, planet, root, rootAt } = rooted();
    const a = network.add({ identity: A!, planet, addresses: ["192.31.196.2/9993"] });
    network.advance(1000);
    const proof = network.captured.filter(({ from, to }) => from === "192.31.196.2/9993" && to === ROOT_AT).at(-1)!;
    network.kill(a);
    network.advance(20_000);
    for (let i = 0; i < 5; i++) {
      network.put(parseEndpoint(VICTIM)!, rootAt, proof.bytes);
      network.advance(2000);
    }
    assert.deepEqual(root.pathsTo(a), ["192.31.196.2/9993"]);
  });

  test("a storm of unknown identities from one prefix leaves room for others, and the work is bounded", () => {
    const { network, planet, root } = rooted({ validate: () => true });
    const random = new Dice(5);
    // The same few real identities cannot make a storm: forged ones can, since nothing is checked before the gate.
    const storm = new VirtualNetwork({ seed: 77 });
    const template = storm.add({ identity: A!, planet, addresses: ["192.52.193.9/9993"] });
    storm.advance(10);
    const hello = storm.captured[0]!.bytes;
    assert.ok(template.alive && hello.length === 137);
    for (let i = 0; i < 5000; i++) {
      const forged = new Uint8Array(hello);
      const address = new Uint8Array(5);
      random.fill(address);
      address[0] = 0x77;
      forged.set(address, 13);
      forged.set(address, 28 + 13);
      network.put(
        { family: 4, ip: new Uint8Array([192, 52, 193, i & 255]), port: 1000 },
        parseEndpoint(ROOT_AT)!,
        forged,
      );
    }
    network.advance(1000);
    const { hello: results } = root.node.statistics;
    assert.equal(results.rate_limited + results.bad_mac, 5000);
    assert.ok(results.bad_mac <= 31, `${results.bad_mac} key agreements for one prefix`);
    const honest = network.add({ identity: B!, planet, addresses: ["192.175.48.2/9993"] });
    assert.ok(network.until(() => root.pathsTo(honest).length === 1, 1000) >= 0);
  });

  test("tables are bounded: peers, multicast members, incomplete packets", () => {
    const { network, planet, root, rootAt } = rooted({ node: { maxPeers: 4 } });
    const clients = IDENTITIES.slice(1, 11).map((identity, index) =>
      network.add({ identity, planet, addresses: [`192.31.${index + 1}.2/9993`], validate: () => true }),
    );
    network.advance(2000);
    assert.ok(root.node.topology.size <= 4);
    assert.ok(root.node.statistics.peersEvicted >= 6);
    const [greedy, modest] = clients.filter(({ address }) => root.node.topology.peer(address) !== undefined);
    const subscribe = (client: Host, groups: number) => {
      for (let group = 0; group < groups; group += 50) {
        const count = Math.min(50, groups - group);
        const subscriptions = Array.from({ length: count }, (_, i) => ({
          networkId: BigInt(client.address),
          group: { mac: group + i, adi: 0 },
        }));
        client.node.send(root.address, Verb.MULTICAST_LIKE, encodeMulticastLike({ subscriptions }), network.now);
        network.advance(20);
      }
    };
    subscribe(greedy!, 3000);
    const taken = root.root.multicast.members;
    assert.ok(taken >= 50 && taken < 100, `one member took ${taken} of 1000`);
    assert.ok(root.node.statistics.drops.queue_full >= 2900);
    subscribe(modest!, 30);
    assert.equal(root.root.multicast.members, taken + 30);
    const dice = new Dice(3);
    for (let i = 0; i < 5000; i++) {
      const fragment = new Uint8Array(40);
      dice.fill(fragment);
      fragment.set(ROOT_BYTES, 8);
      fragment[13] = 0xff;
      fragment[14] = 0x31;
      fragment[15] = 0;
      network.put(parseEndpoint(VICTIM)!, rootAt, fragment);
    }
    network.advance(100);
    assert.ok(root.node.reassembly.size <= 32, "one source cannot fill the table");
  });

  test("packets with our own or reserved addresses, unknown suites and too many hops are dropped by name", () => {
    const { network, planet, root, rootAt } = rooted();
    const a = network.add({ identity: A!, planet, addresses: ["192.31.196.2/9993"] });
    network.advance(1000);
    const key = new PeerKey(A!.agree(ROOT!));
    const from = parseEndpoint("192.31.196.2/9993")!;
    const make = (source: number, destination: number, flags: number) => {
      const packet = newPacket(
        new Uint8Array(8).fill(7),
        destination,
        source,
        Verb.ECHO,
        encodeEcho({ data: new Uint8Array(4) }),
      );
      armor(packet, key, 1);
      packet[18] = (packet[18]! & 0xc0) | flags;
      network.put(from, rootAt, packet);
      network.advance(50);
    };
    make(root.address, root.address, 0x08);
    make(0, root.address, 0x08);
    make(a.address, root.address, 0x28);
    make(a.address, B!.address, 0x0b);
    make(a.address, 0, 0x08);
    const { drops } = root.node.statistics;
    assert.equal(drops.from_self, 1);
    assert.equal(drops.reserved_address, 1);
    assert.equal(drops.bad_cipher, 1);
    assert.equal(root.reactor.counters.drops.hop_limit, 1);
    assert.equal(root.reactor.counters.drops.reserved_address, 1);
  });

  test("only its own HELLO proves a key: one flipped bit anywhere and nothing is answered", () => {
    const { network, planet, rootAt } = rooted();
    const other = new VirtualNetwork({ seed: 3 });
    other.add({ identity: A!, planet, addresses: [VICTIM] });
    other.advance(10);
    const hello = other.captured[0]!.bytes;
    for (let bit = 0; bit < hello.length * 8; bit += 5) {
      const hops = bit >= 18 * 8 + 5 && bit < 19 * 8;
      if (hops) continue;
      const broken = new Uint8Array(hello);
      broken[bit >> 3]! ^= 0x80 >> (bit & 7);
      network.put(parseEndpoint(VICTIM)!, rootAt, broken);
      network.advance(1000);
    }
    assert.equal(bytesBetween(network, ROOT_AT, VICTIM), 0);
  });
});

/** The root's address on the wire. */
const ROOT_BYTES = [4, 3, 2, 1, 0].map((power) => Math.floor(ROOT!.address / 256 ** power) & 0xff);
