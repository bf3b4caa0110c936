/** What the operator says about physical addresses: blacklists, trusted paths, path MTUs, memorized addresses. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PhysicalRules } from "../../src/node/physical.ts";
import { parseEndpoint, parsePrefix } from "../../src/protocol/inet-address.ts";
import { cipherSuiteOf } from "../../src/protocol/packet.ts";
import { Verb } from "../../src/protocol/verbs.ts";
import { IDENTITIES, testPlanet } from "../support/constellation.ts";
import { Dice, VirtualNetwork } from "../support/virtual-network.ts";

const ROOT_AT = "192.88.99.10/9993";
const A_AT = "192.31.196.2/9993";
const B_AT = "192.175.48.2/9993";
const [ROOT, A, B] = IDENTITIES;

const rule = (prefix: string, change: { blacklist?: boolean; trustedPathId?: bigint; mtu?: number }) => ({
  prefix: parsePrefix(prefix)!,
  blacklist: false,
  trustedPathId: 0n,
  mtu: 0,
  ...change,
});

function constellation(rulesOfA: PhysicalRules, rulesOfB = new PhysicalRules()) {
  const network = new VirtualNetwork();
  const planet = testPlanet([{ identity: ROOT!, endpoints: [ROOT_AT] }]);
  const root = network.add({ identity: ROOT!, planet, addresses: [ROOT_AT] });
  const a = network.add({ identity: A!, planet, addresses: [A_AT], node: { physical: rulesOfA } });
  const b = network.add({ identity: B!, planet, addresses: [B_AT], node: { physical: rulesOfB } });
  network.advance(1000);
  const say = (bytes: number) => {
    a.node.send(b.address, Verb.USER_MESSAGE, new Uint8Array(8 + bytes).fill(97, 8).fill(0, 0, 8), network.now);
    network.advance(1000);
  };
  return { network, root, a, b, say };
}

describe("physical rules", () => {
  test("an address on the blacklist becomes no path, so the pair stays on the relay", () => {
    const { a, b, root, say } = constellation(new PhysicalRules([rule("192.175.48.0/24", { blacklist: true })]));
    say(5);
    say(5);
    assert.deepEqual(a.pathsTo(b), []);
    assert.equal(b.messages().length, 2);
    assert.ok(root.reactor.counters.forwardedPackets >= 2);
    assert.ok(a.node.statistics.drops.blacklisted > 0, "what came from there was not even looked at");
  });

  test("a blacklist for one peer binds that peer only", () => {
    const virtual = new Map([[B!.address, { try: [], blacklist: [parsePrefix("192.175.48.0/24")!] }]]);
    const { a, b, root, say } = constellation(new PhysicalRules([], virtual));
    say(5);
    assert.deepEqual(a.pathsTo(b), []);
    assert.equal(a.pathsTo(root).length, 1);
  });

  test("packets on a trusted path carry its id in place of a cipher, and only who trusts it takes them", () => {
    const trust = (prefix: string, id: bigint) => new PhysicalRules([rule(prefix, { trustedPathId: id })]);
    const both = constellation(trust("192.175.48.0/24", 77n), trust("192.31.196.0/24", 77n));
    both.say(5);
    const before = both.network.captured.length;
    both.say(30);
    const [direct] = both.network.captured.slice(before).filter(({ from, to }) => from === A_AT && to === B_AT);
    assert.equal(cipherSuiteOf(direct!.bytes), 2);
    assert.equal(both.b.messages().length, 2);
    const oneSided = constellation(trust("192.175.48.0/24", 77n), trust("192.31.196.0/24", 78n));
    oneSided.say(5);
    oneSided.say(5);
    assert.equal(oneSided.b.messages().length, 1, "the one that was relayed");
    assert.ok(oneSided.b.node.statistics.drops.bad_cipher > 0);
    assert.ok(!trust("192.31.196.0/24", 0n).trusts(parseEndpoint(A_AT)!, 0n), "id 0 trusts nobody");
  });

  test("large packets are cut to the path's MTU and put together again, direct and relayed", () => {
    for (const mtu of [0, 1400, 9000]) {
      const { network, a, b, root, say } = constellation(
        new PhysicalRules([rule("0.0.0.0/1", { mtu }), rule("128.0.0.0/1", { mtu })]),
      );
      const bytes = new Uint8Array(6000);
      // Random, or compression would leave nothing to cut; below 128, so that bytes and characters count alike.
      new Dice(mtu).fill(bytes);
      for (let i = 0; i < bytes.length; i++) bytes[i] = i < 8 ? 0 : bytes[i]! & 0x7f;
      a.node.send(b.address, Verb.USER_MESSAGE, bytes, network.now);
      network.advance(1000);
      assert.equal(b.messages()[0]!.length, 5992, `mtu ${mtu}`);
      say(3000);
      assert.equal(b.messages().length, 2);
      const largest = Math.max(
        ...network.captured.filter(({ from }) => from === A_AT).map((sent) => sent.bytes.length),
      );
      assert.ok(largest <= (mtu || 1432), `${largest} bytes on a path of ${mtu}`);
      if (mtu !== 9000) assert.ok(root.reactor.counters.forwardedFragments > 0);
    }
  });

  test("an address that the operator memorized is tried where the root knows none", () => {
    const virtual = new Map([[B!.address, { try: [parseEndpoint(B_AT)!], blacklist: [] }]]);
    const { network, a, b, say } = constellation(new PhysicalRules([], virtual));
    say(5);
    const hellos = network.captured.filter(
      ({ from, to, bytes }) => from === A_AT && to === B_AT && bytes.length === 137,
    );
    assert.ok(hellos.length >= 1, "a HELLO went to the memorized address");
    assert.equal(a.pathsTo(b).length, 1);
  });
});
