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
      secondaryPort: "off",
      bind: [],
      interfacePrefixBlacklist: [],
      receiveBufferBytes: 4 << 20,
    });
    assert.deepEqual(config.telemetry, { listen: { host: "127.0.0.1", port: 9994 } });
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
  bind: [192.0.2.1, "::"]
  interfacePrefixBlacklist: [docker, br-]
  receiveBufferBytes: 65536
physical:
  10.1.0.0/16: {mtu: 1500}
  10.0.0.0/8: {blacklist: true, trustedPathId: 7}
  "2001:db8::/32": {trustedPathId: "0xffffffffffffffff"}
  192.0.2.77: {mtu: 0}
virtual:
  0123456789: {try: [198.51.100.7/9993], blacklist: [10.0.0.0/8]}
limits: {maxPeers: 1, cachePeers: 2, maxPairs: 3, maxMulticastMembers: 4, identityThreads: 5, identityQueue: 6,
  identityPerPrefixPerMinute: 7, identityPerPrefixBurst: 8, identityPerSecond: 9}
api: {enabled: false, allowManagementFrom: [10.1.1.1, 192.168.7.9/16]}
telemetry: {listen: "[::1]:9000"}
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
    assert.deepEqual(Object.values(config.limits), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.deepEqual(showValue(config.listen.bind), ["192.0.2.1", "::"]);
    assert.deepEqual(showValue(config.api.allowManagementFrom), ["10.1.1.1/32", "192.168.0.0/16"]);
    assert.deepEqual(config.telemetry.listen, { host: "::1", port: 9000 });
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
    assert.deepEqual(load().config.telemetry, { listen: null });
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

describe("a mistake in orrery.yaml", () => {
  const PORT = "expected a number between 0 and 65535";
  const EXAMPLE_9993 = 'write for example "port: 9993"';
  const PREFIX_EXAMPLE = 'write for example physical: {"10.0.0.0/8": {blacklist: true}}';
  const table: [what: string, yaml: string, ...lines: string[]][] = [
    [
      "a text for a port",
      "log:\n  level: info\nlisten:\n  port: abc",
      `4:9: listen.port: ${PORT}, got "abc": ${EXAMPLE_9993}`,
    ],
    ["a port too high", "listen: {port: 65536}", `1:16: listen.port: ${PORT}, got 65536: ${EXAMPLE_9993}`],
    ["a port below 0", "listen:\n  port: -1", `2:9: listen.port: ${PORT}, got -1: ${EXAMPLE_9993}`],
    ["a fraction", "listen: {port: 1.5}", `1:16: listen.port: ${PORT}, got 1.5: ${EXAMPLE_9993}`],
    ["nothing", "listen:\n  port:\n", `2:8: listen.port: ${PORT}, got nothing: ${EXAMPLE_9993}`],
    ["a list", "listen: {port: [1]}", `1:16: listen.port: ${PORT}, got a list: ${EXAMPLE_9993}`],
    ["a number in quotes", 'listen: {port: "9993"}', `1:16: listen.port: ${PORT}, got "9993": ${EXAMPLE_9993}`],
    [
      "another word",
      "listen: {secondaryPort: of}",
      '1:25: listen.secondaryPort: expected "auto", "off" or a number between 0 and 65535, got "of": ' +
        'write for example "secondaryPort: auto"',
    ],
    [
      "an item that is no address",
      "listen:\n  bind:\n    - 192.0.2.1\n    - 192.0.2.256",
      '4:7: listen.bind[1]: expected an IP address, got "192.0.2.256": ' +
        'write for example bind: ["192.0.2.1", "2001:db8::1"]',
    ],
    [
      "no list",
      "listen: {bind: 192.0.2.1}",
      '1:16: listen.bind: expected a list of IP addresses, got "192.0.2.1": ' +
        'write for example bind: ["192.0.2.1", "2001:db8::1"]',
    ],
    [
      "an empty name",
      'listen: {interfacePrefixBlacklist: [""]}',
      '1:37: listen.interfacePrefixBlacklist[0]: expected the beginning of an interface name, got "": ' +
        'write for example "interfacePrefixBlacklist: [docker, br-]"',
    ],
    ["a key mistyped", "listen:\n  prot: 1", '2:3: listen.prot: unknown key: did you mean "port"?'],
    ["a section mistyped", "lisen: {}", '1:1: lisen: unknown key: did you mean "listen"?'],
    ["a key in the wrong place", "port: 1", '1:1: port: unknown key: did you mean "listen.port"?'],
    ["a key like nothing", "log:\n  xyzzyxyzzy: 1", "2:3: log.xyzzyxyzzy: unknown key: known here: level, pretty"],
    [
      "a section that is a list",
      "api: [1]",
      '1:6: api: expected a map of settings, got a list: write for example "api: {enabled: true}"',
    ],
    [
      "a file that is a list",
      "- listen",
      '1:1: expected a map of settings, got a list: write for example "listen: {port: 9993}"',
    ],
    [
      "a network that is none",
      "physical:\n  10.0.0.0/33: {mtu: 1400}",
      `2:3: physical: expected a network ip/bits with bits above 0 as key, got "10.0.0.0/33": ${PREFIX_EXAMPLE}`,
    ],
    [
      "a network that is everything",
      'physical:\n  "::/0": {blacklist: true}',
      `2:3: physical: expected a network ip/bits with bits above 0 as key, got "::/0": ${PREFIX_EXAMPLE}`,
    ],
    [
      "too many networks",
      `physical: {${Array.from({ length: 33 }, (_, i) => `10.0.${i}.0/24: {}`).join(", ")}}`,
      `1:11: physical: expected a map of at most 32 networks, got a map: ${PREFIX_EXAMPLE}`,
    ],
    [
      "an MTU out of bounds",
      "physical:\n  10.0.0.0/8:\n    mtu: 1399",
      '3:10: physical["10.0.0.0/8"].mtu: expected a number between 1400 and 10324, or 0 for the default, got 1399: ' +
        'write for example "mtu: 1432"',
    ],
    [
      "a key mistyped in a network",
      "physical: {10.0.0.0/8: {blacklst: true}}",
      '1:25: physical["10.0.0.0/8"].blacklst: unknown key: did you mean "blacklist"?',
    ],
    [
      "a trusted path that is negative",
      "physical: {10.0.0.0/8: {trustedPathId: -1}}",
      '1:40: physical["10.0.0.0/8"].trustedPathId: expected a 64-bit number, those above 2^53 in quotes, got -1: ' +
        'write for example "trustedPathId: 101"',
    ],
    [
      "a trusted path of 65 bits",
      'physical: {10.0.0.0/8: {trustedPathId: "18446744073709551616"}}',
      '1:40: physical["10.0.0.0/8"].trustedPathId: expected a 64-bit number, those above 2^53 in quotes, ' +
        'got "18446744073709551616": write for example "trustedPathId: 101"',
    ],
    [
      "a peer that is none",
      "virtual: {12345: {}}",
      '1:11: virtual: expected an address of ten hex digits as key, got "12345": ' +
        'write for example virtual: {"8056c2e21c": {try: ["198.51.100.7/9993"]}}',
    ],
    [
      "an endpoint without port",
      "virtual: {8056c2e21c: {try: [192.0.2.1]}}",
      '1:30: virtual["8056c2e21c"].try[0]: expected an endpoint ip/port, got "192.0.2.1": ' +
        'write for example try: ["198.51.100.7/9993"]',
    ],
    [
      "a limit of 0",
      "limits: {maxPeers: 0}",
      "1:20: limits.maxPeers: expected a whole number between 1 and 16000000, got 0: " +
        'write for example "maxPeers: 200000"',
    ],
    [
      "a listener without port",
      "telemetry: {listen: localhost}",
      '1:21: telemetry.listen: expected an address host:port, or "off", got "localhost": ' +
        'write for example listen: "127.0.0.1:9994"',
    ],
    [
      "another level",
      "log: {level: verbose}",
      '1:14: log.level: expected one of trace, debug, info, warn, error, silent, got "verbose": ' +
        'write for example "level: info"',
    ],
    [
      "no truth",
      "lowBandwidthMode: yes",
      '1:19: lowBandwidthMode: expected true or false, got "yes": write for example "lowBandwidthMode: false"',
    ],
    [
      "several at once, in the order of the file",
      "log: {level: 7}\nlisten:\n  prot: 1\n  port: x\nfoo: 1",
      '1:14: log.level: expected one of trace, debug, info, warn, error, silent, got 7: write for example "level: info"',
      '3:3: listen.prot: unknown key: did you mean "port"?',
      `4:9: listen.port: ${PORT}, got "x": ${EXAMPLE_9993}`,
      "5:1: foo: unknown key: known here: listen, physical, virtual, limits, api, telemetry, log, lowBandwidthMode",
    ],
    [
      "a key twice",
      "log: {}\nlog: {}",
      "2:1: no YAML: Map keys must be unique: check the indentation, quotes and brackets here",
    ],
    [
      "a tab",
      "log:\n\tlevel: info",
      "2:1: no YAML: Tabs are not allowed as indentation: check the indentation, quotes and brackets here",
    ],
    [
      "an alias into itself",
      "log: &a {level: *a}",
      "1:17: nested too deeply or far too large: write the settings out without aliases",
    ],
  ];
  for (const [what, yaml, ...lines] of table) {
    test(`is told with its place and what to write: ${what}`, () => {
      put("orrery.yaml", yaml);
      assert.deepEqual(
        complaints(),
        lines.map((line) => `orrery.yaml:${line}`),
      );
    });
  }

  test("is told together with mistakes elsewhere", () => {
    put("orrery.yaml", "log: {level: 7}");
    put("local.conf", "[]");
    const lines = complaints({ flags: [{ flag: "--port", key: "listen.port", value: "x" }] });
    assert.deepEqual(
      lines.map((line) => line.split(":")[0]),
      ["local.conf", "orrery.yaml", "--port"],
    );
  });

  test("is refused when aliases would make the file endless", () => {
    const levels = Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`)}]`);
    put("orrery.yaml", ["a0: &a0 1", ...levels].join("\n"));
    assert.match(complaints()[0]!, /nested too deeply or far too large/);
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
