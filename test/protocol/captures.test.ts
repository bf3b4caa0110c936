/** Everything reference nodes were heard to say is understood, and said again to the byte. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatAddress } from "../../src/protocol/address.ts";
import { armor, cipherHelloField, dearmor, type PeerKey } from "../../src/protocol/armor.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import { compressPayload, decompressPayload } from "../../src/protocol/compression.ts";
import { PACKET_HEADER_BYTES } from "../../src/protocol/constants.ts";
import { fragmentNumber, fragmentTotal, Reassembly, splitPacket } from "../../src/protocol/fragment.ts";
import { formatEndpoint } from "../../src/protocol/inet-address.ts";
import { decodeHello } from "../../src/protocol/messages/hello.ts";
import { decodeConfigAcknowledgement, decodeNetworkConfig } from "../../src/protocol/messages/network-config.ts";
import { decodeOk } from "../../src/protocol/messages/ok.ts";
import {
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
import type { CapturedDatagram } from "../support/pcap.ts";
import { type CaptureFile, captureFiles, type DecodedLine, flowOf } from "./captures.ts";
import { accepted, recodeWhole } from "./codecs.ts";
import { describeMessage, nameOf } from "./describe-message.ts";
import { hex } from "./fixtures.ts";

/** What the recorder says about the envelope; the rest of a line is about the message. */
const ENVELOPE = ["no", "t", "from", "to", "reassembled", "dst", "src", "hops", "cipher", "len", "id", "macOk", "iv"];

function withoutEnvelope(line: DecodedLine): Record<string, unknown> {
  return Object.fromEntries(Object.entries(line).filter(([name]) => !ENVELOPE.includes(name)));
}

/** A complete packet of a capture, with the line about it and what it takes to open it. */
interface Captured {
  readonly wire: Uint8Array;
  readonly line: DecodedLine;
  readonly key: PeerKey;
}

/** Opens a packet: a copy without armour, its moons in the clear if it is a HELLO, still compressed. */
function open({ wire, key }: Captured): Uint8Array {
  const packet = new Uint8Array(wire);
  assert.equal(dearmor(packet, key), true, "the MAC verifies");
  return packet;
}

/** The clear payload, decompressed. */
function clearPayload(captured: Captured): Uint8Array {
  const packet = open(captured);
  if (verbOf(packet) === Verb.HELLO) {
    const { encryptedFrom } = accepted(decodeHello(payloadOf(packet)));
    cipherHelloField(packet, PACKET_HEADER_BYTES + encryptedFrom, captured.key);
  }
  return payloadOf(decompressPayload(packet) ?? assert.fail("does not decompress"));
}

/** Armours a captured packet anew from what is inside. */
function rearmored({ wire, line, key }: Captured, opened: Uint8Array): Uint8Array {
  const suite = cipherSuiteOf(wire) as 0 | 1 | 3;
  const id = suite === 3 ? hex(line.iv!) : wire.slice(0, 8);
  const packet = newPacket(id, destinationOf(wire), sourceOf(wire), Verb.NOP, payloadOf(opened));
  packet[27] = opened[27]!;
  if (isFragmented(wire)) markFragmented(packet);
  armor(packet, key, suite);
  setHops(packet, hopsOf(wire));
  return packet;
}

/** The complete packets of a capture in order, each copy of a relayed packet for itself. */
function packetsOf(file: CaptureFile): Captured[] {
  const flows = new Map<string, Reassembly>();
  const reassembled = new Map(file.lines.filter((line) => line.reassembled).map((line) => [line.no, line]));
  const direct = new Map(file.lines.filter((line) => !line.reassembled).map((line) => [line.no, line]));
  const packets: Captured[] = [];
  for (const datagram of file.datagrams) {
    const complete = completed(datagram, flows);
    if (complete === null) continue;
    const line = (complete === datagram.bytes ? direct : reassembled).get(datagram.no) ?? assert.fail("no line");
    packets.push({ wire: complete, line, key: file.keyOf(sourceOf(complete), destinationOf(complete)) });
  }
  return packets;
}

function completed(datagram: CapturedDatagram, flows: Map<string, Reassembly>): Uint8Array | null {
  const { bytes, at } = datagram;
  const kind = classifyDatagram(bytes);
  if (kind === "packet" && !isFragmented(bytes)) return bytes;
  const flow = flowOf(datagram);
  const reassembly = flows.get(flow) ?? new Reassembly();
  flows.set(flow, reassembly);
  if (kind === "packet") return reassembly.head(flow, bytes, at * 1000);
  return kind === "fragment" ? reassembly.fragment(flow, bytes, at * 1000) : null;
}

for (const file of captureFiles()) {
  describe(`the capture ${file.name}`, () => {
    const packets = packetsOf(file);

    test("has every datagram classified as the recorder did", () => {
      const lines = file.lines.filter((line) => !line.reassembled);
      assert.equal(file.datagrams.length, lines.length);
      for (const [index, datagram] of file.datagrams.entries()) {
        const line = lines[index]!;
        const { bytes, from, to } = datagram;
        assert.deepEqual([datagram.no, formatEndpoint(from), formatEndpoint(to)], [line.no, line.from, line.to]);
        const kind = classifyDatagram(bytes);
        if (line.note !== undefined) assert.equal(kind, "ignored", `no ${line.no}`);
        else if (line.fragment === undefined || line.fragment === "0") assert.equal(kind, "packet", `no ${line.no}`);
        else assert.equal(`${fragmentNumber(bytes)}/${fragmentTotal(bytes)}`, line.fragment, `no ${line.no}`);
        assert.equal(bytes.length, line.len);
      }
    });

    test("has every packet completed, with the recorded header", () => {
      const expected = file.lines.filter((line) => line.verb !== undefined);
      assert.deepEqual(
        packets.map(({ line }) => line),
        expected,
      );
      for (const { wire, line } of packets) {
        const id = packetIdOf(wire).toString(16).padStart(16, "0");
        assert.deepEqual(
          [formatAddress(destinationOf(wire)), formatAddress(sourceOf(wire)), hopsOf(wire), cipherSuiteOf(wire), id],
          [line.dst, line.src, line.hops, line.cipher, line.id],
        );
        assert.equal(wire.length, line.len);
      }
    });

    test("has every message understood as the recorder did", () => {
      for (const captured of packets) {
        const opened = open(captured);
        const verb = verbOf(opened);
        const described = { verb: nameOf(Verb, verb), ...describeMessage(verb, clearPayload(captured)) };
        const compressed = isCompressed(opened) ? { compressed: true } : {};
        assert.deepEqual({ ...described, ...compressed }, withoutEnvelope(captured.line));
      }
    });

    test("has every message decoded and encoded again to the byte", () => {
      for (const captured of packets) {
        const payload = clearPayload(captured);
        const again = recodeWhole(verbOf(open(captured)), payload);
        assert.equal(toHex(again), toHex(payload), `no ${captured.line.no}, ${captured.line.verb}`);
      }
    });

    test("has every packet armoured again to the byte, hops apart", () => {
      for (const captured of packets) {
        const again = rearmored(captured, open(captured));
        assert.equal(toHex(again), toHex(captured.wire), `no ${captured.line.no}, ${captured.line.verb}`);
      }
    });

    test("has every compressed payload surviving our own compression", () => {
      for (const captured of packets) {
        const opened = open(captured);
        if (!isCompressed(opened)) continue;
        const plain = decompressPayload(opened) ?? assert.fail("does not decompress");
        const ours = compressPayload(plain);
        assert.equal(isCompressed(ours), true);
        assert.deepEqual(payloadOf(decompressPayload(ours)!), payloadOf(plain));
      }
    });

    test("has every configuration signed by its controller, and its acknowledgement naming it", () => {
      const updates = new Map<bigint, bigint>();
      for (const captured of packets) {
        const verb = verbOf(open(captured));
        const payload = clearPayload(captured);
        const ok = verb === Verb.OK ? accepted(decodeOk(payload)) : null;
        if (verb === Verb.NETWORK_CONFIG || ok?.inReVerb === Verb.NETWORK_CONFIG_REQUEST) {
          const { chunk, signed } = accepted(decodeNetworkConfig(ok?.body ?? payload));
          const controller = file.participants.find(({ address }) => BigInt(address) === chunk.networkId >> 24n);
          assert.equal(controller?.verify(signed, chunk.signature!), true);
          assert.equal(chunk.assembly?.totalLength, chunk.slice.length, "all of these fit one chunk");
          updates.set(packetIdOf(captured.wire), chunk.assembly.updateId);
        } else if (ok?.inReVerb === Verb.ECHO && ok.body.length > 0) {
          const { networkId, updateId } = accepted(decodeConfigAcknowledgement(ok.body));
          assert.equal(networkId, 0x5247a8158c000001n);
          const acknowledged = updates.get(ok.inRePacketId);
          if (acknowledged !== undefined) assert.equal(updateId, acknowledged);
        }
      }
    });

    test("has every fragmented packet cut again at the same places", () => {
      for (const { wire, line } of packets) {
        if (!line.reassembled) continue;
        const captured = file.datagrams.filter(
          (one) => flowOf(one) === `${line.from} > ${line.to}` && packetIdOf(one.bytes) === packetIdOf(wire),
        );
        const head = captured.find(({ bytes }) => classifyDatagram(bytes) === "packet")!;
        const pieces = splitPacket(wire, head.bytes.length).map((piece) => new Uint8Array(piece));
        for (const piece of pieces.slice(1)) piece[15] = hopsOf(wire);
        assert.deepEqual(
          pieces,
          captured.map(({ bytes }) => new Uint8Array(bytes)),
        );
      }
    });
  });
}
