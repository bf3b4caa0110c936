/** What a network may put on an interface appears in the kernel, stays there, goes again, and nothing else is touched. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { HostConfig } from "../../src/daemon/host-config.ts";
import { HostNetwork, type Link } from "../../src/io/linux/host-network.ts";
import { loadLibc } from "../../src/io/linux/libc.ts";
import { NOTHING_PLANNED, planHost } from "../../src/leaf/host-plan.ts";
import { DEFAULT_LOCAL_SETTINGS } from "../../src/leaf/local-settings.ts";
import { parseIp, parsePrefix } from "../../src/protocol/inet-address.ts";
import { enterOwnNetwork, ip, ipJson } from "../support/own-network.ts";

const skip = enterOwnNetwork();

/** A plan as a configuration of these addresses and routes (`target` or `target via gateway`) leads to it. */
function plan(ips: string[], routes: string[] = [], settings = {}, online = true) {
  const parsed = routes.map((text) => {
    const [target, via] = text.split(" via ");
    return { target: parsePrefix(target!)!, via: via === undefined ? null : parseIp(via), flags: 0, metric: 0 };
  });
  const config = { staticIps: ips.map((text) => parsePrefix(text)!), routes: parsed };
  return planHost(config, { ...DEFAULT_LOCAL_SETTINGS, ...settings }, online);
}

describe("the configuration of an interface", { skip }, () => {
  let host: HostNetwork;
  let device: Link;
  let config: HostConfig;

  before(() => {
    host = new HostNetwork(loadLibc()!);
  });
  after(() => host?.close());
  beforeEach(() => {
    if (host.link("net0") !== null) ip("link del net0");
    ip("link add net0 type veth peer name peer0");
    for (const name of ["net0", "peer0"]) ip(`link set ${name} up`);
    device = host.link("net0")!;
    config = new HostConfig(host, device);
  });

  const addresses = () =>
    ipJson<{ addr_info: { local: string; prefixlen: number }[] }>("addr show dev net0")[0]!
      .addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`)
      .filter((text) => !text.startsWith("fe80"));
  const routes = (words = "proto static") =>
    [4, 6].flatMap((family) =>
      ipJson<{ dst: string; gateway?: string; metric?: number; prefsrc?: string }>(
        `-${family} route show dev net0 ${words}`,
      ).map(({ dst, gateway, metric, prefsrc }) =>
        [dst, gateway && `via ${gateway}`, metric, prefsrc].join(" ").trim(),
      ),
    );
  /** Applies it; nothing may be refused. */
  const apply = (...wanted: Parameters<typeof plan>) => assert.deepEqual(config.apply(plan(...wanted)), []);

  const IPS = ["10.1.0.2/24", "10.1.0.3/24", "fd00::2/88"];
  const ROUTES = ["10.8.0.0/16 via 10.1.0.1", "10.7.0.0/16", "fd01::/64 via fd00::1", "10.9.0.0/16 via 10.7.0.1"];
  const KERNEL_ROUTES = [
    "10.7.0.0/16   10.1.0.2",
    "10.8.0.0/16 via 10.1.0.1 5000 10.1.0.2",
    "10.9.0.0/16 via 10.7.0.1 5000 10.1.0.2",
    "fd01::/64 via fd00::1 5000 fd00::2",
  ];

  test("appears, and goes again", () => {
    apply(IPS, ROUTES);
    assert.deepEqual(addresses(), IPS);
    assert.deepEqual(routes(), KERNEL_ROUTES);
    apply(IPS, ROUTES);
    assert.deepEqual(routes(), KERNEL_ROUTES);
    assert.deepEqual(config.apply(NOTHING_PLANNED), []);
    assert.deepEqual([addresses(), routes()], [[], []]);
  });

  test("changes to another one", () => {
    apply(IPS, ROUTES);
    apply(["10.1.0.2/16", "fd00::2/88"], ["10.8.0.0/16 via 10.1.0.9", "10.7.0.0/16"]);
    assert.deepEqual(addresses(), ["10.1.0.2/16", "fd00::2/88"]);
    assert.deepEqual(routes(), ["10.7.0.0/16   10.1.0.2", "10.8.0.0/16 via 10.1.0.9 5000 10.1.0.2"]);
  });

  test("keeps what the kernel removes together with an address that is no longer wanted", () => {
    apply(IPS, ROUTES);
    // 10.1.0.3 is secondary to 10.1.0.2, and all routes prefer the latter.
    apply(["10.1.0.3/24", "fd00::2/88"], ROUTES);
    assert.deepEqual(addresses(), ["10.1.0.3/24", "fd00::2/88"]);
    assert.deepEqual(
      routes(),
      KERNEL_ROUTES.map((text) => text.replace("10.1.0.2", "10.1.0.3")),
    );
  });

  test("comes back after somebody took the interface down, or took things away", () => {
    apply(IPS, ROUTES);
    ip("link set net0 down");
    ip("link set net0 up");
    assert.deepEqual(routes(), []);
    apply(IPS, ROUTES);
    assert.deepEqual([addresses(), routes()], [IPS, KERNEL_ROUTES]);
    ip("addr del 10.1.0.3/24 dev net0");
    ip("route del 10.7.0.0/16 dev net0");
    apply(IPS, ROUTES);
    assert.deepEqual([addresses().sort(), routes()], [[...IPS].sort(), KERNEL_ROUTES]);
  });

  test("overrides the default route by two halves, and gives the way free again", () => {
    ip("addr add 192.168.7.2/24 dev peer0");
    ip("route add default via 192.168.7.1 dev peer0");
    const wanted = ["0.0.0.0/0 via 10.1.0.1", "::/0 via fd00::1"];
    apply(IPS, wanted, { allowDefault: true });
    assert.match(ip("route get 44.1.2.3"), /via 10\.1\.0\.1 dev net0/);
    assert.match(ip("route get 244.1.2.3"), /via 10\.1\.0\.1 dev net0/);
    assert.match(ip("route get 2600::1"), /via fd00::1 dev net0/);
    assert.match(ip("route show default"), /^default via 192\.168\.7\.1 dev peer0/);
    apply(IPS, wanted, { allowDefault: true }, false);
    assert.match(ip("route get 44.1.2.3"), /via 192\.168\.7\.1 dev peer0/);
    apply(IPS, wanted, { allowDefault: true });
    apply(IPS, wanted);
    assert.match(ip("route get 44.1.2.3"), /via 192\.168\.7\.1 dev peer0/);
    assert.deepEqual(routes(), []);
  });

  test("leaves alone what others put there, also if it is the same", () => {
    ip("addr add 10.1.0.2/24 dev net0");
    ip("addr add 10.77.0.1/16 dev net0");
    ip("route add 10.7.0.0/16 dev peer0");
    ip("route add 10.99.0.0/16 dev net0 proto static");
    apply(["10.1.0.2/24", "10.1.0.3/24"], ["10.7.0.0/16", "10.8.0.0/16"]);
    assert.deepEqual(routes(), ["10.8.0.0/16   10.1.0.2", "10.99.0.0/16"]);
    assert.deepEqual(config.apply(NOTHING_PLANNED), []);
    assert.deepEqual(addresses(), ["10.1.0.2/24", "10.77.0.1/16"]);
    assert.deepEqual(routes(), ["10.99.0.0/16"]);
    assert.match(ip("route show 10.7.0.0/16"), /dev peer0/);
  });

  test("tells what the kernel refuses, does the rest, and tries again", () => {
    const ips = ["10.1.0.2/24"];
    const problems = config.apply(plan(ips, ["10.8.0.0/16 via 10.60.0.1", "10.7.0.0/16"]));
    assert.deepEqual(
      problems.map(({ code, action }) => `${code} ${action}`),
      ["ENETUNREACH add route 10.8.0.0/16 via 10.60.0.1 to net0"],
    );
    assert.deepEqual(routes(), ["10.7.0.0/16   10.1.0.2"]);
    ip("route add 10.60.0.0/16 dev net0");
    apply(ips, ["10.8.0.0/16 via 10.60.0.1", "10.7.0.0/16"]);
    assert.deepEqual(routes(), ["10.7.0.0/16   10.1.0.2", "10.8.0.0/16 via 10.60.0.1 5000 10.1.0.2"]);
  });

  test("says so when the interface is gone", () => {
    apply(IPS, ROUTES);
    ip("link del net0");
    assert.deepEqual(
      config.apply(plan(IPS, ROUTES)).map(({ code }) => code),
      ["ENODEV"],
    );
  });
});
