import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { MAX_FRAGMENTS, MAX_PACKET_BYTES } from "../../src/protocol/constants.ts";
import {
  evenPieceBytes,
  fragmentDestination,
  fragmentHops,
  fragmentNumber,
  fragmentPacketId,
  fragmentTotal,
  maxPacketBytes,
  Reassembly,
  setFragmentHops,
  splitPacket,
} from "../../src/protocol/fragment.ts";
import {
  classifyDatagram,
  destinationOf,
  isFragmented,
  markFragmented,
  packetIdOf,
} from "../../src/protocol/packet.ts";
import { hex, vectors } from "./fixtures.ts";

interface FragmentedVector {
  name: string;
  mtu: number;
  destination: string;
  assembled_wire: string;
  fragment1_after_one_hop: string;
  datagrams: string[];
}

const { fragmented } = vectors<{ fragmented: FragmentedVector[] }>("packets");

/** A packet of junk with a given id, flagged as fragmented, as it stands on the wire. */
function junkPacket(id: bigint, length: number): Uint8Array {
  const packet = new Uint8Array(length);
  for (let i = 18; i < length; i++) packet[i] = (i * 31) ^ Number(id & 0xffn);
  new DataView(packet.buffer).setBigUint64(0, id);
  packet[13] = 0x0a;
  markFragmented(packet);
  return packet;
}

/** Hands datagrams over one after another; the complete packets that came out. */
function feed(reassembly: Reassembly, from: string, datagrams: readonly Uint8Array[], now = 0): Uint8Array[] {
  const complete: Uint8Array[] = [];
  for (const datagram of datagrams) {
    const kind = classifyDatagram(datagram);
    const packet =
      kind === "fragment" ? reassembly.fragment(from, datagram, now) : reassembly.head(from, datagram, now);
    if (packet !== null) complete.push(packet);
  }
  return complete;
}

describe("a packet longer than the MTU", () => {
  for (const vector of fragmented) {
    const armored = hex(vector.assembled_wire);
    const datagrams = vector.datagrams.map(hex);

    test(`is cut exactly as recorded: ${vector.name}`, () => {
      assert.deepEqual(
        splitPacket(armored, vector.mtu).map((one) => new Uint8Array(one)),
        datagrams,
      );
    });

    test(`has readable pieces: ${vector.name}`, () => {
      const [head, ...fragments] = datagrams;
      assert.equal(classifyDatagram(head!), "packet");
      assert.equal(isFragmented(head!), true);
      for (const [index, fragment] of fragments.entries()) {
        assert.equal(classifyDatagram(fragment), "fragment");
        assert.equal(fragmentPacketId(fragment), packetIdOf(head!));
        assert.equal(fragmentDestination(fragment), destinationOf(head!));
        assert.equal(fragmentTotal(fragment), datagrams.length);
        assert.equal(fragmentNumber(fragment), index + 1);
        assert.equal(fragmentHops(fragment), 0);
      }
    });

    test(`has pieces that change one byte per relay: ${vector.name}`, () => {
      const fragment = new Uint8Array(datagrams[1]!);
      setFragmentHops(fragment, fragmentHops(fragment) + 1);
      assert.deepEqual(fragment, hex(vector.fragment1_after_one_hop));
    });

    test(`is put together from its pieces in any order, some of them twice: ${vector.name}`, () => {
      const order = fc.shuffledSubarray([...datagrams, ...datagrams], { minLength: 2 * datagrams.length });
      fc.assert(
        fc.property(order, (pieces) => {
          const complete = feed(new Reassembly(), "a", pieces);
          assert.ok(complete.length >= 1);
          for (const packet of complete) assert.deepEqual(packet, armored);
        }),
        { seed: 7, numRuns: 30 },
      );
    });

    test(`is never put together while a piece is missing: ${vector.name}`, () => {
      for (const missing of datagrams) {
        const reassembly = new Reassembly();
        assert.deepEqual(
          feed(
            reassembly,
            "a",
            datagrams.filter((one) => one !== missing),
          ),
          [],
        );
        assert.equal(reassembly.size, 1);
        assert.deepEqual(feed(reassembly, "b", [missing]), [armored]);
        assert.equal(reassembly.size, 0);
      }
    });
  }

  test("survives every MTU and length", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1400, max: 10324 }), fc.integer({ min: 29, max: 10024 }), (mtu, length) => {
        fc.pre(length <= maxPacketBytes(mtu));
        const packet = junkPacket(5n, length);
        const datagrams = splitPacket(packet, mtu);
        assert.ok(datagrams.every((one) => one.length <= mtu));
        if (length <= mtu) assert.equal(datagrams[0], packet);
        else assert.deepEqual(feed(new Reassembly(), "a", datagrams.toReversed()), [packet]);
      }),
      { seed: 8, numRuns: 150 },
    );
  });

  test("can be cut into as few pieces of one length", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1400, max: 10324 }), fc.integer({ min: 29, max: 10024 }), (mtu, length) => {
        fc.pre(length <= maxPacketBytes(mtu));
        const packet = junkPacket(5n, length);
        const size = evenPieceBytes(length, mtu);
        const datagrams = splitPacket(packet, size);
        assert.equal(datagrams.length, splitPacket(packet, mtu).length);
        if (length <= mtu) return;
        assert.ok(size <= mtu && datagrams.slice(0, -1).every((one) => one.length === size));
        assert.ok(datagrams.at(-1)!.length > size - datagrams.length && datagrams.at(-1)!.length <= size);
        assert.deepEqual(feed(new Reassembly(), "a", datagrams), [packet]);
      }),
      { seed: 9, numRuns: 150 },
    );
  });

  test("is refused by the sender if seven pieces do not hold it", () => {
    assert.equal(maxPacketBytes(1432), 1432 + 6 * 1416);
    assert.equal(maxPacketBytes(1400), 1400 + 6 * 1384);
    assert.equal(maxPacketBytes(10324), MAX_PACKET_BYTES);
    assert.equal(splitPacket(junkPacket(1n, maxPacketBytes(1400)), 1400).length, MAX_FRAGMENTS);
    assert.throws(() => splitPacket(junkPacket(1n, maxPacketBytes(1400) + 1), 1400), RangeError);
  });
});

describe("reassembly", () => {
  const honest = junkPacket(0xabcdef0123456789n, 4000);
  const pieces = splitPacket(honest, 1432);

  /** A head of its own id from nobody in particular. */
  const junkHead = (id: number) => junkPacket(BigInt(id), 200);

  test("copies what it keeps, since a datagram's bytes are lent", () => {
    const reassembly = new Reassembly();
    const lent = pieces.map((piece) => new Uint8Array(piece));
    for (const piece of lent.slice(0, -1)) {
      feed(reassembly, "a", [piece]);
      piece.fill(0);
    }
    assert.deepEqual(feed(reassembly, "a", lent.slice(-1)), [honest]);
  });

  test("takes pieces of one packet from different sources", () => {
    const reassembly = new Reassembly();
    assert.deepEqual(feed(reassembly, "direct", [pieces[1]!]), []);
    assert.deepEqual(feed(reassembly, "relay", [pieces[0]!]), []);
    assert.deepEqual(feed(reassembly, "direct", [pieces[2]!]), [honest]);
  });

  test("forgets an incomplete packet after its lifetime", () => {
    const reassembly = new Reassembly({ lifetimeMs: 5000 });
    feed(reassembly, "a", [pieces[0]!], 1000);
    feed(reassembly, "a", [pieces[1]!], 6000);
    assert.equal(reassembly.size, 1);
    assert.deepEqual(feed(reassembly, "a", [pieces[2]!], 6001), [], "the earlier pieces are gone");
    assert.equal(reassembly.expired, 1);
    reassembly.expire(20_000);
    assert.equal(reassembly.size, 0);
    assert.equal(reassembly.expired, 2);
  });

  test("refuses impossible numbers without holding anything", () => {
    const reassembly = new Reassembly();
    const fragment = (total: number, number: number) => {
      const bytes = new Uint8Array(40).fill(0xff, 13, 14);
      bytes[14] = (total << 4) | number;
      return bytes;
    };
    const impossible = [
      [0, 0],
      [0, 1],
      [1, 1],
      [2, 0],
      [2, 2],
      [7, 7],
      [8, 1],
      [15, 3],
    ] as const;
    for (const [total, number] of impossible) feed(reassembly, "a", [fragment(total, number)]);
    assert.equal(reassembly.fragment("a", fragment(2, 1).subarray(0, 16), 0), null, "no data at all");
    assert.equal(reassembly.size, 0);
    assert.equal(reassembly.refused, impossible.length + 1);
    feed(reassembly, "a", [fragment(2, 1)]);
    assert.equal(reassembly.size, 1);
  });

  test("keeps to the total that was told first", () => {
    const reassembly = new Reassembly();
    const liar = new Uint8Array(pieces[2]!);
    liar[14] = 0x42;
    assert.deepEqual(feed(reassembly, "a", [pieces[1]!, liar, pieces[0]!]), []);
    assert.equal(reassembly.refused, 1);
    assert.deepEqual(feed(reassembly, "a", [pieces[2]!]), [honest]);
  });

  test("drops a packet that overruns the protocol's limit", () => {
    const reassembly = new Reassembly();
    const [head, ...rest] = splitPacket(junkPacket(9n, maxPacketBytes(1432)), 1432);
    const larger = new Uint8Array(1600).fill(7);
    larger.set(head!);
    feed(reassembly, "a", [larger, ...rest]);
    assert.equal(reassembly.size, 0);
    assert.equal(reassembly.refused, 1);
  });

  test("completes an honest packet in the middle of a flood from elsewhere", () => {
    const reassembly = new Reassembly({ capacity: 32 });
    for (let id = 0; id < 1000; id++) feed(reassembly, "flood", [junkHead(id)]);
    feed(reassembly, "honest", [pieces[0]!]);
    for (let id = 1000; id < 2000; id++) feed(reassembly, "flood", [junkHead(id)]);
    feed(reassembly, "honest", [pieces[1]!]);
    for (let id = 2000; id < 3000; id++) feed(reassembly, "flood", [junkHead(id)]);
    assert.ok(reassembly.size <= 32);
    assert.deepEqual(feed(reassembly, "honest", [pieces[2]!]), [honest]);
  });

  test("lets the greediest of several sources pay when it is full", () => {
    const reassembly = new Reassembly({ capacity: 8, perSource: 6 });
    feed(reassembly, "honest", [pieces[0]!]);
    for (let id = 0; id < 6; id++) feed(reassembly, "greedy", [junkHead(id)]);
    for (let id = 100; id < 103; id++) feed(reassembly, `other ${id}`, [junkHead(id)]);
    assert.equal(reassembly.size, 8);
    assert.equal(reassembly.evicted, 2);
    assert.deepEqual(feed(reassembly, "honest", pieces.slice(1)), [honest]);
  });

  test("stays within its bounds whatever arrives", () => {
    const piece = fc.record({
      from: fc.constantFrom("a", "b", "c"),
      id: fc.nat(20),
      number: fc.nat(15),
      total: fc.nat(15),
      length: fc.constantFrom(17, 100, 1432, 9000),
      head: fc.boolean(),
      wait: fc.constantFrom(0, 1, 600),
    });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 200 }), (arrivals) => {
        const reassembly = new Reassembly({ capacity: 6, perSource: 3, lifetimeMs: 5000 });
        let now = 0;
        for (const { from, id, number, total, length, head, wait } of arrivals) {
          now += wait;
          const bytes = junkPacket(BigInt(id), Math.max(length, head ? 28 : 17));
          if (!head) {
            bytes[13] = 0xff;
            bytes[14] = (total << 4) | number;
          }
          const complete = head ? reassembly.head(from, bytes, now) : reassembly.fragment(from, bytes, now);
          assert.ok(reassembly.size <= 6);
          if (complete !== null) assert.ok(complete.length <= MAX_PACKET_BYTES);
        }
        reassembly.expire(now + 5001);
        assert.equal(reassembly.size, 0);
      }),
      { seed: 9, numRuns: 200 },
    );
  });
});
