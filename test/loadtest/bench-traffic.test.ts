import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { loadRing } from "../../loadtest/bench/drive.ts";
import type { FrameRing, RingSegment } from "../../loadtest/bench/frame-ring.ts";
import {
  ETHERNET_BYTES,
  IPV4_BYTES,
  internetChecksum,
  PAYLOAD_OFFSET,
  UDP_BYTES,
  VIRTIO_BYTES,
  writeFragmentHead,
  writeHeaders,
  writePacketHead,
} from "../../loadtest/bench/frames.ts";
import { peerIp } from "../../loadtest/bench/peer-address.ts";
import { type Load, planTraffic, seededRandom, trainLength } from "../../loadtest/bench/traffic.ts";
import { classifyDatagram, destinationOf, isFragmented, packetIdOf, sourceOf } from "../../src/protocol/packet.ts";

const ENDS = {
  sourceMac: Uint8Array.of(2, 0, 0, 0, 0, 1),
  targetMac: Uint8Array.of(2, 0, 0, 0, 0, 2),
  sourceIp: 0x40000101,
  targetIp: 0x0afa0002,
  sourcePort: 21_000,
  targetPort: 9993,
};

describe("the benchmark's frames", () => {
  test("a single datagram has sound headers and leaves the UDP checksum out, as clients do", () => {
    const memory = new Uint8Array(200);
    writeHeaders(memory, 8, ENDS, 100, 0);
    const view = new DataView(memory.buffer, 8);
    assert.deepEqual([...memory.subarray(8, 8 + VIRTIO_BYTES)], Array(VIRTIO_BYTES).fill(0));
    const ip = VIRTIO_BYTES + ETHERNET_BYTES;
    assert.equal(view.getUint16(ip - 2), 0x0800);
    assert.equal(view.getUint16(ip + 2), IPV4_BYTES + UDP_BYTES + 100);
    assert.equal(internetChecksum(memory, 8 + ip, 8 + ip + IPV4_BYTES), 0);
    assert.equal(view.getUint32(ip + 12), ENDS.sourceIp);
    assert.equal(view.getUint32(ip + 16), ENDS.targetIp);
    const udp = ip + IPV4_BYTES;
    assert.deepEqual(
      [0, 2, 4, 6].map((at) => view.getUint16(udp + at)),
      [21_000, 9993, UDP_BYTES + 100, 0],
    );
    assert.equal(udp + UDP_BYTES, PAYLOAD_OFFSET);
  });

  test("a train says how large its datagrams are and where the kernel finds the checksum to finish", () => {
    const memory = new Uint8Array(PAYLOAD_OFFSET);
    writeHeaders(memory, 0, ENDS, 3200, 100);
    const view = new DataView(memory.buffer);
    assert.deepEqual([memory[0], memory[1]], [1, 5]);
    assert.deepEqual(
      [2, 4, 6, 8].map((at) => view.getUint16(at, true)),
      [ETHERNET_BYTES + IPV4_BYTES + UDP_BYTES, 100, ETHERNET_BYTES + IPV4_BYTES, 6],
    );
    assert.notEqual(view.getUint16(PAYLOAD_OFFSET - 2), 0);
  });

  test("packets, heads and fragments are what the relay takes them for", () => {
    const packet = new Uint8Array(100);
    writePacketHead(packet, 0, 7n, 0x1234567890, 0xabcdef0123, false);
    assert.equal(classifyDatagram(packet), "packet");
    assert.deepEqual([destinationOf(packet), sourceOf(packet)], [0x1234567890, 0xabcdef0123]);
    assert.equal(isFragmented(packet), false);
    writePacketHead(packet, 0, 7n, 0x1234567890, 0xabcdef0123, true);
    assert.equal(isFragmented(packet), true);
    const fragment = new Uint8Array(100);
    writeFragmentHead(fragment, 0, 7n, 0x1234567890);
    assert.equal(classifyDatagram(fragment), "fragment");
    assert.equal(packetIdOf(fragment), 7n);
  });

  test("a ring gets one message per train, and a fragment the id of its head", () => {
    const messages: { payload: number; segments: readonly RingSegment[] }[] = [];
    const ring = {
      reset: () => undefined,
      add: (write: (memory: Uint8Array, at: number) => void, segments: readonly RingSegment[]) => {
        const memory = new Uint8Array(PAYLOAD_OFFSET);
        write(memory, 0);
        messages.push({ payload: new DataView(memory.buffer).getUint16(PAYLOAD_OFFSET - 4) - UDP_BYTES, segments });
      },
    } as unknown as FrameRing;
    const plan = {
      trains: [
        {
          source: 0,
          segments: [
            { destination: 1, bytes: 1400, kind: "head" as const },
            { destination: 1, bytes: 1400, kind: "fragment" as const },
          ],
        },
      ],
      packets: 2,
      bytes: 2800,
    };
    loadRing(ring, plan, { ends: () => ENDS, address: (index) => 0x1000000000 + index });
    const [message] = messages;
    assert.equal(messages.length, 1);
    assert.equal(message?.payload, 2800);
    const ids = message?.segments.map((segment) => {
      const bytes = new Uint8Array(segment.bytes);
      segment.write(bytes, 0);
      return packetIdOf(bytes);
    });
    assert.equal(ids?.[0], ids?.[1]);
  });
});

describe("the benchmark's traffic", () => {
  const LOADS: readonly Load[] = ["100", "1400", "mix"];

  test("the same seed gives the same traffic, another seed other traffic", () => {
    assert.deepEqual(planTraffic(32, "mix", 500, 1), planTraffic(32, "mix", 500, 1));
    assert.notDeepEqual(planTraffic(32, "mix", 500, 1), planTraffic(32, "mix", 500, 2));
    const random = seededRandom(5);
    const numbers = Array.from({ length: 1000 }, random);
    assert.ok(numbers.every((number) => number >= 0 && number < 1));
    assert.ok(Math.abs(numbers.reduce((a, b) => a + b) / 1000 - 0.5) < 0.05);
  });

  test("the first half sends, the second half receives, and trains are of equal size and within bounds", () => {
    for (const peers of [2, 32, 64, 1000]) {
      for (const load of LOADS) {
        const plan = planTraffic(peers, load, 2000, 3);
        let packets = 0;
        let bytes = 0;
        for (const { source, segments } of plan.trains) {
          assert.ok(source < peers / 2);
          assert.ok(segments.length >= 1 && segments.length <= 32);
          assert.ok(segments.every((segment) => segment.destination >= peers / 2 && segment.destination < peers));
          assert.equal(new Set(segments.map((segment) => segment.bytes)).size, 1);
          packets += segments.length;
          bytes += segments.reduce((sum, segment) => sum + segment.bytes, 0);
        }
        assert.deepEqual([packets, bytes], [plan.packets, plan.bytes]);
        assert.ok(packets >= 2000);
      }
    }
  });

  test("many peers send one datagram at a time, each sender to one receiver", () => {
    const plan = planTraffic(1000, "mix", 5000, 4);
    const receivers = new Map<number, number>();
    for (const { source, segments } of plan.trains) {
      assert.equal(segments.length, 1);
      const destination = segments[0]!.destination;
      assert.equal(receivers.get(source) ?? destination, destination);
      receivers.set(source, destination);
    }
    assert.ok(receivers.size > 400);
    assert.deepEqual(
      [trainLength(2, 100), trainLength(2, 1400), trainLength(32, 100), trainLength(65, 100)],
      [32, 32, 8, 1],
    );
  });

  test("the mix is what the notes say", () => {
    const plan = planTraffic(32, "mix", 200_000, 9);
    const count = (matches: (segment: { bytes: number; kind: string }) => boolean) =>
      plan.trains.reduce((sum, { segments }) => sum + segments.filter(matches).length, 0) / plan.packets;
    assert.ok(Math.abs(count(({ bytes }) => bytes === 100) - 0.4) < 0.02);
    assert.ok(Math.abs(count(({ bytes }) => bytes === 420) - 0.15) < 0.02);
    assert.ok(Math.abs(count(({ kind }) => kind !== "packet") - 0.1) < 0.03);
    assert.equal(
      count(({ kind }) => kind === "head"),
      count(({ kind }) => kind === "fragment"),
    );
  });

  test("every peer has an address of its own, and thousands differ in the first two octets", () => {
    const ips = Array.from({ length: 100_000 }, (_, index) => peerIp(index));
    assert.equal(new Set(ips).size, ips.length);
    assert.equal(new Set(ips.slice(0, 15_000).map((ip) => Math.floor(ip / 65_536))).size, 15_000);
    assert.ok(ips.every((ip) => ip >= 0x40000000 && ip < 0x7f000000));
  });
});
