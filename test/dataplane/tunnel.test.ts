/** A node whose UDP is blocked, in memory: when it opens a tunnel, what goes through it, and when it closes it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TUNNEL_SOCKET, Tunnel } from "../../src/dataplane/tunnel.ts";
import type { StreamEvents } from "../../src/io/stream.ts";
import type { LocalSocket } from "../../src/node/ports.ts";
import { endpointKey, formatEndpoint, ipsEqual, parseEndpoint } from "../../src/protocol/inet-address.ts";
import { encodeTunnelDatagram } from "../../src/protocol/tcp-tunnel.ts";
import { REACHES, type Reach, type RelayWorld, TcpRelay, TcpRelaySession } from "../../src/root/tcp-relay.ts";

const ROOT = parseEndpoint("10.9.9.9/9993")!;
const PEER = parseEndpoint("192.31.196.2/9993")!;
const LAN = parseEndpoint("192.168.1.7/9993")!;
const PACKET = new Uint8Array(64).fill(1);
const SOCKETS: readonly LocalSocket[] = [
  { id: 1, local: parseEndpoint("192.168.1.2/9993")!, primary: true },
  { id: 2, local: parseEndpoint("192.168.1.2/23456")!, primary: false },
];

/** A tunnel with a clock, and with a connection that does what the test says. */
function stage(options: { forced?: boolean; mayBe?: () => boolean } = {}) {
  const state = {
    now: 1_000_000,
    udp: [] as string[],
    written: [] as Uint8Array[],
    delivered: [] as { from: string; socket: number }[],
    bytes: [] as Uint8Array[],
    connections: [] as StreamEvents[],
    closes: 0,
    queuedBytes: 0,
    told: [] as string[],
  };
  const tunnel = new Tunnel({
    outbox: {
      send: (socket, to) => void state.udp.push(`${socket} ${formatEndpoint(to)}`),
      sockets: () => SOCKETS,
    },
    connect: (events) => {
      state.connections.push(events);
      return {
        write: (bytes) => void state.written.push(bytes),
        get queuedBytes() {
          return state.queuedBytes;
        },
        close: () => void state.closes++,
      };
    },
    deliver: ({ from, socket, bytes }) => {
      state.delivered.push({ from: formatEndpoint(from), socket });
      state.bytes.push(bytes);
    },
    mayBe: options.mayBe ?? (() => true),
    isRoot: (ip) => ipsEqual({ ...ROOT, ip }, ROOT),
    forced: options.forced ?? false,
    clock: () => state.now,
    changed: (what) => void state.told.push(what),
  });
  return Object.assign(state, {
    tunnel,
    /** Lets time pass, sending to the root every 5 s as a node does. */
    pass(ms: number): void {
      for (const end = state.now + ms; state.now < end; ) {
        state.now += 500;
        tunnel.tick(state.now);
        if (state.now % 5000 === 0) tunnel.send(1, ROOT, new Uint8Array(PACKET));
      }
    },
    heard(from = ROOT): void {
      tunnel.heard({ bytes: PACKET, from, socket: 1 });
    },
  });
}

describe("a node whose UDP is blocked", () => {
  test("may keep what came through the tunnel, in whatever pieces it came", () => {
    const it = stage({ forced: true });
    it.tunnel.send(1, ROOT, PACKET);
    const events = it.connections[0]!;
    events.opened();
    for (const fill of [1, 2]) {
      const message = encodeTunnelDatagram(PEER, new Uint8Array(64).fill(fill));
      events.data(message.subarray(0, 30));
      events.data(message.subarray(30));
    }
    assert.deepEqual(it.bytes, [new Uint8Array(64).fill(1), new Uint8Array(64).fill(2)]);
  });

  test("opens a tunnel after a minute of silence, and then sends both ways", () => {
    const it = stage();
    it.pass(59_000);
    assert.equal(it.connections.length, 0);
    it.pass(6000);
    assert.equal(it.connections.length, 1);
    assert.ok(!it.tunnel.isOpen);
    it.connections[0]!.opened();
    assert.ok(it.tunnel.isOpen);
    assert.equal(it.written.length, 1, "the greeting comes first");
    it.udp.length = 0;
    it.tunnel.send(1, ROOT, PACKET);
    assert.deepEqual(it.written[1], encodeTunnelDatagram(ROOT, PACKET));
    assert.deepEqual(it.udp, ["1 10.9.9.9/9993"]);
    it.tunnel.send(2, ROOT, PACKET);
    assert.equal(it.written.length, 2, "the same packet from another socket goes through it once");
  });

  test("takes what comes through it as from the sender, and answers there by every way", () => {
    const it = stage();
    it.pass(65_000);
    it.connections[0]!.opened();
    it.connections[0]!.data(encodeTunnelDatagram(PEER, PACKET));
    assert.deepEqual(it.delivered, [{ from: "192.31.196.2/9993", socket: TUNNEL_SOCKET }]);
    it.udp.length = 0;
    it.tunnel.send(TUNNEL_SOCKET, PEER, new Uint8Array(PACKET));
    assert.deepEqual(it.udp, ["1 192.31.196.2/9993", "2 192.31.196.2/9993"]);
    assert.equal(it.tunnel.statistics.datagramsOut, 1);
  });

  test("keeps what the tunnel is not for to UDP: private addresses, IPv6, hole punching, runts", () => {
    const it = stage();
    it.pass(65_000);
    it.connections[0]!.opened();
    it.written.length = 0;
    it.tunnel.send(1, LAN, PACKET);
    it.tunnel.send(1, parseEndpoint("2620:4f:8000::1/9993")!, PACKET);
    it.tunnel.send(1, PEER, PACKET, 2);
    it.tunnel.send(1, PEER, new Uint8Array(15));
    assert.equal(it.written.length, 0);
  });

  test("closes it when something comes by UDP from where it counts, and only then", () => {
    const it = stage();
    it.pass(65_000);
    it.connections[0]!.opened();
    it.heard(LAN);
    it.pass(2000);
    assert.ok(it.tunnel.isOpen, "a neighbour says nothing about the firewall");
    it.heard(ROOT);
    assert.ok(!it.tunnel.isOpen, "at once, since everything would arrive twice");
    assert.deepEqual(it.told, ["open", "direct_again"]);
    assert.equal(it.closes, 1);
    it.pass(59_000);
    assert.equal(it.connections.length, 1);
    it.pass(10_000);
    assert.equal(it.connections.length, 2, "and opens another when UDP falls silent again");
  });

  test("does not try again at once what failed, and gives up what does not answer", () => {
    const it = stage();
    it.pass(65_000);
    it.connections[0]!.closed("ECONNREFUSED");
    it.pass(4000);
    assert.equal(it.connections.length, 1);
    it.pass(300_000);
    assert.equal(it.tunnel.statistics.ends.failed, it.connections.length);
    // 10 s for each attempt that is not answered, then a pause of 5, 10, 20, 40 and from then on 60 s.
    assert.ok(it.connections.length >= 5 && it.connections.length <= 8, `${it.connections.length} attempts`);
  });

  test("gives up a tunnel through which nothing comes, and opens another", () => {
    const it = stage();
    it.pass(65_000);
    it.connections[0]!.opened();
    it.pass(40_000);
    it.connections[0]!.data(encodeTunnelDatagram(ROOT, PACKET));
    it.pass(40_000);
    assert.ok(it.tunnel.isOpen);
    it.pass(15_000);
    assert.equal(it.tunnel.statistics.ends.lost, 1);
    assert.equal(it.connections.length, 2);
  });

  test("has none while it is a root or bonded, and closes it when it becomes so", () => {
    let mayBe = false;
    const it = stage({ mayBe: () => mayBe });
    it.pass(120_000);
    assert.equal(it.connections.length, 0);
    mayBe = true;
    it.pass(10_000);
    it.connections[0]!.opened();
    mayBe = false;
    it.pass(2000);
    assert.deepEqual(it.told, ["open", "switched_off"]);
  });

  test("waits a minute after it slept", () => {
    const it = stage();
    it.heard();
    it.now += 3_600_000;
    it.tunnel.tick(it.now);
    it.pass(59_000);
    assert.equal(it.connections.length, 0);
    it.pass(6000);
    assert.equal(it.connections.length, 1);
  });

  test("that is told to uses nothing else, from the start", () => {
    const it = stage({ forced: true });
    it.tunnel.send(1, PEER, PACKET);
    assert.equal(it.connections.length, 1);
    it.connections[0]!.opened();
    it.tunnel.send(1, PEER, PACKET);
    it.tunnel.send(1, LAN, PACKET);
    it.tunnel.send(1, parseEndpoint("2620:4f:8000::1/9993")!, PACKET);
    it.heard(PEER);
    it.pass(3000);
    assert.ok(it.tunnel.isOpen);
    assert.deepEqual(it.udp, []);
    assert.equal(it.written.length, 3);
  });

  test("drops what a slow connection does not take, and a connection that talks nonsense", () => {
    const it = stage();
    it.pass(65_000);
    it.connections[0]!.opened();
    it.queuedBytes = 65_536;
    it.tunnel.send(1, PEER, PACKET);
    assert.equal(it.tunnel.statistics.drops.queue_full, 1);
    it.connections[0]!.data(Uint8Array.of(0x48, 0x54));
    assert.ok(!it.tunnel.isOpen);
    assert.equal(it.tunnel.statistics.ends.lost, 1);
  });
});

const CLIENT = parseEndpoint("192.52.193.10/40000")!;
const OTHER_ROOT = parseEndpoint("192.175.48.10/443")!;
const OWN = parseEndpoint("192.88.99.10/9993")!;
const GREETING = Uint8Array.of(0x17, 3, 3, 0, 4, 1, 14, 0, 1);

function relayStage(reach: Reach, sockets: readonly string[] = ["192.88.99.10/9993"]) {
  const relay = new TcpRelay({ connections: 3, perSource: 2 });
  const roots = new Map([
    [endpointKey(OWN), true],
    [endpointKey(OTHER_ROOT), false],
  ]);
  const world: RelayWorld = {
    roots: () => roots,
    sockets: () => sockets.map((text, id) => ({ id, local: parseEndpoint(text)!, primary: id === 0 })),
  };
  const session = new TcpRelaySession(relay, reach, world, 0);
  const forwarded: string[] = [];
  const send = (bytes: Uint8Array, now = 1) =>
    session.received(bytes, now, (to) => void forwarded.push(formatEndpoint(to)));
  return { relay, session, forwarded, send };
}

describe("the TCP relay of a root", () => {
  test("forwards to roots, whatever their ports, and to nobody else", () => {
    const it = relayStage("roots");
    assert.ok(it.send(GREETING));
    for (const to of [OWN, OTHER_ROOT, PEER, parseEndpoint("127.0.0.1/9993")!, parseEndpoint("10.0.0.1/5000")!]) {
      assert.ok(it.send(encodeTunnelDatagram(to, PACKET)));
    }
    assert.deepEqual(it.forwarded, ["192.88.99.10/9993", "192.175.48.10/443"]);
    assert.equal(it.relay.statistics.drops.destination, 3);
    assert.deepEqual(it.session.returned(OWN, PACKET, 0, 1), encodeTunnelDatagram(OWN, PACKET));
    assert.equal(it.session.returned(PEER, PACKET, 0, 1), null, "strangers cannot write to its clients");
  });

  test("forwards to public addresses if it is told to, never to private ones or to low ports", () => {
    const it = relayStage("global");
    it.send(GREETING);
    for (const to of ["192.31.196.2/9993", "192.31.196.2/53", "10.0.0.1/5000", "127.0.0.1/9993", "224.0.0.1/5000"]) {
      it.send(encodeTunnelDatagram(parseEndpoint(to)!, PACKET));
    }
    assert.deepEqual(it.forwarded, ["192.31.196.2/9993"]);
    assert.ok(it.session.returned(PEER, PACKET, 0, 1) !== null);
  });

  test("reaches itself behind a NAT by its own address, and answers from the one that was asked", () => {
    const it = relayStage("roots", ["10.0.0.5/9994"]);
    it.send(GREETING);
    it.send(encodeTunnelDatagram(OWN, PACKET));
    assert.deepEqual(it.forwarded, ["10.0.0.5/9994"]);
    const answer = it.session.returned(parseEndpoint("10.0.0.5/9994")!, PACKET, 0, 1);
    assert.deepEqual(answer, encodeTunnelDatagram(OWN, PACKET));
  });

  test("wants to be greeted, at once and before anything else", () => {
    for (const reach of REACHES) {
      const it = relayStage(reach);
      assert.ok(!it.send(encodeTunnelDatagram(OWN, PACKET)));
      assert.deepEqual(it.forwarded, []);
      assert.equal(it.session.returned(OWN, PACKET, 0, 1), null);
      assert.equal(it.session.expired(9999), null);
      assert.equal(it.session.expired(10_000), "no_greeting");
    }
  });

  test("ends who is idle for five minutes, either way", () => {
    const it = relayStage("roots");
    it.send(GREETING, 1000);
    assert.equal(it.session.expired(300_999), null);
    it.session.returned(OWN, PACKET, 0, 200_000);
    assert.equal(it.session.expired(499_999), null);
    assert.equal(it.session.expired(500_000), "idle");
  });

  test("drops what is no packet, and what a client does not read", () => {
    const it = relayStage("roots");
    it.send(GREETING);
    it.send(encodeTunnelDatagram(OWN, new Uint8Array(15)));
    assert.equal(it.session.returned(OWN, new Uint8Array(15), 0, 1), null);
    assert.equal(it.session.returned(OWN, new Uint8Array(2048), 0, 1), null);
    assert.equal(it.session.returned(OWN, PACKET, 131_072, 1), null);
    assert.deepEqual(it.forwarded, []);
    const { length, queue_full } = it.relay.statistics.drops;
    assert.deepEqual({ length, queue_full }, { length: 3, queue_full: 1 });
    assert.ok(!it.send(Uint8Array.of(0x16, 3, 1)), "somebody else's protocol ends the connection");
  });

  test("lets in no more than its bounds, in all and from one address", () => {
    const { relay } = relayStage("roots");
    const other = { ...CLIENT, ip: Uint8Array.of(192, 52, 193, 11) };
    assert.ok(relay.enter(CLIENT) && relay.enter({ ...CLIENT, port: 1 }));
    assert.ok(!relay.enter({ ...CLIENT, port: 2 }));
    assert.ok(relay.enter(other));
    assert.ok(!relay.enter(PEER));
    assert.deepEqual(relay.statistics.refused, { connections: 1, per_source: 1 });
    relay.left(CLIENT, "client");
    assert.ok(relay.enter(CLIENT));
    assert.equal(relay.statistics.open, 3);
  });
});
