import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { toHex } from "../../src/protocol/bytes.ts";
import { Dictionary, DictionaryWriter } from "../../src/protocol/dictionary.ts";
import { fixtureText, hex } from "./fixtures.ts";

interface DictionaryVectors {
  encode: {
    name: string;
    adds: { key: string; valueHex: string }[];
    resultHex: string;
    readBack: { key: string; len: number; valueHex: string }[];
  }[];
  decode: { name: string; dictHex: string; key: string; capacity: number; len: number; valueHex: string }[];
  integers: {
    name: string;
    dict: string;
    key: string;
    getUI_default_77: string;
    getI_default_77: string;
    getB_default_true: boolean;
    contains: boolean;
  }[];
  typedWrites: { name: string; result: string }[];
}

// The 64-bit numbers of the file are beyond what JSON numbers hold exactly: they are read as text.
const recorded = JSON.parse(
  fixtureText("vectors/dictionary.json").replace(/("get(?:UI|I)_default_77":\s*)(-?\d+)/g, '$1"$2"'),
) as DictionaryVectors;

const encoder = new TextEncoder();
const key = fc.stringMatching(/^[A-Za-z0-9]{1,6}$/);

describe("a dictionary", () => {
  for (const { name, adds, resultHex, readBack } of recorded.encode) {
    test(`is written and read back: ${name}`, () => {
      const writer = new DictionaryWriter();
      for (const add of adds) writer.bytes(add.key, hex(add.valueHex));
      assert.equal(toHex(writer.finish()), resultHex);
      assert.equal(writer.length, resultHex.length / 2);
      const dictionary = new Dictionary(writer.finish());
      for (const read of readBack) {
        assert.equal(toHex(dictionary.bytes(read.key) ?? assert.fail(`${read.key} is missing`)), read.valueHex);
        assert.equal(dictionary.bytes(read.key)?.length, read.len);
      }
    });
  }

  for (const { name, dictHex, key, capacity, len, valueHex } of recorded.decode) {
    test(`is read: ${name}`, () => {
      const value = new Dictionary(hex(dictHex)).bytes(key, capacity - 1);
      assert.equal(value?.length ?? -1, len);
      if (value !== null) assert.equal(toHex(value), valueHex);
    });
  }

  for (const vector of recorded.integers) {
    test(`reads numbers as the reference does: ${vector.name}`, () => {
      const dictionary = new Dictionary(encoder.encode(vector.dict));
      assert.equal(dictionary.u64(vector.key, 77n), BigInt(vector.getUI_default_77));
      assert.equal(dictionary.i64(vector.key, 77n), BigInt(vector.getI_default_77));
      assert.equal(dictionary.bool(vector.key, true), vector.getB_default_true);
      assert.equal(dictionary.has(vector.key), vector.contains);
    });
  }

  test("writes typed values as the reference does", () => {
    const written: Record<string, DictionaryWriter> = {
      "uint64 0": new DictionaryWriter().u64("k", 0n),
      "uint64 255": new DictionaryWriter().u64("k", 255n),
      "uint64 max": new DictionaryWriter().u64("k", 0xffffffffffffffffn),
      "int64 -16": new DictionaryWriter().i64("k", -16n),
      "int64 16": new DictionaryWriter().i64("k", 16n),
      "bool true": new DictionaryWriter().bool("k", true),
      "bool false": new DictionaryWriter().bool("k", false),
      "address object form (zero-padded to 16 digits)": new DictionaryWriter().u64("k", 0x8ee398b919n),
      "address text form (10 digits)": new DictionaryWriter().address("k", 0x8ee398b919),
    };
    for (const { name, result } of recorded.typedWrites) {
      assert.equal(new TextDecoder().decode(written[name]?.finish()), result, name);
    }
    assert.equal(recorded.typedWrites.length, Object.keys(written).length);
  });

  test("reads the lowest signed number and saturates below it", () => {
    const read = (text: string) => new Dictionary(encoder.encode(`a=${text}`)).i64("a", 0n);
    assert.equal(read("-8000000000000000"), -(2n ** 63n));
    assert.equal(read("-ffffffffffffffffffffffff"), -(2n ** 63n));
    assert.equal(read("0x"), 0n);
    assert.equal(read("+0X1F"), 31n);
    assert.equal(read("000000000000000000000000000000001"), 1n);
  });

  test("lists its keys once each and keeps text apart from bytes", () => {
    const dictionary = new Dictionary(encoder.encode("b=1\na=\\e\\\\\nb=2\n=x\nnone"));
    assert.deepEqual([...dictionary.keys()], ["b", "a"]);
    assert.equal(dictionary.text("a"), "=\\");
    assert.equal(dictionary.text("none"), null);
  });

  test("is not written with a key that could not be read back", () => {
    for (const bad of ["", "a=b", "a\n", "\r", "a\0b"]) {
      assert.throws(() => new DictionaryWriter().bytes(bad, hex("00")), RangeError);
    }
  });

  test("gives every value back that was put in", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(key, fc.uint8Array()), { selector: ([name]) => name }), (entries) => {
        const writer = new DictionaryWriter();
        for (const [name, value] of entries) writer.bytes(name, value);
        const dictionary = new Dictionary(writer.finish());
        for (const [name, value] of entries) assert.deepEqual(dictionary.bytes(name), value);
        assert.deepEqual(
          [...dictionary.keys()],
          entries.map(([name]) => name),
        );
      }),
      { seed: 5, numRuns: 300 },
    );
  });

  test("can be read from any bytes", () => {
    // The bytes that mean something, often.
    const byte = fc.oneof(fc.constantFrom(0x0a, 0x0d, 0x3d, 0x5c, 0x61, 0x00, 0x2d, 0x30, 0x78), fc.nat(0xff));
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 60 }), (array) => {
        const dictionary = new Dictionary(new Uint8Array(array));
        for (const name of [...dictionary.keys(), "a", ""]) {
          const value = dictionary.bytes(name);
          assert.equal(value !== null, dictionary.has(name));
          const unsigned = dictionary.u64(name, 7n);
          const signed = dictionary.i64(name, 7n);
          assert.ok(unsigned >= 0n && unsigned < 2n ** 64n);
          assert.ok(signed >= -(2n ** 63n) && signed < 2n ** 63n);
          dictionary.bool(name, false);
        }
      }),
      { seed: 6, numRuns: 2000 },
    );
  });
});
