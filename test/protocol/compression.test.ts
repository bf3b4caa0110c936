import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { lz4Compress } from "../../src/crypto/lz4.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import { compressPayload, decompressPayload } from "../../src/protocol/compression.ts";
import { hex, noise, packetVectors } from "../crypto/vectors.ts";

const VERB_AT = 27;
const COMPRESSED_BIT = 0x80;

/** A packet with a recognisable header, the given verb byte and payload. */
function packetWith(verb: number, payload: Uint8Array): Uint8Array {
  const packet = new Uint8Array(28 + payload.length);
  packet.set(noise(27, 1), 0);
  packet[VERB_AT] = verb;
  packet.set(payload, 28);
  return packet;
}

describe("known compressed packets", () => {
  const attempted = packetVectors.armored.filter((vector) => vector.plaintext_after_compress_from_offset_27);

  test("are there", () => assert.equal(attempted.length, 9));

  for (const vector of attempted) {
    const envelope = hex(vector.plaintext_after_compress_from_offset_27 ?? "");
    const payload = hex(vector.payload);

    test(`${vector.name}: the reference's payload is read`, () => {
      const packet = packetWith(envelope[0]!, envelope.subarray(1));
      const read = decompressPayload(packet);
      assert.deepEqual(read, packetWith(vector.verb, payload));
      if (!vector.compressed) assert.equal(read, packet);
    });

    test(`${vector.name}: we compress where the reference does`, () => {
      const packet = packetWith(vector.verb, payload);
      const compressed = compressPayload(packet);
      assert.equal(compressed !== packet, vector.compressed);
      assert.equal((compressed[VERB_AT]! & COMPRESSED_BIT) !== 0, vector.compressed);
      assert.deepEqual(decompressPayload(compressed), packetWith(vector.verb, payload));
    });
  }
});

describe("compressPayload", () => {
  test("leaves 64 bytes alone and compresses 65", () => {
    const short = packetWith(6, new Uint8Array(64));
    assert.equal(compressPayload(short), short);
    const long = compressPayload(packetWith(6, new Uint8Array(65)));
    assert.ok(long.length < 28 + 65);
    assert.equal(long[VERB_AT], 6 | COMPRESSED_BIT);
    assert.equal(toHex(long.subarray(0, VERB_AT)), toHex(noise(27, 1)));
  });

  test("leaves alone what does not shrink", () => {
    const packet = packetWith(14, noise(1400, 2));
    assert.equal(compressPayload(packet), packet);
  });

  test("is undone by decompressPayload for any payload", () => {
    const payload = fc
      .array(
        fc.oneof(
          fc.uint8Array({ maxLength: 90 }),
          fc.nat(2000).map((length) => new Uint8Array(length)),
        ),
        {
          maxLength: 8,
        },
      )
      .map((parts) => Uint8Array.from(Buffer.concat(parts).subarray(0, 9996)));
    fc.assert(
      fc.property(fc.nat(31), payload, (verb, content) => {
        assert.deepEqual(decompressPayload(compressPayload(packetWith(verb, content))), packetWith(verb, content));
      }),
      { seed: 1, numRuns: 200 },
    );
  });
});

describe("decompressPayload", () => {
  test("only clears the bit of a packet without payload", () => {
    const packet = packetWith(3 | COMPRESSED_BIT, new Uint8Array(0));
    assert.equal(decompressPayload(packet), packet);
    assert.equal(packet[VERB_AT], 3);
  });

  test("takes the largest payload a packet can have, and none larger", () => {
    const block = (length: number) => lz4Compress(new Uint8Array(length)) ?? assert.fail();
    assert.equal(decompressPayload(packetWith(COMPRESSED_BIT | 6, block(9996)))?.length, 10024);
    assert.equal(decompressPayload(packetWith(COMPRESSED_BIT | 6, block(9997))), null);
    assert.equal(decompressPayload(packetWith(COMPRESSED_BIT | 6, block(500000))), null);
  });

  test("refuses an empty result and a malformed block", () => {
    assert.equal(decompressPayload(packetWith(COMPRESSED_BIT | 6, hex("00"))), null);
    assert.equal(decompressPayload(packetWith(COMPRESSED_BIT | 6, hex("10610200"))), null);
  });

  test("on any bytes whatever gives null or a packet within the limit", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 28, maxLength: 300 }), (packet) => {
        const read = decompressPayload(packet);
        assert.ok(read === null || (read.length <= 10024 && (read[VERB_AT]! & COMPRESSED_BIT) === 0));
      }),
      { seed: 2, numRuns: 1000 },
    );
  });
});
