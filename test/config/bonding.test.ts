/** Bonding as operators write it: the reference's local.conf, and our own file. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { makePolicy, policyFor } from "../../src/bonding/policy.ts";
import { settingsOf } from "../../src/config/local-conf.ts";
import { SCHEMA } from "../../src/config/schema.ts";
import { showValue } from "../../src/config/show.ts";
import type { JsonObject } from "../../src/json/json.ts";

const PEER = 0x8056c2e21c;

function loose(settings: JsonObject) {
  const { values, warnings } = settingsOf({ settings }, "local.conf");
  return { bonding: values.bonding, warnings };
}

describe("bonding in local.conf", () => {
  test("takes a standard policy by its name", () => {
    const { bonding } = loose({ defaultBondingPolicy: "balance-xor" });
    assert.deepEqual(policyFor(bonding!, PEER), makePolicy("balance-xor"));
    assert.equal(loose({}).bonding, undefined);
  });

  test("takes policies of one's own, loosely typed, and peers that have another", () => {
    const { bonding, warnings } = loose({
      defaultBondingPolicy: "fast",
      policies: {
        fast: {
          basePolicy: "active-backup",
          failoverInterval: "100",
          upDelay: 7,
          activeReselect: "optimize",
          links: { eth0: { mode: "primary", ipvPref: 46, capacity: 1000 }, wwan0: { enabled: false, mode: "x" } },
        },
        old: { basePolicy: "balance-aware", linkSelectMethod: "failure" },
      },
      peerSpecificBonds: { "8056c2e21c": "old", "1122334455": "none" },
    });
    assert.deepEqual(warnings, []);
    const fast = policyFor(bonding!, 1)!;
    assert.equal(fast.failoverMs, 500, "no shorter than half a second");
    assert.equal(fast.upDelayMs, 7);
    assert.equal(fast.reselect, "optimize");
    assert.deepEqual(fast.links.get("eth0"), {
      enabled: true,
      capacity: 1000,
      ipvPref: 46,
      mtu: 0,
      failoverTo: "",
      mode: "primary",
    });
    assert.equal(fast.links.get("wwan0")?.enabled, false);
    assert.equal(policyFor(bonding!, PEER)?.reselect, "failure");
    assert.equal(policyFor(bonding!, 0x1122334455), null);
  });

  test("says what it ignores", () => {
    const { bonding, warnings } = loose({
      defaultBondingPolicy: "nosuch",
      policies: {
        broadcast: { basePolicy: "broadcast" },
        mine: { basePolicy: "best" },
        half: { basePolicy: "broadcast", linkQuality: { lat_max: 1 } },
      },
      peerSpecificBonds: { "8056c2e21c": "mine", xyz: "half" },
    });
    assert.equal(policyFor(bonding!, PEER), null);
    assert.deepEqual([...bonding!.policies.keys()], ["half"]);
    assert.equal(warnings.length, 6);
    assert.match(warnings.join("\n"), /a standard policy has that name/);
    assert.match(warnings.join("\n"), /basePolicy is none of active-backup, broadcast/);
  });
});

describe("bonding in orrery.yaml", () => {
  test("has the same names, and is shown as it is written", () => {
    const written = {
      defaultPolicy: "fast",
      policies: {
        fast: { basePolicy: "active-backup", failoverInterval: 700, links: { eth0: { mode: "primary" } } },
      },
      peers: { "8056c2e21c": "broadcast" },
    };
    const parsed = SCHEMA.parse({ bonding: written })["bonding"];
    const shown = showValue(parsed) as unknown as typeof written;
    assert.equal(shown.defaultPolicy, "fast");
    assert.equal(shown.policies.fast.failoverInterval, 700);
    assert.equal(shown.policies.fast.links.eth0.mode, "primary");
    assert.deepEqual(shown.peers, written.peers);
  });

  test("is strict", () => {
    for (const bonding of [
      { policies: { broadcast: { basePolicy: "broadcast" } } },
      { policies: { x: { basePolicy: "best" } } },
      { policies: { x: { basePolicy: "broadcast", failoverInterval: 100 } } },
      { peers: { xyz: "broadcast" } },
      { defaultPolcy: "broadcast" },
    ])
      assert.equal(SCHEMA.safeParse({ bonding }).success, false, JSON.stringify(bonding));
  });
});
