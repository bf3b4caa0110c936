/** Properties of all codecs: what is encoded decodes to itself, and nothing that arrives makes a decoder throw. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { dearmor } from "../../src/protocol/armor.ts";
import { decompressPayload } from "../../src/protocol/compression.ts";
import { PACKET_HEADER_BYTES } from "../../src/protocol/constants.ts";
import type { Verdict } from "../../src/protocol/errors.ts";
import { Reassembly } from "../../src/protocol/fragment.ts";
import { decodeHello, encodeHello } from "../../src/protocol/messages/hello.ts";
import { classifyDatagram, destinationOf, newPacket, payloadOf, sourceOf, verbOf } from "../../src/protocol/packet.ts";
import { VERB_NAMES, Verb } from "../../src/protocol/verbs.ts";
import { CONFIG_ACKNOWLEDGEMENT, ERROR_BODIES, MESSAGES, OK_BODIES } from "./arbitraries.ts";
import { captureFiles } from "./captures.ts";
import {
  accepted,
  CONFIG_ACKNOWLEDGEMENT_CODEC,
  type Codec,
  ERROR_CODECS,
  MESSAGE_CODECS,
  OK_CODECS,
} from "./codecs.ts";

interface Case {
  readonly name: string;
  readonly codec: Codec;
  readonly value: fc.Arbitrary<unknown>;
}

function cases(
  what: string,
  codecs: ReadonlyMap<number, Codec>,
  values: ReadonlyMap<number, fc.Arbitrary<unknown>>,
): Case[] {
  assert.deepEqual([...codecs.keys()], [...values.keys()], `${what}: every codec has its random values`);
  return [...codecs].map(([key, codec]) => ({ name: `${what} ${key}`, codec, value: values.get(key)! }));
}

const CASES = [
  ...cases("verb", MESSAGE_CODECS, MESSAGES),
  ...cases("OK to verb", OK_CODECS, OK_BODIES),
  ...cases("ERROR with code", ERROR_CODECS, ERROR_BODIES),
  {
    name: "the acknowledgement of a configuration",
    codec: CONFIG_ACKNOWLEDGEMENT_CODEC,
    value: CONFIG_ACKNOWLEDGEMENT,
  },
];

/** A configuration's decoder reports the signed bytes, too; the chunk is what was put in. */
function comparable(decoded: unknown): unknown {
  return typeof decoded === "object" && decoded !== null && "chunk" in decoded ? decoded.chunk : decoded;
}

function encodable(codec: Codec, value: unknown): Uint8Array {
  const needsChunk =
    codec === MESSAGE_CODECS.get(Verb.NETWORK_CONFIG) || codec === OK_CODECS.get(Verb.NETWORK_CONFIG_REQUEST);
  return codec.encode((needsChunk ? { chunk: value } : value) as never);
}

/** A refusal points into the input, or at its end. */
function checkVerdict(verdict: Verdict<unknown>, length: number): void {
  if (!verdict.ok) assert.ok(verdict.offset >= 0 && verdict.offset <= length, `offset ${verdict.offset} of ${length}`);
}

/** Decodes a copy that lies in the middle of other bytes, so that reading beyond the end would be noticed. */
function decodeWithin(codec: Codec, payload: Uint8Array, filler: number): Verdict<unknown> {
  const around = new Uint8Array(payload.length + 64).fill(filler);
  around.set(payload, 32);
  return codec.decode(around.subarray(32, 32 + payload.length));
}

test("every assigned verb has a codec", () => {
  for (const [number, name] of VERB_NAMES.entries())
    assert.equal(MESSAGE_CODECS.has(number), name !== undefined, `${number}`);
});

for (const [index, { name, codec, value }] of CASES.entries()) {
  describe(name, () => {
    test("decodes to what was encoded", () => {
      fc.assert(
        fc.property(value, (one) => {
          assert.deepEqual(comparable(accepted(codec.decode(encodable(codec, one)))), one);
        }),
        { seed: 100 + index, numRuns: 100 },
      );
    });

    test("takes any bytes, and no others than its own", () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 300 }), (payload) => {
          const verdict = decodeWithin(codec, payload, 0x00);
          checkVerdict(verdict, payload.length);
          assert.deepEqual(
            decodeWithin(codec, payload, 0xff),
            verdict,
            "what lies around the payload is not looked at",
          );
        }),
        { seed: 200 + index, numRuns: 300 },
      );
    });

    test("takes its own messages cut off, prolonged and damaged", () => {
      fc.assert(
        fc.property(value, fc.nat(), fc.nat(), fc.nat(255), (one, cut, flip, junk) => {
          const payload = new Uint8Array(encodable(codec, one));
          const shorter = payload.subarray(0, cut % (payload.length + 1));
          const longer = new Uint8Array(payload.length + 20).fill(junk);
          longer.set(payload);
          const damaged = new Uint8Array(payload);
          if (damaged.length > 0) damaged[flip % damaged.length]! ^= junk;
          for (const hostile of [shorter, longer, damaged]) {
            const verdict = decodeWithin(codec, hostile, 0x00);
            checkVerdict(verdict, hostile.length);
            assert.deepEqual(decodeWithin(codec, hostile, 0xff), verdict);
          }
        }),
        { seed: 300 + index, numRuns: 100 },
      );
    });
  });
}

/** Numbers without end from a seed, for tests that go over recorded datagrams instead of random values. */
function* pseudoRandom(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state;
  }
}

describe("the recorded traffic, damaged,", () => {
  const numbers = pseudoRandom(20);
  const next = (below: number) => (numbers.next().value as number) % below;

  /** A copy with some bits flipped, cut off, or prolonged. */
  function damaged(bytes: Uint8Array): Uint8Array {
    const way = next(3);
    if (way === 0) return bytes.slice(0, next(bytes.length + 1));
    const copy = new Uint8Array(bytes.length + (way === 1 ? next(50) : 0));
    copy.set(bytes);
    for (let flips = next(4) + (way === 2 ? 1 : 0); flips > 0; flips--) copy[next(copy.length)]! ^= 1 << next(8);
    return copy;
  }

  test("never makes the path from datagram to message throw, and never passes for genuine", () => {
    for (const file of captureFiles()) {
      const reassembly = new Reassembly();
      for (const { bytes, at } of file.datagrams) {
        const hostile = damaged(bytes);
        const kind = classifyDatagram(hostile);
        if (kind === "fragment") reassembly.fragment("a", hostile, at * 1000);
        if (kind !== "packet") continue;
        reassembly.head("a", hostile, at * 1000);
        const known = file.participants.map(({ address }) => address);
        const [source, destination] = [sourceOf(hostile), destinationOf(hostile)];
        if (source === destination || !known.includes(source) || !known.includes(destination)) continue;
        const copy = new Uint8Array(hostile);
        if (!dearmor(copy, file.keyOf(source, destination))) continue;
        // Hops are outside the MAC; nothing else may have changed.
        hostile[18] = bytes[18]!;
        assert.deepEqual(hostile, new Uint8Array(bytes));
      }
    }
  });

  test("is decoded or refused when it was damaged before it was armoured", () => {
    for (const file of captureFiles()) {
      for (const { bytes } of file.datagrams) {
        if (classifyDatagram(bytes) !== "packet") continue;
        const packet = new Uint8Array(bytes);
        if (!dearmor(packet, file.keyOf(sourceOf(bytes), destinationOf(bytes)))) continue;
        const hostile = damaged(packet);
        if (hostile.length < PACKET_HEADER_BYTES) continue;
        const plain = decompressPayload(hostile);
        if (plain === null) continue;
        const payload = payloadOf(plain);
        for (const codec of [MESSAGE_CODECS.get(verbOf(plain)), ...OK_CODECS.values(), ...ERROR_CODECS.values()]) {
          if (codec !== undefined) checkVerdict(codec.decode(payload), payload.length);
        }
      }
    }
  });
});

test("a packet of any bytes goes through every reader of the header", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      if (classifyDatagram(bytes) !== "packet") return;
      assert.ok(destinationOf(bytes) <= 0xffffffffff);
      assert.ok(sourceOf(bytes) < 0xff00000000);
      const copy = newPacket(bytes, destinationOf(bytes), sourceOf(bytes), Verb.NOP, payloadOf(bytes));
      assert.deepEqual(copy.subarray(0, 18), bytes.subarray(0, 18));
    }),
    { seed: 400, numRuns: 500 },
  );
});

test("a HELLO says where its encrypted section begins", () => {
  fc.assert(
    fc.property(MESSAGES.get(Verb.HELLO)!, (value) => {
      const { payload, encryptedFrom } = encodeHello(value as never);
      assert.equal(accepted(decodeHello(payload)).encryptedFrom, encryptedFrom);
    }),
    { seed: 401 },
  );
});
