/** A machine with two uplinks, of which one fails while it is talked to: real interfaces, real pings. */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { loadLibc } from "../../src/io/linux/libc.ts";
import { Lab, labUnavailable } from "./lab.ts";
import { RootDaemon } from "./root-daemon.ts";

const FAILOVER_MS = 5000;
const INTERVAL_MS = 100;

function unavailable(): string | false {
  const reason = labUnavailable();
  if (reason !== false) return reason;
  return loadLibc() === null || !existsSync("/dev/net/tun") ? "koffi or /dev/net/tun is missing" : false;
}

interface Bonded {
  readonly bondingPolicyStr: string;
  readonly numAliveLinks: number;
  readonly numTotalLinks: number;
  readonly paths: readonly { readonly ifname: string; readonly bonded: number }[];
}

async function until<T>(find: () => T | null | undefined | false, what: string, limitMs = 30_000): Promise<T> {
  const end = Date.now() + limitMs;
  for (;;) {
    const found = find();
    if (found) return found;
    assert.ok(Date.now() < end, `waited ${limitMs} ms for ${what}`);
    await sleep(100);
  }
}

describe("a machine with two uplinks", { skip: unavailable() }, () => {
  let lab: Lab;
  let root: RootDaemon;
  let here: RootDaemon;
  let there: RootDaemon;
  let network = "";
  let target = "";

  const bond = (): Bonded | null => {
    try {
      return JSON.parse(here.command("-j", "bond", there.address, "show", "-D", here.home)) as Bonded;
    } catch {
      return null;
    }
  };
  const bonded = () =>
    bond()
      ?.paths.filter((path) => path.bonded === 1)
      .map(({ ifname }) => ifname) ?? [];

  /** One question each 100 ms, each as a line when it is answered; the ones without an answer. */
  async function ping(ms: number, meanwhile: () => void | Promise<void>): Promise<{ lost: number; longestMs: number }> {
    const count = Math.ceil(ms / INTERVAL_MS);
    const words = ["-n", "-i", String(INTERVAL_MS / 1000), "-c", String(count), "-W", "1", target];
    const child = lab.spawn(here.host, "ping", words);
    let output = "";
    child.stdout?.on("data", (data) => {
      output += String(data);
    });
    const ended = new Promise((resolve) => child.once("close", resolve));
    await sleep(3000);
    await meanwhile();
    await ended;
    const answered = new Set([...output.matchAll(/icmp_seq=(\d+) .*time=/g)].map(([, nth]) => Number(nth)));
    let [lost, row, longest] = [0, 0, 0];
    for (let nth = 1; nth <= count; nth++) {
      row = answered.has(nth) ? 0 : row + 1;
      if (row > 0) lost++;
      longest = Math.max(longest, row);
    }
    return { lost, longestMs: longest * INTERVAL_MS };
  }

  async function start(here_: object | null, there_: object | null): Promise<void> {
    for (const [node, settings] of [
      [here, here_],
      [there, there_],
    ] as const) {
      await node.stop("SIGTERM");
      writeFileSync(join(node.home, "local.conf"), JSON.stringify({ settings: settings ?? {} }));
      await node.start();
    }
    const joined = () =>
      JSON.parse(there.command("listnetworks", "-j", "-D", there.home)) as { assignedAddresses: string[] }[];
    target = await until(() => joined()[0]?.assignedAddresses[0]?.split("/")[0], "an address of the network");
    const first = lab.spawn(here.host, "ping", ["-n", "-i", "0.2", "-c", "60", target]);
    first.stdout?.resume();
    if (here_ !== null) await until(() => bond()?.numAliveLinks === 2, "two links that work");
    first.kill("SIGTERM");
  }

  before(async () => {
    lab = new Lab();
    root = RootDaemon.init(lab, lab.openHost("root"));
    await root.start();
    const two = lab.openHost("here");
    lab.uplink(two, "eth1");
    here = RootDaemon.nodeOn(lab, two, root.planetFile);
    there = RootDaemon.nodeOn(lab, lab.openHost("there"), root.planetFile);
    await Promise.all([here.start(), there.start()]);
    const words = ["network", "create", "--name", "bonds", "--json", "--home", root.home];
    network = (JSON.parse(root.command(...words)) as { id: string }).id;
    for (const node of [here, there]) {
      node.command("join", network, "-D", node.home);
      root.command("member", "authorize", network, node.address, "--home", root.home);
    }
  });
  after(() => lab.close());

  for (const [far, what] of [
    [null, "does not bond"],
    [{ defaultBondingPolicy: "active-backup" }, "bonds too"],
  ] as const) {
    test(`active-backup loses at most the failover interval, with a peer that ${what}`, async (t) => {
      await start({ defaultBondingPolicy: "active-backup" }, far);
      const shown = bond()!;
      assert.equal(shown.bondingPolicyStr, "active-backup");
      assert.match(here.command("bond", "list", "-D", here.home), new RegExp(`${there.address} +active-backup +2/2`));
      const [used] = bonded();
      const { lost, longestMs } = await ping(25_000, () => lab.cut(here.host, used!));
      const left = bonded();
      lab.mend(here.host, used!);
      t.diagnostic(`${lost} of 250 pings lost, ${longestMs} ms in a row`);
      assert.ok(longestMs > 0, "the uplink that was cut was the one in use");
      assert.ok(longestMs <= FAILOVER_MS + 2 * INTERVAL_MS, `${longestMs} ms without an answer`);
      assert.deepEqual(left, [used === "eth0" ? "eth1" : "eth0"]);
      await until(() => bond()?.numAliveLinks === 2, "the link to work again");
    });
  }

  test("a policy of one's own fails over within half a second", async (t) => {
    const fast = {
      defaultBondingPolicy: "fast",
      policies: { fast: { basePolicy: "active-backup", failoverInterval: 500, links: { eth1: { mode: "primary" } } } },
    };
    // The peer, too: one that does not bond follows ours to the other uplink after two seconds.
    await start(fast, fast);
    await until(() => bonded()[0] === "eth1", "the primary link");
    const { lost, longestMs } = await ping(15_000, () => lab.cut(here.host, "eth1"));
    lab.mend(here.host, "eth1");
    t.diagnostic(`${lost} of 150 pings lost, ${longestMs} ms in a row`);
    assert.ok(longestMs <= 500 + 3 * INTERVAL_MS, `${longestMs} ms without an answer`);
    const back = await ping(12_000, () => {});
    assert.equal(back.lost, 0, "returning to the primary link loses nothing");
    assert.deepEqual(bonded(), ["eth1"]);
  });

  test("broadcast loses nothing", async (t) => {
    await start({ defaultBondingPolicy: "broadcast" }, { defaultBondingPolicy: "broadcast" });
    assert.deepEqual(bonded().sort(), ["eth0", "eth1"]);
    const { lost } = await ping(10_000, () => lab.cut(here.host, "eth0"));
    lab.mend(here.host, "eth0");
    t.diagnostic(`${lost} of 100 pings lost`);
    assert.equal(lost, 0);
  });
});
