import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { ConfigError } from "../../src/config/errors.ts";
import { type FlagValue, variableName } from "../../src/config/layers.ts";
import { CONFIG_KEYS, type ConfigInputs, diffConfig, loadConfig } from "../../src/config/load.ts";
import { KEY_NAMES, KEYS, SCHEMA } from "../../src/config/schema.ts";
import { showValue } from "../../src/config/show.ts";
import { parseYaml } from "../../src/config/yaml.ts";

let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "orrery-config-"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

function put(name: string, text: string): void {
  writeFileSync(join(home, name), text);
}

function load(inputs: Partial<ConfigInputs> = {}) {
  return loadConfig({ home, ...inputs });
}

/** The lines of what `loadConfig` complains about, the home's path left out. */
function complaints(inputs: Partial<ConfigInputs> = {}): string[] {
  try {
    load(inputs);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.describe().replaceAll(`${home}/`, "").split("\n");
  }
  return assert.fail("nothing was wrong");
}

describe("the layers", () => {
  test("without any file give the defaults", () => {
    const { config, sources, warnings, localConf } = load();
    assert.deepEqual(config.listen, {
      port: 9993,
      secondaryPort: "auto",
      portMapping: true,
      tertiaryPort: "auto",
      bind: [],
      interfacePrefixBlacklist: [],
      receiveBufferBytes: 4 << 20,
      tcpRelay: null,
      tcpRelayTo: "roots",
    });
    assert.deepEqual(config.tcpFallback, { relay: null, force: false }, "no host is asked that nobody has named");
    assert.deepEqual(config.telemetry, { listen: { host: "127.0.0.1", port: 9994 }, metricsFile: true, peerSeries: 0 });
    assert.deepEqual(config.log, { level: "info", pretty: false });
    assert.equal(config.home, home);
    assert.deepEqual([warnings, localConf], [[], {}]);
    assert.ok(Object.values(sources).every(([source]) => source === "default"));
  });

  test("lie over each other: local.conf, orrery.yaml, environment, flags", () => {
    put("local.conf", '{"settings": {"primaryPort": 1001, "secondaryPort": 2001, "lowBandwidthMode": "true"}}');
    const at = () => {
      const { config, sources } = load({ env, flags });
      return `${config.listen.port} ${sources["listen.port"]} ${config.listen.secondaryPort} ${sources["listen.secondaryPort"]}`;
    };
    let env: NodeJS.ProcessEnv = {};
    let flags: readonly FlagValue[] = [];
    assert.equal(at(), "1001 local.conf 2001 local.conf");
    put("orrery.yaml", "listen: {port: 1002}");
    assert.equal(at(), "1002 orrery.yaml 2001 local.conf");
    env = { ORRERY_LISTEN_PORT: "1003", ORRERY_LISTEN_SECONDARY_PORT: "auto" };
    assert.equal(at(), "1003 env auto env");
    flags = [{ flag: "--port", key: "listen.port", value: "1004" }];
    assert.equal(at(), "1004 flag auto env");
    assert.equal(load().config.lowBandwidthMode, true);
  });

  test("are all read from one file: every key of orrery.yaml arrives", () => {
    put(
      "orrery.yaml",
      `
# everything
listen:
  port: 0
  secondaryPort: 9994
  portMapping: false
  tertiaryPort: 9995
  bind: [192.0.2.1, "::"]
  interfacePrefixBlacklist: [docker, br-]
  receiveBufferBytes: 65536
  tcpRelay: "0.0.0.0:443"
  tcpRelayTo: global
tcpFallback: {relay: 198.51.100.7/443, force: true}
physical:
  10.1.0.0/16: {mtu: 1500}
  10.0.0.0/8: {blacklist: true, trustedPathId: 7}
  "2001:db8::/32": {trustedPathId: "0xffffffffffffffff"}
  192.0.2.77: {mtu: 0}
virtual:
  0123456789: {try: [198.51.100.7/9993], blacklist: [10.0.0.0/8]}
bonding: {defaultPolicy: fast, policies: {fast: {basePolicy: broadcast, failoverInterval: 600}}, peers: {0123456789: none}}
dataplane: {workers: 3, napMicroseconds: 50}
limits: {maxPeers: 1, cachePeers: 2, maxPairs: 3, maxMulticastMembers: 4, identityThreads: 5, identityQueue: 6,
  identityPerPrefixPerMinute: 7, identityPerPrefixBurst: 8, identityPerSecond: 9,
  tcpRelayConnections: 10, tcpRelayPerSource: 11}
controller: {enabled: false, maxSessions: 101, cachedNetworks: 2, cachedMembers: 3, maxUnderWay: 4, maxMembers: 5,
  maxStrangers: 6, strangersPerSecond: 7, auditEntries: 108}
console: {listen: "0.0.0.0:3443", tls: false, certFile: a.pem, keyFile: b.pem}
leaf: {tap: false, maxNetworks: 5, maxMembers: 77}
api: {enabled: false, allowManagementFrom: [10.1.1.1, 192.168.7.9/16]}
telemetry: {listen: "[::1]:9000", metricsFile: false, peerSeries: 3}
log: {level: debug, pretty: true}
lowBandwidthMode: true
`,
    );
    const { config, sources } = load();
    assert.ok(Object.values(sources).every(([source]) => source === "orrery.yaml"));
    assert.deepEqual(showValue(config.physical), {
      "10.0.0.0/8": { blacklist: true, trustedPathId: "7", mtu: 1432 },
      "10.1.0.0/16": { blacklist: false, trustedPathId: "0", mtu: 1500 },
      "192.0.2.77/32": { blacklist: false, trustedPathId: "0", mtu: 1432 },
      "2001:db8::/32": { blacklist: false, trustedPathId: "18446744073709551615", mtu: 1432 },
    });
    assert.deepEqual([...config.virtual.keys()], [0x0123456789]);
    assert.deepEqual(showValue(config.virtual), {
      "0123456789": { try: ["198.51.100.7/9993"], blacklist: ["10.0.0.0/8"] },
    });
    assert.equal(config.bonding.policies.get("fast")?.failoverMs, 600);
    assert.deepEqual([...config.bonding.peers], [[0x0123456789, "none"]]);
    assert.deepEqual(Object.values(config.limits), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert.deepEqual(Object.values(config.controller), [false, 101, 2, 3, 4, 5, 6, 7, 108]);
    assert.deepEqual([config.listen.portMapping, config.listen.tertiaryPort], [false, 9995]);
    assert.deepEqual([showValue(config.listen.tcpRelay), config.listen.tcpRelayTo], ["0.0.0.0:443", "global"]);
    assert.deepEqual([showValue(config.tcpFallback.relay), config.tcpFallback.force], ["198.51.100.7/443", true]);
    assert.deepEqual(showValue(config.listen.bind), ["192.0.2.1", "::"]);
    assert.deepEqual(showValue(config.api.allowManagementFrom), ["10.1.1.1/32", "192.168.0.0/16"]);
    assert.deepEqual(config.telemetry, { listen: { host: "::1", port: 9000 }, metricsFile: false, peerSeries: 3 });
    assert.deepEqual(config.dataplane, { workers: 3, napMicroseconds: 50 });
    assert.deepEqual(config.log, { level: "debug", pretty: true });
  });

  test("put networks and peers together entry by entry, in matching order", () => {
    put("trustedpaths", "# old\n3e8=10.2.0.0/16\n3e9=10.3.0.0/16\n");
    put(
      "local.conf",
      JSON.stringify({
        physical: { "10.3.0.0/16": { mtu: 1400 }, "::1/128": {}, "10.0.0.0/8": { blacklist: true } },
        virtual: { "8056c2e21c": { try: ["192.0.2.1/1"] }, "1234567890": { blacklist: ["10.0.0.0/8"] } },
      }),
    );
    put("orrery.yaml", 'physical: {10.0.0.9/8: {mtu: 2800}}\nvirtual: {"8056c2e21c": {try: [192.0.2.2/2]}}');
    const { config, sources } = load();
    assert.deepEqual(sources.physical, ["trustedpaths", "local.conf", "orrery.yaml"]);
    assert.deepEqual(showValue(config.physical), {
      "10.0.0.0/8": { blacklist: false, trustedPathId: "0", mtu: 2800 },
      "10.2.0.0/16": { blacklist: false, trustedPathId: "1000", mtu: 1432 },
      "10.3.0.0/16": { blacklist: false, trustedPathId: "0", mtu: 1400 },
      "::1/128": { blacklist: false, trustedPathId: "0", mtu: 1432 },
    });
    assert.deepEqual(showValue(config.virtual), {
      "8056c2e21c": { try: ["192.0.2.2/2"], blacklist: [] },
      "1234567890": { try: [], blacklist: ["10.0.0.0/8"] },
    });
  });

  test("keep 32 networks, the first in matching order, and say that the others are ignored", () => {
    const physical = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`10.0.${40 - i}.0/24`, {}]));
    put("local.conf", JSON.stringify({ physical }));
    const { config, warnings } = load();
    assert.equal(config.physical.length, 32);
    assert.equal(Object.keys(showValue(config.physical) ?? {})[31], "10.0.32.0/24");
    assert.deepEqual(warnings, [
      "physical: the last 8 of 40 networks in matching order are ignored: at most 32 are kept",
    ]);
  });

  test("take an empty file, empty sections and null for a switched-off listener", () => {
    put("orrery.yaml", "");
    assert.equal(load().config.listen.port, 9993);
    put("orrery.yaml", "# nothing\nlisten:\n  # port: 1\nlog:\ntelemetry: {listen: off}\n");
    assert.deepEqual(load().config.telemetry, { listen: null, metricsFile: true, peerSeries: 0 });
    for (const text of ["telemetry: {listen: null}", "telemetry: {listen: false}"]) {
      put("orrery.yaml", text);
      assert.equal(load().config.telemetry.listen, null, text);
    }
  });

  test("name the file by flag or ORRERY_CONFIG, and then it must exist", () => {
    put("other.yaml", "log: {level: warn}");
    put("third.yaml", "log: {level: error}");
    const env = { ORRERY_CONFIG: join(home, "other.yaml") };
    assert.equal(load({ env }).config.log.level, "warn");
    assert.equal(load({ env, file: join(home, "third.yaml") }).config.log.level, "error");
    assert.deepEqual(complaints({ file: join(home, "missing.yaml") }), [
      "missing.yaml: there is no such file: correct --config, or leave it out",
    ]);
  });
});

describe("the environment", () => {
  test("has a variable for every key but the maps", () => {
    assert.equal(variableName("limits.identityPerPrefixPerMinute"), "ORRERY_LIMITS_IDENTITY_PER_PREFIX_PER_MINUTE");
    assert.equal(variableName("lowBandwidthMode"), "ORRERY_LOW_BANDWIDTH_MODE");
    assert.deepEqual(
      KEY_NAMES.filter((key) => variableName(key) === null),
      ["physical", "virtual"],
    );
  });

  test("gives numbers, truths, texts and lists", () => {
    const env = {
      ORRERY_LISTEN_BIND: "192.0.2.1, ::1",
      ORRERY_API_ALLOW_MANAGEMENT_FROM: "",
      ORRERY_LOG_PRETTY: "true",
      ORRERY_TELEMETRY_LISTEN: "0.0.0.0:9100",
      ORRERY_LIMITS_MAX_PEERS: "5000",
    };
    const { config } = load({ env });
    assert.deepEqual(showValue(config.listen.bind), ["192.0.2.1", "::1"]);
    assert.deepEqual(config.api.allowManagementFrom, []);
    assert.equal(config.log.pretty, true);
    assert.deepEqual(config.telemetry.listen, { host: "0.0.0.0", port: 9100 });
    assert.equal(config.limits.maxPeers, 5000);
  });

  test("is forgiven what an orchestrator invents, and warned about what looks like a mistake", () => {
    const env = {
      ORRERY_PORT: "tcp://10.0.0.1:9993",
      ORRERY_PORT_9993_UDP_ADDR: "10.0.0.1",
      ORRERY_SERVICE_HOST: "10.0.0.1",
      ORRERY_SERVICE_PORT_TELEMETRY: "9994",
      ORRERY_HOME: "/somewhere",
      ORRERY_LISTN_PORT: "1",
      ORRERY_COLOUR_OF_THE_SKY: "blue",
      PATH: "/bin",
    };
    assert.deepEqual(load({ env }).warnings, [
      "ORRERY_COLOUR_OF_THE_SKY is unknown and ignored",
      "ORRERY_LISTN_PORT is unknown and ignored: did you mean ORRERY_LISTEN_PORT?",
    ]);
  });

  test("and flags are refused by the name that the operator used", () => {
    const env = { ORRERY_LISTEN_PORT: "http", ORRERY_LISTEN_BIND: "192.0.2.1,foo", ORRERY_LOG_LEVEL: "[" };
    const flags: readonly FlagValue[] = [
      { flag: "--port", key: "listen.port", value: "70000" },
      { flag: "--log-level", key: "log.level", value: "loud" },
    ];
    assert.deepEqual(complaints({ env, flags }), [
      'ORRERY_LISTEN_BIND: expected a list of IP addresses, got "192.0.2.1,foo": ' +
        "write for example ORRERY_LISTEN_BIND=192.0.2.1,2001:db8::1",
      'ORRERY_LISTEN_PORT: expected a number between 0 and 65535, got "http": write for example ORRERY_LISTEN_PORT=9993',
      'ORRERY_LOG_LEVEL: expected one of trace, debug, info, warn, error, silent, got "[": ' +
        "write for example ORRERY_LOG_LEVEL=info",
      '--port: expected a number between 0 and 65535, got "70000": write for example --port=9993',
      '--log-level: expected one of trace, debug, info, warn, error, silent, got "loud": ' +
        "write for example --log-level=info",
    ]);
  });
});

describe("the list of keys", () => {
  test("has help, a default and an example that the schema accepts, for every key", () => {
    assert.equal(CONFIG_KEYS.length, KEY_NAMES.length);
    for (const { key, help, hot } of CONFIG_KEYS) {
      assert.ok(help.length > 10, key);
      assert.equal(typeof hot, "boolean");
      const [section, inner] = key.split(".");
      const { example } = KEYS[key].meta;
      const yaml = inner === undefined ? `${section}: ${example}` : `${section}: {${inner}: ${example}}`;
      assert.ok(SCHEMA.safeParse(parseYaml(yaml, "x").value).success, yaml);
    }
    assert.deepEqual(
      CONFIG_KEYS.find(({ key }) => key === "telemetry.listen"),
      {
        key: "telemetry.listen",
        hot: false,
        help: "where /metrics and /healthz are served, without a token; off = nowhere",
        default: "127.0.0.1:9994",
      },
    );
  });

  test("tells what a change needs", () => {
    const before = load().config;
    put("orrery.yaml", "log: {level: debug, pretty: true}\nlisten: {port: 9993}\nphysical: {10.0.0.0/8: {mtu: 1500}}");
    const after = load().config;
    assert.deepEqual(diffConfig(before, after), { hot: ["physical", "log.level"], cold: ["log.pretty"] });
    assert.deepEqual(diffConfig(after, after), { hot: [], cold: [] });
  });
});
