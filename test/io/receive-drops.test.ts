import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { dropsIn, receiveDrops } from "../../src/io/receive-drops.ts";

test("drops are the last column of the sockets with our ports", () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  310: 0100007F:2709 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0 17
  311: 00000000:2709 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 2 2 0 3
  312: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 3 2 0 99
`;
  assert.equal(dropsIn(table, [9993]), 20);
  assert.equal(dropsIn(table, [9993, 53]), 119);
  assert.equal(dropsIn("", [9993]), 0);
});

const noTable = existsSync("/proc/self/net/udp") ? false : "this system has no /proc/self/net/udp";

test("a flooded socket that nobody reads shows its drops", { skip: noTable }, async () => {
  const socket = createSocket({ type: "udp4", recvBufferSize: 4096 });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  const sender = createSocket("udp4");
  assert.equal(receiveDrops([port]), 0);
  // All of these are sent before the event loop gets to read one.
  for (let i = 0; i < 500; i++) sender.send(new Uint8Array(1000), port, "127.0.0.1");
  let seen = 0;
  for (let tries = 0; tries < 50 && seen === 0; tries++) {
    await sleep(20);
    seen = receiveDrops([port]);
  }
  socket.close();
  sender.close();
  assert.ok(seen > 0, "no drop was seen");
});
