/** The relay in C that ours is measured beside: it is a fair measure only if it decides as ours does. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { canCompile, compileRelay, relayCommand, writeTable } from "../../loadtest/bench/c-relay.ts";
import { listensOn } from "../../loadtest/bench/process-figures.ts";
import { PeerTable } from "../../src/dataplane/peer-table.ts";
import { findUsablePort } from "../../src/io/port-choice.ts";
import { randomFill } from "../../src/io/random.ts";
import { writeAddress } from "../../src/protocol/address.ts";
import { makeEndpoint } from "../../src/protocol/inet-address.ts";
import { addHop, decide } from "../../src/root/relay.ts";
import { Dice } from "../support/virtual-network.ts";

const SELF = 0x8123456789;
const PEER = 0xfe00000001;
const LOOPBACK = new Uint8Array([127, 0, 0, 1]);
const PACKETS = 2000;
/** Sent last, to know that all others have been dealt with. */
const LAST_BYTES = 333;

function reasonToSkip(): string | false {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "needs Linux and root (large socket buffers)";
  return canCompile() ? false : "no gcc here";
}

async function boundSocket(): Promise<Socket> {
  const socket = createSocket({ type: "udp4", recvBufferSize: 4 << 20 });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}

/** Short enough to be read when it differs. */
function digest(bytes: Uint8Array): string {
  return `${bytes.length} ${createHash("sha256").update(bytes).digest("hex").slice(0, 16)}`;
}

/** Packets and fragments of which every field that the rule reads is now and then wrong. */
function somePacket(dice: Dice): Buffer {
  const pick = <T>(values: readonly T[]): T => values[Math.floor(dice.next() * values.length)]!;
  const bytes = Buffer.alloc(pick([0, 5, 15, 16, 17, 27, 28, 29, 100, 1400, 9000]));
  dice.fill(bytes);
  if (bytes.length < 28) return bytes;
  writeAddress(bytes, 8, pick([PEER, PEER, PEER, PEER, SELF, 0, 0xff00000001, 0x1111111111]));
  if (dice.next() < 0.3) bytes.set([0xff, 0x21, pick([0, 1, 2, 3, 4, 200])], 13);
  else {
    writeAddress(bytes, 13, pick([7, 7, 7, SELF]));
    bytes[18] = (bytes[18]! & 0xf8) | Math.floor(dice.next() * 8);
  }
  return bytes;
}

describe("the benchmark's relay in C", { skip: reasonToSkip() }, () => {
  const directory = mkdtempSync(join(tmpdir(), "orrery-test-"));
  const sockets: Socket[] = [];
  let relay: ChildProcess | undefined;
  after(() => {
    relay?.kill();
    for (const socket of sockets) socket.close();
    rmSync(directory, { recursive: true });
  });

  test("relays what ours relays, and as ours does", async () => {
    const receiver = await boundSocket();
    const sender = await boundSocket();
    sockets.push(receiver, sender);
    const port = await findUsablePort({ port: 0, bind: [LOOPBACK], tcp: null, random: randomFill });
    const to = receiver.address().port;
    writeTable(join(directory, "table"), [{ address: PEER, ip: 0x7f000001, port: to }]);
    const [program, ...words] = relayCommand(compileRelay(directory), port, SELF, join(directory, "table"));
    relay = spawn(program!, words, { stdio: "inherit" });
    while (!listensOn(relay.pid!, port)) await sleep(5);

    const dice = new Dice(3);
    const table = PeerTable.create(16, dice.fill);
    table.set(PEER, 1, makeEndpoint(LOOPBACK, to), 2000);
    const received: string[] = [];
    receiver.on("message", (bytes) => received.push(digest(bytes)));
    const expected: string[] = [];
    for (let i = 0; i < PACKETS; i++) {
      const bytes = somePacket(dice);
      sender.send(bytes, port, "127.0.0.1");
      if (i % 50 === 0) await sleep(1);
      const relayed = Buffer.from(bytes);
      if (decide(relayed, table, { high: (SELF / 2 ** 32) | 0, low: (SELF % 2 ** 32) | 0 }, 1000) < 0) continue;
      addHop(relayed);
      expected.push(digest(relayed));
    }
    const last = Buffer.alloc(LAST_BYTES);
    writeAddress(last, 8, PEER);
    // A copy: it leaves later than this returns.
    sender.send(Buffer.from(last), port, "127.0.0.1");
    addHop(last);
    expected.push(digest(last));
    for (let i = 0; i < 1000 && received.at(-1) !== expected.at(-1); i++) await sleep(5);
    assert.ok(expected.length > PACKETS / 20, "there is something to relay");
    assert.deepEqual(received, expected);
  });
});
