import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Reader, toHex, Writer } from "../../src/protocol/bytes.ts";
import {
  type Endpoint,
  endpointKey,
  endpointsEqual,
  formatEndpoint,
  formatIp,
  inetAddressBytes,
  ipScope,
  makeEndpoint,
  parseEndpoint,
  parseIp,
  parsePrefix,
  prefixContains,
  rateGateHash,
  readInetAddress,
  writeInetAddress,
} from "../../src/protocol/inet-address.ts";
import { hex, vectors } from "./fixtures.ts";

interface InetAddressVector {
  text: string;
  wire: string;
  scope: number;
  rate_gate_hash?: number;
}

const { inetaddress } = vectors<{ inetaddress: InetAddressVector[] }>("packets");
const { ipScopeNumeric } = vectors<{ ipScopeNumeric: { ip: string; scope: number }[] }>("addresses");

const anyIp = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
  // Runs of zero groups are what the text form is about.
  fc
    .array(fc.constantFrom(0, 0, 0, 1, 0xffff, 0x2001), { minLength: 8, maxLength: 8 })
    .map((groups) => new Uint8Array(groups.flatMap((group) => [group >> 8, group & 0xff]))),
);
const anyEndpoint = fc.tuple(anyIp, fc.nat(0xffff)).map(([ip, port]) => makeEndpoint(ip, port));

function wireOf(endpoint: Endpoint | null): string {
  const writer = new Writer();
  writeInetAddress(writer, endpoint);
  return toHex(writer.finish());
}

describe("a physical address", () => {
  for (const { text, wire, scope, rate_gate_hash } of inetaddress.filter(({ text }) => text !== "")) {
    test(`${text} has the recorded wire form, text, scope and gate bucket`, () => {
      const endpoint = readInetAddress(new Reader(hex(wire)));
      assert.ok(endpoint);
      assert.equal(formatEndpoint(endpoint), text);
      assert.equal(wireOf(endpoint), wire);
      assert.equal(inetAddressBytes(endpoint), wire.length / 2);
      assert.equal(ipScope(endpoint.ip), scope);
      assert.equal(rateGateHash(endpoint.ip), rate_gate_hash);
      assert.deepEqual(parseEndpoint(text), endpoint);
    });
  }

  test("may be absent, which is one zero byte", () => {
    assert.equal(inetaddress.find(({ text }) => text === "")?.wire, "00");
    assert.equal(readInetAddress(new Reader(hex("00"))), null);
    assert.equal(wireOf(null), "00");
    assert.equal(inetAddressBytes(null), 1);
  });

  test("of a reserved type counts as absent and is skipped whole", () => {
    for (const wire of ["01 a1a2a3a4a5a6", "02 a1a2a3a4a5a6", "03 0003 a1a2a3", "03 0000"]) {
      const reader = new Reader(hex(`${wire} 77`));
      assert.equal(readInetAddress(reader), null);
      assert.equal(reader.u8(), 0x77);
      assert.equal(reader.failed, false);
    }
  });

  test("of an unknown type is malformed", () => {
    for (const type of [5, 7, 8, 0x7f, 0xff]) {
      assert.equal(readInetAddress(new Reader(new Uint8Array(19).fill(type))), undefined);
    }
  });

  test("that is cut off fails the reader", () => {
    for (const wire of ["", "04 01020304 27", "06 00", "01 00", "03 00", "03 0002 ff"]) {
      const reader = new Reader(hex(wire));
      readInetAddress(reader);
      assert.equal(reader.failed, true, wire);
    }
  });

  test("survives its wire form, its text form and its key", () => {
    fc.assert(
      fc.property(anyEndpoint, anyEndpoint, (a, b) => {
        assert.deepEqual(readInetAddress(new Reader(hex(wireOf(a)))), a);
        assert.deepEqual(parseEndpoint(formatEndpoint(a)), a);
        assert.equal(endpointKey(a) === endpointKey(b), endpointsEqual(a, b));
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  test("is not parsed from text that is something else", () => {
    for (const text of [
      "",
      "1.2.3.4",
      "1.2.3/9",
      "1.2.3.256/9",
      "1.2.3.4/65536",
      "1.2.3.4/",
      ":::/1",
      "1::2::3/4",
      "g::/1",
    ]) {
      assert.equal(parseEndpoint(text), null, text);
    }
    assert.equal(parseIp("1:2:3:4:5:6:7:8:9"), null);
    assert.equal(parseIp("1:2:3:4:5:6:7::8"), null);
    assert.equal(parseIp("12345::"), null);
    assert.equal(parseIp("1.2.3.4::"), null);
  });
});

describe("the scope of an IP", () => {
  for (const { ip, scope } of ipScopeNumeric) {
    test(`${ip} is ${scope}`, () => {
      const bytes = parseIp(ip);
      assert.ok(bytes);
      assert.equal(ipScope(bytes), scope);
      assert.equal(formatIp(bytes), ip);
    });
  }
});

describe("an IP prefix", () => {
  test("contains exactly the addresses that share its bits", () => {
    const contains = (prefix: string, ip: string) => prefixContains(parsePrefix(prefix)!, parseIp(ip)!);
    assert.equal(contains("10.0.0.0/8", "10.255.1.1"), true);
    assert.equal(contains("10.0.0.0/8", "11.0.0.0"), false);
    assert.equal(contains("172.16.0.0/12", "172.31.255.255"), true);
    assert.equal(contains("172.16.0.0/12", "172.32.0.0"), false);
    assert.equal(contains("0.0.0.0/0", "1.2.3.4"), true);
    assert.equal(contains("0.0.0.0/0", "::"), false);
    assert.equal(contains("2001:470::/32", "2001:470:ffff::1"), true);
    assert.equal(contains("2001:470::/32", "2001:471::"), false);
    assert.equal(contains("1.2.3.4/32", "1.2.3.4"), true);
    assert.equal(contains("1.2.3.4/32", "1.2.3.5"), false);
  });

  test("is not parsed from more bits than the address has", () => {
    assert.equal(parsePrefix("10.0.0.0/33"), null);
    assert.equal(parsePrefix("::/129"), null);
    assert.equal(parsePrefix("10.0.0.0"), null);
    assert.ok(parsePrefix("::/128"));
  });
});
