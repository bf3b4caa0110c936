/** The interface of a joined network, from its name to its end. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { after, afterEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { type HostSettings, NetworkInterface } from "../../src/daemon/network-interface.ts";
import { Taps } from "../../src/dataplane/taps.ts";
import { HostNetwork } from "../../src/io/linux/host-network.ts";
import { loadLibc } from "../../src/io/linux/libc.ts";
import { deviceGroups, parseDeviceGroups } from "../../src/io/linux/multicast-groups.ts";
import { DEFAULT_LOCAL_SETTINGS } from "../../src/leaf/local-settings.ts";
import { formatMac, parseMac } from "../../src/protocol/ethernet.ts";
import { parseIp, parsePrefix } from "../../src/protocol/inet-address.ts";
import { enterOwnNetwork, ip, ipJson } from "../support/own-network.ts";

const skip = enterOwnNetwork();
const NETWORK = 0x9c650471be000002n;
const DERIVED = "zt5xnqi4n4";
const MAC = parseMac("02:8e:e3:84:5b:db")!;

const CONFIG: HostSettings = {
  mtu: 1400,
  staticIps: [parsePrefix("10.147.17.5/24")!, parsePrefix("fd00::5/88")!],
  routes: [{ target: parsePrefix("10.8.0.0/16")!, via: parseIp("10.147.17.1"), flags: 0, metric: 0 }],
  dns: { domain: "", servers: [] },
};

test("link-layer groups are read from the kernel's list, whatever else it may hold", () => {
  const text = `1    lo              1     0     333300000001
8    zt5xnqi4n4      2     0     01005e000001
8    zt5xnqi4n4      1     0     3333ff000005
9    broken
`;
  assert.deepEqual(
    [...parseDeviceGroups(text)].map(([name, macs]) => [name, macs.map(formatMac)]),
    [
      ["lo", ["33:33:00:00:00:01"]],
      [DERIVED, ["01:00:5e:00:00:01", "33:33:ff:00:00:05"]],
    ],
  );
});

describe("the interface of a network", { skip }, () => {
  const libc = loadLibc()!;
  const host = new HostNetwork(libc);
  const taps = new Taps(libc, (error) => assert.fail(error));
  let log: Record<string, unknown>[] = [];
  let failures: string[] = [];
  const open: NetworkInterface[] = [];

  function make(preferredName?: string): NetworkInterface {
    const logger = pino({ level: "info" }, { write: (line) => log.push(JSON.parse(line)) });
    const events = { frame: () => {}, failed: (error: string) => failures.push(error) };
    const made = new NetworkInterface(NETWORK, MAC, { taps, host, log: logger }, events, preferredName);
    open.push(made);
    return made;
  }

  afterEach(() => {
    for (const one of open.splice(0)) one.close();
    [log, failures] = [[], []];
  });
  after(async () => {
    await taps.close();
    host.close();
  });

  const link = (name: string) => ipJson<{ mtu: number; address: string; flags: string[] }>(`link show dev ${name}`)[0]!;
  const warnings = () => log.filter(({ level }) => level === 40).map(({ msg, err }) => [msg, (err as Error)?.message]);
  const groupsOf = (one: NetworkInterface) =>
    one.groups(deviceGroups().get(one.name) ?? []).map(({ mac, adi }) => `${formatMac(mac)} ${adi.toString(16)}`);

  test("is there at once, up, with the network's MAC and the MTU of a network without configuration", () => {
    const { name } = make();
    assert.equal(name, DERIVED);
    const { mtu, address, flags } = link(DERIVED);
    assert.deepEqual([mtu, address], [2800, formatMac(MAC)]);
    assert.ok(flags.includes("UP") && flags.includes("LOWER_UP") && flags.includes("MULTICAST"));
  });

  test("is called as the device map says, or the next name when one is taken", () => {
    assert.equal(make("lan0").name, "lan0");
    assert.equal(make("lan0").name, DERIVED);
    assert.equal(make().name, "zt5xnqi4n5");
  });

  test("is as its configuration says, whatever somebody does to it", () => {
    const one = make();
    for (const spoil of ["", `link set ${DERIVED} mtu 9000`, `addr flush dev ${DERIVED}`, `route del 10.8.0.0/16`]) {
      if (spoil !== "") ip(spoil);
      one.apply(CONFIG, DEFAULT_LOCAL_SETTINGS, true);
      assert.equal(link(DERIVED).mtu, 1400, spoil);
      assert.match(
        ip(`addr show dev ${DERIVED}`),
        /inet 10\.147\.17\.5\/24 brd 10\.147\.17\.255[\s\S]*inet6 fd00::5\/88/,
      );
      assert.match(ip("route show 10.8.0.0/16"), /via 10\.147\.17\.1 .*proto static src 10\.147\.17\.5 metric 5000/);
    }
    assert.deepEqual(warnings(), []);
    one.apply(CONFIG, { ...DEFAULT_LOCAL_SETTINGS, allowManaged: false }, true);
    assert.doesNotMatch(ip(`addr show dev ${DERIVED}`) + ip("route show"), /10\.147|10\.8\.|fd00/);
  });

  test("wants the groups of its addresses, and those that programs join", async () => {
    const one = make();
    one.apply(CONFIG, DEFAULT_LOCAL_SETTINGS, true);
    const solicited = "33:33:ff:00:00:05 0";
    const before = groupsOf(one);
    for (const group of ["ff:ff:ff:ff:ff:ff a931105", solicited, "01:00:5e:00:00:01 0", "33:33:00:00:00:01 0"]) {
      assert.ok(before.includes(group), `${group} in ${before}`);
    }
    const socket = createSocket({ type: "udp4", reuseAddr: true });
    socket.bind(5353);
    await once(socket, "listening");
    socket.addMembership("224.0.0.251", "10.147.17.5");
    assert.ok(groupsOf(one).includes("01:00:5e:00:00:fb 0"));
    socket.close();
    await once(socket, "close");
    assert.ok(!groupsOf(one).includes("01:00:5e:00:00:fb 0"));
  });

  test("tells each trouble once, and again only after it was gone", () => {
    const one = make();
    const broken = { ...CONFIG, routes: [{ ...CONFIG.routes[0]!, via: parseIp("10.99.0.1") }] };
    for (let i = 0; i < 3; i++) one.apply(broken, DEFAULT_LOCAL_SETTINGS, true);
    assert.equal(warnings().length, 1);
    assert.match(
      String(warnings()[0]![1]),
      /cannot add route 10\.8\.0\.0\/16 via 10\.99\.0\.1 to zt5xnqi4n4: ENETUNREACH/,
    );
    one.apply(CONFIG, DEFAULT_LOCAL_SETTINGS, true);
    one.apply(broken, DEFAULT_LOCAL_SETTINGS, true);
    assert.equal(warnings().length, 2);
    assert.equal(log[0]!["interface"], DERIVED);
  });

  test("says whether the network's name servers are in use", async () => {
    const path = process.env["PATH"];
    process.env["PATH"] = "/nonexistent";
    const one = make();
    const config = { ...CONFIG, dns: { domain: "corp.example", servers: [parseIp("10.147.17.1")!] } };
    one.apply(config, DEFAULT_LOCAL_SETTINGS, true);
    assert.deepEqual(one.dns, { is: "none" });
    one.apply(config, { ...DEFAULT_LOCAL_SETTINGS, allowDns: true }, true);
    while (one.dns.is === "pending") await sleep(5);
    process.env["PATH"] = path;
    assert.deepEqual(one.dns, { is: "failed", reason: "there is no resolvectl here (systemd-resolved)" });
    assert.deepEqual(
      warnings().map(([message]) => message),
      ["the network's DNS servers are not in use"],
    );
  });

  test("is gone the moment it is closed, so that its name can be used again", () => {
    make().close();
    assert.equal(host.link(DERIVED), null);
    assert.equal(make().name, DERIVED);
  });

  test("that somebody removes is told, and asking it does no harm", async () => {
    const one = make();
    one.apply(CONFIG, DEFAULT_LOCAL_SETTINGS, true);
    ip(`link del ${DERIVED}`);
    while (failures.length === 0) await sleep(5);
    assert.deepEqual(groupsOf(one), []);
    one.apply(CONFIG, DEFAULT_LOCAL_SETTINGS, true);
    assert.ok(warnings().length > 0);
    assert.equal(one.write(new Uint8Array(60)), false);
    one.close();
    assert.equal(failures.length, 1);
  });
});
