/** Layouts of the network verbs that recorded traffic does not show: optional parts, limits, values to be refused. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decodeExtFrame } from "../../src/protocol/messages/ext-frame.ts";
import { decodeMulticastFrame, decodeOkMulticastFrame } from "../../src/protocol/messages/multicast-frame.ts";
import { decodeMulticastGather, decodeOkMulticastGather } from "../../src/protocol/messages/multicast-gather.ts";
import { decodeMulticastLike } from "../../src/protocol/messages/multicast-like.ts";
import { decodeNetworkConfig, encodeNetworkConfig } from "../../src/protocol/messages/network-config.ts";
import { decodeNetworkConfigRequest } from "../../src/protocol/messages/network-config-request.ts";
import { accepted, assertRefused } from "./codecs.ts";
import { hex } from "./fixtures.ts";

const MEMBERSHIP = `01 0001 ${"00".repeat(24)} 0000000000`;

describe("MULTICAST_LIKE", () => {
  test("is refused if it ends inside a subscription", () => {
    assertRefused(decodeMulticastLike(hex(`${"00".repeat(18)} 0011`)), "too_short", 18);
    assert.deepEqual(accepted(decodeMulticastLike(hex(""))).subscriptions, []);
  });
});

describe("MULTICAST_GATHER", () => {
  const front = "8056c2e21c000001";
  const group = "ffffffffffff 0a931105";

  test("carries a certificate when it says so", () => {
    const plain = accepted(decodeMulticastGather(hex(`${front} 00 ${group} 00000021`)));
    assert.deepEqual([plain.limit, plain.certificate], [0x21, null]);
    const gather = accepted(decodeMulticastGather(hex(`${front} 01 ${group} 00000021 ${MEMBERSHIP}`)));
    assert.deepEqual(gather.certificate, hex(MEMBERSHIP));
    assertRefused(decodeMulticastGather(hex(`${front} 01 ${group} 00000021`)), "too_short", 23);
    assertRefused(decodeMulticastGather(hex(`${front} 01 ${group} 00000021 02`)), "bad_value", 23);
  });

  test("is answered with as many addresses as it says", () => {
    const ok = accepted(decodeOkMulticastGather(hex(`${front} ${group} 00000009 0001 8ee398b919 ff`)));
    assert.deepEqual(ok.results, { total: 9, members: [0x8ee398b919] });
    assertRefused(decodeOkMulticastGather(hex(`${front} ${group} 00000009 0002 8ee398b919`)), "too_short");
  });
});

describe("frames", () => {
  const network = "8056c2e21c000001";

  test("of the extended kind may carry a certificate before the MACs", () => {
    const frame = accepted(decodeExtFrame(hex(`${network} 13 ${MEMBERSHIP} 0102030405060a0b0c0d0e0f 0800 4500`)));
    assert.deepEqual(frame.certificate, hex(MEMBERSHIP));
    assert.equal(frame.flags, 0x12);
    assert.deepEqual([frame.destination, frame.source, frame.etherType], [0x010203040506, 0x0a0b0c0d0e0f, 0x0800]);
    assert.deepEqual(frame.data, hex("4500"));
    assertRefused(decodeExtFrame(hex(`${network} 01 00`)), "bad_value", 9);
  });

  test("to a group may carry certificate, gather limit and source in this order", () => {
    const all = `${network} 0f ${MEMBERSHIP} 00000005 0a0b0c0d0e0f ffffffffffff 0a931105 0806 0001`;
    const frame = accepted(decodeMulticastFrame(hex(all)));
    assert.deepEqual(frame.certificate, hex(MEMBERSHIP));
    assert.deepEqual([frame.gatherLimit, frame.source, frame.replicate], [5, 0x0a0b0c0d0e0f, true]);
    assert.deepEqual(frame.group, { mac: 0xffffffffffff, adi: 0x0a931105 });
    const none = accepted(decodeMulticastFrame(hex(`${network} 00 ffffffffffff 00000000 0806`)));
    assert.deepEqual([none.certificate, none.gatherLimit, none.source, none.replicate], [null, null, null, false]);
  });

  test("to a group are answered with a certificate and results in this order", () => {
    const group = "ffffffffffff 0a931105";
    const ok = accepted(decodeOkMulticastFrame(hex(`${network} ${group} 03 ${MEMBERSHIP} 00000002 0001 8ee398b919`)));
    assert.deepEqual(ok.certificate, hex(MEMBERSHIP));
    assert.deepEqual(ok.results, { total: 2, members: [0x8ee398b919] });
    assert.equal(accepted(decodeOkMulticastFrame(hex(`${network} ${group} 00`))).results, null);
    assertRefused(decodeOkMulticastFrame(hex(`${network} ${group} 01 07`)), "bad_value", 19);
  });
});

describe("NETWORK_CONFIG_REQUEST", () => {
  test("may end behind the metadata", () => {
    const request = accepted(decodeNetworkConfigRequest(hex("8056c2e21c000001 0002 763d")));
    assert.deepEqual([request.revision, request.timestamp], [0n, 0n]);
    assert.equal(accepted(decodeNetworkConfigRequest(hex("8056c2e21c000001 0000 00000001"))).revision, 0n);
    assertRefused(decodeNetworkConfigRequest(hex("8056c2e21c000001 0401")), "too_long", 8);
    assertRefused(decodeNetworkConfigRequest(hex("8056c2e21c000001")), "too_short", 8);
  });
});

describe("NETWORK_CONFIG", () => {
  const chunk = (total: string, offset: string, end = `01 0060 ${"5a".repeat(96)}`) =>
    hex(`8056c2e21c000001 0003 613d31 00 1122334455667788 ${total} ${offset} ${end}`);

  test("says what is signed: from the network id to the slice's place", () => {
    const { chunk: decoded, signed } = accepted(decodeNetworkConfig(chunk("00000004", "00000001")));
    assert.equal(signed.length, 30);
    assert.deepEqual(signed, chunk("00000004", "00000001").subarray(0, 30));
    assert.deepEqual(decoded.assembly, { flags: 0, updateId: 0x1122334455667788n, totalLength: 4, offset: 1 });
    assert.equal(decoded.signature?.length, 96);
  });

  test("in its legacy form is a slice and nothing else", () => {
    const legacy = hex("8056c2e21c000001 0003 613d31");
    const { chunk: decoded, signed } = accepted(decodeNetworkConfig(legacy));
    assert.deepEqual([decoded.assembly, decoded.signature, signed.length], [null, null, 0]);
    assert.deepEqual(encodeNetworkConfig(decoded), legacy);
  });

  test("is refused if the slice lies outside, the total is too large or the signature is of another kind", () => {
    assertRefused(decodeNetworkConfig(chunk("00000004", "00000002")), "bad_value", 13);
    assertRefused(decodeNetworkConfig(chunk("00000004", "ffffffff")), "bad_value", 13);
    assertRefused(decodeNetworkConfig(chunk("000764a8", "00000000")), "too_long", 13);
    assert.equal(decodeNetworkConfig(chunk("000764a7", "00000000")).ok, true);
    assertRefused(decodeNetworkConfig(chunk("00000003", "00000000", `02 0060 ${"5a".repeat(96)}`)), "bad_value", 30);
    assertRefused(decodeNetworkConfig(chunk("00000003", "00000000", `01 0040 ${"5a".repeat(64)}`)), "bad_value", 30);
    assertRefused(decodeNetworkConfig(chunk("00000003", "00000000", `01 0060 ${"5a".repeat(95)}`)), "too_short", 33);
    assertRefused(decodeNetworkConfig(chunk("00000003", "00000000", "")), "too_short", 30);
  });
});
