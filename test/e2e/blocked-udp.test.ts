/** A machine whose firewall lets no UDP out lives on a root by TCP, and goes back to UDP when that is let through. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Host, Lab, labUnavailable, type Router } from "./lab.ts";
import { RootDaemon } from "./root-daemon.ts";

const RELAY_PORT = 443;
/** A minute of silence, and the packets that a node sends every 5 s. */
const ONLINE_WITHIN_MS = 80_000;

function inside({ namespace }: Host, command: string, args: readonly string[]): string {
  const result = spawnSync("ip", ["netns", "exec", namespace, command, ...args], { encoding: "utf8" });
  return result.status === 0 ? result.stdout : "";
}

async function until<T>(find: () => T | null | undefined | false, what: string, limitMs: number): Promise<T> {
  const end = Date.now() + limitMs;
  for (;;) {
    const found = find();
    if (found) return found;
    assert.ok(Date.now() < end, `waited ${limitMs} ms for ${what}`);
    await sleep(250);
  }
}

describe("a machine behind a firewall that lets no UDP through", { skip: labUnavailable() }, () => {
  let lab: Lab;
  let root: RootDaemon;
  let blocked: RootDaemon;
  let open: RootDaemon;
  let router: Router;

  const info = (node: RootDaemon) => node.command("info", "-D", node.home).trim();
  const api = (node: RootDaemon, verb: string) => JSON.parse(node.command(verb, "-j", "-D", node.home));
  const metric = (node: RootDaemon, name: string) => {
    const text = inside(node.host, process.execPath, [
      "-e",
      `fetch("http://127.0.0.1:9994/metrics").then((r) => r.text()).then(console.log)`,
    ]);
    return Number(new RegExp(`^${name.replaceAll(/[{}]/g, "\\$&")} (.*)$`, "m").exec(text)?.[1]);
  };

  before(async () => {
    lab = new Lab();
    const host = lab.openHost("root");
    root = RootDaemon.init(lab, host);
    root.configure(`listen:\n  tcpRelay: "0.0.0.0:${RELAY_PORT}"\n`);
    await root.start();
    router = lab.router("nat", "cone");
    lab.blockUdp(router);
    blocked = RootDaemon.nodeOn(lab, lab.hostBehind("blocked", router), root.planetFile);
    blocked.configure(`tcpFallback:\n  relay: ${host.ipv4}/${RELAY_PORT}\n`);
    open = RootDaemon.nodeOn(lab, lab.openHost("open"), root.planetFile);
    await Promise.all([blocked.start(), open.start()]);
  });
  after(() => lab.close());

  test("is online by TCP after a minute, and says so", async () => {
    await until(() => info(blocked).endsWith("TUNNELED"), "the tunnel", ONLINE_WITHIN_MS);
    await until(() => api(blocked, "info").online === true, "the root's answer", 10_000);
    const { config, tcpFallbackActive } = api(blocked, "info");
    assert.equal(tcpFallbackActive, true);
    assert.equal(config.settings.allowTcpFallbackRelay, true);
    assert.equal(api(open, "info").config.settings.allowTcpFallbackRelay, false, "nobody told it of a relay");
    assert.ok(api(blocked, "peers").every(({ tunneled }: { tunneled: boolean }) => tunneled));
    assert.equal(metric(root, "orrery_tcp_relay_connections"), 1);
  });

  test("talks to another one over the root", async () => {
    const created = root.command("network", "create", "--name", "e2e", "--json", "--home", root.home);
    const network = (JSON.parse(created) as { id: string }).id;
    const addresses: string[] = [];
    for (const node of [blocked, open]) {
      node.command("join", network, "-D", node.home);
      await until(() => api(node, "listnetworks")[0]?.status === "ACCESS_DENIED", "the controller's refusal", 20_000);
      root.command("member", "authorize", network, node.address, "--home", root.home);
      const find = () => api(node, "listnetworks")[0]?.assignedAddresses[0]?.split("/")[0] as string | undefined;
      addresses.push(await until(find, "an address of the network", 20_000));
    }
    const ping = (from: RootDaemon, to: string) =>
      inside(from.host, "ping", ["-c", "3", "-i", "0.3", "-W", "1", to]).includes(" 0% packet loss");
    await until(() => ping(open, addresses[0]!), "an answer from the one that is blocked", 20_000);
    assert.ok(ping(blocked, addresses[1]!));
    assert.ok(metric(root, `orrery_tcp_relay_packets_total{direction="tx"}`) > 0);
  });

  test("closes the tunnel when UDP is let through again, and stays online", async () => {
    lab.allowUdp(router);
    await until(() => info(blocked).endsWith("ONLINE"), "the end of the tunnel", 30_000);
    assert.equal(metric(blocked, "orrery_tunnel_open"), 0);
    assert.equal(metric(blocked, `orrery_tunnel_ends_total{reason="direct_again"}`), 1);
    await until(() => metric(root, "orrery_tcp_relay_connections") === 0, "the root to notice", 5000);
  });
});

describe("a machine that is told to use nothing but TCP", { skip: labUnavailable() }, () => {
  let lab: Lab;
  before(() => {
    lab = new Lab();
  });
  after(() => lab.close());

  test("is online at once, and sends no UDP at all", async () => {
    const host = lab.openHost("root");
    const root = RootDaemon.init(lab, host);
    root.configure(`listen:\n  tcpRelay: "0.0.0.0:${RELAY_PORT}"\n`);
    await root.start();
    const forced = RootDaemon.nodeOn(lab, lab.hostBehind("forced", lab.router("nat", "cone")), root.planetFile);
    // The reference's names, in the reference's file.
    const settings = { tcpFallbackRelay: `${host.ipv4}/${RELAY_PORT}`, forceTcpRelay: true };
    writeFileSync(join(forced.home, "local.conf"), JSON.stringify({ settings }));
    const counter = `table inet count {
      chain out { type filter hook output priority 0
        meta l4proto udp counter
      }
    }`;
    const { namespace } = forced.host;
    const counting = ["netns", "exec", namespace, "nft", "-f", "-"];
    assert.equal(spawnSync("ip", counting, { input: counter, encoding: "utf8" }).stderr, "");
    await forced.start();
    const info = () => JSON.parse(forced.command("info", "-j", "-D", forced.home));
    await until(() => info().online === true && info().tcpFallbackActive === true, "the root's answer", 10_000);
    assert.equal(info().config.settings.forceTcpRelay, true);
    await sleep(6000);
    assert.match(inside(forced.host, "nft", ["list", "table", "inet", "count"]), /counter packets 0 bytes 0/);
  });
});
