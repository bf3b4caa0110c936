/** Frames between the kernel and main, through real TAP devices; and what happens when something breaks. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { afterEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Tap, Taps } from "../../src/dataplane/taps.ts";
import { HostNetwork } from "../../src/io/linux/host-network.ts";
import { loadLibc } from "../../src/io/linux/libc.ts";
import { Turn } from "../../src/io/turn.ts";
import { parsePrefix } from "../../src/protocol/inet-address.ts";
import { enterOwnNetwork, ip, ipJson } from "../support/own-network.ts";
import { answerLikeAHost } from "../support/tap-host.ts";

const skip = enterOwnNetwork();
const DESTINATION_PORT = 36;

async function until(holds: () => boolean, what: string, limitMs = 5000): Promise<void> {
  for (const end = Date.now() + limitMs; !holds(); await sleep(5)) assert.ok(Date.now() < end, `waited for ${what}`);
}

/** Nothing of ours happens for so long. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe("TAP devices", { skip }, () => {
  const libc = loadLibc()!;
  const host = new HostNetwork(libc);
  const open: { taps: Taps; sockets: Socket[] }[] = [];

  afterEach(async () => {
    for (const { taps, sockets } of open.splice(0)) {
      for (const socket of sockets) socket.close();
      await taps.close();
    }
  });

  function makeTaps(workerFile?: URL) {
    const crashes: Error[] = [];
    const one = {
      taps: new Taps(libc, (error) => crashes.push(error), new Turn(), workerFile),
      sockets: [] as Socket[],
    };
    open.push(one);
    return { taps: one.taps, crashes, sockets: one.sockets };
  }

  /** An interface that is up, with 10.<net>.0.1/24; its frames are kept. Only UDP to port 7 … 9 is looked at. */
  function openTap(taps: Taps, name: string, net: number, mtu = 2800) {
    const frames: Uint8Array[] = [];
    const failures: string[] = [];
    let answer: (tap: Tap, frame: Uint8Array) => void = () => {};
    const tap = taps.open(name, {
      frame: (frame) => {
        if (frame[12] === 8 && frame[13] === 0 && frame[DESTINATION_PORT] === 0) frames.push(new Uint8Array(frame));
        answer(tap, frame);
      },
      failed: (error) => failures.push(error),
    });
    const device = host.link(name)!;
    host.changeLink(device, { up: true, mtu });
    host.addAddress(device, parsePrefix(`10.${net}.0.1/24`)!);
    ip(`neigh add 10.${net}.0.9 lladdr 02:00:00:00:00:09 dev ${name}`);
    return { tap, frames, failures, answerWith: (next: typeof answer) => (answer = next) };
  }

  async function socketOn(address: string, sockets: Socket[]): Promise<Socket> {
    const socket = createSocket("udp4");
    sockets.push(socket);
    socket.bind(0, address);
    await once(socket, "listening");
    return socket;
  }

  /** How many devices this process has open. */
  const descriptors = () =>
    readdirSync("/proc/self/fd").filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`) === "/dev/net/tun";
      } catch {
        return false;
      }
    }).length;

  test("hand on what the kernel sends, whole and in order", async () => {
    const { taps, sockets } = makeTaps();
    const { frames } = openTap(taps, "tap0", 61);
    const socket = await socketOn("10.61.0.1", sockets);
    const sizes = [1, 100, 1473, 2772, 18, 2772];
    for (const [i, size] of sizes.entries()) socket.send(Buffer.alloc(size, i), 7, "10.61.0.9");
    await until(() => frames.length === sizes.length, "the frames");
    assert.deepEqual(
      frames.map((frame) => [frame.length, frame.at(-1)]),
      sizes.map((size, i) => [size + 42, i]),
    );
    assert.equal(taps.traffic.framesRead >= sizes.length, true);
  });

  test("give the kernel what is written, as if it came over a wire", async () => {
    const { taps, sockets } = makeTaps();
    const { answerWith } = openTap(taps, "tap0", 62);
    answerWith((tap, frame) => answerLikeAHost(frame, "10.62.0.77", (answer) => assert.ok(tap.write(answer))));
    const socket = await socketOn("10.62.0.1", sockets);
    // Nobody has told the kernel the MAC of this one: it has to ask.
    for (const size of [1, 2772]) {
      socket.send(Buffer.alloc(size, 5), 8, "10.62.0.77");
      const [message] = (await once(socket, "message")) as [Buffer];
      assert.deepEqual(message, Buffer.alloc(size, 5));
    }
    assert.match(ip("neigh show dev tap0"), /10\.62\.0\.77 lladdr 02:00:00:00:00:4d/);
  });

  test("take the MTU and MAC they are given, and large frames with them", async () => {
    const { taps, sockets } = makeTaps();
    const { frames } = openTap(taps, "tap0", 63, 10_000);
    const socket = await socketOn("10.63.0.1", sockets);
    socket.send(Buffer.alloc(9972, 9), 7, "10.63.0.9");
    await until(() => frames.length === 1, "the frame");
    assert.equal(frames[0]!.length, 10_014);
  });

  test("are read side by side", async () => {
    const { taps, sockets } = makeTaps();
    const all = [64, 65, 66].map((net) => openTap(taps, `tap${net}`, net));
    for (const net of [64, 65, 66]) {
      const socket = await socketOn(`10.${net}.0.1`, sockets);
      for (let i = 0; i < 100; i++) socket.send(Buffer.alloc(net), 7, `10.${net}.0.9`);
    }
    await until(() => all.every(({ frames }) => frames.length === 100), "the frames of all");
    for (const [i, { frames }] of all.entries()) assert.ok(frames.every((frame) => frame.length === 64 + i + 42));
  });

  test("never hand a frame to an interface that took the place of another", async () => {
    const { taps, sockets } = makeTaps();
    const first = openTap(taps, "tap0", 67);
    const socket = await socketOn("10.67.0.1", sockets);
    socket.send(Buffer.alloc(10), 7, "10.67.0.9");
    await until(() => first.frames.length === 1, "the reader to be there");
    for (let i = 0; i < 50; i++) socket.send(Buffer.alloc(10), 7, "10.67.0.9");
    await new Promise((resolve) => process.nextTick(resolve));
    block(100);
    first.tap.close();
    const second = openTap(taps, "tap1", 68);
    await sleep(100);
    assert.deepEqual(second.frames, []);
    assert.equal(first.frames.length, 1);
  });

  test("go when they are closed, with their descriptors, and take nothing more", async () => {
    const { taps } = makeTaps();
    const keep = openTap(taps, "tap1", 70);
    const { tap } = openTap(taps, "tap0", 69);
    assert.equal(descriptors(), 2);
    tap.close();
    await until(() => host.link("tap0") === null && descriptors() === 1, "the interface to go");
    assert.equal(tap.write(new Uint8Array(60)), false);
    tap.close();
    assert.equal(keep.failures.length, 0);
    assert.notEqual(host.link("tap1"), null);
  });

  test("that somebody removes are told once, without a busy loop, and the others go on", async () => {
    const { taps, sockets } = makeTaps();
    const victim = openTap(taps, "tap0", 71);
    const other = openTap(taps, "tap1", 72);
    ip("link del tap0");
    await until(() => victim.failures.length === 1 && descriptors() === 1, "the failure");
    assert.match(victim.failures[0]!, /EBADFD|removed/);
    assert.equal(victim.tap.write(new Uint8Array(60)), false);
    const cpu = process.cpuUsage();
    await sleep(500);
    const { user, system } = process.cpuUsage(cpu);
    assert.ok(user + system < 250_000, `${user + system} µs of CPU in half a second of nothing`);
    (await socketOn("10.72.0.1", sockets)).send("x", 7, "10.72.0.9");
    await until(() => other.frames.length === 1, "a frame of the other");
    assert.equal(victim.failures.length, 1);
  });

  test("that are down refuse frames, and take them again when they are up", async () => {
    const { taps } = makeTaps();
    const { tap } = openTap(taps, "tap0", 73);
    const frame = new Uint8Array(60);
    assert.equal(tap.write(frame), true);
    ip("link set tap0 down");
    assert.equal(tap.write(frame), false);
    assert.equal(taps.traffic.writeErrors, 1);
    ip("link set tap0 up");
    assert.equal(tap.write(frame), true);
  });

  test("cannot have a name that is taken; the error says what to do", () => {
    const { taps } = makeTaps();
    openTap(taps, "tap0", 74);
    assert.throws(() => taps.open("tap0", { frame: () => {}, failed: () => {} }), {
      code: "EBUSY",
      message: /tap0 could not be made.*Another program uses/,
    });
  });

  test("are read again after the thread that reads them has died", async () => {
    process.env["CRASH_TAP_WORKER"] = "1";
    const { taps, crashes, sockets } = makeTaps(new URL("../support/crashing-tap-worker.ts", import.meta.url));
    const { frames } = openTap(taps, "tap0", 75);
    await until(() => crashes.length >= 2, "crashes");
    assert.match(crashes[0]!.message, /on purpose/);
    (await socketOn("10.75.0.1", sockets)).send("kept by the kernel", 7, "10.75.0.9");
    delete process.env["CRASH_TAP_WORKER"];
    await until(() => frames.length === 1, "the frame", 20_000);
    const soFar = crashes.length;
    assert.ok(soFar < 20, `${soFar} crashes: the time between them grows`);
  });

  test("leave frames to the kernel while main is behind, and it counts those it drops", async () => {
    const { taps } = makeTaps();
    const { frames } = openTap(taps, "tap0", 76);
    const sent = 6000;
    // In bursts that the kernel can keep for a while.
    const program = `
      const socket = require("dgram").createSocket("udp4");
      let left = ${sent};
      const burst = () => {
        for (let i = 0; i < 100; i++) socket.send(Buffer.alloc(2700), 7, "10.76.0.9");
        left -= 100;
        if (left > 0) setTimeout(burst, 5);
        else setTimeout(() => socket.close(), 100);
      };
      burst();`;
    await until(() => taps.traffic.framesRead > 0, "the reader to be there");
    const child = spawn(process.execPath, ["-e", program], { stdio: "inherit" });
    const end = Date.now() + 20_000;
    while (host.link("tap0")!.dropped === 0 || taps.traffic.stalls === 0) {
      assert.ok(Date.now() < end, `${taps.traffic.stalls} stalls, ${host.link("tap0")!.dropped} dropped`);
      block(50);
    }
    await once(child, "exit");
    await until(() => frames.length + host.link("tap0")!.dropped >= sent, "every frame to be accounted for");
    assert.ok(frames.length > 1000 && frames.length < sent, String(frames.length));
  });

  test("leave nothing behind when the process is killed, though its child lives on", async () => {
    const file = new URL("../support/tap-holder.ts", import.meta.url).pathname;
    for (let life = 0; life < 2; life++) {
      const holder = spawn(process.execPath, ["--import", "tsx", file, "tapk"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const [line] = (await once(holder.stdout, "data")) as [Buffer];
      const child = Number(/^ready (\d+)/.exec(line.toString())?.[1]);
      assert.ok(child > 0, line.toString());
      assert.equal(ipJson("addr show dev tapk").length, 1);
      assert.match(ip("route show"), /0\.0\.0\.0\/1 via 10\.44\.0\.1 dev tapk/);
      holder.kill("SIGKILL");
      await once(holder, "exit");
      await until(() => host.link("tapk") === null, "the interface to go");
      assert.doesNotMatch(ip("route show") + ip("-6 route show") + ip("addr show"), /tapk|10\.44\.|fd44:/);
      assert.equal(spawnSync("kill", ["-0", String(child)]).status, 0);
      process.kill(child);
    }
  });
});
