import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { dearmor } from "../../src/protocol/armor.ts";
import { BROADCAST_MAC, type MulticastGroup } from "../../src/protocol/ethernet.ts";
import { decodeOkMulticastGather, encodeMulticastGather } from "../../src/protocol/messages/multicast-gather.ts";
import { encodeMulticastLike } from "../../src/protocol/messages/multicast-like.ts";
import { decodeOk } from "../../src/protocol/messages/ok.ts";
import { payloadOf, sourceOf, verbOf } from "../../src/protocol/packet.ts";
import { Verb } from "../../src/protocol/verbs.ts";
import { IDENTITIES, testPlanet } from "../support/constellation.ts";
import { type Host, VirtualNetwork } from "../support/virtual-network.ts";

const ROOT_AT = "192.88.99.10/9993";
const NETWORK_ID = 0x8056c2e21c000001n;
const ARP: MulticastGroup = { mac: BROADCAST_MAC, adi: 0x0a931105 };
const MDNS: MulticastGroup = { mac: 0x01005e0000fb, adi: 0 };

function constellation() {
  const network = new VirtualNetwork();
  const planet = testPlanet([{ identity: IDENTITIES[0]!, endpoints: [ROOT_AT] }]);
  const root = network.add({ identity: IDENTITIES[0]!, planet, addresses: [ROOT_AT] });
  const [a, b, c] = [1, 2, 3].map((index) =>
    network.add({ identity: IDENTITIES[index]!, planet, addresses: [`192.31.${index}.2/9993`] }),
  ) as [Host, Host, Host];
  network.advance(30_000);
  const like = (host: Host, group: MulticastGroup) => {
    const payload = encodeMulticastLike({ subscriptions: [{ networkId: NETWORK_ID, group }] });
    host.node.send(root.address, Verb.MULTICAST_LIKE, payload, network.now);
    network.advance(30);
  };
  /** Addresses that a GATHER of `host` was answered with so far, newest answer last. */
  const answers = (host: Host) =>
    network.captured.flatMap(({ to, bytes }) => {
      if (to !== `192.31.${[a, b, c].indexOf(host) + 1}.2/9993` || sourceOf(bytes) !== root.address) return [];
      const packet = new Uint8Array(bytes);
      if (!dearmor(packet, host.node.sender.keyOf(host.node.topology.peer(root.address)!))) return [];
      const ok = verbOf(packet) === Verb.OK ? decodeOk(payloadOf(packet)) : null;
      if (!ok?.ok || ok.value.inReVerb !== Verb.MULTICAST_GATHER) return [];
      const results = decodeOkMulticastGather(ok.value.body);
      return results.ok ? [results.value.results] : [];
    });
  const gather = (host: Host, group: MulticastGroup, limit = 10) => {
    const payload = encodeMulticastGather({ networkId: NETWORK_ID, group, limit, certificate: null });
    host.node.send(root.address, Verb.MULTICAST_GATHER, payload, network.now);
    network.advance(30);
    return answers(host);
  };
  return { network, root, a, b, c, like, gather, answers };
}

describe("multicast at a root", () => {
  test("whoever asks for a group is told its members, except himself", () => {
    const { a, b, c, like, gather } = constellation();
    for (const host of [a, b, c]) like(host, MDNS);
    const [answer] = gather(a, MDNS);
    assert.deepEqual([...answer!.members].sort(), [b.address, c.address].sort());
    assert.equal(answer!.total, 3);
    assert.equal(gather(a, MDNS, 1).at(-1)!.members.length, 1);
    assert.equal(gather(a, MDNS, 0).length, 2, "a limit of 0 is not answered");
  });

  test("a question that nobody can answer is answered when somebody subscribes", () => {
    const { network, a, b, like, gather, answers } = constellation();
    assert.deepEqual(gather(a, MDNS), []);
    network.advance(2000);
    like(b, MDNS);
    assert.deepEqual(
      answers(a).map(({ members }) => members),
      [[b.address]],
    );
    like(b, MDNS);
    assert.equal(answers(a).length, 1, "once");
  });

  test("but not after the five seconds that the asker waits", () => {
    const { network, a, b, like, gather, answers } = constellation();
    gather(a, MDNS);
    network.advance(6000);
    like(b, MDNS);
    assert.deepEqual(answers(a), []);
  });

  test("who has just come to the network is named for an address group that nobody announced yet", () => {
    const { network, a, b, c, like, gather } = constellation();
    like(c, MDNS);
    network.advance(20_000);
    like(b, MDNS);
    const [answer] = gather(a, ARP);
    assert.deepEqual(answer!.members, [b.address], "the newcomer only");
    like(c, ARP);
    assert.deepEqual(gather(a, ARP).at(-1)!.members, [c.address], "the announced one, as soon as there is one");
  });

  test("subscriptions expire after ten minutes", () => {
    const { network, root, a, b, like, gather } = constellation();
    like(b, MDNS);
    assert.equal(root.root.multicast.members, 1);
    network.advance(610_000);
    assert.equal(root.root.multicast.members, 0);
    assert.equal(root.root.multicast.groups, 0);
    assert.deepEqual(gather(a, MDNS), []);
  });
});
