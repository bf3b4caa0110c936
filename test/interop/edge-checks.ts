/** The checks that need more than a sentence: bridging, and the canary. */
import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { scratchDirectory } from "../e2e/root-daemon.ts";
import type { Check } from "./checks.ts";
import type { NetworkLab } from "./network-lab.ts";
import { run } from "./node.ts";
import { ping, pingable } from "./traffic.ts";

const FOREIGN_IP = "10.55.0.200";
/** Sixteen bytes that stand nowhere else; ping repeats them. */
const CANARY = "c0ffee0ddba11fee1deadca7feedface";
const MAX_REGION_BYTES = 64 << 20;

function ip(lab: NetworkLab, words: string): void {
  assert.notEqual(run(lab.a.host, "ip", words.split(" ")), null, `ip ${words}`);
}

/** A machine that has never heard of the network is a neighbour of the leaf's bridge, and answers its members. */
export const BRIDGING: Check = {
  name: "a bridged host",
  async run(lab) {
    const { device } = await lab.addressesOf(lab.a);
    const foreign = lab.lab.openHost("foreign");
    lab.member(lab.a, { activeBridge: true });
    ip(lab, "link add br9 type bridge");
    ip(lab, `link set ${device} master br9`);
    ip(lab, `link add veth9 type veth peer name eth9 netns ${foreign.namespace}`);
    ip(lab, "link set veth9 master br9");
    ip(lab, "link set veth9 up");
    ip(lab, "link set br9 up");
    run(foreign, "ip", ["addr", "add", `${FOREIGN_IP}/24`, "dev", "eth9"]);
    run(foreign, "ip", ["link", "set", "eth9", "up"]);
    try {
      const to = await pingable(lab.b.host, FOREIGN_IP, 90_000);
      const back = ping(foreign, (await lab.addressesOf(lab.b)).ipv4, 5);
      assert.ok(back >= 4, `${back} of 5 pings from the foreign host`);
      return `answers after ${(to / 1000).toFixed(1)} s, and asks`;
    } finally {
      ip(lab, `link set ${device} nomaster`);
      ip(lab, "link del br9");
      ip(lab, "link del veth9");
      lab.member(lab.a, { activeBridge: false });
      await sleep(500);
    }
  },
};

/** Sends the canary to `to` by way of the root, and looks for it on the wire, in the root's memory and in its words. */
export async function findCanary(lab: NetworkLab, to: string): Promise<string> {
  const file = join(scratchDirectory(), "root.pcap");
  const sniffer = lab.lab.spawn(lab.root.host, "tcpdump", ["-i", "eth0", "-w", file, "-U", "udp"]);
  const captured = new Promise((resolve) => sniffer.once("exit", resolve));
  await sleep(800);
  const answered = ping(lab.a.host, to, 15, ["-p", CANARY, "-s", "600"]);
  await sleep(500);
  sniffer.kill("SIGTERM");
  await captured;
  const canary = Buffer.from(CANARY, "hex");
  const wire = readFileSync(file);
  assert.ok(answered >= 10, `${answered} of 15 pings were relayed`);
  assert.ok(wire.length > answered * 600, "the relayed pings did not come by the root");
  assert.ok(!wire.includes(canary), "the canary is on the wire in the clear");
  assert.ok(!lab.root.output.includes(CANARY), "the root wrote the canary");
  assert.ok(!isInMemory(lab.root.pid, canary), "the canary is in the root's memory");
  // The same search finds it where it has to be, or it would prove nothing.
  assert.ok(isInMemory(lab.b.pid, canary) || isInMemory(lab.a.pid, canary), "the search finds nothing anywhere");
  return "no canary on the wire or in the root";
}

/** Whether a process has these bytes in memory that it may read and write. */
function isInMemory(pid: number, bytes: Buffer): boolean {
  const memory = openSync(`/proc/${pid}/mem`, "r");
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
      const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
      if (from === undefined || to === undefined) continue;
      if (regionHas(memory, Number.parseInt(from, 16), Number.parseInt(to, 16), bytes)) return true;
    }
    return false;
  } finally {
    closeSync(memory);
  }
}

function regionHas(memory: number, from: number, to: number, bytes: Buffer): boolean {
  const room = Buffer.alloc(Math.min(to - from, MAX_REGION_BYTES));
  for (let at = from; at < to; at += room.length - bytes.length) {
    try {
      const read = readSync(memory, room, 0, Math.min(room.length, to - at), at);
      if (room.subarray(0, read).includes(bytes)) return true;
    } catch {
      return false;
    }
  }
  return false;
}
