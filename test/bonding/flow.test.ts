/** Which packets belong to one flow. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { flowOf, NO_FLOW } from "../../src/bonding/flow.ts";
import { RecentIds } from "../../src/bonding/recent-ids.ts";
import { EtherType } from "../../src/protocol/ethernet.ts";
import { encodeExtFrame } from "../../src/protocol/messages/ext-frame.ts";
import { encodeFrame } from "../../src/protocol/messages/frame.ts";
import { Verb } from "../../src/protocol/verbs.ts";

function ipv4(protocol: number, source: number, destination: number, options = 0, fragment = 0): Uint8Array {
  const packet = new Uint8Array(28 + options);
  packet.set([0x45 + options / 4, 0, 0, 0, 0, 0, fragment >> 8, fragment & 0xff, 64, protocol]);
  packet.set([source >> 8, source & 0xff, destination >> 8, destination & 0xff], 20 + options);
  return packet;
}

function ipv6(next: number, source: number, destination: number): Uint8Array {
  const packet = new Uint8Array(48);
  packet[0] = 0x60;
  packet[6] = next;
  packet.set([source >> 8, source & 0xff, destination >> 8, destination & 0xff], 40);
  return packet;
}

const frame = (data: Uint8Array, etherType: number = EtherType.IPV4) =>
  flowOf(Verb.FRAME, encodeFrame({ networkId: 1n, etherType, data }));

describe("the flow of a packet", () => {
  test("is its ports and its protocol, the same in both directions", () => {
    assert.equal(frame(ipv4(6, 40_000, 443)), 40_000 ^ 443 ^ 6);
    assert.equal(frame(ipv4(6, 443, 40_000)), 40_000 ^ 443 ^ 6);
    assert.equal(frame(ipv4(17, 40_000, 443, 8)), 40_000 ^ 443 ^ 17);
    assert.equal(frame(ipv6(132, 1, 2), EtherType.IPV6), 1 ^ 2 ^ 132);
    const header = { networkId: 1n, flags: 0, certificate: null, destination: 1, source: 2, etherType: EtherType.IPV4 };
    assert.equal(flowOf(Verb.EXT_FRAME, encodeExtFrame({ ...header, data: ipv4(136, 9, 12) })), 9 ^ 12 ^ 136);
  });

  test("is none for what has no ports, or is cut off", () => {
    assert.equal(frame(ipv4(1, 1, 2)), NO_FLOW);
    assert.equal(frame(ipv6(58, 1, 2), EtherType.IPV6), NO_FLOW);
    assert.equal(frame(ipv4(17, 1, 2), EtherType.ARP), NO_FLOW);
    assert.equal(frame(ipv4(17, 1, 2, 0, 0x2000)), NO_FLOW, "the first of several pieces");
    assert.equal(frame(ipv4(17, 1, 2, 0, 10)), NO_FLOW, "a later piece");
    for (let length = 0; length < 24; length++) assert.equal(frame(ipv4(17, 1, 2).subarray(0, length)), NO_FLOW);
    assert.equal(flowOf(Verb.MULTICAST_FRAME, new Uint8Array(60)), NO_FLOW);
    assert.equal(flowOf(Verb.FRAME, new Uint8Array(0)), NO_FLOW);
  });
});

test("an id is new once", () => {
  const ids = new RecentIds();
  for (const id of [1n, 0xffff_ffff_ffff_ffffn, 0x0123_4567_89ab_cdefn]) {
    assert.ok(ids.add(id));
    assert.ok(!ids.add(id));
  }
});
