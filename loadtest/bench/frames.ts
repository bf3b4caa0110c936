/**
 * Frames as they go onto the wire between the generator and a root: Ethernet, IPv4, UDP and the first bytes of a
 * ZeroTier packet. The UDP checksum is left at zero, as the clients leave it on IPv4. Pure.
 * Facts: vl1-packets.md §2 (packet header), §3 (fragments).
 */
import { type Address, writeAddress } from "../../src/protocol/address.ts";

/** struct virtio_net_hdr, which stands before each frame on our frame sockets. */
export const VIRTIO_BYTES = 10;
export const ETHERNET_BYTES = 14;
export const IPV4_BYTES = 20;
export const UDP_BYTES = 8;
/** Where the UDP payload starts in what is handed to a frame socket. */
export const PAYLOAD_OFFSET = VIRTIO_BYTES + ETHERNET_BYTES + IPV4_BYTES + UDP_BYTES;
/** What IPv4 and UDP add to each packet, which a counter behind the Ethernet layer sees. */
export const IP_UDP_BYTES = IPV4_BYTES + UDP_BYTES;
/** Id, destination, source, flags, MAC, verb. */
export const PACKET_HEAD_BYTES = 28;
/** Id, destination, 0xff, number and total, hops. */
export const FRAGMENT_HEAD_BYTES = 16;

const ETHERTYPE_IPV4 = 0x0800;
const TIME_TO_LIVE = 64;
const PROTOCOL_UDP = 17;
const FLAG_DONT_FRAGMENT = 0x4000;
const VIRTIO_NEEDS_CHECKSUM = 1;
const VIRTIO_GSO_UDP_L4 = 5;
/** Of the checksum in a UDP header. */
const UDP_CHECKSUM_OFFSET = 6;
/** Cipher suite 1 (Salsa20/12 with Poly1305), as any relayed packet between older clients. */
const FLAGS_SUITE_1 = 0x08;
const FLAG_FRAGMENTED = 0x40;

/** Both ends of a datagram. IPv4 as a number in host order, MAC as six bytes. */
export interface FrameEnds {
  readonly sourceMac: Uint8Array;
  readonly targetMac: Uint8Array;
  readonly sourceIp: number;
  readonly targetIp: number;
  readonly sourcePort: number;
  readonly targetPort: number;
}

/** The Internet checksum of `bytes` from `start` to `end`, an even number of them. */
export function internetChecksum(bytes: Uint8Array, start: number, end: number): number {
  let sum = 0;
  for (let i = start; i < end; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/**
 * Writes everything before the UDP payload at `at`, for `payloadBytes` in all. If `segmentBytes` is not 0, the kernel
 * on the other side makes datagrams of that size out of it: a train, of one sender to one receiver.
 */
export function writeHeaders(
  frame: Uint8Array,
  at: number,
  ends: FrameEnds,
  payloadBytes: number,
  segmentBytes: number,
): void {
  const train = segmentBytes !== 0;
  const view = new DataView(frame.buffer, frame.byteOffset + at, PAYLOAD_OFFSET);
  const ethernet = VIRTIO_BYTES;
  const ip = ethernet + ETHERNET_BYTES;
  const udp = ip + IPV4_BYTES;
  view.setUint8(0, train ? VIRTIO_NEEDS_CHECKSUM : 0);
  view.setUint8(1, train ? VIRTIO_GSO_UDP_L4 : 0);
  view.setUint16(2, train ? ETHERNET_BYTES + IP_UDP_BYTES : 0, true);
  view.setUint16(4, segmentBytes, true);
  view.setUint16(6, train ? ETHERNET_BYTES + IPV4_BYTES : 0, true);
  view.setUint16(8, train ? UDP_CHECKSUM_OFFSET : 0, true);
  frame.set(ends.targetMac, at + ethernet);
  frame.set(ends.sourceMac, at + ethernet + 6);
  view.setUint16(ethernet + 12, ETHERTYPE_IPV4);
  view.setUint16(ip, 0x4500);
  view.setUint16(ip + 2, IP_UDP_BYTES + payloadBytes);
  view.setUint16(ip + 4, 0);
  view.setUint16(ip + 6, FLAG_DONT_FRAGMENT);
  view.setUint8(ip + 8, TIME_TO_LIVE);
  view.setUint8(ip + 9, PROTOCOL_UDP);
  view.setUint16(ip + 10, 0);
  view.setUint32(ip + 12, ends.sourceIp);
  view.setUint32(ip + 16, ends.targetIp);
  view.setUint16(ip + 10, internetChecksum(frame, at + ip, at + ip + IPV4_BYTES));
  view.setUint16(udp, ends.sourcePort);
  view.setUint16(udp + 2, ends.targetPort);
  view.setUint16(udp + 4, UDP_BYTES + payloadBytes);
  view.setUint16(udp + 6, train ? pseudoHeaderSum(ends, UDP_BYTES + payloadBytes) : 0);
}

/** What the kernel expects in the checksum of a datagram that it is to finish: the folded sum of the pseudo header. */
function pseudoHeaderSum(ends: FrameEnds, udpBytes: number): number {
  const words = [ends.sourceIp >>> 16, ends.sourceIp & 0xffff, ends.targetIp >>> 16, ends.targetIp & 0xffff];
  let sum = words.reduce((total, word) => total + word, PROTOCOL_UDP + udpBytes);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** Writes the 28 bytes of a packet from `source` to `destination` at `at`. MAC and verb stay as they are. */
export function writePacketHead(
  bytes: Uint8Array,
  at: number,
  id: bigint,
  destination: Address,
  source: Address,
  fragmented: boolean,
): void {
  new DataView(bytes.buffer, bytes.byteOffset + at, 8).setBigUint64(0, id);
  writeAddress(bytes, at + 8, destination);
  writeAddress(bytes, at + 13, source);
  bytes[at + 18] = FLAGS_SUITE_1 | (fragmented ? FLAG_FRAGMENTED : 0);
}

/** Writes the 16 bytes of fragment 1 of 2 of packet `id` to `destination` at `at`. */
export function writeFragmentHead(bytes: Uint8Array, at: number, id: bigint, destination: Address): void {
  new DataView(bytes.buffer, bytes.byteOffset + at, 8).setBigUint64(0, id);
  writeAddress(bytes, at + 8, destination);
  bytes[at + 13] = 0xff;
  bytes[at + 14] = 0x21;
  bytes[at + 15] = 0;
}
