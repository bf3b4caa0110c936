/**
 * The network of a benchmark: one namespace for generator and sink, one for each root, joined by veth pairs. The
 * peers' addresses, 64.0.0.0/2, all belong to the generator's namespace and exist nowhere else.
 */
import { execFileSync } from "node:child_process";
import { openSync, readdirSync, readlinkSync } from "node:fs";
import { enterNetworkNamespace } from "./libc.ts";
import { PEERS_NETWORK } from "./peer-address.ts";

const PREFIX = "orrery-bench-";
const RUN_DIRECTORY = "/run/netns";

/** One root's link to the generator. */
export interface Link {
  /** Of the interface on the generator's side. */
  readonly interfaceName: string;
  readonly interfaceIndex: number;
  readonly generatorMac: Uint8Array;
  readonly rootMac: Uint8Array;
  /** Host order. */
  readonly rootIp: number;
  readonly rootIpText: string;
  /** What to put before a command so that it runs in the root's namespace. */
  readonly enter: readonly string[];
}

function run(command: readonly string[]): string {
  return execFileSync(command[0]!, command.slice(1), { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

function macText(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** Namespaces and links of one run. Everything is gone after `close`, which may be called twice and from an exit. */
export class Lab {
  readonly #namespaces: string[] = [];
  readonly #strayLinks: string[] = [];
  readonly #generator: string;
  #links = 0;

  /** Makes the generator's namespace and moves this thread into it. */
  constructor() {
    removeLeftovers();
    this.#generator = this.#add("gen");
    this.#ip("route", "add", "local", PEERS_NETWORK, "dev", "lo");
    enterNetworkNamespace(openSync(`${RUN_DIRECTORY}/${this.#generator}`, "r"));
  }

  /** A namespace for a root that is still to be started, with a link to it. */
  link(name: string): Link {
    const namespace = this.#add(name);
    return this.#connect(name, namespace, ["ip", "netns", "exec", namespace], null);
  }

  /** A link to the root that runs as process `pid` in a namespace of its own and listens on `ip`. */
  linkTo(name: string, pid: number, ip: { readonly number: number; readonly text: string }): Link {
    if (readlinkSync(`/proc/${pid}/ns/net`) === readlinkSync("/proc/1/ns/net")) {
      throw new Error(`process ${pid} runs in the machine's own network namespace: start it in one of its own`);
    }
    return this.#connect(name, String(pid), ["nsenter", "-t", String(pid), "-n"], ip);
  }

  /** Lets the root's side of a link take several datagrams in one piece, as a card with UDP segmentation does. */
  setOffload(link: Link, on: boolean): void {
    run([...link.enter, "ip", "link", "set", this.#far(link), "gso_max_segs", on ? "65535" : "1"]);
  }

  close(): void {
    for (const name of this.#strayLinks.splice(0)) tryRun(["ip", "-n", this.#generator, "link", "delete", name]);
    for (const name of this.#namespaces.splice(0)) tryRun(["ip", "netns", "delete", name]);
  }

  #add(name: string): string {
    const namespace = `${PREFIX}${process.pid}-${name}`;
    run(["ip", "netns", "add", namespace]);
    this.#namespaces.push(namespace);
    for (const setting of ["net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0"]) {
      tryRun(["ip", "netns", "exec", namespace, "sysctl", "-qw", setting]);
    }
    tryRun(["ip", "netns", "exec", namespace, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"]);
    run(["ip", "-n", namespace, "link", "set", "lo", "up"]);
    return namespace;
  }

  #far(link: Link): string {
    return `ob-${link.interfaceName}`;
  }

  #connect(
    name: string,
    target: string,
    enter: readonly string[],
    ip: { readonly number: number; readonly text: string } | null,
  ): Link {
    const index = this.#links++;
    const generatorMac = Uint8Array.of(2, 0, 0, 0, index, 1);
    const rootMac = Uint8Array.of(2, 0, 0, 0, index, 2);
    const [near, far] = [name, `ob-${name}`];
    const generatorIp = `10.250.${index}.1`;
    const rootIp = `10.250.${index}.2`;
    this.#ip("link", "add", near, "address", macText(generatorMac), "type", "veth", "peer", "name", far);
    this.#strayLinks.push(near);
    this.#ip("link", "set", far, "netns", target);
    const inside = (...words: string[]) => run([...enter, "ip", ...words]);
    inside("link", "set", far, "address", macText(rootMac));
    this.#ip("address", "add", `${generatorIp}/30`, "dev", near);
    inside("address", "add", `${rootIp}/30`, "dev", far);
    this.#ip("link", "set", near, "up");
    inside("link", "set", far, "up");
    this.#ip("neighbour", "add", rootIp, "lladdr", macText(rootMac), "dev", near, "nud", "permanent");
    inside("neighbour", "add", generatorIp, "lladdr", macText(generatorMac), "dev", far, "nud", "permanent");
    inside("route", "add", PEERS_NETWORK, "via", generatorIp, "dev", far);
    const described: unknown = JSON.parse(run(["ip", "-n", this.#generator, "-j", "link", "show", near]));
    const interfaceIndex = (described as { ifindex: number }[])[0]!.ifindex;
    return {
      interfaceName: near,
      interfaceIndex,
      generatorMac,
      rootMac,
      rootIp: ip?.number ?? 10 * 2 ** 24 + 250 * 2 ** 16 + index * 2 ** 8 + 2,
      rootIpText: ip?.text ?? rootIp,
      enter,
    };
  }

  #ip(...words: string[]): void {
    run(["ip", "-n", this.#generator, ...words]);
  }
}

function tryRun(command: readonly string[]): void {
  try {
    run(command);
  } catch {
    // Gone already, or a setting that this kernel does not have: neither keeps a benchmark from running.
  }
}

/** Removes what a killed run left: namespaces whose name says a process that is no more. */
function removeLeftovers(): void {
  let names: string[] = [];
  try {
    names = readdirSync(RUN_DIRECTORY);
  } catch {
    return;
  }
  for (const name of names) {
    if (!name.startsWith(PREFIX)) continue;
    const pid = Number(name.slice(PREFIX.length).split("-")[0]);
    try {
      process.kill(pid, 0);
    } catch {
      tryRun(["ip", "netns", "delete", name]);
    }
  }
}
