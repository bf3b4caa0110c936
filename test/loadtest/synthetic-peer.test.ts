import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { LatencyHistogram, SequenceLedger } from "../../loadtest/udp/report.ts";
import { MIN_PROBE_BYTES, SyntheticPeer, Tally } from "../../loadtest/udp/synthetic-peer.ts";
import { type Identity, parseIdentity } from "../../src/identity/identity.ts";
import { parseEndpoint } from "../../src/protocol/inet-address.ts";
import { destinationOf, sourceOf } from "../../src/protocol/packet.ts";
import { FakeRoot } from "./fake-root.ts";

const vectors = JSON.parse(readFileSync(new URL("../fixtures/vectors/identities.json", import.meta.url), "utf8")) as {
  valid: { secret: string }[];
};
const identities = vectors.valid.map(({ secret }) => parseIdentity(secret)!);

/** Two synthetic peers on a fake root, with instant delivery; `now` is what the test says. */
class Stage {
  now = 1_700_000_000_000;
  readonly tally = new Tally();
  readonly root: FakeRoot;
  readonly peers: SyntheticPeer[];
  /** Datagrams that left the peers. */
  readonly sent: Uint8Array[] = [];
  /** When set, datagrams to peers are held here. */
  held: (() => void)[] | null = null;

  constructor(armored = false) {
    this.root = new FakeRoot(identities[0]!, (address, bytes) => {
      const deliver = () => this.peers.find((peer) => peer.identity.address === address)?.receive(bytes, this.now);
      if (this.held === null) deliver();
      else this.held.push(deliver);
    });
    let counter = 1;
    const make = (identity: Identity) =>
      new SyntheticPeer({
        identity,
        root: identities[0]!.publicOnly(),
        target: parseEndpoint("10.1.0.1/9993")!,
        run: 7,
        armored,
        random: (into) => into.fill(counter++ & 0xff),
        send: (bytes) => {
          this.sent.push(new Uint8Array(bytes));
          this.root.receive(bytes);
        },
        tally: this.tally,
      });
    this.peers = [make(identities[1]!), make(identities[2]!)];
    this.peers[0]!.pairWith(identities[2]!.publicOnly());
    this.peers[1]!.pairWith(identities[1]!.publicOnly());
  }

  greet(): void {
    for (const peer of this.peers) peer.sayHello(this.now);
  }
}

describe("a synthetic peer", () => {
  test("says a HELLO that a root understands and is greeted by its OK", () => {
    const stage = new Stage();
    stage.root.confirmsPaths = false;
    stage.greet();
    assert.deepEqual(stage.root.suites, [0, 0]);
    assert.ok(stage.peers.every((peer) => peer.greeted && !peer.confirmed));
    assert.equal(stage.tally.greeting.count, 2);
    assert.equal(stage.tally.unreadable, 0);
  });

  test("sends a HELLO of 137 bytes to an IPv4 root, as clients without moons do", () => {
    const stage = new Stage();
    stage.root.confirmsPaths = false;
    stage.peers[0]!.sayHello(stage.now);
    assert.equal(stage.sent[0]!.length, 137);
  });

  test("answers the root's own HELLO, so that the root learns a path", () => {
    const stage = new Stage();
    stage.greet();
    assert.ok(stage.peers.every((peer) => peer.confirmed));
    assert.ok([...stage.root.clients.values()].every((client) => client.confirmed));
  });

  test("takes an ECHO of the root for the same question, as newer roots ask it", () => {
    const stage = new Stage();
    stage.root.confirmsPaths = false;
    stage.greet();
    stage.root.echo(identities[1]!.address);
    assert.deepEqual(
      stage.peers.map((peer) => peer.confirmed),
      [true, false],
    );
  });

  test("measures the time from HELLO to OK, and counts later HELLOs apart from greetings", () => {
    const stage = new Stage();
    stage.greet();
    stage.held = [];
    stage.peers[0]!.sayHello(stage.now);
    stage.now += 12;
    for (const deliver of stage.held) deliver();
    assert.equal(stage.tally.greetingSent, 2);
    assert.equal(stage.tally.helloSent, 1);
    assert.equal(stage.tally.hello.summary().max, 12);
  });

  test("uses suite 3 for everything but HELLO once the root announced protocol 12", () => {
    const stage = new Stage();
    stage.greet();
    stage.root.suites.length = 0;
    stage.peers[0]!.sayEcho(stage.now);
    assert.deepEqual(stage.root.suites, [3]);
    assert.equal(stage.tally.echo.count, 1);
  });

  for (const armored of [false, true]) {
    test(`exchanges ${armored ? "armoured" : "opaque"} probes with its partner through the root`, () => {
      const stage = new Stage(armored);
      stage.greet();
      stage.tally.ledger = new SequenceLedger(10);
      for (let i = 0; i < 10; i++) stage.peers[i % 2]!.sendProbe(i, MIN_PROBE_BYTES + i * 50, stage.now);
      assert.equal(stage.root.relayed, 10);
      assert.equal(stage.tally.ledger.received, 10);
      assert.equal(stage.tally.relay.count, 10);
      assert.equal(stage.tally.unreadable, 0);
      const probe = stage.sent.at(-1)!;
      assert.equal(probe.length, MIN_PROBE_BYTES + 450);
      assert.deepEqual([sourceOf(probe), destinationOf(probe)], [identities[2]!.address, identities[1]!.address]);
    });
  }

  test("counts a probe that arrives twice once", () => {
    const stage = new Stage();
    stage.greet();
    stage.tally.ledger = new SequenceLedger(4);
    stage.peers[0]!.sendProbe(3, 200, stage.now);
    stage.root.receive(stage.sent.at(-1)!);
    assert.equal(stage.tally.ledger.received, 1);
    assert.equal(stage.tally.ledger.duplicates, 1);
  });

  test("tells probes that overtook each other from probes of the other direction", () => {
    const stage = new Stage();
    stage.greet();
    stage.tally.ledger = new SequenceLedger(8);
    for (const [sender, sequence] of [
      [0, 0],
      [1, 1],
      [0, 4],
      [1, 3],
      [0, 2],
    ] as const) {
      stage.peers[sender]!.sendProbe(sequence, 200, stage.now);
    }
    assert.equal(stage.tally.ledger.received, 5);
    assert.equal(stage.tally.ledger.reordered, 1);
  });

  test("does not take a forged armoured probe for one of its partner", () => {
    const stage = new Stage(true);
    stage.greet();
    stage.tally.ledger = new SequenceLedger(4);
    stage.peers[0]!.sendProbe(0, 200, stage.now);
    const forged = stage.sent.at(-1)!;
    forged[60] = forged[60]! ^ 1;
    stage.root.receive(forged);
    assert.equal(stage.tally.ledger.received, 1);
    assert.equal(stage.tally.unreadable, 1);
  });

  test("ignores introductions, so that its traffic stays relayed", () => {
    const stage = new Stage();
    stage.greet();
    const before = stage.sent.length;
    stage.root.introduce(identities[1]!.address);
    assert.equal(stage.tally.introductions, 1);
    assert.equal(stage.sent.length, before);
  });

  test("survives whatever arrives", () => {
    const stage = new Stage();
    stage.greet();
    for (let length = 0; length < 200; length++) stage.peers[0]!.receive(new Uint8Array(length).fill(length), 0);
    const answer = stage.sent[0]!;
    for (let length = 0; length < answer.length; length++) stage.peers[0]!.receive(answer.slice(0, length), 0);
    assert.ok(stage.peers[0]!.greeted);
  });

  test("remembers a bounded number of unanswered requests", () => {
    const stage = new Stage();
    stage.greet();
    stage.held = [];
    for (let i = 0; i < 200; i++) stage.peers[0]!.sayHello(stage.now);
    for (const deliver of stage.held) deliver();
    assert.equal(stage.tally.helloSent, 200);
    assert.equal(stage.tally.hello.count, 64);
    assert.ok(stage.tally.hello instanceof LatencyHistogram);
  });
});
