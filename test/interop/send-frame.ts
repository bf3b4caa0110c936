/** `send-frame.ts DEVICE HEX`: one Ethernet frame, sent as it is by a packet socket (packet(7)). */
import { readFileSync } from "node:fs";
import { loadLibc } from "../../src/io/linux/libc.ts";

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCKADDR_LL_BYTES = 20;

const [device, hex] = process.argv.slice(2);
const libc = loadLibc();
if (libc === null || device === undefined || hex === undefined) throw new Error("usage: send-frame.ts DEVICE HEX");
const frame = new Uint8Array(Buffer.from(hex, "hex"));
const address = new Uint8Array(SOCKADDR_LL_BYTES);
const view = new DataView(address.buffer);
view.setUint16(0, AF_PACKET, true);
view.setInt32(4, Number(readFileSync(`/sys/class/net/${device}/ifindex`, "utf8")), true);
const fd = libc.socket(AF_PACKET, SOCK_RAW, 0);
const isBound = fd >= 0 && libc.bind(fd, libc.addressOf(address), SOCKADDR_LL_BYTES) === 0;
if (!isBound || libc.write(fd, libc.addressOf(frame), frame.length) !== frame.length) {
  throw new Error(`the frame could not be sent: error ${libc.errno()}`);
}
