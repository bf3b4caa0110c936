/** Whom we let in, by what they showed: the recorded sequences, and bounds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RemoteMembers } from "../../src/leaf/remote-members.ts";
import type { NetworkConfig } from "../../src/network/config.ts";
import {
  decodeMembershipCertificate,
  issueMembershipCertificate,
  membershipTimestamp,
} from "../../src/network/credentials/certificate-of-membership.ts";
import { decodeRevocation, issueRevocation } from "../../src/network/credentials/revocation.ts";
import { decodeTag, issueTag } from "../../src/network/credentials/tag.ts";
import {
  bob,
  carol,
  controller,
  knows,
  MAX_DELTA,
  NETWORK,
  recorded,
  self,
  TIMESTAMP,
} from "../network/credential-vectors.ts";
import { hex } from "../protocol/fixtures.ts";

const RESULTS: Readonly<Record<string, string>> = {
  ACCEPTED_NEW: "new",
  ACCEPTED_REDUNDANT: "redundant",
  REJECTED: "rejected",
};

function certificateFor(member: typeof bob, timestamp = TIMESTAMP) {
  return issueMembershipCertificate({ networkId: NETWORK, timestamp, maxDelta: MAX_DELTA, member }, controller);
}

function members(max = 100): RemoteMembers {
  const made = new RemoteMembers(NETWORK, max);
  const config = {
    isPublic: false,
    membership: certificateFor(self),
    timestamp: TIMESTAMP,
    credentialTimeMaxDelta: MAX_DELTA,
  };
  made.ourConfigurationIs(config as NetworkConfig);
  return made;
}

/** What kind of credential a step's bytes are follows from what decodes them whole. */
function show(to: RemoteMembers, bytes: Uint8Array): string {
  const lookup = knows(controller);
  const membership = decodeMembershipCertificate(bytes);
  if (membership.ok) return to.addMembership(membership.value, lookup);
  const tag = decodeTag(bytes);
  if (tag.ok) return to.addTag(tag.value, lookup);
  const revocation = decodeRevocation(bytes);
  assert.ok(revocation.ok, "no credential");
  return to.addRevocation(revocation.value, lookup);
}

for (const sequence of recorded.sequences) {
  test(`shown in order: ${sequence.name}`, () => {
    const made = members();
    for (const step of sequence.steps) assert.equal(show(made, hex(step.hex)), RESULTS[step.result], step.step);
    assert.equal(made.admits(bob), sequence.allowedAfter);
    const member = made.find(bob.address);
    assert.equal(member?.membershipThreshold ?? 0n, BigInt(sequence.comRevocationThresholdAfter ?? 0));
    const timestamp = member?.membership == null ? 0n : membershipTimestamp(member.membership);
    assert.equal(timestamp, BigInt(sequence.comTimestampAfter ?? 0));
  });
}

test("a credential whose issuer is unknown is neither taken nor refused", () => {
  assert.equal(members().addMembership(certificateFor(bob), knows()), "deferred");
});

test("who is admitted follows our own configuration", () => {
  const made = members();
  made.addMembership(certificateFor(bob), knows(controller));
  assert.equal(made.admits(bob), true);
  assert.equal(made.admits(carol), false);
  const later = TIMESTAMP + MAX_DELTA + 1n;
  const config = {
    isPublic: false,
    membership: certificateFor(self, later),
    timestamp: later,
    credentialTimeMaxDelta: MAX_DELTA,
  };
  made.ourConfigurationIs(config as NetworkConfig);
  assert.equal(made.admits(bob), false, "its certificate is too old now");
  made.ourConfigurationIs({ ...config, isPublic: true } as NetworkConfig);
  assert.equal(made.admits(carol), true, "everybody is in a public network");
});

test("a tag counts while it is near our configuration's time and not revoked", () => {
  const made = members();
  const tag = issueTag(
    { networkId: NETWORK, timestamp: TIMESTAMP, id: 7, value: 42, issuedTo: bob.address },
    controller,
  );
  assert.equal(made.addTag(tag, knows(controller)), "new");
  assert.equal(made.find(bob.address)!.tag(7, made.window), 42);
  const revocation = issueRevocation(
    { id: 1, networkId: NETWORK, credentialId: 7, threshold: TIMESTAMP, flags: 0n, target: bob.address, type: 3 },
    controller,
  );
  assert.equal(made.addRevocation(revocation, knows(controller)), "new");
  assert.equal(made.find(bob.address)!.tag(7, made.window), undefined);
});

test("the member that mattered least recently makes room, one that was revoked stays longer", () => {
  const made = members(3);
  const revocation = issueRevocation(
    { id: 1, networkId: NETWORK, credentialId: 0, threshold: TIMESTAMP, flags: 0n, target: 1, type: 1 },
    controller,
  );
  made.addRevocation(revocation, knows(controller));
  made.open(2, 1000);
  made.open(3, 2000);
  made.open(4, 3000);
  assert.deepEqual([...made.addresses()], [1, 3, 4]);
  assert.equal(made.evicted, 1);
});
