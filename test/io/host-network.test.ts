/** Links, addresses and routes by netlink, held against what `ip` shows. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type DeviceRoute, HostNetwork, type Link } from "../../src/io/linux/host-network.ts";
import { loadLibc } from "../../src/io/linux/libc.ts";
import { NetlinkError } from "../../src/io/linux/netlink.ts";
import { formatMac, parseMac } from "../../src/protocol/ethernet.ts";
import { formatIp, parseIp, parsePrefix } from "../../src/protocol/inet-address.ts";
import { enterOwnNetwork, ip, ipJson } from "../support/own-network.ts";

const skip = enterOwnNetwork();

const prefix = (text: string) => parsePrefix(text)!;

function route(target: string, via: string | null, metric: number | null, source: string | null): DeviceRoute {
  return {
    target: prefix(target),
    via: via === null ? null : parseIp(via),
    metric,
    source: source === null ? null : parseIp(source),
  };
}

/** A route of ours as `ip -j route` would write it, as far as both have it. */
function described({ target, via, metric, source }: DeviceRoute) {
  return [`${formatIp(target.ip)}/${target.bits}`, via && formatIp(via), metric, source && formatIp(source)];
}

interface IpRoute {
  readonly dst: string;
  readonly gateway?: string;
  readonly protocol: string;
  readonly prefsrc?: string;
  readonly metric?: number;
}

describe("the host's network", { skip }, () => {
  let host: HostNetwork;
  let device: Link;

  before(() => {
    host = new HostNetwork(loadLibc()!);
    ip("link add here type veth peer name there");
    ip("link set there up");
    device = host.link("here")!;
  });
  after(() => host?.close());

  /** The code and text with which the kernel refuses. */
  const refusal = (change: () => void) => {
    try {
      change();
    } catch (error) {
      assert.ok(error instanceof NetlinkError);
      return `${error.code}: ${error.message}`;
    }
    return "accepted";
  };
  const staticRoutes = (family: 4 | 6) =>
    ipJson<IpRoute>(`-${family} route show dev here proto static`).map(({ dst, gateway, metric, prefsrc }) => [
      dst,
      gateway ?? null,
      metric ?? null,
      prefsrc ?? null,
    ]);

  test("has a device that can be found by its name", () => {
    assert.equal(host.link("nothing-here"), null);
    assert.equal(host.link("lo")!.isUp, true);
    assert.equal(device.isUp, false);
  });

  test("has no routes at first, not even a table for them", () => assert.deepEqual(host.routes(device), []));

  test("gives a device its MAC and MTU, and brings it up", () => {
    host.changeLink(device, { mac: parseMac("02:11:22:33:44:55")!, mtu: 2800, up: true });
    const [link] = ipJson<{ address: string; mtu: number; flags: string[] }>("link show dev here");
    assert.deepEqual([link!.address, link!.mtu], ["02:11:22:33:44:55", 2800]);
    assert.ok(link!.flags.includes("UP") && link!.flags.includes("MULTICAST"));
    const seen = host.link("here")!;
    assert.deepEqual([formatMac(seen.mac), seen.mtu, seen.isUp], ["02:11:22:33:44:55", 2800, true]);
  });

  test("refuses what makes no sense, and says what was tried", () => {
    assert.match(
      refusal(() => host.changeLink(device, { mtu: 10 })),
      /^EINVAL: cannot set mtu 10 on here: EINVAL/,
    );
    assert.match(
      refusal(() => host.addAddress({ index: 9999, name: "gone" }, prefix("10.0.0.1/8"))),
      /^ENODEV/,
    );
  });

  test("takes addresses, with the broadcast address of IPv4, usable at once", () => {
    for (const text of ["10.1.2.3/20", "10.9.9.9/31", "fd00::5/88"]) host.addAddress(device, prefix(text));
    const [shown] = ipJson<{ addr_info: Record<string, unknown>[] }>("addr show dev here");
    const about = (local: string) => shown!.addr_info.find((one) => one["local"] === local)!;
    assert.equal(about("10.1.2.3")["broadcast"], "10.1.15.255");
    assert.equal(about("10.1.2.3")["prefixlen"], 20);
    assert.equal(about("10.9.9.9")["broadcast"], undefined);
    assert.equal(about("fd00::5")["prefixlen"], 88);
    assert.equal(about("fd00::5")["tentative"], undefined);
    assert.deepEqual(
      host
        .addresses(device)
        .map((one) => `${formatIp(one.ip)}/${one.bits}`)
        .filter((text) => !text.startsWith("fe80")),
      ["10.1.2.3/20", "10.9.9.9/31", "fd00::5/88"],
    );
    assert.match(
      refusal(() => host.addAddress(device, prefix("10.1.2.3/20"))),
      /^EEXIST/,
    );
  });

  test("takes routes on link and through gateways, also a gateway on such a link", () => {
    const routes = [
      route("10.50.0.0/16", null, null, "10.1.2.3"),
      route("10.60.0.0/16", "10.50.0.1", 5000, "10.1.2.3"),
      route("0.0.0.0/1", "10.1.2.9", 5000, null),
      route("fd11::/16", "fd00::9", 5000, "fd00::5"),
      route("8000::/1", null, null, null),
    ];
    for (const one of routes) host.addRoute(device, one);
    assert.deepEqual(staticRoutes(4), [
      ["0.0.0.0/1", "10.1.2.9", 5000, null],
      ["10.50.0.0/16", null, null, "10.1.2.3"],
      ["10.60.0.0/16", "10.50.0.1", 5000, "10.1.2.3"],
    ]);
    assert.deepEqual(
      staticRoutes(6).map(([dst, gateway]) => [dst, gateway]),
      [
        ["fd11::/16", "fd00::9"],
        ["8000::/1", null],
      ],
    );
    const order = (all: readonly DeviceRoute[]) => all.map((one) => JSON.stringify(described(one))).sort();
    assert.deepEqual(order(host.routes(device)), order(routes));
  });

  test("says in the kernel's words why a route cannot be", () => {
    assert.match(
      refusal(() => host.addRoute(device, route("10.50.0.0/16", null, null, null))),
      /^EEXIST/,
    );
    assert.match(
      refusal(() => host.addRoute(device, route("10.70.0.0/16", "99.1.1.1", 5000, null))),
      /^ENETUNREACH: cannot add route 10\.70\.0\.0\/16 via 99\.1\.1\.1 to here: .*gateway/,
    );
  });

  test("does not count routes of others", () => {
    const before = host.routes(device).length;
    ip("route add 10.80.0.0/16 dev here");
    ip("route add 10.81.0.0/16 dev lo proto static");
    ip("route add 10.82.0.0/16 dev here proto static table 77");
    assert.equal(host.routes(device).length, before);
  });

  test("gives up what it took", () => {
    for (const one of host.routes(device)) host.deleteRoute(device, one);
    for (const one of host.addresses(device)) host.deleteAddress(device, one);
    assert.deepEqual([staticRoutes(4), staticRoutes(6), host.addresses(device)], [[], [], []]);
    assert.match(
      refusal(() => host.deleteAddress(device, prefix("10.1.2.3/20"))),
      /^EADDRNOTAVAIL/,
    );
    assert.match(
      refusal(() => host.deleteRoute(device, route("10.50.0.0/16", null, null, null))),
      /^ESRCH/,
    );
  });

  test("lists more addresses than fit one answer", () => {
    for (let i = 0; i < 1200; i++) host.addAddress(device, prefix(`10.200.${i >> 8}.${i & 255}/32`));
    assert.equal(host.addresses(device).length, 1200);
  });

  test("loses a device, and everything of it", () => {
    host.deleteLink(device);
    assert.equal(host.link("here"), null);
    assert.match(
      refusal(() => host.deleteLink(device)),
      /^ENODEV: cannot remove device here/,
    );
    assert.match(
      refusal(() => host.addresses(device)),
      /^ENODEV/,
    );
  });
});
