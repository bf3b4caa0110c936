import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { getPriority, setPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { RelayWorkers, type RelayWorkersOptions } from "../../src/dataplane/relay-workers.ts";
import type { Notices } from "../../src/dataplane/ring-reader.ts";
import { Count, dropCount, type RelayRule } from "../../src/dataplane/worker-memory.ts";
import { now } from "../../src/io/clock.ts";
import { loadLibc } from "../../src/io/linux/libc.ts";
import { LinuxTransport } from "../../src/io/linux/linux-transport.ts";
import { randomFill } from "../../src/io/random.ts";
import type { Datagram } from "../../src/node/ports.ts";
import { writeAddress } from "../../src/protocol/address.ts";
import { makeEndpoint, parseIp, parsePrefix } from "../../src/protocol/inet-address.ts";
import { addHop } from "../../src/root/relay.ts";
import { Dice } from "../support/virtual-network.ts";

const SELF = 0x8123456789;
const FIRST_PEER = 0xfe00000001;
const libc = loadLibc();
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Peer {
  readonly address: number;
  readonly ip: string;
  readonly socket: Socket;
  readonly received: Buffer[];
}

async function peer(number: number, ip: string): Promise<Peer> {
  const v6 = ip.includes(":");
  const socket = createSocket({ type: v6 ? "udp6" : "udp4", ipv6Only: v6, recvBufferSize: 4 << 20 });
  const received: Buffer[] = [];
  socket.on("message", (bytes) => received.push(bytes));
  socket.bind(0, ip);
  await once(socket, "listening");
  closing.push(() => socket.close());
  return { address: FIRST_PEER + number, ip, socket, received };
}

interface Root {
  readonly workers: RelayWorkers;
  readonly transport: LinuxTransport;
  readonly punted: Datagram[];
  readonly notices: string[];
  /** Port of the root, the same on every address. */
  readonly port: number;
  knows(peer: Peer, expiresAt?: number): void;
}

async function root(
  options: Partial<RelayWorkersOptions> & { mayRelay?: boolean; rules?: readonly RelayRule[] } = {},
): Promise<Root> {
  const { mayRelay = true, rules = [] } = options;
  const workers = new RelayWorkers({
    libc: libc!,
    count: 1,
    self: SELF,
    maxPeers: 64,
    maxPairs: 64,
    random: randomFill,
    napMicroseconds: 0,
    onCrash: (error) => assert.fail(error),
    ...options,
  });
  const transport = new LinuxTransport(
    libc!,
    {
      ports: [{ port: 0, role: "primary" }],
      bind: [parseIp("127.0.0.1")!, parseIp("::1")!],
      interfacePrefixBlacklist: [],
      blacklist: [],
      receiveBufferBytes: 4 << 20,
    },
    workers,
  );
  closing.push(() => transport.close());
  const punted: Datagram[] = [];
  await transport.open((datagram) => punted.push(datagram));
  const notices: string[] = [];
  const told: Notices = {
    pairDue: (a, b) => notices.push(`due ${a - FIRST_PEER}>${b - FIRST_PEER}`),
    seenElsewhere: (a, b, { bytes }) => notices.push(`elsewhere ${a - FIRST_PEER}>${b - FIRST_PEER} ${bytes}`),
  };
  workers.attach(() => ({ mayRelay, rules }), told);
  const knows = ({ address, ip, socket }: Peer, expiresAt = now() + 100_000) => {
    const bytes = parseIp(ip)!;
    const local = transport.sockets().find((one) => one.local.ip.length === bytes.length)!;
    workers.table.set(address, local.id, makeEndpoint(bytes, socket.address().port), expiresAt);
  };
  return { workers, transport, punted, notices, port: transport.ports[0]!.port, knows };
}

function packet(from: Peer, to: Peer, length: number, dice: Dice, fragment = false): Uint8Array {
  const bytes = new Uint8Array(length);
  dice.fill(bytes);
  writeAddress(bytes, 8, to.address);
  if (fragment) bytes.set([0xff, 0x42, 1], 13);
  else {
    writeAddress(bytes, 13, from.address);
    bytes[18] = (bytes[18]! & 0xf8) | 1;
  }
  return bytes;
}

function send({ port }: Root, from: Peer, bytes: Uint8Array): void {
  // A copy: the text of the address is looked up first, so that the datagram leaves later than this returns.
  from.socket.send(Buffer.from(bytes), port, from.ip.includes(":") ? "::1" : "127.0.0.1");
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (condition()) return;
    await sleep(5);
  }
  assert.fail(`timed out: ${what}`);
}

/** Of each thread of this process. Facts: proc_pid_stat(5), field 19. */
function niceness(): number[] {
  return readdirSync("/proc/self/task").map((thread) => {
    const fields = readFileSync(`/proc/self/task/${thread}/stat`, "utf8").split(") ").at(-1)!.split(" ");
    return Number(fields[16]);
  });
}

function mayPrefer(): boolean {
  const own = getPriority();
  try {
    setPriority(own - 1);
    setPriority(own);
    return true;
  } catch {
    return false;
  }
}

describe("relay workers", { skip: libc === null && "no koffi here" }, () => {
  for (const count of [1, 3]) {
    test(`deliver a mixed load byte for byte and in order, with ${count} of them`, async () => {
      const dice = new Dice(11);
      const server = await root({ count });
      const peers = await Promise.all(
        Array.from({ length: 10 }, (_, i) => peer(i, i % 3 === 2 ? "::1" : `127.0.0.${i + 1}`)),
      );
      for (const one of peers) server.knows(one);
      const expected = new Map<Peer, Buffer[]>(peers.map((one) => [one, []]));
      const sizes = [28, 64, 100, 100, 1380, 1400, 1400, 1432, 1432, 9000];
      let total = 0;
      for (let burst = 0; burst < 20; burst++) {
        // Few destinations at a time, as real traffic has, so that there is something to group.
        const targets = [dice.next() * 10, dice.next() * 10, 3].map((n) => peers[Math.floor(n)]!);
        for (let i = 0; i < 100; i++) {
          const from = peers[Math.floor(dice.next() * 10)]!;
          const to = targets[Math.floor(dice.next() * targets.length)]!;
          const bytes = packet(from, to, sizes[Math.floor(dice.next() * sizes.length)]!, dice, dice.next() < 0.3);
          send(server, from, bytes);
          const relayed = Buffer.from(bytes);
          addHop(relayed);
          expected.get(to)!.push(relayed);
          total++;
        }
        await until(() => peers.reduce((sum, one) => sum + one.received.length, 0) === total, `burst ${burst}`);
      }
      for (const one of peers) {
        const sorted = (all: readonly Buffer[]) => all.map((bytes) => bytes.toString("hex")).sort();
        assert.deepEqual(sorted(one.received), sorted(expected.get(one)!));
      }
      const { workers, transport } = server;
      assert.equal(workers.sum(Count.FORWARDED_PACKETS), total);
      assert.ok(workers.sum(Count.SEGMENTED_MESSAGES) > 0, "nothing was grouped");
      assert.equal(workers.sum(Count.SEGMENTED_REFUSED), 0);
      const { datagramsIn, datagramsOut, bytesIn, bytesOut, sendErrors, receiveErrors } = transport.statistics;
      assert.deepEqual([datagramsIn, datagramsOut, sendErrors, receiveErrors], [total, total, 0, 0]);
      assert.equal(bytesIn, bytesOut);
    });
  }

  test("keep the order of what one peer sends to another, whatever its sizes", async () => {
    const dice = new Dice(5);
    const server = await root({ count: 2 });
    const [a, b] = [await peer(0, "127.0.0.1"), await peer(1, "127.0.0.2")];
    server.knows(a);
    server.knows(b);
    const sent = Array.from({ length: 300 }, (_, i) => {
      const bytes = packet(a, b, [1432, 1380, 200, 1432][Math.floor(dice.next() * 4)]!, dice, i % 2 === 1);
      send(server, a, bytes);
      addHop(bytes);
      return Buffer.from(bytes).toString("hex");
    });
    await until(() => b.received.length === sent.length, "all");
    assert.deepEqual(
      b.received.map((bytes) => bytes.toString("hex")),
      sent,
    );
  });

  test("tell main of each pair once, and of packets from where their source is not", async () => {
    const dice = new Dice(6);
    const server = await root();
    const [a, b, c] = [await peer(0, "127.0.0.1"), await peer(1, "127.0.0.2"), await peer(0, "127.0.0.9")];
    server.knows(a);
    server.knows(b);
    for (let i = 0; i < 5; i++) {
      send(server, a, packet(a, b, 100, dice));
      send(server, b, packet(b, a, 100, dice));
      send(server, a, packet(a, b, 100, dice, true));
    }
    await until(() => b.received.length === 10 && server.notices.length === 1, "introduction");
    assert.match(server.notices[0]!, /^due (0>1|1>0)$/);
    for (let i = 0; i < 5; i++) send(server, c, packet(c, b, 333, dice));
    await until(() => b.received.length === 15 && server.notices.length >= 2, "sighting");
    assert.deepEqual(server.notices.slice(1), ["elsewhere 0>1 333"]);
  });

  test("leave to main what is not theirs, and drop what is nobody's", async () => {
    const dice = new Dice(7);
    const server = await root({ rules: [{ prefix: parsePrefix("127.0.0.66/32")!, blacklist: true }] });
    const [a, b, bad] = [await peer(0, "127.0.0.1"), await peer(1, "127.0.0.2"), await peer(2, "127.0.0.66")];
    const us = { ...b, address: SELF };
    const unknown = { ...b, address: 0x1111111111 };
    server.knows(a);
    server.knows(b);
    await sleep(150);
    const forUs = packet(a, us, 777, dice);
    send(server, a, forUs);
    await until(() => server.punted.length === 1, "for us");
    assert.deepEqual(server.punted[0]!.bytes, forUs);
    assert.deepEqual(server.punted[0]!.from, makeEndpoint(parseIp("127.0.0.1")!, a.socket.address().port));
    assert.equal(server.punted[0]!.socket, server.transport.sockets()[0]!.id);
    send(server, a, packet(a, unknown, 50, dice));
    await until(() => server.punted.length === 2, "for another root");
    send(server, bad, packet(bad, b, 50, dice));
    const tired = packet(a, b, 50, dice);
    tired[18] = 3;
    send(server, a, tired);
    send(server, a, packet(a, { ...b, address: 0xff00000000 }, 50, dice));
    send(server, a, packet({ ...a, address: SELF }, b, 50, dice));
    await until(() => server.transport.statistics.datagramsIn === 6, "all");
    for (const reason of ["blacklisted", "hop_limit", "reserved_address", "from_self"] as const) {
      assert.equal(server.workers.sum(dropCount(reason)), 1, reason);
    }
    assert.equal(b.received.length, 0);
  });

  test("relay nothing while the node is no root", async () => {
    const server = await root({ mayRelay: false });
    const [a, b] = [await peer(0, "127.0.0.1"), await peer(1, "127.0.0.2")];
    server.knows(b);
    send(server, a, packet(a, b, 100, new Dice(1)));
    await until(() => server.workers.sum(dropCount("not_upstream")) === 1, "dropped");
    assert.equal(b.received.length, 0);
  });

  test("skip one that cannot be reached, and nobody else", async () => {
    const dice = new Dice(8);
    const server = await root();
    const [a, b] = [await peer(0, "127.0.0.1"), await peer(1, "127.0.0.2")];
    // Without permission to broadcast the kernel refuses this one.
    const refused = { ...b, address: FIRST_PEER + 7, ip: "255.255.255.255" };
    for (const one of [a, b, refused]) server.knows(one);
    for (let i = 0; i < 50; i++) {
      send(server, a, packet(a, refused, 400, dice));
      send(server, a, packet(a, b, 400, dice));
    }
    await until(() => b.received.length === 50, "the others");
    await until(() => server.transport.statistics.sendErrors === 50, "counted");
    assert.deepEqual(server.transport.statistics.sendErrorsByCode, { EACCES: 50 });
  });

  test("use a new path of a peer at once", async () => {
    const dice = new Dice(9);
    const server = await root();
    const [a, b, moved] = [await peer(0, "127.0.0.1"), await peer(1, "127.0.0.2"), await peer(1, "::1")];
    server.knows(a);
    for (let turn = 1; turn <= 20; turn++) {
      const at = turn % 2 === 0 ? moved : b;
      server.knows(at);
      await until(() => server.workers.table.settle(), "quiet readers");
      send(server, a, packet(a, at, 100, dice));
      await until(() => at.received.length === Math.ceil(turn / 2), `turn ${turn}`);
    }
  });

  test("go before the other threads where the system lets them", {
    skip: !mayPrefer() && "niceness may not be lowered",
  }, async () => {
    await root({ count: 2 });
    await until(() => niceness().filter((one) => one === getPriority() - 5).length === 2, "two threads five levels up");
  });

  test("are started again when they die, and what arrives meanwhile is not lost", async () => {
    const directory = mkdtempSync(join(tmpdir(), "orrery-test-"));
    closing.push(() => rmSync(directory, { recursive: true }));
    const marker = join(directory, "crashed");
    process.env["ORRERY_TEST_CRASH_MARKER"] = marker;
    const crashes: string[] = [];
    const dice = new Dice(10);
    const server = await root({
      workerFile: new URL("../support/crashing-relay-worker.ts", import.meta.url),
      onCrash: (error) => crashes.push(error.message),
    });
    const [a, b] = [await peer(0, "127.0.0.1"), await peer(1, "127.0.0.2")];
    server.knows(b);
    assert.ok(existsSync(marker));
    for (let i = 0; crashes.length === 0; i++) {
      assert.ok(i < 200);
      send(server, a, packet(a, b, 100, dice));
      await sleep(5);
    }
    const before = b.received.length;
    for (let i = 0; i < 500; i++) send(server, a, packet(a, b, 100, dice));
    await until(() => b.received.length >= before + 500, "what was sent to a dead worker");
    assert.deepEqual([crashes, server.workers.restarts], [["made to crash"], 1]);
    // Paths may change again: the dead worker's unfinished batch holds nothing up.
    for (const ip of ["127.0.0.3", "127.0.0.4", "127.0.0.5"]) server.knows({ ...b, ip });
    await until(() => server.workers.table.settle(), "the table");
  });
});
