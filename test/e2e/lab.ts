/**
 * A laboratory of network namespaces, joined only with one another and with no way out. Needs root, `ip` and `nft`.
 *
 *      root 192.88.99.10/24            open host 192.175.48.10/24        one public segment (/24, /64) each
 *           │                               │
 *     ┌─────┴───────────────────────────────┴─────┐
 *     │                 backbone                  │   forwards; its routes are the public segments and nothing else
 *     └─────┬───────────────────────────────┬─────┘
 *      NAT 192.31.196.10               NAT 192.52.193.10                 cone or symmetric; unasked packets are dropped;
 *           │ 192.168.1.0/24                │ 192.168.2.0/24             IPv6 is routed behind a stateful firewall
 *      host 192.168.1.2                host 192.168.2.2
 *
 * The addresses count as global for a node (vl1-behaviour.md §3.4: loopback, link-local and documentation ranges do
 * not); they are special-purpose blocks that no host of the real internet answers on.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** How a NAT chooses the public port: the same for every destination, or another one for each. Both filter by port. */
export type NatKind = "cone" | "symmetric";

/** A machine: its namespace and its own addresses (private ones behind a NAT). */
export interface Host {
  readonly namespace: string;
  readonly ipv4: string;
  readonly ipv6: string | null;
}

/** A router with a LAN behind it. `publicIpv4` is what the backbone sees. */
export interface Router {
  readonly namespace: string;
  readonly publicIpv4: string;
  readonly lan: number;
  hosts: number;
}

const PUBLIC_SEGMENTS = ["192.88.99", "192.175.48", "192.31.196", "192.52.193"];
const PREFIX = "orrery-e2e-";
const STOP_GRACE_MS = 4000;

function run(command: string, args: readonly string[], input = ""): string {
  const result = spawnSync(command, args, { input, encoding: "utf8" });
  if (result.status !== 0) {
    throw new Error(`${command} ${args.join(" ")}: ${result.error?.message ?? result.stderr.trim()}\n${input}`);
  }
  return result.stdout;
}

/** Why no laboratory can be built here, or false. Said aloud once, because a silent skip looks like success. */
export function labUnavailable(): string | false {
  const reason = findObstacle();
  if (reason !== false) process.stderr.write(`\nNO NETWORK LABORATORY, these tests are skipped: ${reason}\n\n`);
  return reason;
}

function findObstacle(): string | false {
  if (process.platform !== "linux") return `network namespaces need Linux, this is ${process.platform}`;
  if (process.getuid?.() !== 0) return "network namespaces need root";
  for (const [tool, args] of [
    ["ip", ["-V"]],
    ["nft", ["--version"]],
  ] as const) {
    if (spawnSync(tool, args).status !== 0) return `the command "${tool}" is missing`;
  }
  const probe = `${PREFIX}${process.pid}-probe`;
  try {
    run("ip", ["netns", "add", probe]);
    run("ip", ["netns", "exec", probe, "nft", "-f", "-"], natRules("cone", "192.0.2.1"));
    return false;
  } catch (error) {
    return `namespaces or NAT are not possible here: ${(error as Error).message.split("\n")[0]}`;
  } finally {
    spawnSync("ip", ["netns", "del", probe]);
  }
}

/** Port preserving source NAT is a port restricted cone as long as ports do not clash; "fully-random" is symmetric. */
function natRules(kind: NatKind, publicIpv4: string): string {
  const translate = kind === "cone" ? `snat to ${publicIpv4}` : "masquerade random,fully-random";
  // Without the input rule an early packet of the other side would occupy the very mapping that we are about to need.
  return `table ip nat4 {
    chain translate { type nat hook postrouting priority 100; oifname "wan" ${translate}; }
    chain mine { type filter hook input priority 0; iifname "wan" ct state established,related accept; iifname "wan" drop; }
    chain theirs { type filter hook forward priority 0; iifname "wan" ct state established,related accept; iifname "wan" drop; }
  }
  table ip6 firewall6 {
    chain theirs { type filter hook forward priority 0; iifname "wan" ct state established,related accept; iifname "wan" drop; }
  }`;
}

/** Namespaces of test runs that were killed before they could clean up. */
function sweepAbandoned(): void {
  const listed = spawnSync("ip", ["netns", "list"], { encoding: "utf8" }).stdout ?? "";
  const alive = new Set(readdirSync("/proc"));
  for (const line of listed.split("\n")) {
    const match = new RegExp(`^(${PREFIX}(\\d+)-\\S+)`).exec(line);
    if (match !== null && !alive.has(match[2]!)) spawnSync("ip", ["netns", "del", match[1]!]);
  }
}

/** Everything of one laboratory. Build it in `before`, and call `close` in `after`; it also closes when the test dies. */
export class Lab {
  readonly #namespaces: string[] = [];
  readonly #children = new Set<ChildProcess>();
  readonly #backbone: string;
  readonly #atExit = (): void => this.#closeNow();
  readonly #atSignal = (): void => process.exit(1);
  /** By namespace and device: its end in the backbone. */
  readonly #ports = new Map<string, string>();
  readonly #segmentPrefixes: readonly string[];
  #segments = 0;

  /** Public segments with the first three numbers given; others, of addresses that are assigned, when these are used up. */
  constructor(segmentPrefixes: readonly string[] = PUBLIC_SEGMENTS) {
    this.#segmentPrefixes = segmentPrefixes;
    sweepAbandoned();
    process.on("exit", this.#atExit);
    process.once("SIGTERM", this.#atSignal).once("SIGINT", this.#atSignal);
    this.#backbone = this.#namespace("backbone", true);
  }

  /** A host on a public segment of its own. */
  openHost(name: string, families: "ipv4" | "ipv6" | "both" = "ipv4"): Host {
    const namespace = this.#namespace(name, false);
    const { ipv4, ipv6 } = this.#attach(namespace, "eth0", families);
    return { namespace, ipv4, ipv6: families === "ipv4" ? null : ipv6 };
  }

  /** A router whose WAN side is on a public segment of its own, IPv4 and IPv6. */
  router(name: string, kind: NatKind): Router {
    const namespace = this.#namespace(name, true);
    const { ipv4, ipv6, number } = this.#attach(namespace, "wan", "both");
    this.#ip(namespace, [
      "link add lan type bridge",
      "link set lan up",
      `addr add 192.168.${number}.1/24 dev lan`,
      `addr add ${lanPrefix(number)}1/64 dev lan nodad`,
    ]);
    this.#ip(this.#backbone, [`-6 route add ${lanPrefix(number)}/64 via ${ipv6}`]);
    run("ip", ["netns", "exec", namespace, "nft", "-f", "-"], natRules(kind, ipv4));
    return { namespace, publicIpv4: ipv4, lan: number, hosts: 1 };
  }

  /** A host on the LAN of a router. */
  hostBehind(name: string, router: Router, families: "ipv4" | "both" = "ipv4"): Host {
    const namespace = this.#namespace(name, false);
    const number = ++router.hosts;
    const port = `port${number}`;
    this.#link(router.namespace, port, namespace, "eth0");
    this.#ip(router.namespace, [`link set ${port} master lan`]);
    const ipv4 = `192.168.${router.lan}.${number}`;
    const ipv6 = families === "both" ? `${lanPrefix(router.lan)}${number}` : null;
    this.#ip(namespace, [
      `addr add ${ipv4}/24 dev eth0`,
      `route add default via 192.168.${router.lan}.1`,
      ...(ipv6 === null
        ? []
        : [`addr add ${ipv6}/64 dev eth0 nodad`, `-6 route add default via ${lanPrefix(router.lan)}1`]),
    ]);
    return { namespace, ipv4, ipv6 };
  }

  /** Another public segment of its own for a host: `device` has an address there and a second default route. */
  uplink(host: Host, device: string): string {
    const { ipv4 } = this.#attach(host.namespace, device, "ipv4");
    const settings = ["all", "default", device].map((name) => `echo 0 > /proc/sys/net/ipv4/conf/${name}/rp_filter`);
    run("ip", ["netns", "exec", host.namespace, "sh", "-c", settings.join("; ")]);
    return ipv4;
  }

  /** Nothing passes the segment of a host's device any more, in either direction; the device itself notices nothing. */
  cut(host: Host, device: string): void {
    const port = this.#ports.get(`${host.namespace} ${device}`)!;
    const rules = `table inet cut_${port} {
      chain through { type filter hook forward priority -10; iifname "${port}" drop; oifname "${port}" drop; }
    }`;
    run("ip", ["netns", "exec", this.#backbone, "nft", "-f", "-"], rules);
  }

  /** Undoes `cut`. */
  mend(host: Host, device: string): void {
    const port = this.#ports.get(`${host.namespace} ${device}`)!;
    run("ip", ["netns", "exec", this.#backbone, "nft", "delete", "table", "inet", `cut_${port}`]);
  }

  /** The router lets no UDP through any more, in either direction. */
  blockUdp(router: Router): void {
    const rules = `table inet no_udp {
      chain through { type filter hook forward priority -20; meta l4proto udp drop; }
    }`;
    run("ip", ["netns", "exec", router.namespace, "nft", "-f", "-"], rules);
  }

  /** Undoes `blockUdp`. */
  allowUdp(router: Router): void {
    run("ip", ["netns", "exec", router.namespace, "nft", "delete", "table", "inet", "no_udp"]);
  }

  /** Nothing passes between the host and `ipv4` any more. */
  block(host: Host, ipv4: string): void {
    run(
      "ip",
      ["netns", "exec", host.namespace, "nft", "-f", "-"],
      `table ip blocked {
        chain in { type filter hook input priority -10; ip saddr ${ipv4} drop; }
        chain out { type filter hook output priority -10; ip daddr ${ipv4} drop; }
      }`,
    );
  }

  /** Runs a program in the host's namespace, stdin, stdout and stderr piped; ends with the laboratory at the latest. */
  spawn(host: Host, command: string, args: readonly string[]): ChildProcess {
    const child = spawn("ip", ["netns", "exec", host.namespace, command, ...args], { stdio: "pipe" });
    this.#children.add(child);
    child.once("exit", () => this.#children.delete(child));
    return child;
  }

  /** Asks all programs to end, insists after a while, removes the namespaces. */
  async close(): Promise<void> {
    for (const child of this.#children) child.kill("SIGTERM");
    for (const end = Date.now() + STOP_GRACE_MS; this.#children.size > 0 && Date.now() < end; ) await sleep(20);
    this.#closeNow();
    process.off("exit", this.#atExit).off("SIGTERM", this.#atSignal).off("SIGINT", this.#atSignal);
  }

  #closeNow(): void {
    for (const child of this.#children) child.kill("SIGKILL");
    for (const namespace of this.#namespaces.splice(0)) spawnSync("ip", ["netns", "del", namespace]);
  }

  #namespace(name: string, forwards: boolean): string {
    const full = `${PREFIX}${process.pid}-${name}`;
    run("ip", ["netns", "add", full]);
    this.#namespaces.push(full);
    const settings = ["ipv6/conf/all/accept_dad=0", "ipv6/conf/default/accept_dad=0"];
    if (forwards) settings.push("ipv4/ip_forward=1", "ipv6/conf/all/forwarding=1");
    const script = settings
      .map((setting) => `echo ${setting.replace(/(.*)=(.*)/, "$2 > /proc/sys/net/$1")}`)
      .join("; ");
    run("ip", ["netns", "exec", full, "sh", "-c", `${script}; ip link set lo up`]);
    return full;
  }

  #attach(namespace: string, device: string, families: "ipv4" | "ipv6" | "both") {
    const number = this.#segments++;
    const segment = this.#segmentPrefixes[number] ?? `44.0.${number}`;
    const prefix6 = `2620:4f:8000:${(number + 1).toString(16)}::`;
    const port = `segment${number}`;
    this.#link(this.#backbone, port, namespace, device);
    const further = [...this.#ports.keys()].some((key) => key.startsWith(`${namespace} `));
    const route = further ? `dev ${device} metric ${200 + number}` : `dev ${device}`;
    this.#ports.set(`${namespace} ${device}`, port);
    const there: string[] = [];
    const here: string[] = [];
    if (families !== "ipv6") {
      there.push(`addr add ${segment}.1/24 dev ${port}`);
      here.push(`addr add ${segment}.10/24 dev ${device}`, `route add default via ${segment}.1 ${route}`);
    }
    if (families !== "ipv4") {
      there.push(`addr add ${prefix6}1/64 dev ${port} nodad`);
      here.push(`addr add ${prefix6}10/64 dev ${device} nodad`, `-6 route add default via ${prefix6}1 ${route}`);
    }
    this.#ip(this.#backbone, there);
    this.#ip(namespace, here);
    return { ipv4: `${segment}.10`, ipv6: `${prefix6}10`, number };
  }

  #link(a: string, deviceOfA: string, b: string, deviceOfB: string): void {
    run("ip", ["link", "add", deviceOfA, "netns", a, "type", "veth", "peer", "name", deviceOfB, "netns", b]);
    this.#ip(a, [`link set ${deviceOfA} up`]);
    this.#ip(b, [`link set ${deviceOfB} up`]);
  }

  #ip(namespace: string, lines: readonly string[]): void {
    for (const line of lines) run("ip", ["-n", namespace, ...line.split(" ")]);
  }
}

/** The /64 that is routed to the LAN of the router on public segment `number`. */
function lanPrefix(number: number): string {
  return `2620:4f:8000:10${number.toString(16).padStart(2, "0")}::`;
}
