/** Credentials are measured to the byte, and pushes of them taken apart without understanding them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Reader, toHex } from "../../src/protocol/bytes.ts";
import {
  readCapability,
  readMembershipCertificate,
  readOwnershipCertificate,
  readRevocation,
  readTag,
} from "../../src/protocol/credential-bytes.ts";
import { decodeNetworkCredentials, encodeNetworkCredentials } from "../../src/protocol/messages/network-credentials.ts";
import { accepted } from "./codecs.ts";
import { hex, vectors } from "./fixtures.ts";

const MEMBERSHIP = `01 0001 ${"00".repeat(24)} 0000000000`;

interface CredentialVector {
  name: string;
  hex: string;
  variants: { name: string; hex: string; parse: "ok" | "error"; consumed?: number }[];
}

describe("NETWORK_CREDENTIALS", () => {
  const { push } = vectors<{ push: { name: string; sent: { payloadHex: string }[] }[] }>("credentials");

  for (const { name, sent } of push) {
    test(`is taken apart and put together as recorded: ${name}`, () => {
      for (const { payloadHex } of sent) {
        const { credentials, refusal } = accepted(decodeNetworkCredentials(hex(payloadHex)));
        assert.equal(refusal, null);
        assert.equal(toHex(encodeNetworkCredentials(credentials)), payloadHex);
      }
    });
  }

  test("may end behind the certificates of membership or behind any list", () => {
    for (const tail of ["00", "00 0000", "00 0000 0000", "00 0000 0000 0000", "00 0000 0000 0000 0000"]) {
      const { credentials, refusal } = accepted(decodeNetworkCredentials(hex(`${MEMBERSHIP} ${tail}`)));
      assert.equal(refusal, null);
      assert.deepEqual(credentials.memberships, [hex(MEMBERSHIP)]);
    }
  });

  test("keeps what came before a malformed credential", () => {
    const cases: [string, string, number][] = [
      [`${MEMBERSHIP} 02`, "bad_value", 32],
      [`${MEMBERSHIP} 01 0009`, "bad_value", 32],
      [`${MEMBERSHIP}`, "too_short", 32],
      [`${MEMBERSHIP} 00 00`, "too_short", 33],
      [`${MEMBERSHIP} 00 0000 0001 0011`, "too_short", 37],
    ];
    for (const [text, code, offset] of cases) {
      const { credentials, refusal } = accepted(decodeNetworkCredentials(hex(text)));
      assert.deepEqual(credentials.memberships, [hex(MEMBERSHIP)], text);
      assert.deepEqual([refusal?.code, refusal?.offset], [code, offset], text);
    }
  });
});

describe("the bytes of a credential", () => {
  const { credentials } = vectors<{ credentials: CredentialVector[] }>("credentials");
  const readers: Record<string, (reader: Reader) => Uint8Array | undefined> = {
    "com full": readMembershipCertificate,
    capability: readCapability,
    tag: readTag,
    "certificate of ownership": readOwnershipCertificate,
    "revocation of COM": readRevocation,
  };

  for (const credential of credentials) {
    const { name } = credential;
    const read = readers[name]!;

    test(`are measured exactly: ${name}`, () => {
      const reader = new Reader(hex(`${credential.hex}77`));
      assert.equal(toHex(read(reader) ?? assert.fail("malformed")), credential.hex);
      assert.equal(reader.u8(), 0x77);
    });

    for (const variant of credential.variants) {
      test(`are measured as the reference does: ${name}, ${variant.name}`, () => {
        const reader = new Reader(hex(variant.hex));
        const bytes = read(reader);
        assert.equal(bytes === undefined || reader.failed ? "error" : "ok", variant.parse);
        if (variant.parse === "ok") assert.equal(bytes?.length, variant.consumed);
      });
    }
  }

  test("are malformed with too many parts, or a signature of another length", () => {
    const bad = (read: (reader: Reader) => Uint8Array | undefined, text: string) => {
      const reader = new Reader(hex(text + "00".repeat(600)));
      assert.equal(read(reader), undefined, text);
      assert.equal(reader.failed, false, text);
    };
    bad(readMembershipCertificate, "01 0009");
    bad(readMembershipCertificate, `01 0002 ${"01".repeat(24)} ${"00".repeat(24)}`);
    bad(readCapability, `${"00".repeat(20)} 0041`);
    bad(readCapability, `${"00".repeat(20)} 0000 00`);
    bad(readCapability, `${"00".repeat(20)} 0000 08`);
    bad(readCapability, `${"00".repeat(20)} 0000 01 ${`0000000001 0000000001 01 0060 ${"00".repeat(96)}`.repeat(2)}`);
    bad(readCapability, `${"00".repeat(20)} 0000 01 0000000001 0000000001 01 0040`);
    bad(readTag, `${"00".repeat(34)} 01 0040`);
    bad(readRevocation, `${"00".repeat(51)} 01 0061`);
    bad(readOwnershipCertificate, `${"00".repeat(28)} 0011`);
  });

  test("may have a signature of an unknown type, and additional fields", () => {
    const tag = `${"00".repeat(34)} 07 0003 aabbcc 0002 dddd`;
    assert.deepEqual(readTag(new Reader(hex(tag))), hex(tag));
  });
});
