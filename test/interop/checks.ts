/** What every pairing has to pass. Each check leaves things as it found them, and throws with a reason if it fails. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { EtherType, ethernetFrame } from "../../src/protocol/ethernet.ts";
import { BRIDGING, findCanary } from "./edge-checks.ts";
import type { NetworkLab } from "./network-lab.ts";
import { run, until } from "./node.ts";
import { capture, iperf, ping, pingable, sendFrame } from "./traffic.ts";

export interface Check {
  readonly name: string;
  /** Gives what is worth telling. */
  run(lab: NetworkLab): Promise<string>;
}

const DIRECT_MS = 30_000;
const ROAM_MS = 100_000;
/** Who has not left a dead path by then keeps it for minutes. */
const FAILOVER_MS = 25_000;
/** Data of a ping that fills a frame of 2800 bytes. */
const FULL_PING = ["-M", "do", "-s", "2772"];
const BROADCAST = 0xffffffffffff;

const macNumber = (text: string) => Number.parseInt(text.replaceAll(":", ""), 16);
const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

/** Both ways: from a to b, and from b to a. */
function bothWays(lab: NetworkLab) {
  return [
    [lab.a, lab.b],
    [lab.b, lab.a],
  ] as const;
}

/** Waits until pings between the leaves do not pass the root. Gives the time. */
async function direct(lab: NetworkLab, limitMs: number): Promise<string> {
  const { ipv4 } = await lab.addressesOf(lab.b);
  const started = performance.now();
  await until("a direct path", limitMs, () => {
    const before = lab.packetsAtRoot;
    return ping(lab.a.host, ipv4, 10) >= 9 && lab.packetsAtRoot - before < 10;
  });
  return seconds(performance.now() - started - 1800);
}

/** Both leaves begin anew, so that they do not hold on to the path that they had. */
async function restarted(lab: NetworkLab, ipv4: string): Promise<string> {
  await Promise.all([lab.a.stop(), lab.b.stop()]);
  await Promise.all([lab.a.start(), lab.b.start()]);
  const relayed = await pingable(lab.a.host, ipv4, 4 * DIRECT_MS);
  return `the dead path was kept for more than ${FAILOVER_MS / 1000} s; relayed ${seconds(relayed)} after a restart of both`;
}

/** A frame of an own making is seen by the other, whole. */
async function seesFrame(lab: NetworkLab, etherType: number, filter: string, toAll: boolean): Promise<string> {
  for (const [from, to] of bothWays(lab)) {
    const [near, far] = [await lab.addressesOf(from), await lab.addressesOf(to)];
    const destination = toAll ? BROADCAST : macNumber(lab.macOf(to));
    const data = Uint8Array.from({ length: 120 }, (_, i) => i);
    if (etherType === EtherType.VLAN) data.set([0x00, 42, 0x88, 0xb5]);
    const frame = ethernetFrame(destination, macNumber(lab.macOf(from)), etherType, data);
    const seen = await capture(lab.lab, to.host, far.device, filter, () => sendFrame(from.host, near.device, frame));
    assert.equal(seen, Buffer.from(frame).toString("hex"), `the frame from ${from.implementation.name}`);
  }
  return "both ways, byte for byte";
}

/** What a third member sees while a pings b. */
async function seenByThird(lab: NetworkLab, rules: readonly object[], act: () => void): Promise<string | null> {
  const third = await lab.addressesOf(lab.controller);
  const { ipv4 } = await lab.addressesOf(lab.b);
  lab.setRules(rules as never);
  await sleep(1500);
  return capture(lab.lab, lab.controller.host, third.device, `icmp and dst host ${ipv4}`, act);
}

export const CHECKS: readonly Check[] = [
  {
    name: "ping over IPv4, 6PLANE, RFC4193 and link-local",
    async run(lab) {
      const [a, b] = [await lab.addressesOf(lab.a), await lab.addressesOf(lab.b)];
      const times = [await pingable(lab.a.host, b.ipv4, DIRECT_MS)];
      times.push(await pingable(lab.a.host, b.sixPlane, DIRECT_MS), await pingable(lab.b.host, a.rfc4193, DIRECT_MS));
      times.push(await pingable(lab.a.host, `${b.linkLocal}%${a.device}`, DIRECT_MS));
      return times.map(seconds).join(", ");
    },
  },
  {
    name: "direct path",
    run: (lab) => direct(lab, DIRECT_MS),
  },
  {
    name: "frames of 2800 bytes",
    async run(lab) {
      for (const [from, to] of bothWays(lab)) {
        const { ipv4 } = await lab.addressesOf(to);
        assert.equal(ping(from.host, ipv4, 5, FULL_PING), 5);
      }
      return "5 of 5 both ways";
    },
  },
  {
    name: "TCP and UDP",
    async run(lab) {
      const told: string[] = [];
      for (const [from, to] of bothWays(lab)) {
        const { ipv4 } = await lab.addressesOf(to);
        const tcp = await iperf(lab.lab, from.host, to.host, ipv4, []);
        const udp = await iperf(lab.lab, from.host, to.host, ipv4, ["-u", "-b", "20M", "-l", "1200"]);
        assert.ok(tcp.mbits > 50, `${tcp.mbits} Mbit/s`);
        assert.ok(udp.lost < 0.02, `${udp.lost * 100} % of the datagrams were lost`);
        told.push(`${tcp.mbits} Mbit/s`);
      }
      return told.join(", ");
    },
  },
  {
    name: "an EtherType of one's own",
    run: (lab) => seesFrame(lab, 0x88b5, "ether proto 0x88b5", false),
  },
  { name: "a VLAN tag", run: (lab) => seesFrame(lab, EtherType.VLAN, "vlan 42", false) },
  { name: "PPPoE discovery", run: (lab) => seesFrame(lab, 0x8863, "ether proto 0x8863", true) },
  {
    name: "mDNS",
    async run(lab) {
      const [a, b] = [await lab.addressesOf(lab.a), await lab.addressesOf(lab.b)];
      run(lab.b.host, "ip", ["maddr", "add", "01:00:5e:00:00:fb", "dev", b.device]);
      // Groups are read from the kernel every five seconds.
      await sleep(7000);
      const question = `const s = require("dgram").createSocket("udp4"); s.bind(5353, "${a.ipv4}", () => {
        s.setMulticastInterface("${a.ipv4}"); s.send("interop", 5353, "224.0.0.251", () => s.close()); });`;
      const seen = await capture(lab.lab, lab.b.host, b.device, "udp port 5353", () => {
        run(lab.a.host, process.execPath, ["-e", question]);
      });
      run(lab.b.host, "ip", ["maddr", "del", "01:00:5e:00:00:fb", "dev", b.device]);
      assert.ok(seen?.includes(Buffer.from("interop").toString("hex")), "the subscriber did not hear it");
      return "heard";
    },
  },
  {
    name: "rules drop",
    async run(lab) {
      const { ipv4 } = await lab.addressesOf(lab.b);
      lab.setRules([
        { type: "MATCH_ETHERTYPE", etherType: EtherType.IPV4 },
        { type: "MATCH_IP_PROTOCOL", ipProtocol: 1 },
        { type: "ACTION_DROP" },
        { type: "ACTION_ACCEPT" },
      ]);
      const started = performance.now();
      await until("ping to be dropped", 10_000, () => ping(lab.a.host, ipv4, 1) === 0);
      const took = performance.now() - started;
      const { mbits } = await iperf(lab.lab, lab.a.host, lab.b.host, ipv4, []);
      lab.permitAll();
      await pingable(lab.a.host, ipv4, 10_000);
      assert.ok(mbits > 10);
      return `after ${seconds(took)}; TCP goes on`;
    },
  },
  {
    name: "tee",
    async run(lab) {
      const { ipv4 } = await lab.addressesOf(lab.b);
      const tee = { type: "ACTION_TEE", address: lab.controller.address, flags: 0, length: -1 };
      let answered = 0;
      const seen = await seenByThird(lab, [tee, { type: "ACTION_ACCEPT" }], () => {
        answered = ping(lab.a.host, ipv4, 5);
      });
      lab.permitAll();
      assert.ok(seen !== null, "the third member got no copy");
      assert.ok(answered >= 4, `${answered} of 5 pings were answered`);
      return "a copy came, and the original too";
    },
  },
  {
    name: "redirect",
    async run(lab) {
      const { ipv4 } = await lab.addressesOf(lab.b);
      const rules = [
        { type: "MATCH_ETHERTYPE", etherType: EtherType.IPV4 },
        { type: "MATCH_IP_PROTOCOL", ipProtocol: 1 },
        { type: "ACTION_REDIRECT", address: lab.controller.address, flags: 0 },
        { type: "ACTION_ACCEPT" },
      ];
      let answered = 0;
      const seen = await seenByThird(lab, rules, () => {
        answered = ping(lab.a.host, ipv4, 5);
      });
      lab.permitAll();
      await pingable(lab.a.host, ipv4, 10_000);
      assert.ok(seen !== null, "the third member got nothing");
      assert.equal(answered, 0, "the receiver got it, too");
      return "only the third member got it";
    },
  },
  BRIDGING,
  {
    name: "relay and back to direct",
    async run(lab) {
      const { ipv4 } = await lab.addressesOf(lab.b);
      lab.keepApart();
      const told: string[] = [];
      try {
        const relayed = await pingable(lab.a.host, ipv4, FAILOVER_MS).catch(() => null);
        told.push(relayed === null ? await restarted(lab, ipv4) : `relayed after ${seconds(relayed)}`);
        told.push(await findCanary(lab, ipv4));
      } finally {
        lab.letTogether();
      }
      told.push(`direct after ${await direct(lab, 4 * DIRECT_MS)}`);
      return told.join("; ");
    },
  },
  {
    name: "LAN only",
    async run(lab) {
      const { ipv4 } = await lab.addressesOf(lab.b);
      await pingable(lab.a.host, ipv4, DIRECT_MS);
      lab.pullWan();
      await sleep(1000);
      const answered = ping(lab.a.host, ipv4, 75);
      lab.plugWan();
      assert.ok(answered >= 70, `${answered} of 75 pings in 15 s were answered without the WAN`);
      return `${answered} of 75 pings`;
    },
  },
  {
    name: "roaming",
    async run(lab) {
      const { ipv4 } = await lab.addressesOf(lab.b);
      const { host } = lab.a;
      const other = host.ipv4.replace(/\.\d+$/, ".77");
      const gateway = host.ipv4.replace(/\.\d+$/, ".1");
      const move = (from: string, to: string) => {
        run(host, "ip", ["addr", "del", `${from}/24`, "dev", "eth0"]);
        run(host, "ip", ["addr", "add", `${to}/24`, "dev", "eth0"]);
        run(host, "ip", ["route", "replace", "default", "via", gateway]);
      };
      move(host.ipv4, other);
      const away = await pingable(host, ipv4, ROAM_MS).finally(() => move(other, host.ipv4));
      const back = await pingable(host, ipv4, ROAM_MS);
      return `answered again after ${seconds(away)}, and back after ${seconds(back)}`;
    },
  },
  {
    name: "deauthorized, and authorized again",
    async run(lab) {
      const { ipv4 } = await lab.addressesOf(lab.b);
      await pingable(lab.a.host, ipv4, DIRECT_MS);
      lab.member(lab.b, { authorized: false });
      const started = performance.now();
      await until("the other to be refused", 70_000, () => ping(lab.a.host, ipv4, 1) === 0);
      const refused = performance.now() - started;
      lab.member(lab.b, { authorized: true });
      await lab.addressesOf(lab.b);
      const again = await pingable(lab.a.host, (await lab.addressesOf(lab.b)).ipv4, 70_000);
      return `refused after ${seconds(refused)}, answered again after ${seconds(again)}`;
    },
  },
  {
    name: "SIGKILL and restart",
    async run(lab) {
      const told: string[] = [];
      for (const [node, other] of bothWays(lab)) {
        const before = await lab.addressesOf(node);
        await node.stop("SIGKILL");
        const routes = run(node.host, "ip", ["route", "show"]) ?? "";
        assert.ok(!routes.includes(before.device), `a route stayed: ${routes}`);
        await node.start();
        const started = performance.now();
        const after = await lab.addressesOf(node);
        assert.deepEqual(after, before);
        await pingable(node.host, (await lab.addressesOf(other)).ipv4, ROAM_MS);
        told.push(seconds(performance.now() - started));
      }
      return `same addresses; answered again after ${told.join(", ")}`;
    },
  },
];
