/** Credentials are packed into as many messages as they need, and revocations spread without end only where they are new. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Capability, decodeCapability, issueCapability } from "../../src/network/credentials/capability.ts";
import { decodeMembershipCertificate } from "../../src/network/credentials/certificate-of-membership.ts";
import { decodeOwnershipCertificate } from "../../src/network/credentials/certificate-of-ownership.ts";
import {
  encodeRevocationPush,
  type OwnCredentials,
  packCredentials,
  revocationRecipients,
} from "../../src/network/credentials/push.ts";
import { decodeRevocation } from "../../src/network/credentials/revocation.ts";
import { decodeTag, issueTag } from "../../src/network/credentials/tag.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import { MAX_PACKET_BYTES, PACKET_HEADER_BYTES } from "../../src/protocol/constants.ts";
import { decodeNetworkCredentials } from "../../src/protocol/messages/network-credentials.ts";
import { hex } from "../protocol/fixtures.ts";
import { address, controller, NETWORK, recorded, self, TIMESTAMP, value } from "./credential-vectors.ts";

const NOTHING: OwnCredentials = { membership: null, capabilities: [], tags: [], ownerships: [] };
const FIELDS = { networkId: NETWORK, timestamp: TIMESTAMP, issuedTo: self.address };

function push(payload: Uint8Array) {
  return value(decodeNetworkCredentials(payload)).credentials;
}

/** What was packed into recorded messages, in order. */
function unpacked(payloads: readonly Uint8Array[]): OwnCredentials {
  const parts = payloads.map(push);
  const memberships = parts.flatMap(({ memberships }) => memberships);
  return {
    membership: memberships.length === 0 ? null : value(decodeMembershipCertificate(memberships[0]!)),
    capabilities: parts.flatMap(({ capabilities }) => capabilities).map((bytes) => value(decodeCapability(bytes))),
    tags: parts.flatMap(({ tags }) => tags).map((bytes) => value(decodeTag(bytes))),
    ownerships: parts.flatMap(({ ownerships }) => ownerships).map((bytes) => value(decodeOwnershipCertificate(bytes))),
  };
}

describe("own credentials", () => {
  for (const { name, sent } of recorded.push) {
    test(`are packed as recorded: ${name}`, () => {
      const payloads = sent.map(({ payloadHex }) => payloadHex);
      assert.deepEqual(packCredentials(unpacked(payloads.map(hex))).map(toHex), payloads);
    });
  }

  test("all arrive, in packets that can be sent, however many they are", () => {
    const rules = new Uint8Array(64 * 21);
    for (let offset = 0; offset < rules.length; offset += 21) rules.set([51, 19], offset);
    const capabilities = Array.from({ length: 20 }, (_, id) =>
      issueCapability({ ...FIELDS, id, rules, ruleCount: 64 }, controller),
    );
    const tags = Array.from({ length: 128 }, (_, id) => issueTag({ ...FIELDS, id, value: id }, controller));
    const own = { ...NOTHING, capabilities, tags };
    const payloads = packCredentials(own);
    assert.ok(payloads.length > 2);
    for (const { length } of payloads) assert.ok(PACKET_HEADER_BYTES + length <= MAX_PACKET_BYTES, `${length}`);
    assert.deepEqual(unpacked(payloads), own);
  });

  test("leave out a capability that no packet has room for", () => {
    const rules = new Uint8Array(64 * 257);
    for (let offset = 0; offset < rules.length; offset += 257) rules[offset + 1] = 255;
    const huge: Capability = issueCapability({ ...FIELDS, id: 1, rules, ruleCount: 64 }, controller);
    assert.deepEqual(packCredentials({ ...NOTHING, capabilities: [huge] }), []);
  });
});

describe("a revocation", () => {
  for (const { name, revocationHex, receivedFrom, members, sent } of recorded.revocationPropagation) {
    test(`is passed on as recorded: ${name}`, () => {
      const revocation = value(decodeRevocation(hex(revocationHex)));
      const recipients = revocationRecipients(revocation, members.map(address), address(receivedFrom));
      assert.deepEqual(
        recipients,
        sent.map(({ to }) => address(to)),
      );
      for (const { payloadHex } of sent) assert.equal(toHex(encodeRevocationPush(revocation)), payloadHex);
    });
  }
});
