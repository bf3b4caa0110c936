/**
 * A process with an interface, addresses and routes, and a child of its own, that waits to be killed. Prints a line
 * when all is there; the name of the interface is its argument.
 */
import { spawn } from "node:child_process";
import { HostConfig } from "../../src/daemon/host-config.ts";
import { Taps } from "../../src/dataplane/taps.ts";
import { HostNetwork } from "../../src/io/linux/host-network.ts";
import { loadLibc } from "../../src/io/linux/libc.ts";
import { parseIp, parsePrefix } from "../../src/protocol/inet-address.ts";

const name = process.argv[2]!;
const libc = loadLibc()!;
const host = new HostNetwork(libc);
const taps = new Taps(libc, (error) => console.error(error));
taps.open(name, { frame: () => {}, failed: (error) => console.error(error) });
const device = host.link(name)!;
host.changeLink(device, { up: true, mtu: 2800 });
const problems = new HostConfig(host, device).apply({
  addresses: [parsePrefix("10.44.0.2/24")!, parsePrefix("fd44::2/88")!],
  routes: [
    { target: parsePrefix("0.0.0.0/1")!, via: parseIp("10.44.0.1"), source: parseIp("10.44.0.2"), metric: 5000 },
    { target: parsePrefix("8000::/1")!, via: parseIp("fd44::1"), source: null, metric: 5000 },
  ],
});
// It must not inherit the device.
const child = spawn("sleep", ["60"], { stdio: "ignore" });
console.log(problems.length === 0 ? `ready ${child.pid}` : problems.join(" "));
setInterval(() => {}, 1000);
