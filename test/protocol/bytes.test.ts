import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  formatAddress,
  isReservedAddress,
  parseAddress,
  readAddress,
  writeAddress,
} from "../../src/protocol/address.ts";
import { bytesEqual, fromHex, Reader, toHex, Writer } from "../../src/protocol/bytes.ts";
import { formatMac, isMulticastMac, parseMac } from "../../src/protocol/ethernet.ts";
import { hex } from "./fixtures.ts";

describe("a reader", () => {
  test("reads every width big-endian", () => {
    const reader = new Reader(hex("01 0203 04050607 ffeeddccbbaa9988 8ee398b919 fedcba987654 4142"));
    assert.equal(reader.u8(), 0x01);
    assert.equal(reader.u16(), 0x0203);
    assert.equal(reader.u32(), 0x04050607);
    assert.equal(reader.u64(), 0xffeeddccbbaa9988n);
    assert.equal(reader.address(), 0x8ee398b919);
    assert.equal(reader.u48(), 0xfedcba987654);
    assert.deepEqual(reader.rest(), hex("4142"));
    assert.equal(reader.remaining, 0);
    assert.equal(reader.failed, false);
  });

  test("gives zeros and nothing once it ran over the end, and says where", () => {
    const reader = new Reader(hex("aabbcc"));
    assert.equal(reader.u16(), 0xaabb);
    assert.equal(reader.u32(), 0);
    assert.equal(reader.failed, true);
    assert.equal(reader.u8(), 0, "a byte is left, but the reader has failed");
    assert.equal(reader.bytes(1).length, 0);
    assert.equal(reader.remaining, 0);
    assert.deepEqual(reader.refusal(), { ok: false, code: "too_short", offset: 2 });
  });

  test("stops at the end it was given", () => {
    const reader = new Reader(hex("01020304"), 1, 3);
    assert.equal(reader.remaining, 2);
    assert.deepEqual(reader.rest(), hex("0203"));
    assert.equal(reader.u8(), 0);
    assert.equal(reader.failed, true);
  });

  test("shows what was read since an offset", () => {
    const reader = new Reader(hex("0102030405"));
    reader.u8();
    const start = reader.offset;
    reader.u16();
    assert.deepEqual(reader.since(start), hex("0203"));
  });
});

describe("a writer", () => {
  test("writes what a reader reads, however often it has to grow", () => {
    fc.assert(
      fc.property(
        fc.nat(0xff),
        fc.nat(0xffff),
        fc.nat(0xffffffff),
        fc.bigInt({ min: 0n, max: 0xffffffffffffffffn }),
        fc.integer({ min: 0, max: 0xffffffffff }),
        fc.integer({ min: 0, max: 0xffffffffffff }),
        fc.uint8Array(),
        (u8, u16, u32, u64, address, u48, bytes) => {
          const writer = new Writer(1).u8(u8).u16(u16).u32(u32).u64(u64).address(address).u48(u48).bytes(bytes);
          const reader = new Reader(writer.finish());
          assert.equal(reader.u8(), u8);
          assert.equal(reader.u16(), u16);
          assert.equal(reader.u32(), u32);
          assert.equal(reader.u64(), u64);
          assert.equal(reader.address(), address);
          assert.equal(reader.u48(), u48);
          assert.deepEqual(reader.rest(), bytes);
        },
      ),
      { seed: 2, numRuns: 300 },
    );
  });

  test("writes an address that makes it grow", () => {
    assert.deepEqual(new Writer(1).address(0x8ee398b919).finish(), hex("8ee398b919"));
  });

  test("leaves headroom in front", () => {
    assert.deepEqual(new Writer(8, 3).u8(9).finish(), hex("00000009"));
  });
});

describe("hex", () => {
  test("goes there and back", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        assert.deepEqual(fromHex(toHex(bytes)), bytes);
        assert.equal(bytesEqual(bytes, fromHex(toHex(bytes).toUpperCase())!), true);
      }),
      { seed: 3 },
    );
  });

  test("of odd length or with other letters is refused", () => {
    assert.equal(fromHex("abc"), null);
    assert.equal(fromHex("0g"), null);
  });
});

describe("an address", () => {
  test("survives five bytes and ten digits", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffffff }), (address) => {
        const bytes = new Uint8Array(7);
        writeAddress(bytes, 1, address);
        assert.equal(readAddress(bytes, 1), address);
        assert.equal(toHex(bytes.subarray(1, 6)), formatAddress(address));
        assert.equal(parseAddress(formatAddress(address)), address);
      }),
      { seed: 4, numRuns: 500 },
    );
  });

  test("is reserved when it is zero or begins with ff", () => {
    assert.equal(isReservedAddress(0), true);
    assert.equal(isReservedAddress(0xff00000000), true);
    assert.equal(isReservedAddress(0xffffffffff), true);
    assert.equal(isReservedAddress(0xfeffffffff), false);
    assert.equal(isReservedAddress(1), false);
  });

  test("is ten digits and nothing else", () => {
    for (const text of ["", "8ee398b91", "8ee398b9190", "8ee398b91g", " 8ee398b919"]) {
      assert.equal(parseAddress(text), null);
    }
  });
});

describe("a MAC", () => {
  test("survives its text and tells multicast from unicast", () => {
    assert.equal(formatMac(0x028ee3845bdb), "02:8e:e3:84:5b:db");
    assert.equal(parseMac("02:8E:e3:84:5b:db"), 0x028ee3845bdb);
    assert.equal(parseMac("02:8e:e3:84:5b"), null);
    assert.equal(isMulticastMac(0x028ee3845bdb), false);
    assert.equal(isMulticastMac(0xffffffffffff), true);
    assert.equal(isMulticastMac(0x333300000001), true);
    assert.equal(isMulticastMac(0x01005e000001), true);
  });
});
