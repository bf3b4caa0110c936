/** The rate limits of vl1-behaviour.md §1, each from outside: what is sent too fast is not answered. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { armor, PeerKey } from "../../src/protocol/armor.ts";
import { formatEndpoint, parseEndpoint } from "../../src/protocol/inet-address.ts";
import { encodePushDirectPaths } from "../../src/protocol/messages/push-direct-paths.ts";
import { encodeWhois } from "../../src/protocol/messages/whois.ts";
import { newPacket } from "../../src/protocol/packet.ts";
import { Verb } from "../../src/protocol/verbs.ts";
import { IDENTITIES, testPlanet } from "../support/constellation.ts";
import { type Host, VirtualNetwork } from "../support/virtual-network.ts";

const ROOT_AT = "192.88.99.10/9993";
const A_AT = "192.31.196.2/9993";
const B_AT = "192.175.48.2/9993";
const [ROOT, A, B] = IDENTITIES;

/** A root and two clients that know each other directly. */
function constellation() {
  const network = new VirtualNetwork();
  const planet = testPlanet([{ identity: ROOT!, endpoints: [ROOT_AT] }]);
  const root = network.add({ identity: ROOT!, planet, addresses: [ROOT_AT] });
  const a = network.add({ identity: A!, planet, addresses: [A_AT] });
  const b = network.add({ identity: B!, planet, addresses: [B_AT] });
  network.advance(1000);
  a.node.send(b.address, Verb.USER_MESSAGE, new Uint8Array(9), network.now);
  network.advance(4000);
  let id = 0;
  /** Puts a sealed packet of A's on the wire, at once. */
  const inject = (to: Host, at: string, verb: Verb, payload: Uint8Array) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setUint32(0, ++id);
    const packet = newPacket(bytes, to.address, A!.address, verb, payload);
    armor(packet, new PeerKey(A!.agree(to.node.identity)), 1);
    network.put(parseEndpoint(A_AT)!, parseEndpoint(at)!, packet);
  };
  const sentBy = (from: string, to: string) =>
    network.captured.filter((one) => one.from === from && one.to === to).length;
  network.advance(6000);
  return { network, root, a, b, inject, sentBy };
}

describe("rate gates", () => {
  test("ECHO is answered once per path and 166 ms", () => {
    const { network, root, inject, sentBy } = constellation();
    const before = sentBy(ROOT_AT, A_AT);
    for (let i = 0; i < 50; i++) {
      inject(root, ROOT_AT, Verb.ECHO, new Uint8Array(4));
      network.advance(10);
    }
    network.advance(20);
    const answered = sentBy(ROOT_AT, A_AT) - before;
    assert.ok(answered >= 3 && answered <= 4, `${answered} answers in half a second`);
    assert.equal(root.node.statistics.rateLimited.echo, 50 - answered);
  });

  test("WHOIS is answered once per peer and 100 ms by a leaf, and always by a root", () => {
    const { network, root, b, inject, sentBy } = constellation();
    const payload = encodeWhois({ addresses: [B!.address] });
    for (const [host, at, low, high] of [
      [b, B_AT, 2, 3],
      [root, ROOT_AT, 20, 20],
    ] as const) {
      const before = sentBy(at, A_AT);
      for (let i = 0; i < 20; i++) {
        inject(host, at, Verb.WHOIS, payload);
        network.advance(10);
      }
      network.advance(20);
      const answered = sentBy(at, A_AT) - before;
      assert.ok(
        answered >= low && answered <= high,
        `${formatEndpoint(parseEndpoint(at)!)} answered ${answered} times`,
      );
    }
    assert.ok(b.node.statistics.rateLimited.whois >= 17);
  });

  test("pushed addresses are tried for eight pushes in a row, at most eight of a kind each, and not those known", () => {
    const { network, b, inject } = constellation();
    const push = (from: number) => {
      const paths = Array.from({ length: 20 }, (_, i) => ({
        flags: 0,
        endpoint: parseEndpoint(`192.52.193.${from + i}/9993`)!,
      }));
      const known = { flags: 0, endpoint: parseEndpoint(A_AT)! };
      const loopback = { flags: 0, endpoint: parseEndpoint("127.0.0.1/9993")! };
      inject(b, B_AT, Verb.PUSH_DIRECT_PATHS, encodePushDirectPaths({ paths: [known, loopback, ...paths] }));
      network.advance(50);
    };
    const tried = () => network.captured.filter(({ from, to }) => from === B_AT && to.startsWith("192.52.193.")).length;
    push(1);
    assert.equal(tried(), 8);
    for (let i = 0; i < 20; i++) push(30);
    assert.equal(tried(), 8 * 8);
    assert.equal(b.node.statistics.rateLimited.push_direct_paths, 13);
    network.advance(31_000);
    push(1);
    assert.equal(tried(), 8 * 9, "after half a minute it counts anew");
    assert.ok(!network.captured.some(({ to }) => to === "127.0.0.1/9993"));
  });

  test("a pushed address that answers becomes a path", () => {
    const { network, a, b, inject } = constellation();
    a.sockets = [...a.sockets, { id: 5, local: parseEndpoint("192.52.193.9/4000")!, primary: false }];
    const paths = [{ flags: 0, endpoint: parseEndpoint("192.52.193.9/4000")! }];
    inject(b, B_AT, Verb.PUSH_DIRECT_PATHS, encodePushDirectPaths({ paths }));
    network.advance(100);
    assert.ok(b.pathsTo(a).includes("192.52.193.9/4000"));
  });

  test("credentials are let through once a second; verbs of bonded peers never count as heard", () => {
    const { network, root, inject } = constellation();
    for (let i = 0; i < 10; i++) {
      inject(root, ROOT_AT, Verb.NETWORK_CREDENTIALS, new Uint8Array(1));
      network.advance(100);
    }
    assert.equal(root.node.statistics.rateLimited.network_credentials, 9);
    network.advance(2000);
    const heard = root.node.topology.peer(A!.address)!.lastReceive;
    inject(root, ROOT_AT, Verb.QOS_MEASUREMENT, new Uint8Array(10));
    inject(root, ROOT_AT, Verb.ACK, new Uint8Array(4));
    inject(root, ROOT_AT, Verb.PATH_NEGOTIATION_REQUEST, new Uint8Array(2));
    network.advance(20);
    assert.equal(root.node.topology.peer(A!.address)!.lastReceive, heard);
  });

  test("a legacy beacon of a known peer is answered with a NOP, once in 2.5 s, and a stranger's never", () => {
    const { network, root, sentBy } = constellation();
    const beacon = new Uint8Array(13);
    beacon.set(Uint8Array.from([4, 3, 2, 1, 0].map((power) => Math.floor(A!.address / 256 ** power) & 0xff)), 8);
    const before = sentBy(ROOT_AT, A_AT);
    for (let i = 0; i < 10; i++) network.put(parseEndpoint(A_AT)!, parseEndpoint(ROOT_AT)!, beacon);
    network.put(parseEndpoint("192.52.193.7/1")!, parseEndpoint(ROOT_AT)!, beacon);
    network.advance(50);
    assert.equal(sentBy(ROOT_AT, A_AT) - before, 1);
    assert.equal(sentBy(ROOT_AT, "192.52.193.7/1"), 0);
    assert.equal(root.node.statistics.rateLimited.beacon, 9);
  });

  test("a network configuration request is refused, as there is no controller", () => {
    const { network, root, a, inject } = constellation();
    const payload = new Uint8Array(8 + 2 + 16).fill(1, 0, 8);
    inject(root, ROOT_AT, Verb.NETWORK_CONFIG_REQUEST, payload);
    network.advance(50);
    assert.equal(root.node.statistics.errorsOut[5], 1);
    assert.equal(a.node.statistics.errorsIn[5], 1);
  });
});
