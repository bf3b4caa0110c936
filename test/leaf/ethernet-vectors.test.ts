/** Every recorded frame and packet of the data path: the same packets and frames come out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigFlag, type NetworkConfig } from "../../src/network/config.ts";
import { SpecialistRole } from "../../src/network/config-blobs.ts";
import {
  encodeMembershipCertificate,
  issueMembershipCertificate,
} from "../../src/network/credentials/certificate-of-membership.ts";
import { rfc4193Address, sixPlaneAddress } from "../../src/network/derived-addresses.ts";
import type { Rule } from "../../src/network/rules/rule.ts";
import { parseAddress } from "../../src/protocol/address.ts";
import { ethernetFrame, formatMac, parseMac, readMac } from "../../src/protocol/ethernet.ts";
import { VERB_NAMES, Verb } from "../../src/protocol/verbs.ts";
import { publicPlanet } from "../../src/world/planet.ts";
import { bob, carol, controller, knows, NETWORK, self, TIMESTAMP } from "../network/credential-vectors.ts";
import { hex, vectors } from "../protocol/fixtures.ts";
import { LeafBench, type SentByLeaf } from "../support/leaf-bench.ts";

interface LocalCase {
  readonly name: string;
  readonly private: boolean;
  readonly sourceMac: string;
  readonly destMac: string;
  readonly etherType: string;
  readonly payloadHex: string;
  readonly framesToLocal: readonly RecordedFrame[];
  readonly sent: readonly { to: string; verb: string; payloadHex: string }[];
}

interface RecordedFrame {
  readonly sourceMac: string;
  readonly destMac: string;
  readonly etherType: string;
  readonly payloadHex: string;
}

interface RemoteCase {
  readonly name: string;
  readonly private: boolean;
  readonly verb: string;
  readonly payloadHex: string;
  readonly packetId: string;
  readonly framesToLocal: readonly RecordedFrame[];
  readonly processed: boolean;
  readonly replies: readonly { to: string; verb: string; payloadHex: string }[];
  readonly learnedRouteForForeignMac: string | null;
}

const recorded = vectors<{
  local: readonly LocalCase[];
  remote: readonly RemoteCase[];
  announce: readonly {
    name: string;
    groups?: readonly { mac: string; adi: string }[];
    to?: readonly string[];
    sent?: readonly { payloadHex: string }[];
  }[];
}>("ethernet");

const FOREIGN_MAC = parseMac("02:11:22:33:44:55")!;
const GROUP_MAC = parseMac("01:00:5e:00:00:fb")!;
const DROP: Rule[] = [{ type: "ACTION_DROP", not: false, or: false }];
const TO_SELF: Rule[] = [
  { type: "ACTION_REDIRECT", address: self.address, flags: 0, length: 0, not: false, or: false },
];

/** The state that a case's name describes. */
function benchFor(name: string, isPrivate: boolean): LeafBench {
  const has = (pattern: RegExp) => pattern.test(name);
  const roles = new Map<number, number>();
  const role = (address: number, bit: number) => roles.set(address, (roles.get(address) ?? 0) | bit);
  if (has(/we are a bridge|bridged multicast/)) role(self.address, SpecialistRole.ACTIVE_BRIDGE);
  if (has(/we are replicator/)) role(self.address, SpecialistRole.REPLICATOR);
  if (has(/one active bridge|active bridge is always/)) role(carol.address, SpecialistRole.ACTIVE_BRIDGE);
  if (has(/sender is bridge|sender bridge|foreign source, bridge|still an active bridge/))
    role(bob.address, SpecialistRole.ACTIVE_BRIDGE);
  let flags = has(/broadcast disabled/) ? 0 : ConfigFlag.BROADCAST;
  if (has(/NDP/) && !has(/flag clear/)) flags |= ConfigFlag.NDP_EMULATION;
  const limit = has(/limit 0/) && !has(/GATHER/) ? 0 : has(/limit 1 |bridged multicast|we are replicator/) ? 1 : 32;
  const staticIps = has(/no such managed/)
    ? []
    : [sixPlaneAddress(NETWORK, self.address), rfc4193Address(NETWORK, self.address)];
  const config: Partial<NetworkConfig> = {
    flags,
    multicastLimit: limit,
    isPublic: !isPrivate,
    staticIps: has(/NDP/) ? staticIps : [],
    specialists: [...roles].map(([address, bits]) => ({ address, roles: bits })),
  };
  const rules = has(/super-accept/)
    ? TO_SELF
    : has(/rule drop|dropped by rules|rules drop|drop-all/)
      ? DROP
      : undefined;
  const networkId = NETWORK;
  const bench = new LeafBench({
    self,
    controller,
    networkId,
    planet: publicPlanet(),
    timestamp: TIMESTAMP,
    config,
    ...(rules === undefined ? {} : { rules }),
  });
  const { network, node, now } = bench;
  node.topology.addPeer(bob);
  node.topology.addPeer(carol);
  const showing = isPrivate && !has(/no COM|inline COM|not authorized/) ? [bob, carol] : [];
  for (const member of showing) {
    const certificate = issueMembershipCertificate(
      { networkId, timestamp: TIMESTAMP, maxDelta: 1_800_000n, member },
      controller,
    );
    assert.equal(network.members.addMembership(certificate, knows(controller)), "new");
    if (member === bob || !has(/bridged multicast/)) network.members.announcementDue(member.address, now, 60_000);
  }
  if (has(/bridged multicast/)) network.members.find(carol.address)!.membership = null;
  if (!has(/not pushed yet/)) network.members.open(bob.address, now).lastPush = now;
  network.members.open(bob.address, now);
  return bench;
}

function sentAs(sent: readonly SentByLeaf[]) {
  return sent.map(({ to, verb, payload }) => ({
    to: to.toString(16).padStart(10, "0"),
    verb: VERB_NAMES[verb]!.toUpperCase(),
    payloadHex: Buffer.from(payload).toString("hex"),
  }));
}

function framesAs(frames: readonly Uint8Array[]) {
  return frames.map((frame) => ({
    sourceMac: formatMac(readMac(frame, 6)),
    destMac: formatMac(readMac(frame, 0)),
    etherType: Buffer.from(frame.subarray(12, 14)).toString("hex"),
    payloadHex: Buffer.from(frame.subarray(14)).toString("hex"),
  }));
}

function withoutNotes(packets: readonly { to: string; verb: string; payloadHex: string }[]) {
  return packets.map(({ to, verb, payloadHex }) => ({ to, verb, payloadHex }));
}

for (const one of recorded.local) {
  test(`from the interface: ${one.name}`, () => {
    const bench = benchFor(one.name, one.private);
    const { network, leaf, now } = bench;
    const destination = parseMac(one.destMac)!;
    if (/learned route/.test(one.name)) network.bridgeRoutes.learn(destination, bob.address);
    const data = hex(one.payloadHex);
    if (one.sent.some(({ to, verb }) => verb === "MULTICAST_FRAME" && to === bob.address.toString(16))) {
      const adi = one.name.startsWith("ARP request") ? Buffer.from(data).readUInt32BE(24) : 0;
      network.groups.learn({ mac: destination, adi }, bob.address, now);
    }
    if (/bridged multicast/.test(one.name)) network.groups.open({ mac: destination, adi: 0 })!.lastGather = now;
    bench.sent.length = 0;
    leaf.frame(
      network.id,
      ethernetFrame(destination, parseMac(one.sourceMac)!, Number.parseInt(one.etherType, 16), data),
      now,
    );
    const sent = sentAs(bench.sent);
    const byTarget = (packets: typeof sent) =>
      [...packets].sort((a, b) =>
        a.verb === "MULTICAST_LIKE" && b.verb === "MULTICAST_LIKE" ? a.to.localeCompare(b.to) : 0,
      );
    assert.deepEqual(byTarget(sent), byTarget(withoutNotes(one.sent)));
    assert.deepEqual(framesAs(bench.delivered), one.framesToLocal);
  });
}

for (const one of recorded.remote) {
  test(`from the network: ${one.name}`, () => {
    const bench = benchFor(one.name, one.private);
    const { network, now, leaf } = bench;
    const group = { mac: GROUP_MAC, adi: 0 };
    const expected = one.replies.map(({ payloadHex }) => payloadHex).join();
    if (/requester|carol and bob/.test(one.name)) network.groups.learn(group, bob.address, now);
    if (expected.includes(carol.address.toString(16)) || /carol|replicator/.test(one.name))
      network.groups.learn(group, carol.address, now);
    if (/we are subscribed/.test(one.name)) leaf.groups(network.id, [group], now);
    if (/only requester known/.test(one.name)) network.groups.remove(group, carol.address);
    bench.sent.length = 0;
    const verb = Verb[one.verb as keyof typeof Verb];
    const processed = bench.receive(bob, verb, hex(one.payloadHex), BigInt(`0x${one.packetId}`));
    assert.equal(processed, one.processed);
    assert.deepEqual(sentAs(bench.sent), withoutNotes(one.replies));
    assert.deepEqual(framesAs(bench.delivered), one.framesToLocal);
    const learned = network.bridgeRoutes.find(FOREIGN_MAC);
    assert.equal(
      learned ?? null,
      one.learnedRouteForForeignMac === null ? null : parseAddress(one.learnedRouteForForeignMac),
    );
  });
}

test("what a certificate of membership looks like is what the recording shows", () => {
  const certificate = issueMembershipCertificate(
    { networkId: NETWORK, timestamp: TIMESTAMP, maxDelta: 1_800_000n, member: self },
    controller,
  );
  const pushed = recorded.local.find(({ name }) => name.includes("not pushed yet"))!.sent[0]!.payloadHex;
  assert.ok(pushed.startsWith(Buffer.from(encodeMembershipCertificate(certificate)).toString("hex")));
});
