import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createSocket, Socket } from "node:dgram";
import { once } from "node:events";
import { afterEach, describe, mock, test } from "node:test";
import { RelayWorkers } from "../../src/dataplane/relay-workers.ts";
import { DgramTransport } from "../../src/io/dgram.ts";
import { IoError } from "../../src/io/errors.ts";
import { loadLibc } from "../../src/io/linux/libc.ts";
import { LinuxTransport } from "../../src/io/linux/linux-transport.ts";
import type { SocketOptions } from "../../src/io/local-sockets.ts";
import { randomFill } from "../../src/io/random.ts";
import type { Transport } from "../../src/io/transport.ts";
import type { Datagram } from "../../src/node/ports.ts";
import { writeAddress } from "../../src/protocol/address.ts";
import { formatEndpoint, makeEndpoint, parseEndpoint, parseIp, parsePrefix } from "../../src/protocol/inet-address.ts";

const V4 = parseIp("127.0.0.1")!;
const V6 = parseIp("::1")!;
const SECOND_V4 = parseIp("127.0.0.2")!;

const BASE: SocketOptions = {
  ports: [{ port: 0, role: "primary" }],
  bind: [V4],
  interfacePrefixBlacklist: [],
  blacklist: [],
  receiveBufferBytes: 1 << 20,
};

const SELF = 0x8123456789;

interface Implementation {
  readonly name: string;
  readonly make: (options: SocketOptions) => Transport;
}

const libc = loadLibc();

/** The transport of Linux; what a relay worker does not deal with itself comes through as it does on any other. */
function linux(workers: number): Implementation[] {
  if (libc === null) return [];
  const make = (options: SocketOptions) => {
    const readers = new RelayWorkers({
      libc,
      count: workers,
      self: SELF,
      maxPeers: 16,
      maxPairs: 16,
      random: randomFill,
      napMicroseconds: 0,
      onCrash: (error) => assert.fail(error),
    });
    return new LinuxTransport(libc, options, readers);
  };
  return [{ name: `LinuxTransport with ${workers} workers`, make }];
}

const IMPLEMENTATIONS: readonly Implementation[] = [
  { name: "DgramTransport", make: (options) => new DgramTransport(options) },
  ...linux(1),
  ...linux(3),
];

const open: Transport[] = [];
const plain: Socket[] = [];

async function startedAs(
  { make }: Implementation,
  options: Partial<SocketOptions>,
  receive: (datagram: Datagram) => void = () => {},
): Promise<Transport> {
  const transport = make({ ...BASE, ...options });
  open.push(transport);
  await transport.open(receive);
  return transport;
}

async function plainSocket(address = "127.0.0.1", port = 0): Promise<Socket> {
  const v6 = address.includes(":");
  const socket = createSocket({ type: v6 ? "udp6" : "udp4", ipv6Only: v6 });
  plain.push(socket);
  socket.bind(port, address);
  await once(socket, "listening");
  return socket;
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail(`timed out: ${what}`);
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((transport) => transport.close()));
  for (const socket of plain.splice(0)) socket.close();
});

/** Bytes that a relay leaves to the node. */
function forUs(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  writeAddress(bytes, 8, SELF);
  return bytes;
}

for (const implementation of IMPLEMENTATIONS) {
  describe(implementation.name, () => {
    const started = (options: Partial<SocketOptions>, receive?: (datagram: Datagram) => void) =>
      startedAs(implementation, options, receive);

    for (const [name, ip] of [
      ["IPv4", V4],
      ["IPv6", V6],
    ] as const) {
      test(`carries datagrams both ways over ${name} with the endpoints as bytes`, async () => {
        const atB: { text: string; from: string; socket: number }[] = [];
        const b = await started({ bind: [ip] }, ({ bytes, from, socket }) => {
          atB.push({ text: Buffer.from(bytes).toString(), from: formatEndpoint(from), socket });
          b.send(socket, from, Buffer.from("answer"));
        });
        const atA: string[] = [];
        const a = await started({ bind: [ip] }, ({ bytes, from }) => {
          assert.equal(Object.getPrototypeOf(bytes), Uint8Array.prototype);
          assert.deepEqual(from.ip, ip);
          atA.push(`${Buffer.from(bytes)} ${formatEndpoint(from)}`);
        });
        const [socketA] = a.sockets();
        const [socketB] = b.sockets();
        a.send(socketA!.id, socketB!.local, Buffer.from("question"));
        await until(() => atA.length === 1, "answer");
        assert.deepEqual(atB, [{ text: "question", from: formatEndpoint(socketA!.local), socket: socketB!.id }]);
        assert.deepEqual(atA, [`answer ${formatEndpoint(socketB!.local)}`]);
        const { bytesIn, bytesOut, datagramsIn, datagramsOut, sendErrors, receiveErrors } = a.statistics;
        assert.deepEqual(
          { bytesIn, bytesOut, datagramsIn, datagramsOut, sendErrors, receiveErrors },
          { bytesIn: 6, bytesOut: 8, datagramsIn: 1, datagramsOut: 1, sendErrors: 0, receiveErrors: 0 },
        );
      });
    }

    for (const [name, ip] of [
      ["IPv4", V4],
      ["IPv6", V6],
    ] as const) {
      test(`sends the pieces of a packet over ${name} as the datagrams they are, and single ones behind them`, async () => {
        const heard: Buffer[] = [];
        const receiver = await plainSocket(name === "IPv4" ? "127.0.0.1" : "::1");
        receiver.on("message", (bytes) => void heard.push(bytes));
        const transport = await started({ bind: [ip] });
        const [socket] = transport.sockets();
        const to = makeEndpoint(ip, receiver.address().port);
        const sent: Buffer[] = [];
        for (const lengths of [
          [1432, 1432, 77],
          [1432, 1432],
          [28, 28, 28, 28, 28, 28, 1],
          [900, 1],
        ]) {
          const pieces = lengths.map((length, i) => Buffer.alloc(length, sent.length + i + 1));
          if (transport.sendPieces !== undefined) transport.sendPieces(socket!.id, to, pieces);
          else for (const piece of pieces) transport.send(socket!.id, to, piece);
          transport.send(socket!.id, to, Buffer.from("single"));
          sent.push(...pieces, Buffer.from("single"));
        }
        await until(() => heard.length === sent.length, "every piece");
        assert.deepEqual(heard, sent);
        assert.equal(transport.statistics.datagramsOut, sent.length);
        assert.equal(transport.statistics.sendErrors, 0);
      });
    }

    test("lets a datagram leave before send() returns: another process has it while our event loop stands still", async () => {
      const child = spawn(process.execPath, [
        "-e",
        `const s = require("node:dgram").createSocket("udp4");
       s.on("message", (m) => { process.stdout.write("at " + Date.now()); s.close(); });
       s.bind(0, "127.0.0.1", () => process.stdout.write("port " + s.address().port + "\\n"));`,
      ]);
      const [first] = (await once(child.stdout, "data")) as [Buffer];
      const port = Number(/port (\d+)/.exec(first.toString())![1]);
      const transport = await started({});
      transport.send(transport.sockets()[0]!.id, makeEndpoint(V4, port), Buffer.from("now"));
      const sentAt = Date.now();
      const blockedUntil = sentAt + 700;
      while (Date.now() < blockedUntil);
      const [second] = (await once(child.stdout, "data")) as [Buffer];
      const arrivedAt = Number(/at (\d+)/.exec(second.toString())![1]);
      assert.ok(arrivedAt < blockedUntil, `arrived ${arrivedAt - sentAt} ms after the send, loop blocked for 700 ms`);
    });

    test("binds one socket per address and port, and answers leave from the address that was asked", async () => {
      const transport = await started(
        {
          bind: [V4, SECOND_V4, V6],
          ports: [
            { port: 0, role: "primary" },
            { port: 0, role: "secondary" },
          ],
        },
        ({ bytes, from, socket }) => transport.send(socket, from, bytes.slice()),
      );
      const sockets = transport.sockets();
      assert.equal(sockets.length, 6);
      assert.equal(new Set(sockets.map((socket) => socket.id)).size, 6);
      assert.equal(sockets.filter((socket) => socket.primary).length, 3);
      assert.deepEqual(
        new Set(sockets.map((socket) => socket.local.port)),
        new Set(transport.ports.map((choice) => choice.port)),
      );
      const client = await plainSocket("127.0.0.1");
      const target = sockets.find((socket) => socket.local.ip[3] === 2 && socket.primary)!;
      client.send("hello", target.local.port, "127.0.0.2");
      const [, from] = await once(client, "message");
      assert.equal(`${from.address}/${from.port}`, formatEndpoint(target.local));
    });

    test("a wildcard stands for the other addresses of its family", async () => {
      const transport = await started({ bind: [parseIp("0.0.0.0")!, V4, V6] });
      assert.deepEqual(
        transport.sockets().map((socket) => socket.local.ip.length),
        [4, 16],
      );
    });

    test("tells which address and port is taken and what to do, and closes what it opened", async () => {
      const taken = await plainSocket("127.0.0.1");
      const { port } = taken.address();
      await assert.rejects(started({ bind: [V6, V4], ports: [{ port, role: "primary" }] }), (error: IoError) => {
        assert.ok(error instanceof IoError);
        assert.equal(error.code, "EADDRINUSE");
        assert.equal(
          error.message,
          `UDP port ${port} is already in use (127.0.0.1/${port}): stop the other program ` +
            `(ss -lnp "sport = :${port}" names it) or set another listen.port`,
        );
        return true;
      });
      await plainSocket("::1", port);
    });

    test("starts although a secondary port is taken, says so, and binds it at a later rescan", async () => {
      const taken = await plainSocket("127.0.0.1");
      const { port } = taken.address();
      const transport = await started({
        ports: [
          { port: 0, role: "primary" },
          { port, role: "secondary" },
        ],
      });
      assert.equal(transport.sockets().length, 1);
      assert.deepEqual(
        transport.statistics.problems.map(({ local, code }) => `${formatEndpoint(local)} ${code}`),
        [`127.0.0.1/${port} EADDRINUSE`],
      );
      taken.close();
      plain.splice(plain.indexOf(taken), 1);
      await until(() => transport.sockets().length === 1, "closed");
      await transport.rescan();
      assert.equal(transport.sockets().length, 2);
      assert.deepEqual(transport.statistics.problems, []);
    });

    test("refuses to start when none of the configured addresses exists", async () => {
      await assert.rejects(started({ bind: [parseIp("198.51.100.77")!] }), {
        name: "IoError",
        code: "EADDRNOTAVAIL",
      });
    });

    test("follows the interfaces: binds what appears, closes what is gone, keeps ids of what stays", async () => {
      let addresses = [{ name: "eth0", ip: parseIp("10.255.1.2")! }];
      const transport = await started({ bind: [], addresses: () => addresses });
      assert.deepEqual(transport.sockets(), []);
      assert.equal(transport.statistics.problems[0]?.code, "EADDRNOTAVAIL");
      await transport.reconfigure({ bind: [V4, SECOND_V4], interfacePrefixBlacklist: [], blacklist: [] });
      const [first, second] = transport.sockets();
      await transport.reconfigure({ bind: [SECOND_V4], interfacePrefixBlacklist: [], blacklist: [] });
      assert.deepEqual(transport.sockets(), [second]);
      await transport.reconfigure({ bind: [V4, SECOND_V4], interfacePrefixBlacklist: [], blacklist: [] });
      assert.equal(transport.sockets().length, 2);
      assert.ok(transport.sockets().every((socket) => socket.id !== first!.id));
      assert.deepEqual(transport.sockets()[0], second);
      addresses = [];
      await transport.reconfigure({ bind: [], interfacePrefixBlacklist: [], blacklist: [parsePrefix("10.0.0.0/8")!] });
      assert.deepEqual(transport.sockets(), []);
      assert.deepEqual(transport.statistics.problems, []);
    });

    test("counts what cannot be sent, by code, and never throws", async () => {
      const transport = await started({});
      const { id } = transport.sockets()[0]!;
      transport.send(id, parseEndpoint("127.0.0.1/0")!, Buffer.from("x"));
      transport.send(id, parseEndpoint("::1/9993")!, Buffer.from("x"));
      transport.send(999, parseEndpoint("127.0.0.1/9993")!, Buffer.from("x"));
      transport.send(id, parseEndpoint("127.0.0.1/9993")!, new Uint8Array(70_000));
      transport.send(id, parseEndpoint("255.255.255.255/9993")!, Buffer.from("x"));
      await until(() => transport.statistics.sendErrors === 5, "errors counted");
      const { NO_SOCKET, BAD_ENDPOINT, EMSGSIZE } = transport.statistics.sendErrorsByCode;
      assert.deepEqual({ NO_SOCKET, BAD_ENDPOINT, EMSGSIZE }, { NO_SOCKET: 1, BAD_ENDPOINT: 2, EMSGSIZE: 1 });
      await transport.close();
      transport.send(id, parseEndpoint("127.0.0.1/9993")!, Buffer.from("x"));
      assert.equal(transport.statistics.sendErrorsByCode.NO_SOCKET, 2);
    });

    test("sends a burst of thousands without dropping or queueing without bound", async () => {
      let received = 0;
      const receiver = await started({ receiveBufferBytes: 4 << 20 }, () => {
        received++;
      });
      const sender = await started({});
      const { id } = sender.sockets()[0]!;
      for (let i = 0; i < 3000; i++) sender.send(id, receiver.sockets()[0]!.local, forUs(100));
      await until(() => sender.statistics.datagramsOut + sender.statistics.sendErrors === 3000, "all sent");
      assert.equal(sender.statistics.sendErrors, 0);
      await until(() => received > 2000, "received");
    });

    test("reports the receive buffer asked for and the one granted, also when far too much is asked", async () => {
      const transport = await started({ receiveBufferBytes: 2 ** 30 });
      const [buffer] = transport.statistics.buffers;
      assert.equal(buffer!.askedBytes, 2 ** 30);
      assert.ok(buffer!.grantedBytes > 0 && buffer!.grantedBytes < 2 ** 30);
      const modest = await started({ receiveBufferBytes: 131_072 });
      assert.equal(modest.statistics.buffers[0]!.grantedBytes, 131_072);
    });

    test("closes twice and rescans after closing without harm", async () => {
      const transport = await started({});
      await Promise.all([transport.close(), transport.close(), transport.rescan()]);
      assert.deepEqual(transport.sockets(), []);
    });
  });
}

describe("DgramTransport alone", () => {
  test("sends with a hop limit of one datagram's own and returns to the default", async () => {
    const calls: string[] = [];
    const setTtl = Socket.prototype.setTTL;
    const send = Socket.prototype.send;
    mock.method(Socket.prototype, "setTTL", function (this: Socket, ttl: number) {
      calls.push(`ttl ${ttl}`);
      return setTtl.call(this, ttl);
    });
    mock.method(Socket.prototype, "send", function (this: Socket, ...parameters: Parameters<typeof send>) {
      calls.push(`send ${parameters[0]}`);
      return send.apply(this, parameters);
    });
    const receiver = await plainSocket("127.0.0.1");
    const to = makeEndpoint(V4, receiver.address().port);
    const transport = await startedAs(IMPLEMENTATIONS[0]!, {});
    const { id } = transport.sockets()[0]!;
    for (const [text, ttl] of [["a"], ["b", 2], ["c"]] as const) transport.send(id, to, Buffer.from(text), ttl);
    mock.restoreAll();
    assert.deepEqual(calls, ["send a", "ttl 2", "send b", "ttl 64", "send c"]);
    await until(() => transport.statistics.datagramsOut === 3, "sent");
  });
});
