/** Traces that members send: what becomes of them at the controller, and that nobody can flood it with them. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { applyNetworkBody } from "../../src/controller/network-body.ts";
import type { Identity } from "../../src/identity/identity.ts";
import type { Request } from "../../src/node/request.ts";
import { DictionaryWriter } from "../../src/protocol/dictionary.ts";
import { encodeRemoteTrace } from "../../src/protocol/messages/remote-trace.ts";
import { Verb } from "../../src/protocol/verbs.ts";
import { IDENTITIES, testPlanet } from "../support/constellation.ts";
import { ControlledNode } from "../support/controlled-node.ts";

const [SELF, A, B] = IDENTITIES as [Identity, Identity, Identity];
const NETWORK = (BigInt(SELF.address) << 24n) | 0x17n;

function trace(event: string, fill: (writer: DictionaryWriter) => void = () => {}): Uint8Array {
  const writer = new DictionaryWriter().text("event", event).u64("networkId", NETWORK);
  fill(writer);
  return writer.finish();
}

describe("traces of members", () => {
  let it: ControlledNode;
  beforeEach(async () => {
    it = await ControlledNode.open(SELF, testPlanet([{ identity: SELF, endpoints: ["64.0.0.1/9993"] }]));
    await it.controller.changeNetwork(NETWORK, "api", it.now, (current) =>
      applyNetworkBody(current, NETWORK, {}, it.now),
    );
    await it.ask(NETWORK, A);
    it.events.length = 0;
  });
  afterEach(() => it.close());

  const send = (from: Identity, payload: Uint8Array) =>
    it.node.handlers[Verb.REMOTE_TRACE]!(it.node, {
      peer: { address: from.address },
      payload,
      now: it.now,
    } as unknown as Request);
  const told = () => it.events.filter((event) => event.type === "member-trace");

  test("are told with the name of what happened and everything they say, bytes as hex", () => {
    const traces = [
      trace("2000", (writer) => writer.text("reason", "no=way\n").bytes("frameData", Uint8Array.of(0, 1, 0x41))),
      trace("7abc"),
    ];
    assert.ok(send(A, encodeRemoteTrace({ traces })));
    const about = { type: "member-trace", networkId: NETWORK, address: A.address };
    assert.deepEqual(told(), [
      {
        ...about,
        event: "outgoing frame dropped",
        fields: { reason: "6e6f3d7761790a", frameData: "000141" },
      },
      { ...about, event: "7abc", fields: {} },
    ]);
  });

  test("of somebody who never asked about the network are counted and not told", () => {
    send(B, encodeRemoteTrace({ traces: [trace("2000")] }));
    send(A, encodeRemoteTrace({ traces: [new TextEncoder().encode("event=2000")] }));
    assert.deepEqual(told(), []);
    assert.equal(it.controller.statistics.traces.unknown_member, 2);
  });

  test("are told up to a budget: one member cannot fill the log", () => {
    for (let sent = 0; sent < 100; sent++) send(A, encodeRemoteTrace({ traces: [trace("2006"), trace("2006")] }));
    assert.equal(told().length, 20);
    assert.equal(it.controller.statistics.traces.rate_limited, 180);
    it.now += 1000;
    for (let sent = 0; sent < 10; sent++) send(A, encodeRemoteTrace({ traces: [trace("2006")] }));
    assert.equal(told().length, 22);
  });

  test("that are none are counted", () => {
    assert.ok(!send(A, new Uint8Array(10_001 + 1).fill(0x41, 0, 10_001)));
    send(A, new Uint8Array(0));
    assert.equal(it.controller.statistics.traces.malformed, 2);
    assert.deepEqual(told(), []);
  });
});
