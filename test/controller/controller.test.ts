/** The engine over a database in memory: what a node gets that asks, and what everybody is told when something changes. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { newJoinSecret } from "../../src/controller/join-token.ts";
import { applyMemberBody } from "../../src/controller/member-body.ts";
import { applyNetworkBody } from "../../src/controller/network-body.ts";
import { Identity } from "../../src/identity/identity.ts";
import type { JsonObject } from "../../src/json/json.ts";
import { decodeNetworkConfigDictionary, type NetworkConfig } from "../../src/network/config.ts";
import { verifyMembershipCertificate } from "../../src/network/credentials/certificate-of-membership.ts";
import { verifyOwnershipCertificate } from "../../src/network/credentials/certificate-of-ownership.ts";
import { decodeRevocation, verifyRevocation } from "../../src/network/credentials/revocation.ts";
import { verifyTag } from "../../src/network/credentials/tag.ts";
import { formatNetworkId } from "../../src/network/network-id.ts";
import { formatAddress } from "../../src/protocol/address.ts";
import { formatIp } from "../../src/protocol/inet-address.ts";
import { decodeError } from "../../src/protocol/messages/error.ts";
import { decodeNetworkConfig } from "../../src/protocol/messages/network-config.ts";
import { decodeNetworkCredentials } from "../../src/protocol/messages/network-credentials.ts";
import { decodeOk } from "../../src/protocol/messages/ok.ts";
import { ErrorCode, Verb } from "../../src/protocol/verbs.ts";
import { Database } from "../../src/store/database.ts";
import { IDENTITIES, testPlanet } from "../support/constellation.ts";
import { ControlledNode, type Sent } from "../support/controlled-node.ts";

const [SELF, A, B, C] = IDENTITIES as [Identity, Identity, Identity, Identity];
const NETWORK = (BigInt(SELF.address) << 24n) | 0x17n;
const PLANET = testPlanet([{ identity: SELF, endpoints: ["64.0.0.1/9993"] }]);
const LAN = {
  v4AssignMode: { zt: true },
  routes: [{ target: "10.44.0.0/16", via: null }],
  ipAssignmentPools: [{ ipRangeStart: "10.44.1.1", ipRangeEnd: "10.44.1.250" }],
};
const onlySelf = (address: number) => (address === SELF.address ? SELF.publicOnly() : null);

/** The configuration that chunks bring; fails unless the controller has signed each. */
function configOf(payloads: readonly Uint8Array[]): NetworkConfig {
  const chunks = payloads.map((payload) => {
    const decoded = decodeNetworkConfig(payload);
    assert.ok(decoded.ok);
    const { chunk, signed } = decoded.value;
    assert.ok(SELF.verify(signed, chunk.signature!), "a chunk is signed by the controller");
    return chunk;
  });
  const bytes = new Uint8Array(chunks[0]!.assembly!.totalLength);
  for (const { slice, assembly } of chunks) bytes.set(slice, assembly!.offset);
  const config = decodeNetworkConfigDictionary(bytes);
  assert.ok(config.ok);
  return config.value;
}

function bodyOf(payload: Uint8Array): Uint8Array {
  const ok = decodeOk(payload);
  assert.ok(ok.ok);
  return ok.value.body;
}

/** The one answer to a request. */
function answered(sent: readonly Sent[]): { config: NetworkConfig | null; error: number } {
  const oks = sent.filter(({ verb }) => verb === Verb.OK).map(({ payload }) => bodyOf(payload));
  if (oks.length > 0) return { config: configOf(oks), error: 0 };
  const error = sent.find(({ verb }) => verb === Verb.ERROR);
  const decoded = error === undefined ? null : decodeError(error.payload);
  return { config: null, error: decoded?.ok ? decoded.value.code : 0 };
}

describe("a controller", () => {
  let it: ControlledNode;
  beforeEach(async () => {
    it = await ControlledNode.open(SELF, PLANET);
  });
  afterEach(async () => {
    await it.close();
    assert.deepEqual(it.failures, []);
  });

  const network = (body: JsonObject = LAN) =>
    it.controller.changeNetwork(NETWORK, "api", it.now, (current) => applyNetworkBody(current, NETWORK, body, it.now));
  const member = (who: Identity, body: JsonObject) =>
    it.controller.changeMember(NETWORK, who.address, "api", it.now, (current) =>
      applyMemberBody(current, formatNetworkId(NETWORK), formatAddress(who.address), body, it.now),
    );
  const pushesTo = (who: Identity) =>
    it.sent.filter(({ to, verb }) => to === who.address && verb === Verb.NETWORK_CONFIG).map(({ payload }) => payload);
  const ask = async (who: Identity, credential = "") => {
    it.now += 1500;
    return answered(await it.ask(NETWORK, who, credential));
  };

  test("says that a network does not exist, and is silent about networks of others", async () => {
    assert.equal((await ask(A)).error, ErrorCode.OBJ_NOT_FOUND);
    it.now += 1500;
    assert.deepEqual(await it.ask(0x1122334455667788n, A), []);
  });

  test("denies a stranger and remembers it, and hands it everything the moment it is authorized", async () => {
    await network();
    assert.equal((await ask(A)).error, ErrorCode.NETWORK_ACCESS_DENIED);
    const stranger = await it.controller.reader.member(NETWORK, A.address);
    assert.equal(stranger?.own.stranger, true);
    assert.equal(stranger?.json["identity"], A.toString());
    await member(A, { authorized: true });
    await it.settle();
    const config = configOf(pushesTo(A));
    assert.equal(config.issuedTo, A.address);
    assert.equal(config.isPublic, false);
    assert.equal(verifyMembershipCertificate(config.membership!, onlySelf), "valid");
    const [ip] = config.staticIps;
    assert.match(formatIp(ip!.ip), /^10\.44\.1\.\d+$/);
    assert.equal(ip!.bits, 16);
    assert.equal(verifyOwnershipCertificate(config.ownerships[0]!, onlySelf), "valid");
    const record = await it.controller.reader.member(NETWORK, A.address);
    assert.deepEqual(record?.json["ipAssignments"], [formatIp(ip!.ip)]);
    assert.deepEqual(
      it.events
        .filter(({ type }) => type === "address-assigned" || type === "member-authorized")
        .map(({ type }) => type),
      ["member-authorized", "address-assigned"],
    );
  });

  test("takes a member's keys once and for all", async () => {
    await network({ ...LAN, private: false });
    assert.notEqual((await ask(A)).config, null);
    const forged = new Identity(A.address, B.publicKey);
    assert.equal((await ask(forged)).error, ErrorCode.NETWORK_ACCESS_DENIED);
    const record = await it.controller.reader.member(NETWORK, A.address);
    assert.equal(record?.json["identity"], A.toString());
  });

  test("gives tags, capabilities and rules, and nothing of them to a member without a rules engine", async () => {
    await network({
      ...LAN,
      private: false,
      rules: [{ type: "ACTION_ACCEPT" }],
      tags: [{ id: 7, default: 3 }],
      capabilities: [{ id: 9, default: true, rules: [{ type: "ACTION_ACCEPT" }] }],
    });
    const { config } = await ask(A);
    assert.deepEqual(
      config!.tags.map(({ id, value }) => [id, value]),
      [[7, 3]],
    );
    assert.equal(verifyTag(config!.tags[0]!, onlySelf), "valid");
    assert.equal(verifyTag({ ...config!.tags[0]!, value: 4 }, onlySelf), "invalid");
    assert.deepEqual(
      config!.capabilities.map(({ id }) => id),
      [9],
    );
    assert.deepEqual((await it.controller.reader.member(NETWORK, A.address))?.json["tags"], [[7, 3]]);
  });

  test("tells the others and the member itself, at once and once more, when an authorization is taken away", async () => {
    await network({ ...LAN, private: false });
    await ask(A);
    await ask(B);
    await network({ private: true });
    await it.settle();
    const from = it.sent.length;
    await member(A, { authorized: false });
    const credentials = () =>
      it.sent.slice(from).filter(({ verb, to }) => verb === Verb.NETWORK_CREDENTIALS && to === B.address);
    assert.equal(credentials().length, 1);
    const decoded = decodeNetworkCredentials(credentials()[0]!.payload);
    assert.ok(decoded.ok);
    const revocation = decodeRevocation(decoded.value.credentials.revocations[0]!);
    assert.ok(revocation.ok);
    assert.equal(revocation.value.target, A.address);
    assert.equal(verifyRevocation(revocation.value, onlySelf), "valid");
    const told = it.sent.slice(from).find(({ verb, to }) => verb === Verb.ERROR && to === A.address);
    const error = decodeError(told!.payload);
    assert.equal(error.ok && error.value.code, ErrorCode.NETWORK_ACCESS_DENIED);
    await it.advance(1000);
    assert.equal(credentials().length, 1, "receivers ignore a second packet within a second");
    await it.advance(300);
    assert.equal(credentials().length, 2);
    await it.advance(5000);
    assert.equal(credentials().length, 2);
    assert.equal((await ask(A)).error, ErrorCode.NETWORK_ACCESS_DENIED);
  });

  test("sends a push again until it is acknowledged, and gives up at last", async () => {
    await network({ ...LAN, private: false });
    await ask(A);
    await ask(B);
    await network({ name: "changed" });
    await it.settle();
    const decoded = decodeNetworkConfig(pushesTo(A)[0]!);
    assert.ok(decoded.ok);
    it.node.configAcknowledged(A.address, { networkId: NETWORK, updateId: decoded.value.chunk.assembly!.updateId });
    await it.advance(3000);
    assert.equal(pushesTo(A).length, 1);
    assert.equal(pushesTo(B).length, 3);
    assert.deepEqual(it.controller.statistics.pushes, { sent: 2, repeated: 2, acknowledged: 1, given_up: 1 });
    assert.equal(it.controller.gauges.pushesUnacknowledged, 0);
  });

  test("tells every member when one becomes a bridge", async () => {
    await network({ ...LAN, private: false });
    await ask(A);
    await ask(B);
    await member(A, { activeBridge: true });
    await it.settle();
    const config = configOf(pushesTo(B).slice(-1));
    assert.deepEqual(config.specialists, [{ address: A.address, roles: 2 }]);
  });

  test("ends an authorization when its time is over", async () => {
    await network();
    await it.controller.changeMember(NETWORK, A.address, "api", it.now, (current) => {
      const draft = applyMemberBody(
        current,
        formatNetworkId(NETWORK),
        formatAddress(A.address),
        { authorized: true },
        it.now,
      );
      return { ...draft, own: { ...draft.own, authorizationExpiresAt: it.now + 10_000 } };
    });
    assert.notEqual((await ask(A)).config, null);
    await it.advance(12_000, 500);
    assert.equal((await it.controller.reader.member(NETWORK, A.address))?.json["authorized"], false);
    assert.equal((await ask(A)).error, ErrorCode.NETWORK_ACCESS_DENIED);
  });

  test("lets in by a join token as often as it says, from the request or from elsewhere", async () => {
    await network();
    const { secret, id, hash } = newJoinSecret(it.node.ports.random);
    const token = {
      id,
      networkId: NETWORK,
      hash,
      name: "guests",
      createdAt: it.now,
      expiresAt: 0,
      usesLeft: 2,
      authorizationMs: 60_000,
    };
    await it.controller.putJoinToken(token, "cli", it.now);
    assert.equal((await ask(A, `token:${secret.slice(0, -1)}x`)).error, ErrorCode.NETWORK_ACCESS_DENIED);
    assert.notEqual((await ask(A, `token:${secret}`)).config, null);
    const record = await it.controller.redeemJoinToken(secret, B.address, it.now);
    assert.equal(record?.json["authorized"], true);
    assert.ok(record!.own.authorizationExpiresAt > it.now);
    assert.equal(await it.controller.redeemJoinToken(secret, C.address, it.now), null);
    assert.equal((await ask(C, `token:${secret}`)).error, ErrorCode.NETWORK_ACCESS_DENIED);
  });

  test("answers one request a second of each member", async () => {
    await network({ ...LAN, private: false });
    await ask(A);
    it.now += 900;
    assert.deepEqual(await it.ask(NETWORK, A), []);
    assert.equal(it.controller.statistics.requests.rate_limited, 1);
  });

  test("withdraws everybody when a network is deleted", async () => {
    await network({ ...LAN, private: false });
    await ask(A);
    await ask(B);
    const from = it.sent.length;
    await it.controller.deleteNetwork(NETWORK, "api", it.now);
    const toA = it.sent.slice(from).filter(({ to }) => to === A.address);
    assert.deepEqual(
      toA.map(({ verb }) => verb).sort((a, b) => a - b),
      [Verb.ERROR, Verb.NETWORK_CREDENTIALS],
    );
    assert.equal((await ask(A)).error, ErrorCode.OBJ_NOT_FOUND);
  });

  test("writes down who changed what, without tokens", async () => {
    await network({ ...LAN, authTokens: { letmein: 0 } });
    await member(A, { authorized: true, name: "printer" });
    const { items } = await it.controller.reader.audit({
      networkId: null,
      actor: null,
      action: "",
      limit: 10,
      cursor: null,
    });
    assert.deepEqual(items.map(({ action, actor }) => `${action} ${actor}`).sort(), [
      "member.authorize api",
      "network.create api",
    ]);
    assert.doesNotMatch(JSON.stringify(items.map(({ changes }) => String(JSON.stringify(changes)))), /letmein/);
  });
});

describe("strangers", () => {
  test("are kept in limited number, the longest silent making room", async () => {
    const it = await ControlledNode.open(SELF, PLANET, { maxPerNetwork: 2 });
    await it.controller.changeNetwork(NETWORK, "api", it.now, (current) =>
      applyNetworkBody(current, NETWORK, {}, it.now),
    );
    for (const who of [A, B, C]) {
      it.now += 2000;
      await it.ask(NETWORK, who);
      await it.advance(300);
    }
    assert.equal(await it.controller.reader.member(NETWORK, A.address), null);
    assert.notEqual(await it.controller.reader.member(NETWORK, C.address), null);
    assert.equal(it.controller.statistics.strangers.evicted, 1);
    await it.close();
  });
});

describe("a controller that was killed", () => {
  test("knows its members again, and reaches them with a change before they have asked", async () => {
    const database = await Database.open(":memory:");
    const before = await ControlledNode.open(SELF, PLANET, {}, database);
    await before.controller.changeNetwork(NETWORK, "api", before.now, (current) =>
      applyNetworkBody(current, NETWORK, { ...LAN, private: false }, before.now),
    );
    await before.ask(NETWORK, A);
    await before.advance(300);
    const after = await ControlledNode.open(SELF, PLANET, {}, database);
    await after.controller.changeNetwork(NETWORK, "api", after.now, (current) =>
      applyNetworkBody(current, NETWORK, { name: "after" }, after.now),
    );
    await after.settle();
    const push = after.sent.find(({ to, verb }) => to === A.address && verb === Verb.NETWORK_CONFIG);
    assert.equal(configOf([push!.payload]).name, "after");
    await after.close();
  });
});
