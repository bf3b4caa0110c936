/** Recorded sessions of reference nodes: each datagram opens to the recorded payload, which we say again to the byte. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseIdentity } from "../../src/identity/identity.ts";
import { formatAddress } from "../../src/protocol/address.ts";
import { armor, cipherHelloField, dearmor, type PeerKey } from "../../src/protocol/armor.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import { decompressPayload } from "../../src/protocol/compression.ts";
import { PACKET_HEADER_BYTES } from "../../src/protocol/constants.ts";
import { Reassembly } from "../../src/protocol/fragment.ts";
import { decodeHello } from "../../src/protocol/messages/hello.ts";
import {
  cipherSuiteOf,
  classifyDatagram,
  destinationOf,
  hopsOf,
  isFragmented,
  newPacket,
  payloadOf,
  setHops,
  sourceOf,
  verbOf,
} from "../../src/protocol/packet.ts";
import { Verb } from "../../src/protocol/verbs.ts";
import { keyRing } from "./captures.ts";
import { accepted, recodeWhole } from "./codecs.ts";
import { nameOf } from "./describe-message.ts";
import { hex, vectors } from "./fixtures.ts";

interface Entry {
  t: number;
  phase: string;
  datagram?: string;
  source?: string;
  destination?: string;
  suite?: number;
  hops?: number;
  verb?: string;
  payload?: string;
  kind?: "raw" | "head" | "fragment";
  assembled_plaintext?: string;
  injected_datagram?: string;
}

const transcripts = vectors<{ session: Entry[]; probes: Entry[] }>("transcripts");
const people = new Map(
  vectors<{ valid: { name: string; secret: string }[] }>("identities").valid.map(({ name, secret }) => [
    name,
    parseIdentity(secret)!,
  ]),
);
const keyOf = keyRing([...people.values()]);

/** The clear, decompressed payload of a packet; null if the MAC does not verify. */
function clearPayload(wire: Uint8Array, key: PeerKey): { verb: number; payload: Uint8Array } | null {
  const packet = new Uint8Array(wire);
  if (!dearmor(packet, key)) return null;
  const verb = verbOf(packet);
  if (verb === Verb.HELLO) {
    const { encryptedFrom } = accepted(decodeHello(payloadOf(packet)));
    if (encryptedFrom >= 0) cipherHelloField(packet, PACKET_HEADER_BYTES + encryptedFrom, key);
  }
  return { verb, payload: payloadOf(decompressPayload(packet) ?? assert.fail("does not decompress")) };
}

function checkEntry(entry: Entry): void {
  const wire = hex(entry.datagram!);
  const [source, destination] = [people.get(entry.source!)!, people.get(entry.destination!)!];
  assert.equal(classifyDatagram(wire), "packet");
  assert.equal(formatAddress(sourceOf(wire)), formatAddress(source.address));
  assert.equal(formatAddress(destinationOf(wire)), formatAddress(destination.address));
  assert.deepEqual([cipherSuiteOf(wire), hopsOf(wire)], [entry.suite, entry.hops]);
  const key = keyOf(source.address, destination.address);
  const clear = clearPayload(wire, key) ?? assert.fail("the MAC does not verify");
  assert.equal(nameOf(Verb, clear.verb), entry.verb);
  assert.equal(toHex(clear.payload), entry.payload);
  assert.equal(toHex(recodeWhole(clear.verb, clear.payload)), entry.payload);
  if (entry.suite === 0) assert.deepEqual(rearmoredHello(wire, clear.payload, key), wire);
}

/** A HELLO made from its clear payload: moons masked, then armoured. */
function rearmoredHello(wire: Uint8Array, clearPayload: Uint8Array, key: PeerKey): Uint8Array {
  const packet = newPacket(wire.slice(0, 8), destinationOf(wire), sourceOf(wire), Verb.HELLO, clearPayload);
  const { encryptedFrom } = accepted(decodeHello(clearPayload));
  cipherHelloField(packet, PACKET_HEADER_BYTES + encryptedFrom, key);
  armor(packet, key, 0);
  setHops(packet, hopsOf(wire));
  return packet;
}

for (const part of ["session", "probes"] as const) {
  describe(`the transcript "${part}"`, () => {
    for (const phase of new Set(transcripts[part].map((entry) => entry.phase))) {
      const said = transcripts[part].filter((entry) => entry.phase === phase && entry.payload !== undefined);
      if (said.length === 0) continue;
      test(`is understood and repeated in "${phase}"`, () => {
        for (const entry of said) checkEntry(entry);
      });
    }
  });
}

describe("the session's other datagrams", () => {
  test("are a hole punch, which is ignored, and one packet in pieces, which is put together", () => {
    const reassembly = new Reassembly();
    const others = transcripts.session.filter((entry) => entry.datagram !== undefined && entry.payload === undefined);
    assert.equal(others.length, 4);
    for (const entry of others) {
      const bytes = hex(entry.datagram!);
      if (entry.kind === "raw") {
        assert.equal(classifyDatagram(bytes), "ignored");
        continue;
      }
      const isHead = classifyDatagram(bytes) === "packet";
      if (isHead) assert.equal(isFragmented(bytes), true);
      const packet = isHead ? reassembly.head("b", bytes, entry.t) : reassembly.fragment("b", bytes, entry.t);
      assert.equal(packet !== null, entry.assembled_plaintext !== undefined);
      if (packet === null) continue;
      const { verb, payload } = clearPayload(packet, keyOf(sourceOf(packet), destinationOf(packet)))!;
      assert.equal(toHex(new Uint8Array([verb, ...payload])), entry.assembled_plaintext);
      assert.deepEqual(recodeWhole(verb, payload), payload);
    }
    assert.equal(reassembly.size, 0);
  });
});

describe("the datagrams thrown at the root", () => {
  test("are understood as far as their senders are known", () => {
    let understood = 0;
    for (const { injected_datagram } of transcripts.probes) {
      if (injected_datagram === undefined) continue;
      const wire = hex(injected_datagram);
      assert.equal(classifyDatagram(wire), "packet");
      const known = [...people.values()].map(({ address }) => address);
      if (!known.includes(sourceOf(wire)) || !known.includes(destinationOf(wire))) continue;
      const clear = clearPayload(wire, keyOf(sourceOf(wire), destinationOf(wire)));
      if (clear === null) continue;
      const again = recodeWhole(clear.verb, clear.payload);
      // An old, short form comes back in the full one: longer, and the same as far as it went.
      if (clear.verb === Verb.HELLO || clear.verb === Verb.NETWORK_CONFIG_REQUEST)
        assert.deepEqual(again.subarray(0, clear.payload.length), clear.payload);
      else assert.deepEqual(again, clear.payload);
      understood++;
    }
    assert.equal(understood, 25);
  });
});
