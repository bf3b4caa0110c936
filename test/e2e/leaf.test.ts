/** Two machines join a network of ours and talk over real interfaces; also after a crash, and when they leave. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { loadLibc } from "../../src/io/linux/libc.ts";
import { type Host, Lab, labUnavailable } from "./lab.ts";
import { RootDaemon } from "./root-daemon.ts";

const ECHO_PORT = 7007;
const SERVER = `require("net").createServer((s) => s.pipe(s)).listen(${ECHO_PORT}, "0.0.0.0")`;

function unavailable(): string | false {
  const reason = labUnavailable();
  if (reason !== false) return reason;
  const missing = loadLibc() === null ? "the package koffi" : existsSync("/dev/net/tun") ? null : "/dev/net/tun";
  if (missing === null) return false;
  process.stderr.write(`\nNO INTERFACES, the tests of a leaf are skipped: ${missing} is missing\n\n`);
  return `${missing} is missing`;
}

/** Runs a command in a machine to its end; its output. */
function run(host: Host, ...words: string[]): string {
  return spawnSync("ip", ["netns", "exec", host.namespace, ...words], { encoding: "utf8" }).stdout;
}

/** One round trip of `bytes` over TCP; false if that takes longer than `limitMs`. */
function echoes(host: Host, ip: string, bytes: number, limitMs = 8000): boolean {
  const program = `
    const s = require("net").connect(${ECHO_PORT}, "${ip}"); let left = ${bytes};
    s.on("connect", () => s.write(Buffer.alloc(${bytes}, 7)));
    s.on("data", (d) => { left -= d.length; if (left === 0) process.exit(0); });
    s.on("error", () => process.exit(1));
    setTimeout(() => process.exit(1), ${limitMs});`;
  return spawnSync("ip", ["netns", "exec", host.namespace, process.execPath, "-e", program]).status === 0;
}

async function until<T>(find: () => T | null | undefined | false, what: string, limitMs = 15_000): Promise<T> {
  const end = Date.now() + limitMs;
  for (;;) {
    const found = find();
    if (found) return found;
    assert.ok(Date.now() < end, `waited ${limitMs} ms for ${what}`);
    await sleep(50);
  }
}

interface Joined {
  readonly status: string;
  readonly assignedAddresses: readonly string[];
  readonly portDeviceName: string;
}

describe("machines that join a network", { skip: unavailable() }, () => {
  let lab: Lab;
  let root: RootDaemon;
  let here: RootDaemon;
  let there: RootDaemon;
  let network = "";

  const joined = (node: RootDaemon) =>
    (JSON.parse(node.command("listnetworks", "-j", "-D", node.home)) as Joined[])[0] ?? null;
  const addressOf = (node: RootDaemon) =>
    until(() => joined(node)?.assignedAddresses[0]?.split("/")[0], "an address of the network");

  before(async () => {
    lab = new Lab();
    root = RootDaemon.init(lab, lab.openHost("root"));
    await root.start();
    here = RootDaemon.nodeOn(lab, lab.openHost("here"), root.planetFile);
    there = RootDaemon.nodeOn(lab, lab.hostBehind("there", lab.router("nat", "cone")), root.planetFile);
    await Promise.all([here.start(), there.start()]);
    network = (
      JSON.parse(root.command("network", "create", "--name", "e2e", "--json", "--home", root.home)) as { id: string }
    ).id;
  });
  after(() => lab.close());

  test("wait until they are authorized, and then have an interface with an address", async () => {
    for (const node of [here, there]) {
      node.command("join", network, "-D", node.home);
      await until(() => joined(node)?.status === "ACCESS_DENIED", "the controller's refusal");
      root.command("member", "authorize", network, node.address, "--home", root.home);
      const address = await addressOf(node);
      const device = joined(node)!.portDeviceName;
      assert.match(run(node.host, "ip", "addr", "show", "dev", device), new RegExp(address.replaceAll(".", "\\.")));
    }
  });

  test("talk to one another, in small and in large pieces", async () => {
    for (const node of [here, there]) lab.spawn(node.host, process.execPath, ["-e", SERVER]);
    await sleep(500);
    const [a, b] = [await addressOf(here), await addressOf(there)];
    for (const bytes of [1, 100_000]) {
      assert.ok(echoes(here.host, b, bytes), `${bytes} bytes to the one behind a NAT`);
      assert.ok(echoes(there.host, a, bytes), `${bytes} bytes from there`);
    }
  });

  test("are members again after SIGKILL, with the same address and nothing stale", async () => {
    const before = await addressOf(here);
    const device = joined(here)!.portDeviceName;
    await here.stop("SIGKILL");
    assert.doesNotMatch(run(here.host, "ip", "link"), new RegExp(device));
    assert.doesNotMatch(run(here.host, "ip", "route"), new RegExp(device));
    await here.start();
    assert.equal(await addressOf(here), before);
    assert.equal(joined(here)!.portDeviceName, device);
    assert.ok(echoes(there.host, before, 1000), "it can be reached again");
  });

  test("are cut off when they are no longer authorized, and come back", async () => {
    const [a, b] = [await addressOf(here), await addressOf(there)];
    root.command("member", "deauthorize", network, here.address, "--home", root.home);
    await until(() => !echoes(there.host, a, 1, 700), "the others to refuse it");
    assert.ok(!echoes(here.host, b, 1, 700));
    await until(() => joined(here)?.status === "ACCESS_DENIED", "it to notice");
    root.command("member", "authorize", network, here.address, "--home", root.home);
    assert.ok(echoes(there.host, await addressOf(here), 1));
  });

  test("leave without a trace", async () => {
    const device = joined(here)!.portDeviceName;
    here.command("leave", network, "-D", here.home);
    await until(() => !run(here.host, "ip", "link").includes(device), "the interface to go");
    assert.ok(!run(here.host, "ip", "route").includes(device));
    assert.deepEqual(readdirSync(join(here.home, "networks.d")), []);
    assert.equal(joined(here), null);
  });
});
