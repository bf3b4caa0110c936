/** Packets of the node stay on the interface that has the socket's address, when a network takes the default route. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, before, describe, test } from "node:test";
import { RelayWorkers } from "../../src/dataplane/relay-workers.ts";
import { DgramTransport } from "../../src/io/dgram.ts";
import { loadLibc } from "../../src/io/linux/libc.ts";
import { LinuxTransport } from "../../src/io/linux/linux-transport.ts";
import type { SocketOptions } from "../../src/io/local-sockets.ts";
import { randomFill } from "../../src/io/random.ts";
import type { Transport } from "../../src/io/transport.ts";
import { parseEndpoint, parseIp } from "../../src/protocol/inet-address.ts";
import { enterOwnNetwork, ip } from "../support/own-network.ts";

const skip = enterOwnNetwork();
const NEXT_HOP_MAC = "02:00:00:00:00:01";

/** Packets that have left through a device. */
function sentBy(device: string): number {
  const line = readFileSync("/proc/net/dev", "utf8")
    .split("\n")
    .find((one) => one.trim().startsWith(`${device}:`));
  return Number(line!.split(":")[1]!.trim().split(/\s+/)[9]);
}

/** An interface with a next hop that never has to be looked for. */
function device(name: string, peer: string, v4: string, v6: string): void {
  ip(`link add ${name} type veth peer name ${peer}`);
  ip(`link set ${peer} up`);
  ip(`link set ${name} up`);
  ip(`addr add ${v4}.2/24 dev ${name}`);
  ip(`addr add ${v6}::2/64 dev ${name} nodad`);
  for (const hop of [`${v4}.1`, `${v6}::1`]) ip(`neigh add ${hop} lladdr ${NEXT_HOP_MAC} dev ${name}`);
}

describe("sockets", { skip }, () => {
  const open: Transport[] = [];

  before(() => {
    device("eth0", "peer0", "10.1.0", "fd01");
    ip("route add default via 10.1.0.1");
    ip("route add default via fd01::1 dev eth0");
    device("zt0", "peer1", "10.2.0", "fd02");
    for (const half of ["0.0.0.0/1", "128.0.0.0/1"]) ip(`route add ${half} via 10.2.0.1 metric 5000`);
    for (const half of ["::/1", "8000::/1"]) ip(`route add ${half} via fd02::1 dev zt0 metric 5000`);
  });
  afterEach(async () => {
    for (const transport of open.splice(0)) await transport.close();
  });

  async function linuxTransport(options: Partial<SocketOptions> = {}): Promise<Transport> {
    const libc = loadLibc()!;
    const onCrash = (error: Error) => assert.fail(error);
    const limits = { maxPeers: 16, maxPairs: 16, random: randomFill, napMicroseconds: 0 };
    const readers = new RelayWorkers({ libc, count: 2, self: 1, ...limits, onCrash });
    const base = {
      ports: [{ port: 9993, role: "primary" as const }],
      bind: [],
      interfacePrefixBlacklist: [],
      blacklist: [],
    };
    const transport = new LinuxTransport(libc, { ...base, receiveBufferBytes: 65_536, ...options }, readers);
    open.push(transport);
    await transport.open(() => {});
    return transport;
  }

  /** Through which device what the socket of eth0 sends to a far endpoint leaves. */
  function wayOf(transport: Transport, family: 4 | 6): string {
    const socket = transport.sockets().find(({ local }) => local.family === family)!;
    const before = [sentBy("eth0"), sentBy("zt0")];
    const far = parseEndpoint(family === 4 ? "44.1.1.1/9993" : "2600::1/9993")!;
    for (let i = 0; i < 50; i++) transport.send(socket.id, far, new Uint8Array(20));
    // Whatever else leaves meanwhile are a few packets of the kernel's own.
    if (sentBy("eth0") - before[0]! >= 50) return "eth0";
    return sentBy("zt0") - before[1]! >= 50 ? "zt0" : "nowhere";
  }

  test("follow the routes as long as nobody asks for more", async () => {
    const transport = await linuxTransport();
    assert.deepEqual([wayOf(transport, 4), wayOf(transport, 6)], ["zt0", "zt0"]);
  });

  test("keep to their interface when asked, also new ones, and follow the routes again afterwards", async () => {
    const transport = await linuxTransport();
    assert.equal(transport.keepToInterfaces(true), true);
    assert.deepEqual([wayOf(transport, 4), wayOf(transport, 6)], ["eth0", "eth0"]);
    ip("addr del 10.1.0.2/24 dev eth0");
    ip("addr add 10.1.0.3/24 dev eth0");
    ip("route add default via 10.1.0.1");
    ip(`neigh replace 10.1.0.1 lladdr ${NEXT_HOP_MAC} dev eth0`);
    await transport.rescan();
    assert.equal(wayOf(transport, 4), "eth0");
    assert.equal(transport.keepToInterfaces(false), true);
    assert.deepEqual([wayOf(transport, 4), wayOf(transport, 6)], ["zt0", "zt0"]);
  });

  test("that are bound to an address by configuration keep to whoever has it", async () => {
    const transport = await linuxTransport({ bind: [parseIp("10.1.0.3")!] });
    assert.equal(transport.keepToInterfaces(true), true);
    assert.equal(wayOf(transport, 4), "eth0");
  });

  test("of a wildcard, and portable ones, say that they cannot", async () => {
    const wildcard = await linuxTransport({ bind: [parseIp("0.0.0.0")!] });
    assert.equal(wildcard.keepToInterfaces(true), false);
    const options = { bind: [], interfacePrefixBlacklist: [], blacklist: [], receiveBufferBytes: 65_536 };
    const portable = new DgramTransport({ ...options, ports: [{ port: 9994, role: "primary" as const }] });
    open.push(portable);
    await portable.open(() => {});
    assert.equal(portable.keepToInterfaces(true), false);
    assert.equal(portable.keepToInterfaces(false), true);
  });
});
