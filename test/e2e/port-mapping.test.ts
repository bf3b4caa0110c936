/** A leaf behind a router with miniupnpd: strangers reach it by the port that the router forwards, until it ends. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Host, Lab, labUnavailable, type Router } from "./lab.ts";
import { RootDaemon, scratchDirectory } from "./root-daemon.ts";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const TABLE = "upnp";

function unavailable(): string | false {
  const reason = labUnavailable();
  if (reason !== false || spawnSync("miniupnpd", ["--version"]).error === undefined) return reason;
  process.stderr.write("\nNO ROUTER, the tests of port mapping are skipped: miniupnpd is missing\n\n");
  return "miniupnpd is missing";
}

function inside(namespace: string, command: string, args: readonly string[], input = ""): string {
  const argv = ["netns", "exec", namespace, command, ...args];
  const result = spawnSync("ip", argv, { encoding: "utf8", input, cwd: PROJECT });
  assert.equal(result.status, 0, `${command} ${args.join(" ")}: ${result.stderr}`);
  return result.stdout;
}

/** Makes the router obey NAT-PMP or UPnP from its LAN. */
function startMiniupnpd(lab: Lab, router: Router, protocol: "nat-pmp" | "upnp"): void {
  inside(
    router.namespace,
    "nft",
    ["-f", "-"],
    `insert rule ip nat4 theirs ct status dnat accept
    table inet ${TABLE} {
      chain forward { type filter hook forward priority 0; policy accept; jump miniupnpd; }
      chain prerouting { type nat hook prerouting priority -100; policy accept; jump prerouting_miniupnpd; }
      chain postrouting { type nat hook postrouting priority 100; policy accept; jump postrouting_miniupnpd; }
      chain miniupnpd { }
      chain prerouting_miniupnpd { }
      chain postrouting_miniupnpd { }
    }`,
  );
  const directory = scratchDirectory();
  const file = join(directory, "miniupnpd.conf");
  const yes = (wanted: boolean) => (wanted ? "yes" : "no");
  writeFileSync(
    file,
    `ext_ifname=wan
listening_ip=lan
enable_natpmp=${yes(protocol === "nat-pmp")}
enable_upnp=${yes(protocol === "upnp")}
secure_mode=yes
upnp_table_name=${TABLE}
upnp_nat_table_name=${TABLE}
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
uuid=00000000-0000-0000-0000-000000000001
allow 1024-65535 0.0.0.0/0 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
`,
  );
  const asHost: Host = { namespace: router.namespace, ipv4: router.publicIpv4, ipv6: null };
  const child = lab.spawn(asHost, "miniupnpd", ["-d", "-f", file, "-P", join(directory, "pid")]);
  for (const stream of [child.stdout, child.stderr]) stream?.resume();
}

/** The outer port that the router forwards, or null. */
function forwardedPort(router: Router): number | null {
  const rules = inside(router.namespace, "nft", ["list", "chain", "inet", TABLE, "prerouting_miniupnpd"]);
  const match = /udp dport (\d+) .*dnat/.exec(rules) ?? /dport (\d+)[^\n]*dnat/.exec(rules);
  return match === null ? null : Number(match[1]);
}

/** A stranger's HELLO to a place where a node is said to be; what it says of the answer. */
function greet(from: Host, node: RootDaemon, ip: string, port: number): string {
  const identity = readFileSync(join(node.home, "identity.public"), "utf8").trim();
  const program = `
    import { probeHello } from "./src/io/hello-probe.ts";
    import { parseIdentity } from "./src/identity/identity.ts";
    import { parseEndpoint } from "./src/protocol/inet-address.ts";
    const root = parseIdentity(${JSON.stringify(identity)});
    const result = await probeHello({ target: parseEndpoint("${ip}/${port}"), root, timeoutMs: 5000 });
    console.log(result.ok ? "answered" : result.reason);`;
  return inside(from.namespace, process.execPath, ["--import", "tsx", "--input-type=module", "-e", program]).trim();
}

async function until<T>(find: () => T | null, what: string, limitMs = 20_000): Promise<T> {
  for (const end = Date.now() + limitMs; Date.now() < end; await sleep(100)) {
    const found = find();
    if (found !== null) return found;
  }
  return assert.fail(`waited ${limitMs} ms for ${what}`);
}

describe("a leaf behind a router that forwards ports", { skip: unavailable() }, () => {
  let lab: Lab;
  let root: RootDaemon;
  before(async () => {
    // Addresses that miniupnpd takes for public ones.
    lab = new Lab([]);
    root = RootDaemon.init(lab, lab.openHost("root"));
    await root.start();
  });
  after(() => lab.close());

  for (const protocol of ["nat-pmp", "upnp"] as const) {
    test(`is reached by strangers, by ${protocol}, and takes the mapping back at the end`, async () => {
      const router = lab.router(`nat-${protocol}`, "symmetric");
      startMiniupnpd(lab, router, protocol);
      await sleep(500);
      const leaf = RootDaemon.nodeOn(lab, lab.hostBehind(`leaf-${protocol}`, router), root.planetFile);
      leaf.configure("leaf: {tap: false}\n");
      await leaf.start();
      const port = await until(() => forwardedPort(router), "the router to forward a port");
      assert.equal(greet(root.host, leaf, router.publicIpv4, port), "answered");
      assert.notEqual(greet(root.host, leaf, router.publicIpv4, port === 9993 ? 9994 : 9993), "answered");
      const info = JSON.parse(leaf.command("info", "-j", "-D", leaf.home)) as {
        config: { settings: Record<string, unknown> };
      };
      const { secondaryPort, tertiaryPort, portMappingEnabled } = info.config.settings;
      assert.ok(Number(secondaryPort) >= 20_000 && Number(tertiaryPort) >= 20_000 && portMappingEnabled === true);
      await leaf.stop("SIGTERM");
      assert.equal(forwardedPort(router), null);
    });
  }
});
