/** Layouts of the control verbs that recorded traffic does not show: old and short forms, values to be refused. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Reader, toHex } from "../../src/protocol/bytes.ts";
import { readIdentityBytes } from "../../src/protocol/identity-bytes.ts";
import { formatEndpoint, parseEndpoint } from "../../src/protocol/inet-address.ts";
import { decodeNetworkError, encodeNetworkError } from "../../src/protocol/messages/error.ts";
import {
  decodeHello,
  decodeHelloMoons,
  decodeOkHello,
  encodeHello,
  encodeHelloMoons,
  type Hello,
} from "../../src/protocol/messages/hello.ts";
import { decodePathNegotiation } from "../../src/protocol/messages/path-negotiation.ts";
import {
  decodePushDirectPaths,
  encodePushDirectPaths,
  splitDirectPaths,
} from "../../src/protocol/messages/push-direct-paths.ts";
import { decodeQosMeasurement, encodeQosMeasurement } from "../../src/protocol/messages/qos-measurement.ts";
import { decodeRemoteTrace, encodeRemoteTrace } from "../../src/protocol/messages/remote-trace.ts";
import { decodeRendezvous } from "../../src/protocol/messages/rendezvous.ts";
import { decodeOkWhois, decodeWhois } from "../../src/protocol/messages/whois.ts";
import { accepted, assertRefused, decodeClearHello } from "./codecs.ts";
import { hex, vectors } from "./fixtures.ts";

const IDENTITY = `0abfda6035 00 ${"c5".repeat(64)} 00`;

describe("HELLO", () => {
  const front = `0c 01 0e 0001 0000018bcfe5687b ${IDENTITY}`;

  interface HelloVector {
    name: string;
    plaintext_before_field_encryption: string;
    encrypted_section_offset: number;
    fields: {
      timestamp: number;
      sent_to_address: string;
      planet_world_id: string;
      planet_timestamp: number;
      moons: { id: string; timestamp: number }[];
    };
  }

  for (const vector of vectors<{ hello: HelloVector[] }>("packets").hello) {
    test(`has the recorded plaintext: ${vector.name}`, () => {
      const packet = hex(vector.plaintext_before_field_encryption);
      const payload = packet.subarray(28);
      const hello = accepted(decodeClearHello(payload));
      const { fields } = vector;
      assert.equal(hello.timestamp, BigInt(fields.timestamp));
      assert.equal(hello.sentTo === null ? "" : formatEndpoint(hello.sentTo), fields.sent_to_address);
      assert.equal(hello.planetId, BigInt(`0x${fields.planet_world_id}`));
      assert.equal(hello.planetTimestamp, BigInt(fields.planet_timestamp));
      const moons = fields.moons.map(({ id, timestamp }) => ({ id: BigInt(`0x${id}`), timestamp: BigInt(timestamp) }));
      assert.deepEqual(hello.moons, moons);
      const again = encodeHello(hello);
      assert.deepEqual(again.payload, new Uint8Array(payload));
      assert.equal(again.encryptedFrom + 28, vector.encrypted_section_offset);
    });
  }

  /** What an old form decodes to. */
  function decoded(tail: string): { hello: Hello; encryptedFrom: number } {
    return accepted(decodeHello(hex(`${front} ${tail}`)));
  }

  test("of an old sender may end behind the identity", () => {
    const { hello, encryptedFrom } = decoded("");
    assert.equal(hello.sentTo, null);
    assert.deepEqual([hello.planetId, hello.planetTimestamp, encryptedFrom], [0n, 0n, -1]);
    assert.deepEqual(hello.identity, hex(IDENTITY));
  });

  test("of an old sender may end behind the address", () => {
    const { hello, encryptedFrom } = decoded("04 cb007105 2709");
    assert.equal(formatEndpoint(hello.sentTo!), "203.0.113.5/9993");
    assert.equal(encryptedFrom, -1);
  });

  test("may lack the moons, or end inside the planet, which then is not there", () => {
    assert.deepEqual(decoded(`00 ${"11".repeat(16)}`).encryptedFrom, -1);
    const { hello, encryptedFrom } = decoded(`00 ${"11".repeat(15)}`);
    assert.deepEqual([hello.planetId, encryptedFrom], [0n, -1]);
  });

  test("with a reserved type of address counts as without", () => {
    const { hello, encryptedFrom } = decoded(`01 aaaaaaaaaaaa ${"11".repeat(16)} 0000`);
    assert.equal(hello.sentTo, null);
    assert.equal(hello.planetId, 0x1111111111111111n);
    assert.equal(encryptedFrom, 84 + 7 + 16);
  });

  test("with the sender's secret inside is read without ever showing it", () => {
    const withSecret = `0c 01 0e 0001 0000018bcfe5687b 0abfda6035 00 ${"c5".repeat(64)} 40 ${"5e".repeat(64)} 00`;
    const { hello } = accepted(decodeHello(hex(withSecret)));
    assert.deepEqual(hello.identity, hex(IDENTITY));
  });

  test("is refused with a malformed identity or address", () => {
    assertRefused(decodeHello(hex(`0c010e00010000018bcfe5687b 0abfda6035 01 ${"c5".repeat(64)} 00`)), "bad_value", 13);
    assertRefused(decodeHello(hex(`0c010e00010000018bcfe5687b 0abfda6035 00 ${"c5".repeat(64)} 20`)), "bad_value", 13);
    assertRefused(decodeHello(hex(`${front} 05`)), "bad_value", 84);
    assertRefused(decodeHello(hex(`${front} 04 010203`)), "too_short");
    assertRefused(decodeHello(hex(front).subarray(0, 83)), "too_short", 13);
  });

  test("skips moons of another type and ignores what follows the list", () => {
    const moon = { id: 0x38236a5e8en, timestamp: 7n };
    const section = hex(`0002 7e ${"22".repeat(16)} 7f 00000038236a5e8e 0000000000000007 ffff`);
    assert.deepEqual(accepted(decodeHelloMoons(section)), [moon]);
    assert.equal(toHex(encodeHelloMoons([])), "0000");
    assertRefused(decodeHelloMoons(hex("ffff 7f")), "too_short");
    assertRefused(decodeHelloMoons(hex("00")), "too_short", 0);
  });
});

describe("OK(HELLO)", () => {
  const front = "0000018bcfe5687b 0c 01 0e 0001";

  test("may end behind the version or behind the surface", () => {
    assert.deepEqual(accepted(decodeOkHello(hex(front))).surface, null);
    const ok = accepted(decodeOkHello(hex(`${front} 04 cb007105 2709`)));
    assert.equal(formatEndpoint(ok.surface!), "203.0.113.5/9993");
    assert.equal(ok.worlds.length, 0);
  });

  test("carries worlds of the length it says, and extra bytes are ignored", () => {
    assert.deepEqual(accepted(decodeOkHello(hex(`${front} 00 0002 aabb cc`))).worlds, hex("aabb"));
    assertRefused(decodeOkHello(hex(`${front} 00 0003 aabb`)), "too_short");
    assertRefused(decodeOkHello(hex(`${front} 09`)), "bad_value", 13);
  });
});

describe("WHOIS", () => {
  test("ignores a remainder, and asks for one address at least", () => {
    assert.deepEqual(
      accepted(decodeWhois(hex("8ee398b919 0abfda6035 01020304"))).addresses,
      [0x8ee398b919, 0x0abfda6035],
    );
    assertRefused(decodeWhois(hex("8ee398b9")), "too_short", 0);
  });

  test("is answered with whole identities", () => {
    assert.equal(accepted(decodeOkWhois(hex(`${IDENTITY} ${IDENTITY}`))).length, 2);
    assertRefused(decodeOkWhois(hex(`${IDENTITY} 0abf`)), "too_short", 71);
    assertRefused(decodeOkWhois(hex(`${IDENTITY} ${"ff".repeat(71)}`)), "bad_value", 71);
    assertRefused(decodeOkWhois(hex("")), "too_short", 0);
  });
});

describe("RENDEZVOUS", () => {
  test("names an IPv4 or an IPv6 address", () => {
    const { peer, endpoint } = accepted(decodeRendezvous(hex("00 0abfda6035 2709 04 c6336402")));
    assert.equal(peer, 0x0abfda6035);
    assert.equal(formatEndpoint(endpoint), "198.51.100.2/9993");
    const v6 = accepted(decodeRendezvous(hex(`00 0abfda6035 2709 10 20010db8${"00".repeat(11)}01`)));
    assert.equal(formatEndpoint(v6.endpoint), "2001:db8::1/9993");
  });

  test("without a port or with another length of address is refused", () => {
    assertRefused(decodeRendezvous(hex("00 0abfda6035 0000 04 c6336402")), "bad_value", 6);
    assertRefused(decodeRendezvous(hex("00 0abfda6035 2709 05 c633640211")), "bad_value", 8);
    assertRefused(decodeRendezvous(hex("00 0abfda6035 2709 10 c6336402")), "too_short", 9);
  });
});

describe("PUSH_DIRECT_PATHS", () => {
  test("leaves out records of unknown or ill-fitting types, and skips extended data", () => {
    const records = [
      "00 0003 aabbcc 04 06 01020304 2709",
      "01 0000 09 02 ffff",
      "00 0000 04 12 0102030405060708090a0b0c0d0e0f101112",
      "00 0000 06 06 01020304 2709",
      `02 0000 06 12 20010db8${"00".repeat(11)}01 01bb`,
    ];
    const { paths } = accepted(decodePushDirectPaths(hex(`0005 ${records.join(" ")} ee`)));
    assert.deepEqual(
      paths.map(({ flags, endpoint }) => [flags, formatEndpoint(endpoint)]),
      [
        [0, "1.2.3.4/9993"],
        [2, "2001:db8::1/443"],
      ],
    );
    assertRefused(decodePushDirectPaths(hex("0002 00 0000 04 06 01020304 2709")), "too_short", 13);
  });

  test("is cut so that no packet exceeds 1200 bytes", () => {
    const paths = Array.from({ length: 200 }, (_, i) => ({
      flags: 0,
      endpoint: parseEndpoint(i % 3 === 0 ? `10.0.0.${i}/9993` : `2001:db8::${i}/9993`)!,
    }));
    const parts = splitDirectPaths(paths);
    assert.deepEqual(parts.flat(), paths);
    for (const part of parts.slice(0, -1)) {
      const bytes = 28 + encodePushDirectPaths({ paths: part }).length;
      assert.ok(bytes <= 1200 && bytes > 1200 - 23, `${bytes} bytes`);
    }
    assert.deepEqual(splitDirectPaths([]), []);
  });
});

describe("ERROR about a network", () => {
  test("may carry data behind the network id", () => {
    assert.deepEqual(accepted(decodeNetworkError(hex("8056c2e21c000001"))), {
      networkId: 0x8056c2e21c000001n,
      data: null,
    });
    const withData = { networkId: 1n, data: hex("6156") };
    assert.equal(toHex(encodeNetworkError(withData)), "000000000000000100026156");
    assert.deepEqual(accepted(decodeNetworkError(encodeNetworkError(withData))), withData);
    assertRefused(decodeNetworkError(hex("0000000000000001 0003 6156")), "too_short");
  });
});

describe("an identity inside a message", () => {
  test("is undefined when malformed and fails the reader when short", () => {
    assert.equal(readIdentityBytes(new Reader(hex(`0abfda6035 02 ${"c5".repeat(65)}`))), undefined);
    const cutSecret = new Reader(hex(`0abfda6035 00 ${"c5".repeat(64)} 40 ${"5e".repeat(63)}`));
    readIdentityBytes(cutSecret);
    assert.equal(cutSecret.failed, true);
  });
});

describe("QOS_MEASUREMENT", () => {
  test("is little-endian and has 1 to 140 records", () => {
    const one = { records: [{ packetId: 0x0102030405060708n, holdingMs: 0x0102 }] };
    assert.equal(toHex(encodeQosMeasurement(one)), "08070605040302010201");
    assert.deepEqual(accepted(decodeQosMeasurement(hex("0807060504030201 0201 ffff"))), one);
    assertRefused(decodeQosMeasurement(hex("080706050403020102")), "too_short");
    assertRefused(decodeQosMeasurement(new Uint8Array(1401)), "too_long", 0);
    assert.equal(accepted(decodeQosMeasurement(new Uint8Array(1400))).records.length, 140);
  });
});

describe("REMOTE_TRACE", () => {
  test("is dictionaries ended by NUL, an unended one left out", () => {
    assert.deepEqual(accepted(decodeRemoteTrace(hex("613d31 00 00 62"))).traces, [hex("613d31"), hex("")]);
    assert.equal(toHex(encodeRemoteTrace({ traces: [hex("613d31")] })), "613d3100");
    const long = new Uint8Array(10_002).fill(0x61);
    long[10_001] = 0;
    assertRefused(decodeRemoteTrace(long), "too_long", 0);
  });
});

describe("PATH_NEGOTIATION_REQUEST", () => {
  test("is exactly two bytes, signed", () => {
    assert.equal(accepted(decodePathNegotiation(hex("ffff"))).utility, -1);
    assert.equal(accepted(decodePathNegotiation(hex("7fff"))).utility, 32767);
    assertRefused(decodePathNegotiation(hex("ff")), "too_short", 0);
    assertRefused(decodePathNegotiation(hex("ffffff")), "too_long", 2);
  });
});
