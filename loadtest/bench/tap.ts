/**
 * How fast frames pass between the kernel and the main thread through our TAP devices, in a network namespace of its
 * own: `node --import tsx loadtest/bench/tap.ts [frames] [bytes]`. Needs root and Linux.
 *
 *   read    a second process sends bursts of UDP datagrams to an address behind the TAP; main counts frames
 *   write   main writes frames for a UDP socket that nobody reads
 *   ping    `ping` an address that main answers for, one at a time
 *
 * CPU is that of this process, all threads, without the sender and the kernel's work for it.
 */
import { execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Taps } from "../../src/dataplane/taps.ts";
import { HostNetwork } from "../../src/io/linux/host-network.ts";
import { type Libc, loadLibc } from "../../src/io/linux/libc.ts";
import { writeSockaddr } from "../../src/io/linux/sockaddr.ts";
import { openUdpSocket } from "../../src/io/linux/udp.ts";
import { parseEndpoint, parsePrefix } from "../../src/protocol/inet-address.ts";

const CLONE_NEWNET = 0x40000000;
const NAME = "tapbench";
const HERE = "10.55.0.1";
const THERE = "10.55.0.9";
const THERE_MAC = "02:00:00:00:00:09";
const PORT = 7;
/** Frames sent at once, then a pause: the kernel keeps 500 that nobody has read. */
const BATCH = 200;
const PAUSE_US = 5000;
const MMSG_BYTES = 64;
const HEADERS_BYTES = 42;
const RUNS = 5;

const [command, framesText = "100000", bytesText = "1000"] =
  process.argv[2] === "send" ? process.argv.slice(2) : ["", ...process.argv.slice(2)];
const frames = Number(framesText);
const bytes = Number(bytesText);
const libc = loadLibc();
if (libc === null) throw new Error("this needs Linux on x64 or arm64, and koffi");
if (command === "send") send(libc);
else await measure(libc);

/** The second process: datagrams as fast as the kernel takes them. */
function send(libc: Libc): void {
  const { fd } = openUdpSocket(libc, parseEndpoint(`${HERE}/0`)!, {
    receiveBufferBytes: 65_536,
    sendBufferBytes: 8 << 20,
    first: true,
  });
  const room = new Uint8Array(BATCH * MMSG_BYTES + 64 + bytes);
  const view = new DataView(room.buffer);
  const at = libc.addressOf(room);
  const tail = BATCH * MMSG_BYTES;
  const nameBytes = writeSockaddr(room, tail, parseEndpoint(`${THERE}/${PORT}`)!);
  view.setBigUint64(tail + 32, BigInt(at + tail + 64), true);
  view.setBigUint64(tail + 40, BigInt(bytes - HEADERS_BYTES), true);
  for (let i = 0; i < BATCH; i++) {
    view.setBigUint64(i * MMSG_BYTES, BigInt(at + tail), true);
    view.setUint32(i * MMSG_BYTES + 8, nameBytes, true);
    view.setBigUint64(i * MMSG_BYTES + 16, BigInt(at + tail + 32), true);
    view.setBigUint64(i * MMSG_BYTES + 24, 1n, true);
  }
  for (let sent = 0; sent < frames; ) {
    const count = libc.sendmmsg(fd, at, Math.min(BATCH, frames - sent), 0);
    sent += Math.max(count, 0);
    libc.usleep(PAUSE_US);
  }
}

async function measure(libc: Libc): Promise<void> {
  const koffi = createRequire(import.meta.url)("koffi") as {
    load(path: null): { func(declaration: string): (flags: number) => number };
  };
  if (koffi.load(null).func("int unshare(int flags)")(CLONE_NEWNET) !== 0) throw new Error("no namespace: run as root");
  const taps = new Taps(libc, (error) => console.error(error));
  const host = new HostNetwork(libc);
  let received = 0;
  let answer: ((frame: Uint8Array) => void) | null = null;
  const tap = taps.open(NAME, {
    frame: (frame) => {
      received++;
      answer?.(frame);
    },
    failed: (error) => console.error(error),
  });
  const device = host.link(NAME)!;
  host.changeLink(device, { up: true, mtu: 2800 });
  host.addAddress(device, parsePrefix(`${HERE}/24`)!);
  execFileSync("ip", ["neigh", "add", THERE, "lladdr", THERE_MAC, "dev", NAME]);
  await sleep(1000);

  for (let run = 0; run < RUNS; run++) {
    received = 0;
    const cpu = process.cpuUsage();
    let first = 0;
    let last = 0;
    const started = received;
    answer = () => {
      last = performance.now();
      if (first === 0) first = last;
    };
    const child = spawn(
      process.execPath,
      [...process.execArgv, fileURLToPath(import.meta.url), "send", String(frames), String(bytes)],
      { stdio: "inherit" },
    );
    await new Promise((resolve) => child.once("exit", resolve));
    await sleep(300);
    report("read", received - started, last - first, cpu);
    console.log(`      lost ${frames - (received - started)}`);
  }

  answer = null;
  const sink = createSocket({ type: "udp4", recvBufferSize: 4096 });
  await new Promise<void>((resolve) => sink.bind(PORT, HERE, resolve));
  const frame = udpFrame(host.link(NAME)!.mac, bytes);
  for (let run = 0; run < RUNS; run++) {
    const cpu = process.cpuUsage();
    const start = performance.now();
    let taken = 0;
    for (let i = 0; i < frames; i++) if (tap.write(frame)) taken++;
    report("write", taken, performance.now() - start, cpu);
  }
  sink.close();

  answer = (request) => {
    if (request[23] === 1 && request[34] === 8) tap.write(echoed(request));
  };
  const ping = spawn("ping", ["-q", "-i", "0.002", "-c", "1000", "-s", "56", THERE], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  ping.stdout.on("data", (text) => process.stdout.write(text));
  await new Promise((resolve) => ping.once("exit", resolve));
  tap.close();
  await taps.close();
  host.close();
}

function report(what: string, count: number, ms: number, since: NodeJS.CpuUsage): void {
  const { user, system } = process.cpuUsage(since);
  const perFrame = ((user + system) / count).toFixed(2);
  console.log(
    `${what.padEnd(5)} ${Math.round(count / ms)} k frames/s, ${perFrame} µs CPU a frame, ${((1000 * ms) / count).toFixed(2)} µs wall a frame`,
  );
}

/** A frame with a UDP datagram (no checksum) for our own address. */
function udpFrame(mac: number, length: number): Uint8Array {
  const frame = new Uint8Array(length);
  const view = new DataView(frame.buffer);
  view.setUint16(0, Math.floor(mac / 0x100000000));
  view.setUint32(2, mac % 0x100000000);
  frame.set([2, 0, 0, 0, 0, 9], 6);
  view.setUint16(12, 0x0800);
  frame.set([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17], 14);
  view.setUint16(16, length - 14);
  frame.set([10, 55, 0, 9, 10, 55, 0, 1], 26);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(24, ~sum & 0xffff);
  view.setUint16(34, PORT);
  view.setUint16(36, PORT);
  view.setUint16(38, length - 34);
  return frame;
}

/** The answer to an ICMP echo request: its ends exchanged, its type and checksum changed. */
function echoed(request: Uint8Array): Uint8Array {
  const frame = new Uint8Array(request);
  frame.set(request.subarray(6, 12), 0);
  frame.set(request.subarray(0, 6), 6);
  frame.set(request.subarray(26, 30), 30);
  frame.set(request.subarray(30, 34), 26);
  frame[34] = 0;
  const view = new DataView(frame.buffer);
  const sum = view.getUint16(36) + 0x0800;
  view.setUint16(36, (sum & 0xffff) + (sum >>> 16));
  return frame;
}
