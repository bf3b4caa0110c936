import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { ConfigError } from "../../src/config/errors.ts";
import { type ConfigInputs, loadConfig } from "../../src/config/load.ts";

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
      "5:1: foo: unknown key: known here: listen, tcpFallback, physical, virtual, bonding, dataplane, limits, controller, leaf, api, console, telemetry, log, lowBandwidthMode",
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
