/**
 * For random networks and members: what the controller issues is what was asked of it, our own verifier accepts it
 * whole, and refuses each copy of it in which one bit is different.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { applyMemberBody } from "../../src/controller/member-body.ts";
import { applyNetworkBody } from "../../src/controller/network-body.ts";
import type { Identity } from "../../src/identity/identity.ts";
import { decodeNetworkConfigDictionary, type NetworkConfig } from "../../src/network/config.ts";
import { ConfigAssembler } from "../../src/network/config-assembly.ts";
import { decodeCapability, encodeCapability, verifyCapability } from "../../src/network/credentials/capability.ts";
import {
  decodeMembershipCertificate,
  encodeMembershipCertificate,
  membershipAddress,
  membershipNetwork,
  verifyMembershipCertificate,
} from "../../src/network/credentials/certificate-of-membership.ts";
import {
  decodeOwnershipCertificate,
  encodeOwnershipCertificate,
  ownsIp,
  verifyOwnershipCertificate,
} from "../../src/network/credentials/certificate-of-ownership.ts";
import type { IdentityLookup, Validity } from "../../src/network/credentials/signing.ts";
import { decodeTag, encodeTag, verifyTag } from "../../src/network/credentials/tag.ts";
import { rfc4193Address, sixPlaneAddress } from "../../src/network/derived-addresses.ts";
import { formatNetworkId } from "../../src/network/network-id.ts";
import { decodeRules } from "../../src/network/rules/codec.ts";
import { formatAddress } from "../../src/protocol/address.ts";
import type { Verdict } from "../../src/protocol/errors.ts";
import { formatIp } from "../../src/protocol/inet-address.ts";
import { decodeOk } from "../../src/protocol/messages/ok.ts";
import { Verb } from "../../src/protocol/verbs.ts";
import { IDENTITIES, testPlanet } from "../support/constellation.ts";
import { ControlledNode } from "../support/controlled-node.ts";
import { anyNetwork, type DrawnNetwork } from "./arbitrary-networks.ts";

const [SELF, A, B] = IDENTITIES as [Identity, Identity, Identity];
const NETWORK = (BigInt(SELF.address) << 24n) | 0x2an;
const PLANET = testPlanet([{ identity: SELF, endpoints: ["64.0.0.1/9993"] }]);
const RUNS = 25;
const SEED = 20261126;
/** Every identity that is around: a tampered copy must not pass because its issuer cannot be looked up. */
const everybody: IdentityLookup = (address) =>
  IDENTITIES.find((identity) => identity.address === address)?.publicOnly() ?? null;

interface Issued {
  readonly config: NetworkConfig;
  readonly chunks: readonly Uint8Array[];
}

async function issue(it: ControlledNode, { network, member }: DrawnNetwork, who: Identity): Promise<Issued> {
  await it.controller.changeNetwork(NETWORK, "api", it.now, (current) =>
    applyNetworkBody(current, NETWORK, network, it.now),
  );
  await it.controller.changeMember(NETWORK, who.address, "api", it.now, (current) =>
    applyMemberBody(current, formatNetworkId(NETWORK), formatAddress(who.address), member, it.now),
  );
  it.now += 1500;
  const sent = await it.ask(NETWORK, who);
  const chunks = sent
    .filter(({ verb }) => verb === Verb.OK)
    .map(({ payload }) => {
      const ok = decodeOk(payload);
      assert.ok(ok.ok);
      return ok.value.body;
    });
  const assembler = new ConfigAssembler(NETWORK);
  const results = chunks.map((chunk) => assembler.receive(chunk, SELF.address, SELF.publicOnly()));
  const last = results.pop();
  assert.ok(results.every(({ kind }) => kind === "partial"));
  assert.equal(last?.kind, "complete");
  const config = decodeNetworkConfigDictionary((last as { dictionary: Uint8Array }).dictionary);
  assert.ok(config.ok);
  return { config: config.value, chunks };
}

/** Runs `check` on what each random network gives its member, each time with a controller of its own. */
async function onIssued(check: (issued: Issued, drawn: DrawnNetwork, bits: fc.Stream<number>) => void): Promise<void> {
  await fc.assert(
    fc.asyncProperty(
      anyNetwork,
      fc.constantFrom(A, B),
      fc.infiniteStream(fc.nat(2 ** 31 - 1)),
      async (drawn, who, bits) => {
        const it = await ControlledNode.open(SELF, PLANET);
        try {
          check(await issue(it, drawn, who), drawn, bits);
          assert.deepEqual(it.failures, []);
        } finally {
          await it.close();
        }
      },
    ),
    { numRuns: RUNS, seed: SEED },
  );
}

/** A copy of which the bit `drawn` (of any size) is different. */
function flipped(bytes: Uint8Array, drawn: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  const bit = drawn % (bytes.length * 8);
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

/** Where capabilities name who holds them: nobody signs that, so receivers compare it with the sender. */
function holderBytes(capability: NetworkConfig["capabilities"][number]): readonly [number, number] {
  const start = 23 + capability.rules.length;
  return [start, start + 5];
}

interface Credential {
  readonly what: string;
  readonly bytes: Uint8Array;
  readonly validity: (bytes: Uint8Array) => Validity | "malformed";
  readonly unsigned: readonly [number, number];
}

function credentialsOf(config: NetworkConfig): Credential[] {
  const reading =
    <T>(decode: (bytes: Uint8Array) => Verdict<T>, verify: (value: T, identityOf: IdentityLookup) => Validity) =>
    (bytes: Uint8Array) => {
      const decoded = decode(bytes);
      return decoded.ok ? verify(decoded.value, everybody) : "malformed";
    };
  const unsigned = [0, 0] as const;
  return [
    {
      what: "membership",
      bytes: encodeMembershipCertificate(config.membership!),
      validity: reading(decodeMembershipCertificate, verifyMembershipCertificate),
      unsigned,
    },
    ...config.capabilities.map((one) => ({
      what: `capability ${one.id}`,
      bytes: encodeCapability(one),
      validity: reading(decodeCapability, verifyCapability),
      unsigned: holderBytes(one),
    })),
    ...config.tags.map((one) => ({
      what: `tag ${one.id}`,
      bytes: encodeTag(one),
      validity: reading(decodeTag, verifyTag),
      unsigned,
    })),
    ...config.ownerships.map((one) => ({
      what: "ownership",
      bytes: encodeOwnershipCertificate(one),
      validity: reading(decodeOwnershipCertificate, verifyOwnershipCertificate),
      unsigned,
    })),
  ];
}

function rulesIn(bytes: Uint8Array): unknown {
  const decoded = decodeRules(bytes, 1024);
  assert.ok(decoded.ok);
  return decoded.value;
}

describe("what a controller issues for a random network", () => {
  test("says what was asked for, and every credential of it verifies", async () => {
    await onIssued(({ config }, { expected }) => {
      const { name, mtu, multicastLimit, enableBroadcast, isPublic, routes, dns, rules, tags, capabilities } = expected;
      assert.deepEqual(
        { name: config.name, mtu: config.mtu, multicastLimit: config.multicastLimit, isPublic: config.isPublic },
        { name, mtu, multicastLimit, isPublic },
      );
      assert.equal((config.flags & 0x02) !== 0, enableBroadcast);
      const shown = config.routes.map(({ target, via }) => ({
        target: `${formatIp(target.ip)}/${target.bits}`,
        via: via === null ? null : formatIp(via),
      }));
      assert.deepEqual(shown, routes);
      assert.deepEqual({ domain: config.dns.domain, servers: config.dns.servers.map((ip) => formatIp(ip)) }, dns);
      assert.deepEqual(rulesIn(config.rules), rules);
      assert.deepEqual(
        config.tags.map(({ id, value }) => [id, value]),
        tags,
      );
      assert.deepEqual(
        config.capabilities.map((one) => ({ id: one.id, rules: rulesIn(one.rules) })),
        capabilities,
      );
      const member = config.issuedTo;
      assert.equal(membershipAddress(config.membership!), member);
      assert.equal(membershipNetwork(config.membership!), NETWORK);
      for (const { what, bytes, validity } of credentialsOf(config)) assert.equal(validity(bytes), "valid", what);
      const addresses = config.staticIps.map(({ ip, bits }) => `${formatIp(ip)}/${bits}`);
      const derived = [
        ...(expected.rfc4193 ? [rfc4193Address(NETWORK, member)] : []),
        ...(expected.sixPlane ? [sixPlaneAddress(NETWORK, member)] : []),
      ].map(({ ip, bits }) => `${formatIp(ip)}/${bits}`);
      assert.deepEqual(addresses.slice(0, derived.length), derived);
      const drawn = config.staticIps.slice(derived.length);
      assert.equal(drawn.length, expected.pool === null ? 0 : 1);
      for (const { ip, bits } of drawn) {
        assert.equal(bits, expected.pool!.bits);
        assert.ok(ip[3]! >= expected.pool!.first && ip[3]! <= expected.pool!.last, formatIp(ip));
      }
      for (const { ip } of config.staticIps) assert.ok(config.ownerships.some((one) => ownsIp(one, ip)));
    });
  });

  test("is refused when one bit of a credential is different", async () => {
    let tampered = 0;
    await onIssued(({ config }, _drawn, bits) => {
      for (const { what, bytes, validity, unsigned } of credentialsOf(config)) {
        for (let copies = 0; copies < 12; copies++) {
          const { value: drawn } = bits.next() as { value: number };
          const byte = (drawn % (bytes.length * 8)) >> 3;
          if (byte >= unsigned[0] && byte < unsigned[1]) continue;
          assert.notEqual(validity(flipped(bytes, drawn)), "valid", `${what}, bit ${drawn % (bytes.length * 8)}`);
          tampered++;
        }
      }
    });
    assert.ok(tampered > RUNS * 12);
  });

  test("is refused when one bit of a signed slice is different, or another controller has signed it", async () => {
    await onIssued(({ chunks }, _drawn, bits) => {
      for (const chunk of chunks) {
        for (let copies = 0; copies < 20; copies++) {
          const { value: drawn } = bits.next() as { value: number };
          // From anybody but the controller, so that the unsigned legacy form counts for nothing.
          const result = new ConfigAssembler(NETWORK).receive(flipped(chunk, drawn), A.address, SELF.publicOnly());
          assert.ok(
            result.kind === "refused" || result.kind === "malformed",
            `${result.kind}, bit ${drawn % (chunk.length * 8)}`,
          );
        }
        const other = new ConfigAssembler(NETWORK).receive(chunk, SELF.address, B.publicOnly());
        assert.equal(other.kind, "refused");
      }
    });
  });

  test("is refused when a credential of another network or member is put in its place", async () => {
    await onIssued(({ config }) => {
      const network = NETWORK ^ 1n;
      for (const tag of config.tags) {
        assert.equal(verifyTag({ ...tag, issuedTo: B.address ^ 1 }, everybody), "invalid");
        assert.equal(verifyTag({ ...tag, networkId: network }, everybody), "invalid");
        assert.equal(verifyTag({ ...tag, signedBy: A.address }, everybody), "invalid");
      }
      for (const capability of config.capabilities) {
        assert.equal(verifyCapability({ ...capability, networkId: network }, everybody), "invalid");
      }
      for (const ownership of config.ownerships) {
        assert.equal(verifyOwnershipCertificate({ ...ownership, issuedTo: B.address ^ 1 }, everybody), "invalid");
      }
    });
  });
});
