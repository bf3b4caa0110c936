import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { NO_BONDING } from "../../src/bonding/policy.ts";
import { ConfigError } from "../../src/config/errors.ts";
import {
  formatLocalConf,
  parseLocalConf,
  parseTrustedPaths,
  settingsOf,
  withSettings,
} from "../../src/config/local-conf.ts";
import { looseBoolean, looseInteger } from "../../src/config/loose.ts";
import { showValue } from "../../src/config/show.ts";
import { ExactNumber, type JsonObject, type JsonValue } from "../../src/json/json.ts";

function recording(name: string) {
  return JSON.parse(readFileSync(new URL(`../fixtures/vectors/api/${name}.json`, import.meta.url), "utf8"));
}

function settings(value: unknown) {
  return settingsOf(parseLocalConf(JSON.stringify(value), "local.conf"), "local.conf");
}

function shown(values: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, showValue(value)]));
}

describe("local.conf", () => {
  test("as the reference used it in a recording becomes our configuration", () => {
    const { file } = recording("local-conf").exchanges[0];
    const { values, warnings } = settings(file);
    assert.deepEqual(shown(values), {
      "listen.secondaryPort": 9994,
      "listen.tertiaryPort": 9995,
      "listen.portMapping": false,
      "listen.interfacePrefixBlacklist": ["eth"],
      "api.allowManagementFrom": ["10.77.2.0/24"],
      lowBandwidthMode: false,
      bonding: showValue({ ...NO_BONDING, defaultPolicy: "balance-rr" }),
      physical: {
        "10.99.0.0/16": { blacklist: true, trustedPathId: "0", mtu: 1432 },
        "10.77.2.0/24": { blacklist: false, trustedPathId: "0", mtu: 1400 },
      },
      virtual: { "9c650471be": { try: ["10.77.2.1/9993"], blacklist: ["192.168.0.0/16"] } },
    });
    assert.deepEqual(warnings, []);
  });

  test("names the TCP relay as the reference does; without an address there is none, whatever else is said", () => {
    const of = (given: object) => shown(settings({ settings: given }).values);
    const relay = "198.51.100.7/443";
    assert.deepEqual(of({ tcpFallbackRelay: relay }), { "tcpFallback.relay": relay });
    assert.deepEqual(of({ tcpFallbackRelay: relay, forceTcpRelay: true }), {
      "tcpFallback.relay": relay,
      "tcpFallback.force": true,
    });
    assert.deepEqual(of({ tcpFallbackRelay: relay, allowTcpFallbackRelay: false }), { "tcpFallback.relay": null });
    assert.deepEqual(of({ allowTcpFallbackRelay: true }), {});
    assert.match(settings({ settings: { tcpFallbackRelay: "relay.example" } }).warnings[0]!, /it is no endpoint/);
  });

  test("is rewritten by the settings route exactly as the reference rewrote it", () => {
    const { exchanges } = recording("config");
    const [, post, next] = exchanges;
    assert.equal(formatLocalConf(withSettings({}, post.request.body)), next.localConfFileAfter);
  });

  test("keeps what it does not know, null included, and 64-bit numbers to the digit", () => {
    const text = '{"zoo": [1.50, 18446744073709551615], "settings": {"a": 1, "b": {"c": null}}}';
    const before = parseLocalConf(text, "local.conf");
    const after = withSettings(before, parseLocalConf('{"a": null, "__proto__": 5, "primaryPort": 1}', "patch"));
    assert.equal(
      formatLocalConf(after).replace(/\s+/g, ""),
      '{"settings":{"__proto__":5,"a":null,"b":{"c":null},"primaryPort":1},"zoo":[1.50,18446744073709551615]}',
    );
    assert.equal(formatLocalConf(before).replace(/\s+/g, "").length, text.replace(/\s+/g, "").length);
    assert.deepEqual(Object.keys(withSettings({ settings: [1] }, { x: 1 })["settings"] as JsonObject), ["x"]);
  });

  for (const [what, text, line] of [
    ["an array", "[]", "local.conf:1:1: holds no JSON object"],
    ["null", "null", "local.conf:1:1: holds no JSON object"],
    ["empty", "", "local.conf:1:1: no JSON: "],
    ["cut off", '{"settings": {\n  "a": 1,', "local.conf:2:9: no JSON: "],
    ["a trailing comma", '{\n"a": 1,}', "local.conf:2:8: no JSON: "],
  ] as const) {
    test(`is refused with its place when damaged: ${what}`, () => {
      assert.throws(
        () => parseLocalConf(text, "local.conf"),
        (error: ConfigError) => {
          assert.ok(error instanceof ConfigError);
          assert.ok(error.describe().startsWith(line), error.describe());
          assert.match(
            error.describe(),
            /: write a JSON object, for example \{"settings": \{\}\}, or remove the file$/,
          );
          return true;
        },
      );
    });
  }

  test("is read with the reference's loose types", () => {
    const { values } = settings({
      settings: { primaryPort: "9000", secondaryPort: 9001.9, lowBandwidthMode: "True", allowSecondaryPort: "1" },
      physical: { "10.0.0.0/8": { blacklist: 1, trustedPathId: "77x", mtu: "99999" }, "10.1.0.0/16": { mtu: -5 } },
    });
    assert.deepEqual(shown(values), {
      "listen.port": 9000,
      "listen.secondaryPort": 9001,
      lowBandwidthMode: true,
      physical: {
        "10.0.0.0/8": { blacklist: true, trustedPathId: "77", mtu: 10324 },
        "10.1.0.0/16": { blacklist: false, trustedPathId: "0", mtu: 1432 },
      },
    });
  });

  test("switches the secondary port off when it is not allowed", () => {
    const { values } = settings({ settings: { secondaryPort: 9001, allowSecondaryPort: false } });
    assert.deepEqual(values, { "listen.secondaryPort": "off" });
  });

  test("is not refused for entries that mean nothing: they are named", () => {
    const { values, warnings } = settings({
      settings: { primaryPort: 70000, bind: ["192.0.2.1", "x", 5], allowManagementFrom: ["10.1.1.1", "all"] },
      physical: { "0.0.0.0/0": { blacklist: true }, "10.0.0.0/8": 5 },
      virtual: { "123": {}, ffffffffff: {}, "1234567890": { try: ["192.0.2.1"] } },
      anything: [],
    });
    assert.deepEqual(shown(values), {
      "listen.bind": ["192.0.2.1"],
      "api.allowManagementFrom": ["10.1.1.1/32"],
      physical: [],
      virtual: { "1234567890": { try: [], blacklist: [] } },
    });
    assert.deepEqual(
      warnings.map((warning) => warning.replace("local.conf: ", "")),
      [
        "settings.primaryPort is ignored: it is no port",
        'settings.bind item "x" is ignored: it is no IP address',
        "settings.bind item 5 is ignored: it is no IP address",
        'allowManagementFrom item "all" is ignored: it is no network',
        'physical "0.0.0.0/0" is ignored: it is no ip/bits',
        'physical "10.0.0.0/8" is ignored: it is no object',
        'virtual "123" is ignored: it is no ZeroTier address',
        'virtual 1234567890 try item "192.0.2.1" is ignored: it is no endpoint ip/port',
        'virtual "ffffffffff" is ignored: it is no ZeroTier address',
      ],
    );
  });
});

describe("loose typing", () => {
  const table: [value: JsonValue | undefined, integer: bigint, truth: boolean][] = [
    [1500.7, 1500n, true],
    [-1, 18446744073709551615n, true],
    [0, 0n, false],
    [new ExactNumber("18446744073709551615"), 18446744073709551615n, true],
    ["12abc", 12n, true],
    ["abc", 0n, false],
    ["0x800", 0n, false],
    ["true", 0n, true],
    ["", 0n, false],
    ["99999999999999999999", 18446744073709551615n, false],
    [true, 1n, true],
    [false, 0n, false],
  ];
  for (const [value, integer, truth] of table) {
    test(`takes ${JSON.stringify(value)} as ${integer} and ${truth}`, () => {
      assert.equal(looseInteger(value, 7n), integer);
      assert.equal(looseBoolean(value, false), truth);
    });
  }

  test("takes its fallback for null, arrays, objects and what is missing", () => {
    for (const value of [null, [], {}, undefined]) {
      assert.equal(looseInteger(value, 7n), 7n);
      assert.equal(looseBoolean(value, true), true);
      assert.equal(looseBoolean(value, false), false);
    }
  });
});

describe("trustedpaths", () => {
  test("gives networks with their ids and names the lines that are none", () => {
    const { values, warnings } = parseTrustedPaths(
      "# comment\n\n3e8=10.0.0.0/8\r\nffffffffffffffff = 2001:db8::/32\nnonsense\n1=10.0.0.0/99\n",
      "trustedpaths",
    );
    assert.deepEqual(showValue(values.physical), {
      "10.0.0.0/8": { blacklist: false, trustedPathId: "1000", mtu: 1432 },
      "2001:db8::/32": { blacklist: false, trustedPathId: "18446744073709551615", mtu: 1432 },
    });
    assert.deepEqual(warnings, [
      "trustedpaths: line 5 is ignored: it is not <hex id>=<ip/bits>",
      "trustedpaths: line 6 is ignored: it is not <hex id>=<ip/bits>",
    ]);
  });
});
