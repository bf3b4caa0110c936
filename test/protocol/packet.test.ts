import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  beaconSender,
  cipherSuiteOf,
  classifyDatagram,
  destinationOf,
  hopsOf,
  isCompressed,
  isFragmented,
  markFragmented,
  newPacket,
  packetIdOf,
  payloadOf,
  setHops,
  sourceOf,
  verbOf,
} from "../../src/protocol/packet.ts";
import { Verb } from "../../src/protocol/verbs.ts";
import { hex, vectors } from "./fixtures.ts";

interface ArmoredVector {
  name: string;
  suite: number;
  source: string;
  destination: string;
  wire: string;
  wire_after_hops?: string;
}

const { armored } = vectors<{ armored: ArmoredVector[] }>("packets");

/** A datagram of `length` bytes with a given byte 13. */
function datagram(length: number, byte13 = 0x01): Uint8Array {
  const bytes = new Uint8Array(length);
  if (length > 13) bytes[13] = byte13;
  return bytes;
}

describe("a datagram", () => {
  test("of 13 bytes is a beacon that names its sender", () => {
    assert.equal(classifyDatagram(datagram(13)), "beacon");
    assert.equal(beaconSender(hex("0000000000000000 8ee398b919")), 0x8ee398b919);
  });

  test("of up to 16 bytes is ignored otherwise, whatever byte 13 says", () => {
    for (const length of [0, 1, 4, 12, 14, 15, 16]) {
      assert.equal(classifyDatagram(datagram(length, 0xff)), "ignored", `${length} bytes`);
    }
  });

  test("with ff at byte 13 is a fragment from 17 bytes on", () => {
    for (const length of [17, 27, 28, 1432]) assert.equal(classifyDatagram(datagram(length, 0xff)), "fragment");
  });

  test("without is a packet from 28 bytes on", () => {
    for (const length of [17, 27]) assert.equal(classifyDatagram(datagram(length)), "ignored");
    for (const length of [28, 1432, 10024]) assert.equal(classifyDatagram(datagram(length)), "packet");
  });
});

describe("the header of a packet", () => {
  for (const vector of armored) {
    test(`is read from ${vector.name}`, () => {
      const wire = hex(vector.wire);
      assert.equal(classifyDatagram(wire), "packet");
      assert.equal(packetIdOf(wire), BigInt(`0x${vector.wire.slice(0, 16)}`));
      assert.equal(destinationOf(wire), Number.parseInt(vector.destination, 16));
      assert.equal(sourceOf(wire), Number.parseInt(vector.source, 16));
      assert.equal(cipherSuiteOf(wire), vector.suite);
      assert.equal(hopsOf(wire), 0);
      assert.equal(isFragmented(wire), false);
      if (vector.wire_after_hops === undefined) return;
      const relayed = hex(vector.wire_after_hops);
      setHops(wire, hopsOf(relayed));
      assert.deepEqual(wire, relayed);
    });
  }

  test("is laid out by newPacket", () => {
    const packet = newPacket(hex("0102030405060708"), 0x8ee398b919, 0x0abfda6035, Verb.ECHO, hex("cafe"));
    assert.deepEqual(packet, hex("0102030405060708 8ee398b919 0abfda6035 00 0000000000000000 08 cafe"));
    assert.equal(verbOf(packet), Verb.ECHO);
    assert.deepEqual(payloadOf(packet), hex("cafe"));
  });

  test("keeps its other flags when hops or the fragmented flag change", () => {
    const packet = newPacket(new Uint8Array(8), 1, 2, Verb.NOP, new Uint8Array(0));
    packet[18] = 0x88;
    markFragmented(packet);
    setHops(packet, 3);
    assert.equal(packet[18], 0xcb);
    assert.equal(isFragmented(packet), true);
    assert.equal(cipherSuiteOf(packet), 1);
    setHops(packet, 8);
    assert.equal(hopsOf(packet), 0, "three bits and no more");
  });

  test("ignores the unused bits of the verb byte", () => {
    const packet = newPacket(new Uint8Array(8), 1, 2, Verb.OK, new Uint8Array(0));
    packet[27] = 0xe0 | Verb.OK;
    assert.equal(verbOf(packet), Verb.OK);
    assert.equal(isCompressed(packet), true);
    packet[27] = 0x60 | Verb.OK;
    assert.equal(isCompressed(packet), false);
  });
});
