/** What a network may do to the host. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type HostPlan, planChanges, planHost, prefixText, routeText } from "../../src/leaf/host-plan.ts";
import {
  DEFAULT_LOCAL_SETTINGS,
  decodeLocalSettings,
  encodeLocalSettings,
  mayApply,
} from "../../src/leaf/local-settings.ts";
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

test("a route through a gateway of the other family, or one that only its host bits tell apart, is left out", () => {
  const wanted = [route("10.8.0.0/16", "fd00::1"), route("10.7.0.0/16"), route("10.7.3.1/16")];
  assert.deepEqual(plan(["10.1.0.2/24"], wanted).routes, [["10.7.0.0/16", null, "10.1.0.2", null]]);
  // Whatever stands before the slash: with no bits it is the default route.
  assert.deepEqual(plan(["10.1.0.2/24"], [route("10.9.9.9/0", "10.1.0.1")]).routes, []);
});

const aPrefix = fc
  .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 24, max: 32 }))
  .map(([last, bits]) => prefix(`10.0.0.${last}/${bits}`));
const aRoute = fc.record({
  target: aPrefix,
  via: fc.constantFrom(null, parseIp("10.0.0.9")),
  source: fc.constantFrom(null, parseIp("10.0.0.2")),
  metric: fc.constantFrom(null, 5000),
});
const aPlan = fc.record({
  addresses: fc.uniqueArray(aPrefix, { selector: prefixText }),
  routes: fc.uniqueArray(aRoute, { selector: routeText }),
});

test("changes lead from anything to what is wanted, without touching what others made", () => {
  fc.assert(
    fc.property(aPlan, aPlan, aPlan, (ours, theirs, wanted) => {
      const texts = ({ addresses, routes }: HostPlan) => [...addresses.map(prefixText), ...routes.map(routeText)];
      const isOurs = new Set(texts(ours));
      const present = {
        addresses: [...ours.addresses, ...theirs.addresses.filter((one) => !isOurs.has(prefixText(one)))],
        routes: [...ours.routes, ...theirs.routes.filter((one) => !isOurs.has(routeText(one)))],
      };
      const changes = planChanges(present, wanted, ours);
      const removed = texts({ addresses: changes.removeAddresses, routes: changes.removeRoutes });
      const added = texts({ addresses: changes.addAddresses, routes: changes.addRoutes });
      assert.ok(removed.every((text) => isOurs.has(text)));
      const result = [...texts(present).filter((text) => !removed.includes(text)), ...added];
      const foreign = texts(present).filter((text) => !isOurs.has(text));
      assert.deepEqual(result.sort(), [...new Set([...texts(wanted), ...foreign])].sort());
      const onLink = changes.removeRoutes.map(({ via }) => via === null);
      assert.deepEqual(onLink, [...onLink].sort());
    }),
  );
});
