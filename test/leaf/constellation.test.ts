/** Members of a private network in a virtual internet: frames get through NATs and loss, and only between members. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Identity } from "../../src/identity/identity.ts";
import { encodeRevocationPush } from "../../src/network/credentials/push.ts";
import {
  CredentialType,
  issueRevocation,
  REVOCATION_FLAG_PROPAGATE,
} from "../../src/network/credentials/revocation.ts";
import { BROADCAST_MAC } from "../../src/protocol/ethernet.ts";
import { Verb } from "../../src/protocol/verbs.ts";
import { IDENTITIES, testPlanet } from "../support/constellation.ts";
import { TestMember } from "../support/member.ts";
import { Nat, type NatKind, VirtualNetwork } from "../support/virtual-network.ts";

const [ROOT, CONTROLLER, A, B, C] = IDENTITIES as [Identity, Identity, Identity, Identity, Identity];
const NETWORK = (BigInt(CONTROLLER.address) << 24n) | 0xabcn;
const PLANET = testPlanet([{ identity: ROOT, endpoints: ["64.0.0.1/9993"] }]);

interface Options {
  readonly nat?: NatKind;
  readonly loss?: number;
}

/** A root and members, each behind a NAT of its own if there is one, all of them greeted. */
function internet(members: readonly Identity[], { nat, loss = 0 }: Options = {}) {
  const network = new VirtualNetwork({ seed: 5, loss, jitterMs: 5 });
  const root = network.add({ identity: ROOT, planet: PLANET, addresses: ["64.0.0.1/9993"] });
  const joined = members.map((identity, i) => {
    const address = nat === undefined ? `64.1.${i}.1/9993` : `192.168.${i}.2/9993`;
    const host = network.add({
      identity,
      planet: PLANET,
      addresses: [address],
      ...(nat === undefined ? {} : { nat: new Nat(nat, `64.1.${i}.1`) }),
    });
    return new TestMember(network, host, NETWORK, CONTROLLER);
  });
  network.advance(6000);
  return { network, root, members: joined };
}

/** Sends until it arrives; returns how often that took. */
function deliver(network: VirtualNetwork, from: TestMember, to: TestMember, text: string, tries = 20): number {
  for (let attempt = 1; attempt <= tries; attempt++) {
    from.send(to.mac, text);
    network.advance(300);
    if (to.heard.includes(text)) return attempt;
  }
  return -1;
}

test("the first frame between two members arrives, and credentials go with it", () => {
  const { network, members } = internet([A, B]);
  const [a, b] = members as [TestMember, TestMember];
  assert.equal(deliver(network, a, b, "hello"), 1);
  assert.deepEqual(b.heardFrom, [a.mac]);
  assert.equal(deliver(network, b, a, "and back"), 1);
});

for (const nat of ["cone", "symmetric"] as const) {
  test(`two members behind ${nat} NATs talk; ${nat === "cone" ? "directly after a moment" : "through the root"}`, () => {
    const { network, members } = internet([A, B], { nat });
    const [a, b] = members as [TestMember, TestMember];
    assert.notEqual(deliver(network, a, b, "first"), -1);
    assert.notEqual(deliver(network, b, a, "second"), -1);
    network.advance(3000);
    const direct = a.host.pathsTo(b.host).length > 0;
    assert.equal(direct, nat === "cone");
    const before = network.captured.length;
    assert.notEqual(deliver(network, a, b, "third"), -1);
    const viaRoot = network.captured.slice(before).some(({ to, bytes }) => to === "64.0.0.1/9993" && bytes.length > 80);
    assert.equal(viaRoot, nat === "symmetric");
  });
}

test("a broadcast finds members that nobody has told us of, by asking the root", () => {
  const { network, members } = internet([A, B, C]);
  const [a, b, c] = members as [TestMember, TestMember, TestMember];
  for (const member of members) member.leaf.groups(NETWORK, [], network.now);
  network.advance(6000);
  a.send(BROADCAST_MAC, "to everybody");
  network.advance(2000);
  assert.deepEqual(b.heard, ["to everybody"]);
  assert.deepEqual(c.heard, ["to everybody"]);
});

test("with a fifth of all datagrams lost, frames still get through, and nothing breaks", () => {
  const { network, members } = internet([A, B], { loss: 0.2 });
  const [a, b] = members as [TestMember, TestMember];
  network.advance(30_000);
  for (let i = 0; i < 10; i++) {
    assert.notEqual(deliver(network, a, b, `a${i}`, 60), -1, `a${i}`);
    assert.notEqual(deliver(network, b, a, `b${i}`, 60), -1, `b${i}`);
  }
});

test("who has no certificate is not heard, and told so", () => {
  const { network, members } = internet([A, B]);
  const [a, b] = members as [TestMember, TestMember];
  const stranger = a.leaf.network(NETWORK)!;
  stranger.ownMembership = null;
  stranger.config = { ...stranger.config!, membership: null };
  a.send(b.mac, "let me in");
  network.advance(6000);
  assert.deepEqual(b.heard, []);
  assert.ok(b.leaf.statistics.dropsIn.not_admitted > 0);
  assert.ok(a.host.node.statistics.errorsIn[6]! > 0);
});

test("a member that was revoked is cut off at once, and the others tell one another", () => {
  const { network, members } = internet([A, B, C]);
  const [a, b, c] = members as [TestMember, TestMember, TestMember];
  for (const other of [b, c]) assert.notEqual(deliver(network, a, other, `to ${other.mac}`), -1);
  assert.notEqual(deliver(network, b, c, "we know each other"), -1);
  network.advance(2000);
  const revocation = issueRevocation(
    {
      id: 7,
      networkId: NETWORK,
      credentialId: 0,
      threshold: BigInt(network.now),
      flags: REVOCATION_FLAG_PROPAGATE,
      target: A.address,
      type: CredentialType.MEMBERSHIP,
    },
    CONTROLLER,
  );
  // Only one member hears it from the controller.
  const peer = b.host.node.topology.peer(CONTROLLER.address)!;
  const request = {
    peer,
    packetId: 1n,
    verb: Verb.NETWORK_CREDENTIALS,
    payload: encodeRevocationPush(revocation),
    hops: 1,
    socket: 1,
    from: { family: 4, ip: Uint8Array.of(64, 0, 0, 1), port: 9993 },
    pathKey: "",
    bytes: 200,
    now: network.now,
  } as const;
  b.host.node.handlers[Verb.NETWORK_CREDENTIALS]!(b.host.node, request);
  network.advance(500);
  for (const other of [b, c]) {
    const before = other.frames.length;
    a.send(other.mac, "still there?");
    network.advance(500);
    assert.equal(other.frames.length, before);
  }
  assert.notEqual(deliver(network, b, c, "only we two"), -1);
});

test("a newer certificate lets it in again", () => {
  const { network, members } = internet([A, B]);
  const [a, b] = members as [TestMember, TestMember];
  assert.notEqual(deliver(network, a, b, "before"), -1);
  b.leaf.network(NETWORK)!.members.find(A.address)!.revoke(CredentialType.MEMBERSHIP, 0, BigInt(network.now));
  a.send(b.mac, "cut off");
  network.advance(500);
  assert.ok(!b.heard.includes("cut off"));
  network.advance(2000);
  const renewed = a.leaf.network(NETWORK)!;
  a.leaf.leave(NETWORK);
  a.leaf.join(NETWORK, network.now, a.dictionary());
  assert.notEqual(a.leaf.network(NETWORK), renewed);
  a.leaf.network(NETWORK)!.configuredAt = network.now;
  assert.notEqual(deliver(network, a, b, "after"), -1);
});

test("a member whose address changes is found again", () => {
  const { network, members } = internet([A, B], { nat: "cone" });
  const [a, b] = members as [TestMember, TestMember];
  assert.notEqual(deliver(network, a, b, "before"), -1);
  assert.notEqual(deliver(network, b, a, "reply"), -1);
  network.advance(3000);
  a.host.nat!.reset("64.9.9.9");
  const tries = deliver(network, a, b, "after the move", 150);
  assert.notEqual(tries, -1);
  assert.notEqual(deliver(network, b, a, "found", 60), -1);
});

test("a direct way that stops working is left for the root within seconds, and taken again when it works", () => {
  const { network, members } = internet([A, B]);
  const [a, b] = members as [TestMember, TestMember];
  assert.notEqual(deliver(network, a, b, "direct"), -1);
  assert.notEqual(deliver(network, b, a, "reply"), -1);
  network.advance(3000);
  assert.ok(a.host.pathsTo(b.host).length > 0);
  network.filter = (from, to) => from.ip[1] === 0 || to.ip[1] === 0;
  const began = network.now;
  assert.notEqual(deliver(network, a, b, "around", 40), -1);
  assert.ok(network.now - began < 8000, `it took ${network.now - began} ms`);
  assert.equal(deliver(network, a, b, "and again", 2), 1);
  network.filter = () => true;
  network.advance(1000);
  for (let i = 0; i < 20; i++) deliver(network, a, b, `back ${i}`);
  const before = network.captured.length;
  assert.equal(deliver(network, a, b, "direct again"), 1);
  const relayed = network.captured.slice(before).filter(({ to, bytes }) => to === "64.0.0.1/9993" && bytes.length > 80);
  assert.equal(relayed.length, 0);
});

test("a pair goes on without its root", () => {
  const { network, root, members } = internet([A, B]);
  const [a, b] = members as [TestMember, TestMember];
  assert.notEqual(deliver(network, a, b, "with"), -1);
  assert.notEqual(deliver(network, b, a, "reply"), -1);
  network.advance(3000);
  network.kill(root);
  network.advance(60_000);
  assert.equal(deliver(network, a, b, "without"), 1);
  assert.equal(deliver(network, b, a, "and back"), 1);
});

test("a frame larger than a datagram arrives whole", () => {
  const { network, members } = internet([A, B]);
  const [a, b] = members as [TestMember, TestMember];
  const text = "x".repeat(2700);
  assert.equal(deliver(network, a, b, text), 1);
});
