import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { loadLibc } from "../../src/io/linux/libc.ts";
import { DatagramSender } from "../../src/io/linux/sender.ts";
import { readSockaddr, writeSockaddr } from "../../src/io/linux/sockaddr.ts";
import { hasSegmentation, openUdpSocket, setInt } from "../../src/io/linux/udp.ts";
import { formatEndpoint, makeEndpoint, parseEndpoint, parseIp } from "../../src/protocol/inet-address.ts";

const libc = loadLibc();
const fds: number[] = [];
const BUFFERS = { receiveBufferBytes: 1 << 16, sendBufferBytes: 1 << 16 };

afterEach(() => {
  for (const fd of fds.splice(0)) libc?.close(fd);
});

function opened(text: string, first = true): number {
  const { fd } = openUdpSocket(libc!, parseEndpoint(text)!, { ...BUFFERS, first });
  fds.push(fd);
  return fd;
}

/** The text of the next datagram, or null if there is none. */
function tryReceive(fd: number): string | null {
  const bytes = new Uint8Array(256);
  const length = libc!.read(fd, libc!.addressOf(bytes), bytes.length);
  return length < 0 ? null : Buffer.from(bytes.subarray(0, length)).toString();
}

/** Receives one datagram with its hop limit. */
function receive(fd: number): { text: string; hops: number } {
  const bytes = new Uint8Array(512);
  const view = new DataView(bytes.buffer);
  const at = libc!.addressOf(bytes);
  view.setBigUint64(16, BigInt(at + 64), true);
  view.setBigUint64(24, 1n, true);
  view.setBigUint64(32, BigInt(at + 128), true);
  view.setBigUint64(40, 64n, true);
  view.setBigUint64(64, BigInt(at + 256), true);
  view.setBigUint64(72, 200n, true);
  const length = libc!.recvmsg(fd, at, 0);
  assert.ok(length >= 0);
  return { text: Buffer.from(bytes.subarray(256, 256 + length)).toString(), hops: view.getInt32(128 + 16, true) };
}

describe("a socket address", () => {
  for (const text of ["192.0.2.1/9993", "[2001:db8::7]/65535".replace(/[[\]]/g, ""), "0.0.0.0/0"]) {
    test(`of ${text} is read as it was written`, () => {
      const bytes = new Uint8Array(40);
      writeSockaddr(bytes, 8, parseEndpoint(text)!);
      assert.equal(formatEndpoint(readSockaddr(bytes, 8)!), text);
    });
  }

  test("of another family is none", () => assert.equal(readSockaddr(new Uint8Array([1, 0, 0, 0]), 0), null));
});

describe("sockets by system calls", { skip: libc === null && "no koffi here" }, () => {
  for (const [family, ip, level, option] of [
    ["IPv4", "127.0.0.1", 0, 12],
    ["IPv6", "::1", 41, 51],
  ] as const) {
    test(`send one ${family} datagram with a hop limit of its own, and the next with the system's`, () => {
      const port = 20_000 + (process.pid % 20_000);
      const to = makeEndpoint(parseIp(ip)!, port);
      const receiver = opened(`${ip}/${port}`);
      setInt(libc!, receiver, level, option, 1);
      const sender = new DatagramSender(libc!);
      const from = opened(`${ip}/0`);
      for (const [text, ttl] of [["a"], ["b", 2], ["c"]] as const) {
        assert.equal(sender.send(from, to, Buffer.from(text), ttl), null);
      }
      assert.deepEqual(
        [receive(receiver), receive(receiver), receive(receiver)],
        [
          { text: "a", hops: 64 },
          { text: "b", hops: 2 },
          { text: "c", hops: 64 },
        ],
      );
    });
  }

  test("join one another on a port, but never a stranger's", () => {
    const port = 20_000 + ((process.pid + 1) % 20_000);
    opened(`127.0.0.1/${port}`);
    opened(`127.0.0.1/${port}`, false);
    assert.throws(() => opened(`127.0.0.1/${port}`), { code: "EADDRINUSE" });
    assert.throws(() => opened("198.51.100.77/0"), { code: "EADDRNOTAVAIL" });
  });

  for (const ip of ["127.0.0.1", "::1"]) {
    test(`share what arrives on ${ip}, each sender with one of them`, () => {
      const port = 20_000 + ((process.pid + 2) % 20_000);
      const to = makeEndpoint(parseIp(ip)!, port);
      const readers = [opened(`${ip}/${port}`), opened(`${ip}/${port}`, false), opened(`${ip}/${port}`, false)];
      const sender = new DatagramSender(libc!);
      for (let i = 0; i < 60; i++) {
        const from = opened(`${ip}/0`);
        for (let again = 0; again < 3; again++) assert.equal(sender.send(from, to, Buffer.from(String(i))), null);
      }
      const heard = readers.map((fd) => {
        const texts: string[] = [];
        for (let text = tryReceive(fd); text !== null; text = tryReceive(fd)) texts.push(text);
        return texts;
      });
      assert.equal(heard.flat().length, 180);
      assert.ok(
        heard.every((texts) => texts.length > 20 && texts.length % 3 === 0),
        String(heard.map((all) => all.length)),
      );
      assert.equal(
        heard.reduce((sum, texts) => sum + new Set(texts).size, 0),
        60,
      );
    });
  }

  test("send what was gathered in one message, cut again into what it was", () => {
    const port = 20_000 + ((process.pid + 3) % 20_000);
    const to = makeEndpoint(parseIp("127.0.0.1")!, port);
    const receiver = opened(`127.0.0.1/${port}`);
    const from = opened("127.0.0.1/0");
    const sender = new DatagramSender(libc!);
    const gather = (text: string) => sender.gather(from, to, Buffer.from(text));
    assert.ok(["first", "other", "end"].every(gather));
    assert.ok(!gather("late"), "nothing follows a shorter one");
    assert.deepEqual([sender.gathered, sender.gatheredBytes], [3, 13]);
    assert.equal(sender.sendGathered(), null);
    sender.forgetGathered();
    assert.deepEqual(
      [1, 2, 3, 4].map(() => tryReceive(receiver)),
      ["first", "other", "end", null],
    );
    assert.ok(gather("one"));
    assert.ok(!gather("longer"));
    assert.ok(!sender.gather(from, makeEndpoint(parseIp("127.0.0.1")!, port + 1), Buffer.from("two")), "another place");
    assert.ok(!sender.gather(receiver, to, Buffer.from("two")), "another socket");
    assert.ok(gather("two"));
    const single: (string | null)[] = [];
    sender.sendGatheredSingly((failed) => single.push(failed));
    sender.forgetGathered();
    assert.deepEqual([...single, tryReceive(receiver), tryReceive(receiver)], [null, null, "one", "two"]);
    for (let i = 0; i < 64; i++) assert.ok(gather("x"));
    assert.ok(!gather("x"), "no more than the kernel takes");
  });

  test("can be segmented by every kernel that we know", () => assert.equal(hasSegmentation(libc!), true));
});
