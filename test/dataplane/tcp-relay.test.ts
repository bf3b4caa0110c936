/** The TCP relay over real sockets of this machine: what clients send arrives, and connections end as they should. */
import assert from "node:assert/strict";
import { createSocket, type Socket as Udp } from "node:dgram";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { TcpRelayServer } from "../../src/dataplane/tcp-relay.ts";
import { IoError } from "../../src/io/errors.ts";
import { endpointKey, makeEndpoint } from "../../src/protocol/inet-address.ts";
import {
  decodeTunnelPayload,
  encodeTunnelDatagram,
  encodeTunnelGreeting,
  type TunnelDatagram,
  TunnelParser,
} from "../../src/protocol/tcp-tunnel.ts";

const LOOPBACK = Uint8Array.of(127, 0, 0, 1);

async function until(holds: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !holds(); waited += 5) {
    assert.ok(waited < 5000, `waited for ${what}`);
    await sleep(5);
  }
}

describe("the TCP relay on sockets", () => {
  let root: Udp;
  let relay: TcpRelayServer;
  let rootPort = 0;
  let now = 0;
  const clients: Socket[] = [];
  const heard: number[] = [];

  const options = (port: number) => ({
    listen: { host: "127.0.0.1", port },
    limits: { connections: 10, perSource: 2 },
    reach: "roots" as const,
    world: { roots: () => new Map([[endpointKey(makeEndpoint(LOOPBACK, rootPort)), false]]), sockets: () => [] },
    clock: () => now,
    changed: () => {},
    failed: (code: string) => assert.fail(code),
  });

  beforeEach(async () => {
    now = 1_000_000;
    heard.length = 0;
    root = createSocket("udp4");
    root.bind(0, "127.0.0.1");
    await once(root, "listening");
    rootPort = root.address().port;
    root.on("message", (bytes, from) => {
      heard.push(bytes.length);
      root.send(Buffer.from(bytes).reverse(), from.port, from.address);
    });
    relay = new TcpRelayServer(options(0));
    await relay.start();
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    await relay.close();
    root.close();
  });

  async function client(): Promise<{ socket: Socket; answers: TunnelDatagram[]; ended: () => boolean }> {
    const socket = connect(relay.port, "127.0.0.1");
    clients.push(socket);
    const answers: TunnelDatagram[] = [];
    const parser = new TunnelParser();
    let isEnded = false;
    socket.on("data", (bytes) =>
      parser.push(bytes, (payload) => {
        const decoded = decodeTunnelPayload(new Uint8Array(payload));
        if (decoded.ok && decoded.value.kind === "datagram") answers.push(decoded.value);
      }),
    );
    socket.on("error", () => {});
    socket.on("close", () => {
      isEnded = true;
    });
    await once(socket, "connect");
    return { socket, answers, ended: () => isEnded };
  }

  test("carries datagrams there and back, each client's to itself, with the address that was asked", async () => {
    const [a, b] = [await client(), await client()];
    const to = makeEndpoint(LOOPBACK, rootPort);
    // The greeting and the first datagrams come at once, before the relay has a socket for them.
    const stream = [
      encodeTunnelGreeting(),
      ...[16, 1400, 17].map((n) => encodeTunnelDatagram(to, new Uint8Array(n).fill(n))),
    ];
    a.socket.write(Buffer.concat(stream));
    b.socket.write(encodeTunnelGreeting());
    b.socket.write(
      encodeTunnelDatagram(
        to,
        Uint8Array.from({ length: 20 }, (_, i) => i),
      ),
    );
    await until(() => a.answers.length === 3 && b.answers.length === 1, "answers");
    assert.deepEqual(a.answers.map(({ bytes }) => bytes.length).sort(), [1400, 16, 17]);
    assert.deepEqual(b.answers[0]!.endpoint, to);
    assert.equal(b.answers[0]!.bytes[0], 19);
    const { datagramsIn, datagramsOut, bytesIn, open } = relay.statistics;
    assert.deepEqual(
      { datagramsIn, datagramsOut, bytesIn, open },
      { datagramsIn: 4, datagramsOut: 4, bytesIn: 1453, open: 2 },
    );
  });

  test("turns away one too many from one address, and lets in the next when one has gone", async () => {
    const [a] = [await client(), await client()];
    const third = await client();
    await until(third.ended, "the third to be turned away");
    assert.equal(relay.statistics.refused.per_source, 1);
    a!.socket.destroy();
    await until(() => relay.statistics.ended.client === 1, "the first to have gone");
    const fourth = await client();
    await until(() => relay.statistics.accepted === 3, "the fourth");
    assert.ok(!fourth.ended());
  });

  test("ends a connection that speaks something else", async () => {
    const web = await client();
    web.socket.write("GET / HTTP/1.1\r\n\r\n");
    await until(web.ended, "the end");
    assert.equal(relay.statistics.ended.malformed, 1);
    assert.equal(relay.statistics.open, 0);
  });

  test("ends every connection when it is closed", async () => {
    const idle = await client();
    await until(() => relay.statistics.open === 1, "the client");
    await relay.close();
    await until(idle.ended, "the end");
    assert.equal(relay.statistics.ended.stopped, 1);
  });

  test("says what to do when its port is taken", async () => {
    const second = new TcpRelayServer(options(relay.port));
    await assert.rejects(
      second.start(),
      (error) => error instanceof IoError && /set another listen\.tcpRelay/.test(error.message),
    );
    await second.close();
  });
});
