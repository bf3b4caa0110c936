/** The benchmark's network: one namespace per leaf, joined by a bridge in the namespace of their root and controller. */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";

const PREFIX = "orrery-leafbench-";
const ROOT_IP = "10.77.0.254";

/** A machine of the laboratory. */
export interface Place {
  readonly namespace: string;
  readonly ip: string;
}

function run(command: readonly string[]): string {
  return execFileSync(command[0]!, command.slice(1), { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

function tryRun(command: readonly string[]): void {
  try {
    run(command);
  } catch {
    // Gone already, or a setting that this kernel does not have: neither keeps a benchmark from running.
  }
}

/** The words that run a command in a place. The process keeps its id: every wrapper replaces itself. */
export function inside(place: Place, command: readonly string[]): string[] {
  return ["ip", "netns", "exec", place.namespace, ...command];
}

/** The first IPv4 address of an interface whose name begins with `zt`, as leaves call theirs; null if there is none yet. */
export function networkAddress(place: Place): string | null {
  const listed = JSON.parse(run(["ip", "-n", place.namespace, "-j", "addr", "show"])) as {
    ifname: string;
    addr_info: { family: string; local: string }[];
  }[];
  for (const { ifname, addr_info } of listed) {
    const found = ifname.startsWith("zt") ? addr_info.find(({ family }) => family === "inet") : undefined;
    if (found !== undefined) return found.local;
  }
  return null;
}

/** Everything is gone after `close`, which may be called twice and from an exit. */
export class Lab {
  readonly root: Place;
  readonly #namespaces: string[] = [];
  #places = 0;

  constructor() {
    removeLeftovers();
    const namespace = this.#add("root");
    this.root = { namespace, ip: ROOT_IP };
    run(["ip", "-n", namespace, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0"]);
    run(["ip", "-n", namespace, "addr", "add", `${ROOT_IP}/24`, "dev", "br0"]);
    run(["ip", "-n", namespace, "link", "set", "br0", "up"]);
  }

  /** Another machine on the bridge. */
  place(name: string): Place {
    const number = ++this.#places;
    const namespace = this.#add(name);
    const [port, ip] = [`port${number}`, `10.77.0.${number}`];
    const root = this.root.namespace;
    run(["ip", "link", "add", port, "netns", root, "type", "veth", "peer", "name", "eth0", "netns", namespace]);
    run(["ip", "-n", root, "link", "set", port, "master", "br0", "up"]);
    run(["ip", "-n", namespace, "addr", "add", `${ip}/24`, "dev", "eth0"]);
    run(["ip", "-n", namespace, "link", "set", "eth0", "up"]);
    return { namespace, ip };
  }

  /** Bytes that the root's machine itself received: what is relayed shows here, what only crosses the bridge does not. */
  get rootBytes(): number {
    const shown: unknown = JSON.parse(run(["ip", "-n", this.root.namespace, "-s", "-j", "link", "show", "br0"]));
    return (shown as { stats64: { rx: { bytes: number } } }[])[0]!.stats64.rx.bytes;
  }

  close(): void {
    for (const name of this.#namespaces.splice(0)) tryRun(["ip", "netns", "delete", name]);
  }

  #add(name: string): string {
    const namespace = `${PREFIX}${process.pid}-${name}`;
    run(["ip", "netns", "add", namespace]);
    this.#namespaces.push(namespace);
    for (const which of ["all", "default"]) {
      tryRun(["ip", "netns", "exec", namespace, "sysctl", "-qw", `net.ipv6.conf.${which}.disable_ipv6=1`]);
    }
    run(["ip", "-n", namespace, "link", "set", "lo", "up"]);
    return namespace;
  }
}

/** Removes what a killed run left: namespaces whose name says a process that is no more. */
function removeLeftovers(): void {
  let names: string[] = [];
  try {
    names = readdirSync("/run/netns");
  } catch {
    return;
  }
  for (const name of names) {
    if (!name.startsWith(PREFIX)) continue;
    try {
      process.kill(Number(name.slice(PREFIX.length).split("-")[0]), 0);
    } catch {
      tryRun(["ip", "netns", "delete", name]);
    }
  }
}
