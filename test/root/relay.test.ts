import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { PeerTable } from "../../src/dataplane/peer-table.ts";
import { writeAddress } from "../../src/protocol/address.ts";
import { parseEndpoint } from "../../src/protocol/inet-address.ts";
import {
  addHop,
  DROP_FROM_SELF,
  DROP_HOP_LIMIT,
  DROP_RESERVED,
  DROP_RUNT,
  decide,
  PUNT,
  UPSTREAM,
} from "../../src/root/relay.ts";
import { Dice } from "../support/virtual-network.ts";

const SELF = 0x8123456789;
const OWN = { high: 0x81, low: 0x23456789 };
const PEER = 0xfe00000001;
const NOW = 1_700_000_000_000;

function table(): PeerTable {
  const peers = PeerTable.create(100, new Dice(1).fill);
  peers.set(PEER, 3, parseEndpoint("192.88.99.20/4000")!, NOW + 1000);
  return peers;
}

function packet(destination: number, source: number, hops: number): Uint8Array {
  const bytes = new Uint8Array(40);
  writeAddress(bytes, 8, destination);
  writeAddress(bytes, 13, source);
  bytes[18] = 0x88 | hops;
  return bytes;
}

function fragment(destination: number, hops: number): Uint8Array {
  const bytes = new Uint8Array(40);
  writeAddress(bytes, 8, destination);
  bytes[13] = 0xff;
  bytes[14] = 0x21;
  bytes[15] = hops;
  return bytes;
}

describe("the relay decision", () => {
  test("forwards packets and fragments for a peer with an unexpired path, up to the hop limit", () => {
    const peers = table();
    const slot = peers.find(0xfe, 1);
    assert.ok(slot >= 0);
    for (const hops of [0, 1, 2]) {
      assert.equal(decide(packet(PEER, 7, hops), peers, OWN, NOW), slot);
      assert.equal(decide(fragment(PEER, hops), peers, OWN, NOW), slot);
    }
    for (const hops of [3, 4, 7]) {
      assert.equal(decide(packet(PEER, 7, hops), peers, OWN, NOW), DROP_HOP_LIMIT);
      assert.equal(decide(fragment(PEER, hops), peers, OWN, NOW), DROP_HOP_LIMIT);
    }
    assert.equal(decide(packet(PEER, 7, 0), peers, OWN, NOW + 1000), UPSTREAM, "expired");
    assert.equal(decide(packet(0x1111111111, 7, 0), peers, OWN, NOW), UPSTREAM);
  });

  test("leaves to the node what is for us, and drops what cannot be for anybody", () => {
    const peers = table();
    assert.equal(decide(packet(SELF, 7, 0), peers, OWN, NOW), PUNT);
    assert.equal(decide(fragment(SELF, 0), peers, OWN, NOW), PUNT);
    assert.equal(decide(packet(PEER, SELF, 0), peers, OWN, NOW), DROP_FROM_SELF);
    assert.equal(decide(packet(0, 7, 0), peers, OWN, NOW), DROP_RESERVED);
    assert.equal(decide(packet(0xff00000001, 7, 0), peers, OWN, NOW), DROP_RESERVED);
    assert.equal(decide(packet(PEER, 7, 0).subarray(0, 27), peers, OWN, NOW), DROP_RUNT);
    assert.equal(decide(new Uint8Array(13), peers, OWN, NOW), PUNT);
  });

  test("never throws and never names a slot for bytes that are for nobody, whatever they are", () => {
    const peers = table();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const decision = decide(bytes, peers, OWN, NOW);
        return Number.isInteger(decision) && (decision < 0 || peers.find(bytes[8]!, toInt32(bytes, 9)) === decision);
      }),
      { seed: 1, numRuns: 2000 },
    );
  });

  test("a hop changes three bits and nothing else", () => {
    for (const [bytes, offset] of [
      [packet(PEER, 7, 1), 18],
      [fragment(PEER, 1), 15],
    ] as const) {
      const before = new Uint8Array(bytes);
      addHop(bytes);
      before[offset]!++;
      assert.deepEqual(bytes, before);
    }
  });
});

function toInt32(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getInt32(offset);
}
