/** What a network may do to the host. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { planHost, prefixText } from "../../src/leaf/host-plan.ts";
import {
  DEFAULT_LOCAL_SETTINGS,
  decodeLocalSettings,
  encodeLocalSettings,
  mayApply,
} from "../../src/leaf/local-settings.ts";
import { interfaceName } from "../../src/network/interface-name.ts";
import { formatIp, parseIp, parsePrefix } from "../../src/protocol/inet-address.ts";

const prefix = (text: string) => parsePrefix(text)!;
const route = (target: string, via: string | null = null) => ({
  target: prefix(target),
  via: via === null ? null : parseIp(via)!,
  flags: 0,
  metric: 0,
});
const plan = (ips: string[], routes: ReturnType<typeof route>[], settings = {}, online = true) => {
  const { addresses, routes: planned } = planHost(
    { staticIps: ips.map(prefix), routes },
    { ...DEFAULT_LOCAL_SETTINGS, ...settings },
    online,
  );
  return {
    addresses: addresses.map(prefixText),
    routes: planned.map(({ target, via, source, metric }) => [
      prefixText(target),
      via && formatIp(via),
      source && formatIp(source),
      metric,
    ]),
  };
};

test("private addresses are applied, global ones only where they may be, link-local ones never", () => {
  const ips = ["10.1.0.2/24", "8.8.8.9/24", "169.254.1.1/16", "fd00::2/88"];
  assert.deepEqual(plan(ips, []).addresses, ["10.1.0.2/24", "fd00::2/88"]);
  assert.deepEqual(plan(ips, [], { allowGlobal: true }).addresses, ["8.8.8.9/24", "10.1.0.2/24", "fd00::2/88"]);
  assert.deepEqual(plan(ips, [], { allowManaged: false }).addresses, []);
});

test("a route that an address implies, or that leads to ourselves, or has no address of its family, is left out", () => {
  const { routes } = plan(
    ["10.1.0.2/24"],
    [
      route("10.1.0.0/24"),
      route("10.9.0.0/16", "10.1.0.2"),
      route("fd01::/64"),
      route("10.8.0.0/16", "10.1.0.1"),
      route("10.7.0.0/16"),
    ],
  );
  assert.deepEqual(routes, [
    ["10.7.0.0/16", null, "10.1.0.2", null],
    ["10.8.0.0/16", "10.1.0.1", "10.1.0.2", 5000],
  ]);
});

test("a default route comes as two halves, if it is allowed and we are online", () => {
  const wanted = [route("0.0.0.0/0", "10.1.0.1")];
  assert.deepEqual(plan(["10.1.0.2/24"], wanted).routes, []);
  assert.deepEqual(plan(["10.1.0.2/24"], wanted, { allowDefault: true }, false).routes, []);
  assert.deepEqual(plan(["10.1.0.2/24"], wanted, { allowDefault: true }).routes, [
    ["0.0.0.0/1", "10.1.0.1", "10.1.0.2", 5000],
    ["128.0.0.0/1", "10.1.0.1", "10.1.0.2", 5000],
  ]);
});

test("host bits of a target are cleared: the kernel refuses them", () => {
  assert.equal(plan(["10.1.0.2/24"], [route("10.7.3.1/16")]).routes[0]![0], "10.7.0.0/16");
});

test("the file holds what the reference's holds, and a list of prefixes is a whitelist", () => {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.equal(
    text(encodeLocalSettings(DEFAULT_LOCAL_SETTINGS)),
    "allowManaged=1\nallowGlobal=0\nallowDefault=0\nallowDNS=0",
  );
  const listed = decodeLocalSettings(new TextEncoder().encode("allowManaged=10.0.0.0/8,fd00::/8\nallowGlobal=1"));
  assert.equal(listed.allowManaged, true);
  assert.equal(mayApply(listed, prefix("10.4.0.0/16")), true);
  assert.equal(mayApply(listed, prefix("192.168.4.0/24")), false);
  assert.equal(mayApply(listed, prefix("0.0.0.0/0")), false);
  assert.deepEqual(decodeLocalSettings(new Uint8Array(0)), DEFAULT_LOCAL_SETTINGS);
});

test("interfaces have the reference's names", () => {
  assert.equal(interfaceName(0x9c650471be000002n), "zt5xnqi4n4");
  assert.notEqual(interfaceName(0x9c650471be000002n, 1), "zt5xnqi4n4");
});
