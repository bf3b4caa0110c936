/** Credentials are written, signed, read and believed as the reference does. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { identityFingerprint, parseIdentity } from "../../src/identity/identity.ts";
import {
  decodeCapability,
  encodeCapability,
  issueCapability,
  verifyCapability,
} from "../../src/network/credentials/capability.ts";
import {
  decodeMembershipCertificate,
  encodeMembershipCertificate,
  issueMembershipCertificate,
  membershipAddress,
  membershipAgrees,
  membershipNetwork,
  membershipTimestamp,
  verifyMembershipCertificate,
} from "../../src/network/credentials/certificate-of-membership.ts";
import {
  decodeOwnershipCertificate,
  encodeOwnershipCertificate,
  issueOwnershipCertificate,
  ownedIp,
  ownedMac,
  ownsIp,
  ownsMac,
  verifyOwnershipCertificate,
} from "../../src/network/credentials/certificate-of-ownership.ts";
import {
  decodeRevocation,
  encodeRevocation,
  issueRevocation,
  verifyRevocation,
} from "../../src/network/credentials/revocation.ts";
import { type IdentityLookup, signedMessage, type Validity } from "../../src/network/credentials/signing.ts";
import { decodeTag, encodeTag, issueTag, verifyTag } from "../../src/network/credentials/tag.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import type { Verdict } from "../../src/protocol/errors.ts";
import { parseMac } from "../../src/protocol/ethernet.ts";
import { parseIp } from "../../src/protocol/inet-address.ts";
import { hex } from "../protocol/fixtures.ts";
import {
  address,
  bob,
  carol,
  controller,
  knows,
  MAX_DELTA,
  NETWORK,
  type RecordedMembership,
  recorded,
  recordedIdentity,
  self,
  TIMESTAMP,
  value,
} from "./credential-vectors.ts";

const ISSUED_TO_BOB = { networkId: NETWORK, timestamp: TIMESTAMP, issuedTo: bob.address };
/** Type and length of four rules: EtherType 0x0800, TCP, port 80, accept. */
const RULES = hex("2502 0800  2401 06  2804 0050 0050  0100");

interface Codec {
  /** As recorded, from its fields alone. */
  issued(): Uint8Array;
  /** Decodes, verifies and encodes again. */
  read(bytes: Uint8Array, identityOf: IdentityLookup): Verdict<{ validity: Validity; again: Uint8Array }>;
}

function codec<T>(
  issued: () => T,
  encode: (credential: T) => Uint8Array,
  decode: (bytes: Uint8Array) => Verdict<T>,
  verify: (credential: T, identityOf: IdentityLookup) => Validity,
): Codec {
  return {
    issued: () => encode(issued()),
    read(bytes, identityOf) {
      const verdict = decode(bytes);
      if (!verdict.ok) return verdict;
      return { ok: true, value: { validity: verify(verdict.value, identityOf), again: encode(verdict.value) } };
    },
  };
}

const CODECS: Record<string, Codec> = {
  "com full": codec(
    () =>
      issueMembershipCertificate(
        { networkId: NETWORK, timestamp: TIMESTAMP, maxDelta: MAX_DELTA, member: bob },
        controller,
      ),
    encodeMembershipCertificate,
    decodeMembershipCertificate,
    verifyMembershipCertificate,
  ),
  capability: codec(
    () => issueCapability({ ...ISSUED_TO_BOB, id: 1000, rules: RULES, ruleCount: 4 }, controller),
    encodeCapability,
    decodeCapability,
    verifyCapability,
  ),
  tag: codec(
    () => issueTag({ ...ISSUED_TO_BOB, id: 100, value: 0xdeadbeef }, controller),
    encodeTag,
    decodeTag,
    verifyTag,
  ),
  "certificate of ownership": codec(
    () => {
      const things = [
        ownedIp(parseIp("10.147.17.5")!),
        ownedIp(parseIp("fd00::5")!),
        ownedMac(parseMac("ee:82:e8:a4:eb:76")!),
      ];
      return issueOwnershipCertificate({ ...ISSUED_TO_BOB, id: 1, things }, controller);
    },
    encodeOwnershipCertificate,
    decodeOwnershipCertificate,
    verifyOwnershipCertificate,
  ),
  "revocation of COM": codec(
    () =>
      issueRevocation(
        {
          id: 0x01020304,
          networkId: NETWORK,
          credentialId: 0,
          threshold: TIMESTAMP,
          flags: 1n,
          target: bob.address,
          type: 1,
        },
        controller,
      ),
    encodeRevocation,
    decodeRevocation,
    verifyRevocation,
  ),
};

const VALIDITY: Record<string, Validity> = { "0": "valid", "1": "unknown_issuer", "-1": "invalid" };
const everybody = knows(controller, bob, carol, self);
/** Fields that a receiver ignores, so that what it writes again differs from what it read. */
const NOT_KEPT = /signature type 2|extra-field bytes|reserved word/;

describe("credentials", () => {
  test("are all recorded", () => {
    assert.deepEqual(
      recorded.credentials.map(({ name }) => name),
      Object.keys(CODECS),
    );
  });

  for (const credential of recorded.credentials) {
    const { name } = credential;
    const { issued, read } = CODECS[name]!;

    test(`are issued byte for byte as recorded: ${name}`, () => {
      assert.equal(toHex(issued()), credential.hex);
    });

    test(`are valid and written as they were read: ${name}`, () => {
      const { validity, again } = value(read(hex(credential.hex), knows(controller)));
      assert.equal(validity, VALIDITY[credential.verify]);
      assert.equal(toHex(again), credential.hex);
    });

    test(`are nothing the issuer's identity can be missing for: ${name}`, () => {
      assert.equal(value(read(hex(credential.hex), () => null)).validity, "unknown_issuer");
    });

    for (const variant of credential.variants) {
      test(`are judged as the reference does: ${name}, ${variant.name}`, () => {
        const verdict = read(hex(variant.hex), everybody);
        assert.equal(verdict.ok ? "ok" : "error", variant.parse);
        if (!verdict.ok) return;
        assert.equal(verdict.value.validity, VALIDITY[`${variant.verify}`]);
        if (!NOT_KEPT.test(variant.name)) assert.equal(toHex(verdict.value.again), variant.hex);
      });
    }
  }

  test("sign exactly the recorded message", () => {
    for (const { name, hex: text, signedMessageHex } of recorded.credentials) {
      if (name === "com full") continue;
      const body = hex(text).subarray(0, signedMessageHex.length / 2 - 18);
      assert.equal(toHex(signedMessage(body)), signedMessageHex, name);
    }
  });
});

describe("a certificate of membership", () => {
  function membership({ qualifiers, signedBy }: RecordedMembership) {
    return {
      qualifiers: qualifiers.map((one) => ({
        id: BigInt(one.id),
        value: BigInt(`0x${one.value}`),
        maxDelta: BigInt(`0x${one.maxDelta}`),
      })),
      signedBy: address(signedBy),
      signature: new Uint8Array(0),
    };
  }

  for (const { name, mine, other, otherIdentityPublic, agrees } of recorded.comAgreement) {
    test(`agrees with another as the reference says: ${name}`, () => {
      const identity = parseIdentity(otherIdentityPublic) ?? assert.fail();
      assert.equal(membershipAgrees(membership(mine), membership(other), identity), agrees);
    });
  }

  test("tells whom it is about", () => {
    const certificate = value(decodeMembershipCertificate(hex(recorded.credentials[0]!.hex)));
    assert.equal(membershipNetwork(certificate), NETWORK);
    assert.equal(membershipTimestamp(certificate), TIMESTAMP);
    assert.equal(membershipAddress(certificate), bob.address);
  });

  test("names the recorded fingerprints", () => {
    for (const [name, { fingerprintSha384 }] of Object.entries(recorded.identities)) {
      assert.equal(toHex(identityFingerprint(recordedIdentity(name))), fingerprintSha384);
    }
  });
});

describe("a certificate of ownership", () => {
  const certificate = value(decodeOwnershipCertificate(hex(recorded.credentials[3]!.hex)));

  test("lists what it lists and nothing else", () => {
    assert.equal(ownsIp(certificate, parseIp("10.147.17.5")!), true);
    assert.equal(ownsIp(certificate, parseIp("10.147.17.6")!), false);
    assert.equal(ownsIp(certificate, parseIp("fd00::5")!), true);
    assert.equal(ownsIp(certificate, parseIp("fd00::6")!), false);
    assert.equal(ownsMac(certificate, parseMac("ee:82:e8:a4:eb:76")!), true);
    assert.equal(ownsMac(certificate, parseMac("ee:82:e8:a4:eb:77")!), false);
  });

  test("does not take one kind of thing for another", () => {
    const ip = Uint8Array.of(0xee, 0x82, 0xe8, 0xa4);
    assert.equal(ownsIp(certificate, ip), false);
    assert.equal(ownsMac(certificate, 0x0a9311050000), false);
  });

  test("is issued for the first sixteen things", () => {
    const things = Array.from({ length: 20 }, (_, index) => ownedIp(Uint8Array.of(10, 0, 0, index)));
    const issued = issueOwnershipCertificate({ ...ISSUED_TO_BOB, id: 1, things }, controller);
    assert.deepEqual(issued.things, things.slice(0, 16));
    assert.equal(verifyOwnershipCertificate(issued, everybody), "valid");
  });
});
