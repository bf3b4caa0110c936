/** What a member tells of what it drops, where the network's configuration asks for it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Identity } from "../../src/identity/identity.ts";
import type { NetworkConfig } from "../../src/network/config.ts";
import { encodeRules } from "../../src/network/rules/codec.ts";
import { Dictionary } from "../../src/protocol/dictionary.ts";
import { decodeRemoteTrace } from "../../src/protocol/messages/remote-trace.ts";
import { Verb } from "../../src/protocol/verbs.ts";
import { IDENTITIES, testPlanet } from "../support/constellation.ts";
import { TestMember } from "../support/member.ts";
import { VirtualNetwork } from "../support/virtual-network.ts";

const [ROOT, CONTROLLER, A, B] = IDENTITIES as [Identity, Identity, Identity, Identity];
const NETWORK = (BigInt(CONTROLLER.address) << 24n) | 0xabcn;
const PLANET = testPlanet([{ identity: ROOT, endpoints: ["64.0.0.1/9993"] }]);
const DROP_ALL = encodeRules([{ type: "ACTION_DROP", not: false, or: false }]);

/** Two members, the first with these settings; the root is told the traces. */
function stage(config: Partial<NetworkConfig>) {
  const network = new VirtualNetwork({ seed: 5 });
  const root = network.add({ identity: ROOT, planet: PLANET, addresses: ["64.0.0.1/9993"] });
  const traces: Dictionary[] = [];
  root.node.handlers[Verb.REMOTE_TRACE] = (_node, { payload }) => {
    const decoded = decodeRemoteTrace(payload);
    assert.ok(decoded.ok);
    for (const trace of decoded.value.traces) traces.push(new Dictionary(new Uint8Array(trace)));
    return true;
  };
  const [a, b] = [A, B].map((identity, i) => {
    const host = network.add({ identity, planet: PLANET, addresses: [`64.1.${i}.1/9993`] });
    return new TestMember(network, host, NETWORK, CONTROLLER, i === 0 ? config : {});
  }) as [TestMember, TestMember];
  network.advance(6000);
  return { network, traces, a, b };
}

const asked = { remoteTraceTarget: ROOT.address, remoteTraceLevel: 10 };

test("a frame that the rules do not let out is told, with what it was", () => {
  const { network, traces, a, b } = stage({ ...asked, remoteTraceLevel: 15, rules: DROP_ALL });
  a.send(b.mac, "secret");
  network.advance(500);
  assert.equal(traces.length, 1);
  const [trace] = traces as [Dictionary];
  assert.equal(trace.text("event"), "2000");
  assert.equal(trace.u64("networkId", 0n), NETWORK);
  assert.equal(trace.text("reason"), "rules");
  assert.equal(trace.u64("destMac", 0n), BigInt(b.mac));
  assert.match(trace.text("frameData") ?? "", /^secret/);
});

test("a frame that the rules do not let in is told, and the first one of somebody unknown", () => {
  const { network, traces, a, b } = stage({ ...asked, rules: DROP_ALL });
  b.send(a.mac, "hello");
  network.advance(1500);
  const events = traces.map((trace) => trace.text("event"));
  assert.ok(events.includes("2002"), String(events));
  assert.ok(
    traces.every((trace) => !trace.has("frameData")),
    "what is in a frame is told from level 15 on",
  );
});

test("nothing is told below the level, or to nobody", () => {
  for (const config of [{ remoteTraceTarget: ROOT.address }, { remoteTraceLevel: 30 }]) {
    const { network, traces, a, b } = stage({ ...config, rules: DROP_ALL });
    a.send(b.mac, "secret");
    network.advance(500);
    assert.equal(traces.length, 0);
  }
});

test("a flood of drops becomes a trickle of traces", () => {
  const { network, traces, a, b } = stage({ ...asked, rules: DROP_ALL });
  for (let sent = 0; sent < 200; sent++) a.send(b.mac, "secret");
  network.advance(500);
  assert.equal(traces.length, 20);
  assert.equal(a.leaf.statistics.traces.rate_limited, 180);
});
