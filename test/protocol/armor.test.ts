import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import {
  armor,
  armorTrustedPath,
  CipherSuite,
  cipherHelloField,
  dearmor,
  PeerKey,
  trustedPathId,
} from "../../src/protocol/armor.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import { type ArmoredVector, type FragmentedVector, hex, noise, packetVectors } from "../crypto/vectors.ts";

const SUITES = [CipherSuite.POLY1305_NONE, CipherSuite.SALSA2012_POLY1305, CipherSuite.AES_GMAC_SIV] as const;
const FLAGS_AT = 18;
const ENVELOPE_AT = 27;
const HOPS_MASK = 0x07;

/** The packet of a vector as it is before armouring. */
function unarmored(vector: ArmoredVector | FragmentedVector, envelope: Uint8Array): Uint8Array {
  const packet = new Uint8Array(ENVELOPE_AT + envelope.length);
  packet.set(hex(vector.packet_id_before_armor), 0);
  packet.set(hex(vector.destination), 8);
  packet.set(hex(vector.source), 13);
  packet.set(envelope, ENVELOPE_AT);
  return packet;
}

/** Verb byte and payload of a vector, compressed if it was. */
function envelopeOf(vector: ArmoredVector | FragmentedVector): Uint8Array {
  const verb = vector.verb.toString(16).padStart(2, "0");
  const compressed = "compressed" in vector && vector.compressed && vector.plaintext_after_compress_from_offset_27;
  return hex(compressed || verb + vector.payload);
}

/** A packet of `length` bytes with random-looking content and no hops. */
function somePacket(length: number, seed: number): Uint8Array {
  const packet = noise(length, seed);
  packet[FLAGS_AT] = 0;
  return packet;
}

describe("known packets", () => {
  for (const vector of packetVectors.armored) {
    test(`${vector.name} is armoured to the byte, and opened`, () => {
      const key = new PeerKey(hex(vector.shared_key_48));
      const packet = unarmored(vector, envelopeOf(vector));
      armor(packet, key, vector.suite);
      assert.equal(toHex(packet), vector.wire);
      for (const wire of [vector.wire, vector.wire_after_hops]) {
        if (wire === undefined) continue;
        const received = hex(wire);
        assert.equal(dearmor(received, key), vector.reference_dearmors);
        assert.equal(toHex(received.subarray(ENVELOPE_AT)), toHex(envelopeOf(vector)));
        assert.equal(toHex(received.subarray(0, ENVELOPE_AT)), wire.slice(0, 2 * ENVELOPE_AT), "the header stays");
      }
    });
  }

  for (const vector of packetVectors.fragmented) {
    test(`${vector.name} is armoured before it is cut`, () => {
      const key = new PeerKey(hex(vector.shared_key_48));
      const packet = unarmored(vector, envelopeOf(vector));
      packet[FLAGS_AT] = 0x40;
      armor(packet, key, vector.suite);
      assert.equal(toHex(packet), vector.assembled_wire);
      const [head, ...fragments] = vector.datagrams;
      const assembled = hex(head + fragments.map((fragment) => fragment.slice(2 * 16)).join(""));
      assert.equal(dearmor(assembled, key), true);
      assert.equal(toHex(assembled.subarray(ENVELOPE_AT)), toHex(envelopeOf(vector)));
    });
  }

  for (const vector of packetVectors.trusted_path) {
    test(`${vector.name} carries the path's id in place of a MAC`, () => {
      const packet = hex(vector.wire);
      packet.fill(0, FLAGS_AT, ENVELOPE_AT);
      armorTrustedPath(packet, 0xdeadbeefn);
      assert.equal(toHex(packet), vector.wire);
      assert.equal(trustedPathId(packet), 0xdeadbeefn);
      assert.equal(dearmor(packet, new PeerKey(noise(48, 1))), false);
      armorTrustedPath(packet, 0xffffffffffffffffn);
      assert.equal(trustedPathId(packet), 0xffffffffffffffffn);
    });
  }

  for (const vector of packetVectors.hello) {
    test(`HELLO, ${vector.name}: the tail is masked before the MAC and unmasked after it`, () => {
      const key = new PeerKey(hex(vector.shared_key_48));
      const packet = hex(vector.plaintext_before_field_encryption);
      cipherHelloField(packet, vector.encrypted_section_offset, key);
      assert.equal(toHex(packet), vector.after_field_encryption);
      armor(packet, key, CipherSuite.POLY1305_NONE);
      assert.equal(toHex(packet), vector.wire);
      assert.equal(dearmor(packet, key), true);
      cipherHelloField(packet, vector.encrypted_section_offset, key);
      assert.equal(
        toHex(packet.subarray(ENVELOPE_AT)),
        vector.plaintext_before_field_encryption.slice(2 * ENVELOPE_AT),
      );
    });
  }

  for (const vector of packetVectors.field_cipher) {
    test(`HELLO field ${vector.name}`, () => {
      const packet = new Uint8Array(100 + 88);
      packet.set(hex(vector.packet_id), 0);
      cipherHelloField(packet, 100, new PeerKey(hex(vector.shared_key_48)));
      assert.equal(toHex(packet.subarray(100)), vector.keystream_first_88);
      assert.equal(toHex(packet.subarray(0, 100)), vector.packet_id + "00".repeat(92));
    });
  }
});

describe("armor", () => {
  test("sets the flags byte that §4 names for each suite, keeping only the fragmented flag", () => {
    const key = new PeerKey(noise(48, 1));
    for (const [suite, flags] of [
      [0, 0x00],
      [1, 0x88],
      [3, 0x18],
    ] as const) {
      const packet = somePacket(60, 2);
      armor(packet, key, suite);
      assert.equal(packet[FLAGS_AT], flags);
      packet[FLAGS_AT] = 0xff;
      armor(packet, key, suite);
      assert.equal(packet[FLAGS_AT], flags | 0x40);
    }
    const trusted = somePacket(60, 2);
    trusted[FLAGS_AT] = 0xff;
    armorTrustedPath(trusted, 1n);
    assert.equal(trusted[FLAGS_AT], 0x50);
  });

  test("changes the packet id in suite 3 only", () => {
    for (const suite of SUITES) {
      const packet = somePacket(60, 3);
      armor(packet, new PeerKey(noise(48, 1)), suite);
      assert.equal(toHex(packet.subarray(0, 8)) === toHex(somePacket(60, 3).subarray(0, 8)), suite !== 3);
    }
  });

  test("leaves the envelope readable in suite 0 only", () => {
    for (const suite of SUITES) {
      const packet = somePacket(60, 4);
      armor(packet, new PeerKey(noise(48, 1)), suite);
      assert.equal(toHex(packet.subarray(27)) === toHex(somePacket(60, 4).subarray(27)), suite === 0);
    }
  });
});

describe("dearmor", () => {
  for (const suite of SUITES) {
    test(`opens what suite ${suite} closed, for any length from 28 to 10024`, () => {
      const length = fc.oneof(
        fc.constantFrom(28, 29, 43, 44, 90, 91, 92, 10023, 10024),
        fc.integer({ min: 28, max: 10024 }),
      );
      const shared = fc.uint8Array({ minLength: 48, maxLength: 48 });
      fc.assert(
        fc.property(length, shared, fc.nat(), fc.nat(7), fc.boolean(), (size, secret, seed, hops, fragmented) => {
          const packet = somePacket(size, seed);
          if (fragmented) packet[FLAGS_AT] = 0x40;
          const plaintext = Uint8Array.from(packet.subarray(ENVELOPE_AT));
          armor(packet, new PeerKey(secret), suite);
          packet[FLAGS_AT]! |= hops;
          const header = Uint8Array.from(packet.subarray(0, ENVELOPE_AT));
          assert.equal(dearmor(packet, new PeerKey(secret)), true);
          assert.deepEqual(packet.subarray(ENVELOPE_AT), plaintext);
          assert.deepEqual(packet.subarray(0, ENVELOPE_AT), header);
        }),
        { seed: 10 + suite, numRuns: 150 },
      );
    });

    test(`refuses a suite ${suite} packet with any bit flipped but the hop count's, and leaves it as it came`, () => {
      const key = new PeerKey(noise(48, 5));
      for (const length of [28, 75, 140]) {
        const packet = somePacket(length, 6);
        armor(packet, key, suite);
        for (let bit = 0; bit < 8 * length; bit++) {
          const damaged = Uint8Array.from(packet);
          damaged[bit >> 3]! ^= 1 << (bit & 7);
          const before = Uint8Array.from(damaged);
          const hop = bit >> 3 === FLAGS_AT && (1 << (bit & 7)) & HOPS_MASK;
          assert.equal(dearmor(damaged, key), Boolean(hop), `byte ${bit >> 3} bit ${bit & 7} of ${length}`);
          if (!hop) assert.deepEqual(damaged, before);
        }
      }
    });

    test(`refuses a suite ${suite} packet that was cut, extended, or meant for another key`, () => {
      const key = new PeerKey(noise(48, 7));
      const packet = somePacket(100, 8);
      armor(packet, key, suite);
      for (const length of [99, 84, 28, 101, 116]) {
        const other = new Uint8Array(length);
        other.set(packet.subarray(0, Math.min(length, 100)));
        assert.equal(dearmor(other, key), false, `${length} bytes`);
      }
      assert.equal(dearmor(Uint8Array.from(packet), new PeerKey(noise(48, 9))), false);
      assert.equal(dearmor(packet, key), true);
    });
  }

  for (const vector of packetVectors.armored.filter(({ wire }) => wire.length <= 2 * 120)) {
    test(`refuses ${vector.name} with any bit flipped`, () => {
      const key = new PeerKey(hex(vector.shared_key_48));
      const wire = hex(vector.wire);
      for (let bit = 0; bit < 8 * wire.length; bit++) {
        if (bit >> 3 === FLAGS_AT && (1 << (bit & 7)) & HOPS_MASK) continue;
        const damaged = Uint8Array.from(wire);
        damaged[bit >> 3]! ^= 1 << (bit & 7);
        assert.equal(dearmor(damaged, key), false, `byte ${bit >> 3} bit ${bit & 7}`);
      }
    });
  }

  test("refuses what is shorter than a header, and suites that it does not know", () => {
    const key = new PeerKey(noise(48, 1));
    for (let length = 0; length < 28; length++) assert.equal(dearmor(new Uint8Array(length), key), false);
    for (const suite of [2, 4, 5, 6, 7]) {
      const packet = somePacket(60, 1);
      packet[FLAGS_AT] = suite << 3;
      assert.equal(dearmor(packet, key), false, `suite ${suite}`);
    }
  });

  test("on any bytes whatever neither throws nor accepts", () => {
    const key = new PeerKey(noise(48, 2));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => assert.equal(dearmor(bytes, key), false)),
      { seed: 3, numRuns: 1000 },
    );
  });

  test("works on a packet inside a larger buffer without touching the rest", () => {
    const key = new PeerKey(noise(48, 3));
    for (const suite of SUITES) {
      const slab = noise(400, 4);
      const packet = slab.subarray(101, 301);
      packet[FLAGS_AT] = 0;
      const before = Uint8Array.from(slab);
      armor(packet, key, suite);
      assert.equal(dearmor(packet, key), true);
      assert.deepEqual(slab.subarray(0, 101), before.subarray(0, 101));
      assert.deepEqual(slab.subarray(301), before.subarray(301));
      assert.deepEqual(packet.subarray(27), before.subarray(128, 301));
    }
  });
});

describe("PeerKey", () => {
  test("works on after its schedule was forgotten in favour of thousands of others", () => {
    const first = new PeerKey(noise(48, 1));
    const packet = somePacket(80, 2);
    armor(packet, first, CipherSuite.AES_GMAC_SIV);
    const schedule = first.aes;
    assert.equal(first.aes, schedule);
    for (let i = 0; i < 4096; i++) {
      const shared = noise(48, 3);
      shared[0] = i;
      shared[1] = i >> 8;
      assert.ok(new PeerKey(shared).aes);
    }
    assert.equal(dearmor(packet, first), true);
    assert.notEqual(first.aes, schedule);
  });

  test("keeps its own copy and shows it nowhere", () => {
    const shared = noise(48, 4);
    const key = new PeerKey(shared);
    shared.fill(0);
    assert.deepEqual(key.shared, noise(48, 4));
    assert.ok(key.aes);
    const shown = [
      inspect(key),
      inspect({ key }, { showHidden: true, getters: true, customInspect: false, depth: 9 }),
      JSON.stringify({ key }),
      JSON.stringify({ ...key }),
      String(key),
    ].join("\n");
    assert.ok(!shown.includes(toHex(noise(48, 4)).slice(0, 16)));
    assert.ok(!shown.includes([...noise(6, 4)].join(", ")) && !shown.includes([...noise(6, 4)].join(",")));
  });
});
