import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { TapWriter } from "../../src/dataplane/tap-writer.ts";
import type { Libc } from "../../src/io/linux/libc.ts";
import { EtherType, ethernetFrame } from "../../src/protocol/ethernet.ts";

const DEVICE = 5;
const EINVAL = 22;
const ACK = 0x10;
const PSH = 0x08;
const FIN = 0x01;
const TCP_AT = { 4: 14 + 20, 6: 14 + 40 } as const;

interface SegmentOptions {
  readonly family?: 4 | 6;
  readonly port?: number;
  readonly sequence?: number;
  readonly flags?: number;
  readonly timestamp?: number;
  readonly id?: number;
  readonly mayFragment?: boolean;
  readonly damaged?: boolean;
}

function sum(bytes: Uint8Array): number {
  let total = 0;
  for (let i = 0; i < bytes.length; i++) total += bytes[i]! << (i % 2 === 0 ? 8 : 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

/** Source, destination, protocol and length, as TCP's checksum has them. */
function pseudo(family: 4 | 6, frame: Uint8Array, tcpBytes: number): Uint8Array {
  const addresses = family === 4 ? frame.subarray(26, 34) : frame.subarray(22, 54);
  return Uint8Array.of(...addresses, 0, 6, tcpBytes >> 8, tcpBytes & 0xff);
}

/** The TCP checksum is right if this is 0xffff. */
function tcpSum(family: 4 | 6, frame: Uint8Array): number {
  const tcp = frame.subarray(TCP_AT[family]);
  return sum(Uint8Array.of(...pseudo(family, frame, tcp.length), ...tcp));
}

/** A TCP segment with timestamps (12 bytes of options), by another way than the code under test. */
function segment(data: Uint8Array, options: SegmentOptions = {}): Uint8Array {
  const { family = 4, port = 80, sequence = 1000, flags = ACK, timestamp = 7, id = 1, mayFragment = false } = options;
  const tcp = new Uint8Array(32 + data.length);
  const view = new DataView(tcp.buffer);
  view.setUint16(0, 40_000);
  view.setUint16(2, port);
  view.setUint32(4, sequence % 2 ** 32);
  view.setUint32(8, 77);
  tcp[12] = 0x80;
  tcp[13] = flags;
  view.setUint16(14, 512);
  tcp.set([1, 1, 8, 10], 20);
  view.setUint32(24, timestamp);
  tcp.set(data, 32);
  const ip = new Uint8Array(family === 4 ? 20 : 40);
  const ipView = new DataView(ip.buffer);
  if (family === 4) {
    ip[0] = 0x45;
    ipView.setUint16(2, 20 + tcp.length);
    ipView.setUint16(4, id & 0xffff);
    ipView.setUint16(6, mayFragment ? 0 : 0x4000);
    ip[8] = 64;
    ip[9] = 6;
    ip.set([10, 0, 0, 1, 10, 0, 0, 2], 12);
    ipView.setUint16(10, ~sum(ip) & 0xffff);
  } else {
    ip[0] = 0x60;
    ipView.setUint16(4, tcp.length);
    ip[6] = 6;
    ip[7] = 64;
    for (let i = 8; i < 40; i++) ip[i] = i * 7;
  }
  const frame = ethernetFrame(0x020000000001, 0x020000000002, family === 4 ? EtherType.IPV4 : EtherType.IPV6, ip);
  const whole = Uint8Array.of(...frame, ...tcp);
  new DataView(whole.buffer).setUint16(TCP_AT[family] + 16, ~tcpSum(family, whole) & 0xffff);
  if (options.damaged) whole[whole.length - 1]! ^= 1;
  return whole;
}

const text = (bytes: number, fill = 0) => Uint8Array.from({ length: bytes }, (_, i) => (i * 31 + fill) & 0xff);

/** A kernel that takes what is written, or says EINVAL to merged frames. */
class Kernel {
  readonly writes: Uint8Array[] = [];
  takesMerged = true;
  readonly #memory: Uint8Array[] = [];
  readonly libc = {
    addressOf: (view: Uint8Array) => this.#memory.push(view) - 1,
    write: (fd: number, at: number, bytes: number) => {
      assert.equal(fd, DEVICE);
      const written = this.#memory[at]!.slice(0, bytes);
      if (written[1] !== 0 && !this.takesMerged) return -1;
      this.writes.push(written);
      return bytes;
    },
    errno: () => EINVAL,
  } as unknown as Libc;

  /** What a host sees: merged frames cut again as linux/virtio_net.h says, by a way of its own. */
  get frames(): Uint8Array[] {
    return this.writes.flatMap((written) => {
      const header = new DataView(written.buffer, written.byteOffset, 10);
      const frame = written.slice(10);
      if (written[1] === 0) {
        assert.deepEqual([...written.subarray(0, 10)], new Array(10).fill(0));
        return [frame];
      }
      assert.equal(written[0], 1, "the checksum is to be completed");
      const family = written[1] === 1 ? 4 : written[1] === 4 ? 6 : assert.fail(`kind ${written[1]}`);
      const [headers, size, start, offset] = [2, 4, 6, 8].map((at) => header.getUint16(at, true)) as number[];
      assert.deepEqual([start, offset], [TCP_AT[family], 16]);
      const view = new DataView(frame.buffer);
      const tcpBytes = frame.length - start!;
      assert.equal(view.getUint16(start! + 16), sum(pseudo(family, frame, tcpBytes)), "the sum of the pseudo header");
      if (family === 4) {
        assert.equal(view.getUint16(16), frame.length - 14);
        assert.equal(sum(frame.subarray(14, 34)), 0xffff, "the checksum of the IP header");
      } else assert.equal(view.getUint16(18), tcpBytes);
      const pieces: Uint8Array[] = [];
      for (let at = headers!; at < frame.length; at += size!) {
        const data = frame.subarray(at, Math.min(at + size!, frame.length));
        const isLast = at + size! >= frame.length;
        pieces.push(
          segment(data, {
            family,
            port: view.getUint16(start! + 2),
            sequence: view.getUint32(start! + 4) + at - headers!,
            flags: isLast ? frame[start! + 13]! : frame[start! + 13]! & ~PSH,
            timestamp: view.getUint32(start! + 24),
            id: family === 4 ? view.getUint16(18) + pieces.length : 0,
          }),
        );
      }
      assert.ok(pieces.length > 1);
      return pieces;
    });
  }
}

function write(frames: readonly Uint8Array[], kernel = new Kernel()) {
  const counted = { framesWritten: 0, writeErrors: 0 };
  const writer = new TapWriter(kernel.libc, counted);
  for (const frame of frames) writer.write(DEVICE, frame, true);
  writer.flush();
  return { kernel, counted, writer };
}

/** Segments of one flow, each behind the other. */
function stream(sizes: readonly number[], options: SegmentOptions = {}): Uint8Array[] {
  let sequence = options.sequence ?? 1000;
  return sizes.map((bytes, i) => {
    const frame = segment(text(bytes, i), { ...options, sequence, id: (options.id ?? 1) + i });
    sequence += bytes;
    return frame;
  });
}

describe("frames to a TAP device", () => {
  for (const family of [4, 6] as const) {
    test(`leave as one if they are segments of one flow (IPv${family})`, () => {
      const frames = stream([1388, 1388, 1388, 999], { family });
      const { kernel, counted } = write(frames);
      assert.equal(kernel.writes.length, 1);
      assert.deepEqual(kernel.frames, frames);
      assert.equal(counted.framesWritten, 4);
    });
  }

  test("are merged across the end of sequence numbers", () => {
    const frames = stream([500, 500, 500], { sequence: 2 ** 32 - 700 });
    assert.equal(write(frames).kernel.writes.length, 1);
  });

  test("are no more than fit an IP packet", () => {
    const frames = stream(new Array(60).fill(1388));
    const { kernel } = write(frames);
    assert.deepEqual(kernel.frames, frames);
    assert.equal(kernel.writes.length, 2);
    assert.ok(kernel.writes.every((written) => written.length <= 10 + 14 + 65_535));
  });

  const [first, second] = stream([600, 600]) as [Uint8Array, Uint8Array];
  const next = (options: SegmentOptions, bytes = 600) => segment(text(bytes, 1), { sequence: 1600, id: 2, ...options });
  for (const [what, frame] of [
    ["a gap in the sequence", next({ sequence: 1601 })],
    ["a longer one", next({}, 601)],
    ["other options", next({ timestamp: 8 })],
    ["an end of the connection", next({ flags: ACK | FIN })],
    ["an acknowledgement without data", next({}, 0)],
    ["another port", next({ port: 81 })],
    ["what may be fragmented", next({ mayFragment: true })],
    ["a damaged one", next({ damaged: true })],
    ["what is no TCP", ethernetFrame(1, 2, EtherType.ARP, text(28))],
    ["a cut IP header", ethernetFrame(1, 2, EtherType.IPV4, text(10))],
  ] as const) {
    test(`are not merged with ${what}, and not overtaken by it`, () => {
      const { kernel } = write([first, frame]);
      assert.equal(kernel.writes.length, 2);
      assert.deepEqual(kernel.frames, [first, frame]);
    });
  }

  test("end a merged one with a push", () => {
    const frames = [...stream([600, 600]), next({ sequence: 2200, flags: ACK | PSH }), next({ sequence: 2800 })];
    const { kernel } = write(frames);
    assert.deepEqual(
      kernel.writes.map((written) => written[1]),
      [1, 0],
    );
    assert.deepEqual(kernel.frames.at(-1), frames.at(-1));
    assert.equal(kernel.frames.length, 4);
  });

  test("leave at once outside of a turn", () => {
    const kernel = new Kernel();
    const writer = new TapWriter(kernel.libc, { framesWritten: 0, writeErrors: 0 });
    assert.ok(writer.write(DEVICE, first, false));
    assert.deepEqual(kernel.frames, [first]);
    writer.write(DEVICE, first, true);
    writer.write(DEVICE, second, false);
    assert.deepEqual(kernel.frames, [first, first, second]);
  });

  test("leave singly after a kernel refused a merged one", () => {
    const kernel = new Kernel();
    kernel.takesMerged = false;
    const counted = { framesWritten: 0, writeErrors: 0 };
    const writer = new TapWriter(kernel.libc, counted);
    for (let turn = 0; turn < 2; turn++) {
      for (const frame of stream([600, 600, 600])) writer.write(DEVICE, frame, true);
      writer.flush();
    }
    assert.deepEqual(counted, { framesWritten: 3, writeErrors: 3 });
  });

  test("come out in the order of their flow whatever is mixed", () => {
    const flows = fc.array(
      fc.record({
        flow: fc.integer({ min: 0, max: 11 }),
        bytes: fc.constantFrom(0, 1, 2, 3, 599, 600, 1388),
        kind: fc.constantFrom("next", "next", "next", "next", "gap", "push", "fin", "damaged", "other"),
        flush: fc.boolean(),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(flows, (steps) => {
        const kernel = new Kernel();
        const counted = { framesWritten: 0, writeErrors: 0 };
        const writer = new TapWriter(kernel.libc, counted);
        const sequences = new Map<number, number>();
        const sent: Uint8Array[] = [];
        for (const [i, { flow, bytes, kind, flush }] of steps.entries()) {
          const family = flow % 2 === 0 ? 4 : 6;
          const sequence = (sequences.get(flow) ?? 5000) + (kind === "gap" ? 9 : 0);
          const flags = kind === "push" ? ACK | PSH : kind === "fin" ? ACK | FIN : ACK;
          const frame =
            kind === "other"
              ? ethernetFrame(1, 2, EtherType.ARP, text(28, i))
              : segment(text(bytes, i), { family, port: 100 + flow, sequence, flags, damaged: kind === "damaged" });
          sequences.set(flow, sequence + bytes);
          sent.push(frame);
          writer.write(DEVICE, frame, true);
          if (flush && i % 7 === 0) writer.flush();
        }
        writer.flush();
        const came = kernel.frames;
        assert.equal(counted.framesWritten, sent.length);
        for (let flow = 0; flow < 12; flow++) {
          assert.deepEqual(
            came.filter((frame) => isOf(frame, flow)).map(withoutId),
            sent.filter((frame) => isOf(frame, flow)).map(withoutId),
          );
        }
        assert.deepEqual(came.filter(isArp), sent.filter(isArp));
      }),
      { seed: 4, numRuns: 150 },
    );
  });
});

const isArp = (frame: Uint8Array) => frame[13] === 0x06;
const familyOf = (frame: Uint8Array) => (frame[13] === 0xdd ? 6 : 4);
const isOf = (frame: Uint8Array, flow: number) =>
  !isArp(frame) && familyOf(frame) === (flow % 2 === 0 ? 4 : 6) && frame[TCP_AT[familyOf(frame)] + 3] === 100 + flow;

/** IP's id, and so its checksum, may change. */
function withoutId(frame: Uint8Array): Uint8Array {
  const copy = new Uint8Array(frame);
  if (familyOf(frame) === 4) copy.fill(0, 18, 20).fill(0, 24, 26);
  return copy;
}
