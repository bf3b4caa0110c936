import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { applyNetworkBody } from "../../src/controller/network-body.ts";
import { memberSettings, networkSettings } from "../../src/controller/settings.ts";
import type { JsonValue } from "../../src/json/json.ts";
import { formatIp } from "../../src/protocol/inet-address.ts";
import { MEMBER_KEYS, NETWORK_KEYS, objectWith } from "./arbitrary-records.ts";

const ACCEPT = { type: "ACTION_ACCEPT" };
const SEED = 13;

describe("settings of a network", () => {
  test("are those of a new network for a record with nothing in it, except that it has no rule", () => {
    const created = networkSettings(applyNetworkBody(null, 1n, {}, 0).json);
    assert.deepEqual(created.rules, [{ type: "ACTION_ACCEPT", not: false, or: false }]);
    assert.deepEqual(networkSettings({}), { ...created, rules: [] });
    assert.equal(created.isPrivate, true);
    assert.equal(created.enableBroadcast, true);
    assert.equal(created.mtu, 2800);
    assert.equal(created.multicastLimit, 32);
    assert.equal(created.credentialMaxDeltaMs, 1_800_000);
    assert.equal(created.dns, null);
    assert.equal(created.remoteTrace, null);
    assert.equal(created.authTokens.size, 0);
    assert.equal(created.v4AssignZt, false);
  });

  test("hold what the record holds", () => {
    const settings = networkSettings({
      name: "lab",
      private: false,
      enableBroadcast: false,
      multicastLimit: 7,
      mtu: 1400,
      revision: 41,
      remoteTraceTarget: "75bbd54543",
      remoteTraceLevel: 15,
      v4AssignMode: { zt: true },
      v6AssignMode: { rfc4193: true, "6plane": true, zt: true },
      routes: [
        { target: "10.44.0.5/16", via: "10.44.0.1" },
        { target: "fd44::/64", via: "10.44.0.1" },
        { target: "10.0.0.0/40" },
      ],
      ipAssignmentPools: [{ ipRangeStart: "10.44.1.1", ipRangeEnd: "10.44.1.9" }, { ipRangeStart: "10.44.1.1" }],
      dns: {
        domain: "lab.example",
        servers: [5, "10.44.0.53", "fd44::53", "nothing", "1.1.1.1", "2.2.2.2", "3.3.3.3"],
      },
      authTokens: { letmein: 0, late: 1795396713236, odd: "0" },
      ssoEnabled: true,
    });
    assert.equal(settings.name, "lab");
    assert.equal(settings.isPrivate, false);
    assert.equal(settings.enableBroadcast, false);
    assert.equal(settings.multicastLimit, 7);
    assert.equal(settings.mtu, 1400);
    assert.equal(settings.revision, 41n);
    assert.deepEqual(settings.remoteTrace, { target: 0x75bbd54543, level: 15 });
    assert.ok(settings.v4AssignZt && settings.v6AssignZt && settings.v6AssignRfc4193 && settings.v6Assign6plane);
    assert.deepEqual(
      settings.routes.map(({ target, via }) => [formatIp(target.ip), target.bits, via === null ? null : formatIp(via)]),
      [
        ["10.44.0.5", 16, "10.44.0.1"],
        ["fd44::", 64, null],
      ],
    );
    assert.deepEqual(
      settings.pools.map(({ start, end }) => [formatIp(start), formatIp(end)]),
      [["10.44.1.1", "10.44.1.9"]],
    );
    assert.equal(settings.dns!.domain, "lab.example");
    assert.deepEqual(settings.dns!.servers.map(formatIp), ["10.44.0.53", "fd44::53", "1.1.1.1", "2.2.2.2"]);
    assert.deepEqual([...settings.authTokens].sort(), [
      ["late", 1795396713236],
      ["letmein", 0],
    ]);
    assert.equal(settings.ssoEnabled, true);
  });

  test("end a name and a domain at a NUL, as a C string does", () => {
    const settings = networkSettings({ name: "lab\0hidden", dns: { domain: "a.b\0c" } });
    assert.equal(settings.name, "lab");
    assert.equal(settings.dns!.domain, "a.b");
  });

  test("keep the credential time window within five minutes and two hours", () => {
    const window = (certificateTimeoutWindowSize: JsonValue) =>
      networkSettings({ certificateTimeoutWindowSize }).credentialMaxDeltaMs;
    assert.deepEqual(
      [600_000, 1, 99_999_999, null, "400000"].map(window),
      [600_000, 300_000, 7_200_000, 1_800_000, 400_000],
    );
  });

  test("define capabilities in ascending order, the last of several with one id", () => {
    const rules = Array.from({ length: 70 }, () => ACCEPT);
    const { capabilities } = networkSettings({
      capabilities: [
        { id: 9, default: true },
        { id: 3, default: true, rules },
        { id: 4294967305, rules: [ACCEPT, { type: "MATCH_CHARACTERISTICS", mask: null }, "x"] },
      ],
    });
    assert.deepEqual(
      capabilities.map(({ id, isDefault, rules: kept }) => [id, isDefault, kept.length]),
      [
        [3, true, 64],
        [9, false, 1],
      ],
    );
  });

  test("define tags, with a default only where it is a number", () => {
    const { tags } = networkSettings({
      tags: [{ id: 5, default: "7" }, { id: 4294967297, default: 4294967298 }, { id: 1, default: 9 }, { id: 6 }, 5],
    });
    assert.deepEqual(tags, [
      { id: 5, default: null },
      { id: 1, default: 2 },
      { id: 6, default: null },
    ]);
  });

  test("send 1024 rules and 128 routes of more", () => {
    const many = (item: JsonValue) => Array.from({ length: 2000 }, () => item);
    const settings = networkSettings({ rules: many(ACCEPT), routes: many({ target: "10.0.0.0/8" }) });
    assert.equal(settings.rules.length, 1024);
    assert.equal(settings.routes.length, 128);
  });

  test("are within their bounds whatever the record is", () => {
    fc.assert(
      fc.property(objectWith(NETWORK_KEYS), (json) => {
        const settings = networkSettings(json);
        assert.ok(settings.mtu >= 1280 && settings.mtu <= 10_000);
        assert.ok(settings.credentialMaxDeltaMs >= 300_000 && settings.credentialMaxDeltaMs <= 7_200_000);
        assert.ok(Number.isInteger(settings.multicastLimit));
        for (const { target, via } of settings.routes) {
          assert.ok(target.bits <= target.ip.length * 8);
          assert.ok(via === null || via.length === target.ip.length);
        }
        for (const { start, end } of settings.pools) assert.equal(start.length, end.length);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });
});

describe("settings of a member", () => {
  test("are those of a stranger for a record with nothing in it", () => {
    assert.deepEqual(memberSettings({}), {
      authorized: false,
      activeBridge: false,
      noAutoAssignIps: false,
      ipAssignments: [],
      tags: [],
      capabilities: [],
      identity: null,
      remoteTrace: null,
      ssoExempt: false,
      authenticationExpiryTime: 0,
      revision: 0n,
    });
  });

  test("hold what the record holds", () => {
    const settings = memberSettings({
      authorized: "true",
      activeBridge: 1,
      ipAssignments: ["10.44.9.9/24", 5, "garbage", "fd44::99"],
      tags: [
        [5, -1],
        [1, 2],
      ],
      capabilities: [2001, "2000", 2001],
      identity: "75bbd54543:0:1f1f",
      authenticationExpiryTime: 9999999999999,
      revision: 7,
    });
    assert.equal(settings.authorized, true);
    assert.equal(settings.activeBridge, true);
    assert.deepEqual(settings.ipAssignments.map(formatIp), ["10.44.9.9", "fd44::99"]);
    assert.deepEqual(settings.tags, [
      { id: 1, value: 2 },
      { id: 5, value: 0xffffffff },
    ]);
    assert.deepEqual(settings.capabilities, [2001, 2000]);
    assert.equal(settings.identity, "75bbd54543:0:1f1f");
    assert.equal(settings.authenticationExpiryTime, 9999999999999);
    assert.equal(settings.revision, 7n);
  });

  test("pin a member to nobody if its identity is no text", () => {
    assert.equal(memberSettings({ identity: 5 }).identity, "");
    assert.equal(memberSettings({ identity: null }).identity, null);
  });

  test("are made of any record", () => {
    fc.assert(
      fc.property(objectWith(MEMBER_KEYS), (json) => {
        const settings = memberSettings(json);
        for (const ip of settings.ipAssignments) assert.ok(ip.length === 4 || ip.length === 16);
        for (const { id, value } of settings.tags) assert.ok(id <= 0xffffffff && value <= 0xffffffff);
        assert.equal(new Set(settings.tags.map(({ id }) => id)).size, settings.tags.length);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });
});
