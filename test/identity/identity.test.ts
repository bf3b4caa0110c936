import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { validateIdentity } from "../../src/identity/generate.ts";
import {
  encodeIdentity,
  formatIdentity,
  IDENTITY_BYTES,
  Identity,
  identityFingerprint,
  parseIdentity,
  readIdentity,
  writeIdentity,
} from "../../src/identity/identity.ts";
import { formatAddress, parseAddress } from "../../src/protocol/address.ts";
import { Reader, toHex, Writer } from "../../src/protocol/bytes.ts";
import {
  hex,
  identityVector,
  identityVectors,
  noise,
  publicKeyOf,
  secretKeyOf,
  signatureVectors,
} from "../crypto/vectors.ts";

/** Parses a text that is known to be an identity. */
function identityOf(text: string): Identity {
  const identity = parseIdentity(text);
  assert.ok(identity !== null, text);
  return identity;
}

const withSecret = identityOf(identityVector("id1").secret);
const secretHex = toHex(secretKeyOf(identityVector("id1")));

describe("known identities", () => {
  for (const vector of identityVectors.valid) {
    test(`${vector.name} has all its forms`, () => {
      const identity = identityOf(vector.secret);
      assert.equal(formatAddress(identity.address), vector.address);
      assert.deepEqual(identity.publicKey, publicKeyOf(vector));
      assert.deepEqual(identity.secretKey, secretKeyOf(vector));
      assert.equal(formatIdentity(identity, true), vector.secret);
      assert.equal(formatIdentity(identity), vector.public);
      assert.equal(toHex(encodeIdentity(identity)), vector.binary_public);
      assert.equal(toHex(identityFingerprint(identity)), vector.sha384_fingerprint);
      assert.equal(validateIdentity(identity), vector.locally_valid);
      assert.ok(identity.equals(identityOf(vector.public)));
    });

    test(`${vector.name} is read from both binary forms, without the secret`, () => {
      for (const form of [vector.binary_public, vector.binary_with_secret]) {
        const bytes = hex(`aa${form}bb`);
        const reader = new Reader(bytes, 1);
        const identity = readIdentity(reader);
        assert.ok(identity?.equals(identityOf(vector.public)));
        assert.equal(identity?.hasSecret, false);
        assert.equal(reader.remaining, 1);
        assert.equal(reader.failed, false);
      }
    });
  }

  test("agree with each other as known, from both sides", () => {
    const identities = new Map(identityVectors.valid.map(({ name, secret }) => [name, identityOf(secret)]));
    for (const { a, b, shared_key_48 } of identityVectors.agreements) {
      const [left, right] = [identities.get(a), identities.get(b)];
      assert.ok(left && right);
      assert.equal(toHex(left.agree(right.publicOnly())), shared_key_48);
      assert.equal(toHex(right.agree(left.publicOnly())), shared_key_48);
    }
  });

  test("sign as known, and verify each other's signatures", () => {
    for (const { signer, message, signature, sha512 } of signatureVectors) {
      if (sha512 === undefined) continue;
      const identity = identityOf(identityVector(signer).secret);
      assert.equal(toHex(identity.sign(hex(message))), signature);
      assert.equal(identity.publicOnly().verify(hex(message), hex(signature)), true);
      assert.equal(identity.verify(hex(`${message}00`), hex(signature)), false);
    }
  });
});

describe("parseIdentity", () => {
  /**
   * What the reference lets through and we refuse. None of it is ever written by a node or a tool; each would hide a
   * damaged file or a mistake in pasting, and be reported as somebody else's identity or as an invalid one.
   */
  const stricter = new Map([
    ["over-long public key", "surplus hex digits mean that two texts were run together"],
    ["short address digits", "an address has ten digits; a lost one should be named, not guessed"],
    ["leading colon", "an empty field means that something is missing"],
    ["non-hex digit in key", "the reference reads it as zero, and so as another identity"],
  ]);

  for (const vector of identityVectors.string_cases) {
    const reason = stricter.get(vector.name);
    const parses = vector.parses && reason === undefined;
    test(`${parses ? "reads" : "refuses"}: ${vector.name}${reason === undefined ? "" : ` (${reason})`}`, () => {
      const identity = parseIdentity(vector.string);
      assert.equal(identity !== null, parses);
      if (identity === null) return;
      assert.equal(formatAddress(identity.address), vector.parsed_address);
      assert.equal(formatIdentity(identity, true), vector.reserialized);
      assert.equal(validateIdentity(identity), vector.locally_valid);
    });
  }

  test("every exception named above is a case that exists", () => {
    const names = new Set(identityVectors.string_cases.map(({ name }) => name));
    for (const name of stricter.keys()) assert.ok(names.has(name), name);
  });

  test("ignores white space around, as editors and shells leave it", () => {
    const { public: text } = identityVector("id2");
    for (const padded of [`${text}\n`, `${text}\r\n`, `  ${text}\t`, `\n\n${text}\n\n`]) {
      assert.equal(parseIdentity(padded)?.toString(), text);
    }
    assert.equal(parseIdentity(text.replace(":0:", ": 0:")), null);
    assert.equal(parseIdentity(`${text} ${text}`), null);
  });

  test("refuses what is longer than an identity can be", () => {
    const { secret } = identityVector("id2");
    assert.ok(parseIdentity(secret + " ".repeat(100)));
    assert.equal(parseIdentity(secret + " ".repeat(1000)), null);
  });

  test("never throws", () => {
    const pieces = fc.constantFrom(identityVector("id1").public, ":", "0", ":0:", "ff", "0abfda6035", "\n", "\0", "é");
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 8 }), (parts) => {
        const identity = parseIdentity(parts.join(""));
        assert.ok(identity === null || identity.address > 0);
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});

describe("readIdentity", () => {
  const valid = hex(identityVector("id1").binary_with_secret);

  test("refuses every shortened form", () => {
    for (let length = 0; length < valid.length; length++) {
      assert.equal(readIdentity(new Reader(valid, 0, length)), undefined, `${length} bytes`);
    }
  });

  test("refuses another type and another secret length", () => {
    for (const [at, values] of [
      [5, [1, 2, 0xff]],
      [70, [1, 63, 65, 0xff]],
    ] as const) {
      for (const value of values) {
        const damaged = Uint8Array.from(valid);
        damaged[at] = value;
        assert.equal(readIdentity(new Reader(damaged)), undefined, `byte ${at} = ${value}`);
      }
    }
  });

  test("does not look at the address, and keeps nothing of the datagram", () => {
    const bytes = hex(identityVector("id1").binary_public);
    bytes.fill(0xff, 0, 5);
    const identity = readIdentity(new Reader(bytes));
    assert.equal(identity?.address, 0xffffffffff);
    bytes.fill(0);
    assert.deepEqual(identity?.publicKey, publicKeyOf(identityVector("id1")));
  });

  test("undoes writeIdentity for any address and key", () => {
    const key = fc.uint8Array({ minLength: 64, maxLength: 64 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0xfeffffffff }), key, (address, publicKey) => {
        const writer = new Writer(10).u8(7);
        const identity = new Identity(address, publicKey, noise(64, 1));
        writeIdentity(writer, identity);
        const bytes = writer.finish();
        assert.equal(bytes.length, 1 + IDENTITY_BYTES);
        assert.ok(readIdentity(new Reader(bytes, 1))?.equals(identity));
        assert.ok(parseIdentity(formatIdentity(identity, true))?.equals(identity));
      }),
      { seed: 1, numRuns: 100 },
    );
  });
});

describe("an identity", () => {
  test("equals another one by address and both key halves, not by secret", () => {
    const { address, publicKey } = withSecret;
    assert.ok(withSecret.equals(new Identity(address, publicKey)));
    assert.ok(!withSecret.equals(new Identity(address + 1, publicKey)));
    for (const at of [0, 31, 32, 63]) {
      const other = Uint8Array.from(publicKey);
      other[at]! ^= 1;
      assert.ok(!withSecret.equals(new Identity(address, other)), `byte ${at}`);
    }
  });

  test("without secret can verify but neither sign nor agree", () => {
    const stranger = withSecret.publicOnly();
    assert.equal(stranger.hasSecret, false);
    assert.equal(stranger.secretKey, null);
    assert.equal(stranger.publicOnly(), stranger);
    assert.throws(() => stranger.sign(new Uint8Array(1)), /0abfda6035 has no secret key/);
    assert.throws(() => stranger.agree(withSecret), /0abfda6035 has no secret key/);
    assert.equal(stranger.verify(new Uint8Array(1), withSecret.sign(new Uint8Array(1))), true);
  });

  test("does not change with the arrays it was made from, and refuses wrong lengths", () => {
    const [publicKey, secretKey] = [noise(64, 1), noise(64, 2)];
    const identity = new Identity(1, publicKey, secretKey);
    publicKey.fill(0);
    secretKey.fill(0);
    assert.deepEqual(identity.publicKey, noise(64, 1));
    assert.deepEqual(identity.secretKey, noise(64, 2));
    assert.throws(() => new Identity(1, new Uint8Array(63)), RangeError);
    assert.throws(() => new Identity(1, new Uint8Array(64), new Uint8Array(0)), RangeError);
  });

  test("never shows its secret unless asked by name", () => {
    withSecret.sign(new Uint8Array(1));
    withSecret.agree(withSecret);
    const shown = [
      String(withSecret),
      `${withSecret}`,
      JSON.stringify(withSecret),
      JSON.stringify({ nested: [withSecret] }),
      JSON.stringify({ ...withSecret }),
      inspect(withSecret),
      inspect(withSecret, { showHidden: true, depth: 9, getters: true, customInspect: false }),
      inspect({ nested: withSecret }, { depth: 9 }),
      JSON.stringify(structuredClone({ ...withSecret })),
      formatIdentity(withSecret),
      toHex(encodeIdentity(withSecret)),
      Object.keys(withSecret).join(),
    ].join("\n");
    assert.ok(!shown.includes(secretHex.slice(0, 16)) && !shown.includes(secretHex.slice(64, 80)));
    assert.ok(!shown.includes([...secretKeyOf(identityVector("id1")).subarray(0, 8)].join(",")));
    assert.ok(!shown.includes([...secretKeyOf(identityVector("id1")).subarray(0, 8)].join(", ")));
    assert.doesNotMatch(Object.keys(withSecret).join(), /secret/i);
    assert.equal(inspect(withSecret), "Identity(0abfda6035, with secret)");
  });

  test("reserved addresses are refused in text", () => {
    const rest = identityVector("id1").public.slice(10);
    for (const reserved of ["0000000000", "ff00000000", "ffffffffff"]) {
      assert.ok(parseAddress(reserved) !== null);
      assert.equal(parseIdentity(reserved + rest), null);
    }
    assert.equal(parseIdentity(`0000000001${rest}`)?.address, 1);
  });
});
