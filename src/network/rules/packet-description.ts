/**
 * A packet described in words, made into the frame that rules look at.
 *
 *     tcp 10.1.1.1:5000 -> 10.1.1.2:22 syn
 *     udp fd00::1 53 to fd00::2 5353          icmp 10.1.1.1 -> 10.1.1.2 echo          arp 10.1.1.1 -> 10.1.1.2
 *     ethertype 0x8863                        size 1400 (behind any of them: bytes of the payload)
 */
import { EtherType } from "../../protocol/ethernet.ts";
import { parseIp } from "../../protocol/inet-address.ts";
import { IpProtocol } from "./frame.ts";
import { MAX_U8, MAX_U16, readNumber } from "./numbers.ts";
import { CHARACTERISTICS, ETHERTYPES } from "./vocabulary.ts";

/** A frame without its MACs, which are the members'. */
export interface DescribedPacket {
  readonly etherType: number;
  readonly data: Uint8Array;
  /** The IP address it is to, if it has one (4 or 16 bytes): tells unicast from multicast. */
  readonly destination: Uint8Array | null;
}

/** The description makes no sense; says what was expected. */
export class PacketDescriptionError extends Error {
  override readonly name = "PacketDescriptionError";
}

const PROTOCOLS: Readonly<Record<string, number>> = {
  tcp: IpProtocol.TCP,
  udp: IpProtocol.UDP,
  sctp: IpProtocol.SCTP,
  icmp: IpProtocol.ICMP,
  icmp6: IpProtocol.ICMPV6,
};
/** Of ICMP and ICMPv6. */
const ICMP_TYPES: Readonly<Record<string, readonly [number, number]>> = {
  echo: [8, 128],
  "echo-reply": [0, 129],
  unreachable: [3, 1],
  "time-exceeded": [11, 3],
};
const EXPECTED =
  'write it as "tcp 10.1.1.1:5000 -> 10.1.1.2:22 syn", "icmp 10.1.1.1 -> 10.1.1.2 echo", "arp 10.1.1.1 -> 10.1.1.2" or "ethertype 0x8863"';
const MAX_SIZE = 10_000;

interface End {
  readonly ip: Uint8Array;
  readonly port: number;
}

/** Throws a PacketDescriptionError. */
export function describePacket(text: string): DescribedPacket {
  const words = text.trim().toLowerCase().split(/\s+/);
  const size = takeSize(words);
  const kind = words.shift() ?? "";
  const packet = kind === "arp" ? arp(words) : kind === "ethertype" ? plain(words) : ip(kind, words);
  if (size === null || size === packet.data.length) return packet;
  if (size < packet.data.length)
    throw new PacketDescriptionError(`size ${size}: this packet has ${packet.data.length} bytes without data`);
  const data = new Uint8Array(size);
  data.set(packet.data);
  if (packet.etherType === EtherType.IPV4) new DataView(data.buffer).setUint16(2, size);
  if (packet.etherType === EtherType.IPV6) new DataView(data.buffer).setUint16(4, size - 40);
  return { ...packet, data };
}

function takeSize(words: string[]): number | null {
  const at = words.indexOf("size");
  if (at < 0) return null;
  const [, value] = words.splice(at, 2);
  const size = readNumber(value ?? "", MAX_SIZE);
  if (size === null) throw new PacketDescriptionError(`size wants a number of bytes up to ${MAX_SIZE}`);
  return size;
}

function plain([word = ""]: string[]): DescribedPacket {
  const etherType = ETHERTYPES.get(word) ?? readNumber(word, MAX_U16);
  if (etherType === null) throw new PacketDescriptionError(`"${word}" is no EtherType: write a number such as 0x8863`);
  return { etherType, data: new Uint8Array(46), destination: null };
}

function ends(words: string[]): [End, End] {
  const arrow = words.findIndex((word) => word === "->" || word === "to");
  if (arrow < 1) throw new PacketDescriptionError(EXPECTED);
  const before = words.splice(0, arrow + 1).slice(0, -1);
  const count = readNumber(words[1] ?? "", MAX_U16) !== null && parseIp(words[0] ?? "") !== null ? 2 : 1;
  const after = words.splice(0, count);
  return [end(before), end(after)];
}

/** `ip`, `ip:port` (IPv4), `[ip]:port` or `ip port`. */
function end([place = "", port = "0"]: string[]): End {
  const match = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(place);
  const host = match?.[1] ?? match?.[2] ?? place;
  const ip = parseIp(host);
  const number = readNumber(match?.[3] ?? port, MAX_U16);
  if (ip === null) throw new PacketDescriptionError(`"${host}" is no IP address; ${EXPECTED}`);
  if (number === null) throw new PacketDescriptionError(`"${match?.[3] ?? port}" is no port`);
  return { ip, port: number };
}

function arp(words: string[]): DescribedPacket {
  const [from, to] = ends(words);
  if (from.ip.length !== 4 || to.ip.length !== 4) throw new PacketDescriptionError("arp asks for IPv4 addresses");
  const data = new Uint8Array(28);
  data.set([0, 1, 8, 0, 6, 4, 0, words.includes("reply") ? 2 : 1]);
  data.set(from.ip, 14);
  data.set(to.ip, 24);
  return { etherType: EtherType.ARP, data, destination: words.includes("reply") ? to.ip : null };
}

function ip(kind: string, words: string[]): DescribedPacket {
  const named = PROTOCOLS[kind];
  const [from, to] = named === undefined && kind !== "ip" ? unknownKind(kind) : ends(words);
  if (from.ip.length !== to.ip.length) throw new PacketDescriptionError("both addresses must be of one family");
  const v6 = from.ip.length === 16;
  const protocol =
    named === IpProtocol.ICMP && v6 ? IpProtocol.ICMPV6 : (named ?? readNumber(words.shift() ?? "", MAX_U8));
  if (protocol === null) throw new PacketDescriptionError("ip wants the number of a protocol behind the addresses");
  const transport = transportHeader(protocol, from, to, words, v6);
  const header = v6 ? v6Header(protocol, from, to, transport.length) : v4Header(protocol, from, to, transport.length);
  const data = new Uint8Array(header.length + transport.length);
  data.set(header);
  data.set(transport, header.length);
  return { etherType: v6 ? EtherType.IPV6 : EtherType.IPV4, data, destination: to.ip };
}

function unknownKind(kind: string): never {
  throw new PacketDescriptionError(`"${kind}" is no kind of packet; ${EXPECTED}`);
}

function v4Header(protocol: number, from: End, to: End, payload: number): Uint8Array {
  const header = new Uint8Array(20);
  header[0] = 0x45;
  new DataView(header.buffer).setUint16(2, 20 + payload);
  header[8] = 64;
  header[9] = protocol;
  header.set(from.ip, 12);
  header.set(to.ip, 16);
  return header;
}

function v6Header(protocol: number, from: End, to: End, payload: number): Uint8Array {
  const header = new Uint8Array(40);
  header[0] = 0x60;
  new DataView(header.buffer).setUint16(4, payload);
  header[6] = protocol;
  header[7] = 64;
  header.set(from.ip, 8);
  header.set(to.ip, 24);
  return header;
}

function transportHeader(protocol: number, from: End, to: End, words: string[], v6: boolean): Uint8Array {
  if (protocol === IpProtocol.ICMP || protocol === IpProtocol.ICMPV6) return icmpHeader(words, v6);
  const tcp = protocol === IpProtocol.TCP;
  // One byte of data: a header that ends the packet counts as having no ports.
  const header = new Uint8Array(tcp ? 21 : 9);
  const view = new DataView(header.buffer);
  view.setUint16(0, from.port);
  view.setUint16(2, to.port);
  if (!tcp) {
    if (words.length > 0) throw new PacketDescriptionError(`"${words[0]}" makes no sense behind the addresses`);
    return header;
  }
  header[12] = 0x50;
  for (const word of words) {
    const bit = CHARACTERISTICS.get(`tcp_${word}`);
    if (bit === undefined || bit > 7)
      throw new PacketDescriptionError(`"${word}" is no TCP flag: syn, ack, fin, rst, psh, urg`);
    header[13]! |= 1 << bit;
  }
  return header;
}

function icmpHeader([word = "echo", code = "0"]: string[], v6: boolean): Uint8Array {
  const type = ICMP_TYPES[word]?.[v6 ? 1 : 0] ?? readNumber(word, MAX_U8);
  if (type === null)
    throw new PacketDescriptionError(`"${word}" is no ICMP type: a number, or ${Object.keys(ICMP_TYPES).join(", ")}`);
  const header = new Uint8Array(8);
  header[0] = type;
  header[1] = readNumber(code, MAX_U8) ?? 0;
  return header;
}
