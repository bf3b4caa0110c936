/** A machine that sends everything through a network of ours, and goes back to its own ways. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { loadLibc } from "../../src/io/linux/libc.ts";
import { formatIp, parseIp } from "../../src/protocol/inet-address.ts";
import { type Host, Lab, labUnavailable } from "./lab.ts";
import { RootDaemon } from "./root-daemon.ts";

const PORT = 7008;
/** Addresses that only the gateway has. */
const FAR = ["44.77.0.1", "2600:77::1"];
const SERVER = `require("net").createServer((s) => s.end("hello")).listen(${PORT}, "::")`;

function unavailable(): string | false {
  const reason = labUnavailable();
  if (reason !== false) return reason;
  const missing = loadLibc() === null ? "the package koffi" : existsSync("/dev/net/tun") ? null : "/dev/net/tun";
  if (missing === null) return false;
  process.stderr.write(`\nNO INTERFACES, the tests of a default route are skipped: ${missing} is missing\n\n`);
  return `${missing} is missing`;
}

function run(host: Host, words: string): string {
  return spawnSync("ip", ["netns", "exec", host.namespace, ...words.split(" ")], { encoding: "utf8" }).stdout;
}

/** True if the machine gets an answer from `ip` within a few seconds. */
function reaches(host: Host, ip: string): boolean {
  const program = `
    const s = require("net").connect(${PORT}, "${ip}");
    s.on("data", () => process.exit(0)).on("error", () => process.exit(1));
    setTimeout(() => process.exit(1), 3000);`;
  return spawnSync("ip", ["netns", "exec", host.namespace, process.execPath, "-e", program]).status === 0;
}

async function until<T>(find: () => T | null | undefined | false, what: string, limitMs = 30_000): Promise<T> {
  for (const end = Date.now() + limitMs; ; await sleep(100)) {
    const found = find();
    if (found) return found;
    assert.ok(Date.now() < end, `waited ${limitMs} ms for ${what}`);
  }
}

interface Joined {
  readonly assignedAddresses: readonly string[];
  readonly portDeviceName: string;
}

describe("a network with a default route", { skip: unavailable() }, () => {
  let lab: Lab;
  let root: RootDaemon;
  let gateway: RootDaemon;
  let client: RootDaemon;
  let network = "";

  const joined = (node: RootDaemon) =>
    (JSON.parse(node.command("listnetworks", "-j", "-D", node.home)) as Joined[])[0] ?? null;
  const addressesOf = (node: RootDaemon) =>
    until(() => {
      const { assignedAddresses = [] } = joined(node) ?? {};
      return assignedAddresses.length === 2 && assignedAddresses.map((text) => text.split("/")[0]!);
    }, "addresses of both families");
  const isOnline = (node: RootDaemon) => node.command("info", "-D", node.home).includes("ONLINE");

  before(async () => {
    lab = new Lab();
    root = RootDaemon.init(lab, lab.openHost("root", "both"));
    await root.start();
    gateway = RootDaemon.nodeOn(lab, lab.openHost("gateway", "both"), root.planetFile);
    client = RootDaemon.nodeOn(lab, lab.openHost("client", "both"), root.planetFile);
    await Promise.all([gateway.start(), client.start()]);
    for (const far of FAR) run(gateway.host, `ip addr add ${far}/${far.includes(":") ? 128 : 32} dev lo`);
    lab.spawn(gateway.host, process.execPath, ["-e", SERVER]);
    const create = ["network", "create", "--public", "--name", "way-out", "--json", "--home", root.home];
    network = (JSON.parse(root.command(...create)) as { id: string }).id;
    root.command("network", "set", network, "ipv6.rfc4193=true", "--home", root.home);
    for (const node of [gateway, client]) node.command("join", network, "-D", node.home);
    const [v4, v6] = (await addressesOf(gateway)).sort((a, b) => Number(a.includes(":")) - Number(b.includes(":")));
    await addressesOf(client);
    const { routes } = JSON.parse(root.command("network", "show", network, "--json", "--home", root.home)) as {
      routes: { target: string; via: string | null }[];
    };
    const onLink6 = { target: `${formatIp(parseIp(v6!)!.fill(0, 11))}/88`, via: null };
    const wanted = [...routes, onLink6, { target: "0.0.0.0/0", via: v4 }, { target: "::/0", via: v6 }];
    root.command("network", "set", network, `routes=${JSON.stringify(wanted)}`, "--home", root.home);
  });
  after(() => lab.close());

  test("changes nothing for who has not allowed it", () => {
    assert.ok(FAR.every((ip) => !reaches(client.host, ip)));
  });

  test("carries everything once it is allowed, and the node stays online by its own ways", async () => {
    client.command("set", network, "allowDefault=1", "-D", client.home);
    const device = joined(client)!.portDeviceName;
    for (const ip of FAR) await until(() => reaches(client.host, ip), `an answer of ${ip}`);
    // Longer than paths live without an answer: the node's own packets do not run in a circle.
    await sleep(20_000);
    assert.ok(isOnline(client));
    assert.ok(FAR.every((ip) => reaches(client.host, ip)));
    assert.match(run(client.host, "ip route get 44.77.0.1"), new RegExp(`dev ${device}`));
    assert.match(run(client.host, "ip route show default"), /dev eth0/);
  });

  test("leaves no trace when it is killed, and carries everything again when it is started", async () => {
    await client.stop("SIGKILL");
    assert.match(run(client.host, "ip route get 44.77.0.1"), /dev eth0/);
    assert.match(run(client.host, "ip -6 route get 2600:77::1"), /dev eth0/);
    await client.start();
    for (const ip of FAR) await until(() => reaches(client.host, ip), `an answer of ${ip}`);
  });

  test("gives the way free when it is no longer allowed", async () => {
    client.command("set", network, "allowDefault=0", "-D", client.home);
    assert.match(run(client.host, "ip route get 44.77.0.1"), /dev eth0/);
    assert.match(run(client.host, "ip -6 route get 2600:77::1"), /dev eth0/);
    assert.ok(FAR.every((ip) => !reaches(client.host, ip)));
    assert.ok(isOnline(client));
  });
});
