/**
 * A packet described in words, made into the frame that rules look at.
 *
 *     tcp 10.1.1.1:5000 -> 10.1.1.2:22 syn         tcp :5000 -> :22 syn         tcp to :22 syn
 *     udp fd00::1 53 to fd00::2 5353               icmp echo                    icmp solicitation
 *     arp         arp reply        ip 47           ethertype 0x8863
 *
 * Behind any of them `size 1400` (bytes, the Ethernet header not counted), behind IP also `tos 0xb8`. Addresses that are
 * not written are the members'.
 */
import { addressResolutionGroup, BROADCAST_MAC, EtherType, type Mac } from "../../protocol/ethernet.ts";
import { parseIp } from "../../protocol/inet-address.ts";
import { IpProtocol } from "./frame.ts";
import { MAX_U8, MAX_U16, readNumber } from "./numbers.ts";
import { type Datagram, icmpMessage, ipPacket, neighborMessage, portedHeader, solicitedNode } from "./packet-bytes.ts";
import { CHARACTERISTICS, ETHERTYPES, IP_PROTOCOLS } from "./vocabulary.ts";

/** A frame without its MACs. */
export interface DescribedPacket {
  readonly etherType: number;
  /** At most 10000 bytes. */
  readonly data: Uint8Array;
  /** The MAC that it has to go to because of what it is; null for the receiver's. */
  readonly group: Mac | null;
}

/** IP addresses of the two members, for those that a description leaves out. */
export interface MemberIps {
  readonly from: readonly Uint8Array[];
  readonly to: readonly Uint8Array[];
}

/** The description makes no sense; says what was expected. */
export class PacketDescriptionError extends Error {
  override readonly name = "PacketDescriptionError";
}

const KINDS: ReadonlyMap<string, number | null> = new Map([
  ["tcp", IpProtocol.TCP],
  ["udp", IpProtocol.UDP],
  ["udplite", IpProtocol.UDP_LITE],
  ["sctp", IpProtocol.SCTP],
  ["icmp", IpProtocol.ICMP],
  ["icmp6", IpProtocol.ICMPV6],
  // The protocol is written behind it.
  ["ip", null],
]);
/** Of ICMP and ICMPv6; −1 for none. */
const ICMP_TYPES: ReadonlyMap<string, readonly [number, number]> = new Map([
  ["echo", [8, 128]],
  ["echo-reply", [0, 129]],
  ["unreachable", [3, 1]],
  ["time-exceeded", [11, 3]],
  ["redirect", [5, 137]],
  ["solicitation", [-1, 135]],
  ["advertisement", [-1, 136]],
]);
const SOLICITATION = 135;
const ADVERTISEMENT = 136;
const EXPECTED =
  'write it as "tcp 10.1.1.1:5000 -> 10.1.1.2:22 syn", "icmp echo", "arp 10.1.1.1 -> 10.1.1.2" or "ethertype 0x8863"';
const MAX_SIZE = 10_000;
/** What Ethernet pads its frames to. */
const MIN_PAYLOAD_BYTES = 46;

interface End {
  /** Null if it is the member's. */
  readonly ip: Uint8Array | null;
  readonly port: number;
}

const THE_MEMBERS: End = { ip: null, port: 0 };

/** Makes the frame. Throws PacketDescriptionError. */
export function describePacket(text: string, ips: MemberIps): DescribedPacket {
  const words = text.trim().toLowerCase().split(/\s+/);
  const size = takeNumber(words, "size", MAX_SIZE);
  const tos = takeNumber(words, "tos", MAX_U8);
  const kind = words.shift() ?? "";
  const packet = kind === "ethertype" ? bare(words) : kind === "arp" ? arp(words, ips) : ip(kind, words, ips);
  if (words.length > 0) throw new PacketDescriptionError(`"${words[0]}" makes no sense here; ${EXPECTED}`);
  if (tos !== null) setClass(packet, tos);
  return size === null ? packet : resized(packet, size);
}

function setClass({ etherType, data }: DescribedPacket, tos: number): void {
  if (etherType === EtherType.IPV4) data[1] = tos;
  else if (etherType === EtherType.IPV6) data.set([0x60 | (tos >> 4), (tos & 0x0f) << 4]);
  else throw new PacketDescriptionError("only an IP packet has a tos");
}

function resized(packet: DescribedPacket, size: number): DescribedPacket {
  const { etherType, data } = packet;
  if (size < data.length) {
    throw new PacketDescriptionError(`size ${size}: this packet has ${data.length} bytes without data`);
  }
  const larger = new Uint8Array(size);
  larger.set(data);
  const view = new DataView(larger.buffer);
  if (etherType === EtherType.IPV4) view.setUint16(2, size);
  if (etherType === EtherType.IPV6) view.setUint16(4, size - 40);
  return { ...packet, data: larger };
}

/** Takes `word N` out of the words. */
function takeNumber(words: string[], word: string, max: number): number | null {
  const at = words.indexOf(word);
  if (at < 0) return null;
  const value = readNumber(words.splice(at, 2)[1] ?? "", max);
  if (value === null) throw new PacketDescriptionError(`${word} wants a number up to ${max} behind it`);
  return value;
}

function bare(words: string[]): DescribedPacket {
  const word = words.shift() ?? "";
  const etherType = ETHERTYPES.get(word) ?? readNumber(word, MAX_U16);
  if (etherType === null) throw new PacketDescriptionError(`"${word}" is no ethertype: write a number such as 0x8863`);
  return { etherType, data: new Uint8Array(MIN_PAYLOAD_BYTES), group: null };
}

function arp(words: string[], ips: MemberIps): DescribedPacket {
  const [from, to] = takeEnds(words);
  const [source, target] = addresses(from, to, ips, 4);
  if (source.length !== 4) throw new PacketDescriptionError("arp is about IPv4 addresses");
  const isReply = words[0] === "reply";
  if (isReply || words[0] === "request") words.shift();
  const data = new Uint8Array(28);
  data.set([0, 1, 8, 0, 6, 4, 0, isReply ? 2 : 1]);
  data.set(source, 14);
  data.set(target, 24);
  return { etherType: EtherType.ARP, data, group: isReply ? null : BROADCAST_MAC };
}

function ip(kind: string, words: string[], ips: MemberIps): DescribedPacket {
  const named = KINDS.get(kind);
  if (named === undefined) throw new PacketDescriptionError(`"${kind}" is no kind of packet; ${EXPECTED}`);
  const [from, to] = takeEnds(words);
  const protocol = named ?? takeProtocol(words);
  const isV6Only = protocol === IpProtocol.ICMPV6 || ICMP_TYPES.get(words[0] ?? "")?.[0] === -1;
  const [source, destination] = addresses(from, to, ips, isV6Only ? 6 : null);
  const datagram: Datagram = { source, destination, sourcePort: from.port, destinationPort: to.port };
  if (protocol !== IpProtocol.ICMP && protocol !== IpProtocol.ICMPV6) {
    const hasPorts = named !== null;
    const payload = hasPorts ? portedHeader(datagram, protocol, takeFlags(protocol, words)) : new Uint8Array(8);
    return framed(datagram, protocol, payload);
  }
  const isV6 = source.length === 16;
  const [type, code] = takeIcmp(words, isV6);
  const icmp = isV6 ? IpProtocol.ICMPV6 : IpProtocol.ICMP;
  if (isV6 && type === SOLICITATION) {
    const asked = { ...datagram, destination: solicitedNode(destination) };
    return {
      ...framed(asked, icmp, neighborMessage(type, destination)),
      group: addressResolutionGroup(destination).mac,
    };
  }
  const message = isV6 && type === ADVERTISEMENT ? neighborMessage(type, source) : icmpMessage(type, code);
  return framed(datagram, icmp, message);
}

function framed(datagram: Datagram, protocol: number, payload: Uint8Array): DescribedPacket {
  const isV6 = datagram.source.length === 16;
  const etherType = isV6 ? EtherType.IPV6 : EtherType.IPV4;
  return { etherType, data: ipPacket(datagram, protocol, payload), group: groupOf(datagram.destination) };
}

/** The MAC of a multicast or broadcast IP; null for any other. */
function groupOf(ip: Uint8Array): Mac | null {
  const tail = new DataView(ip.buffer, ip.byteOffset + ip.length - 4).getUint32(0);
  if (ip.length === 16) return ip[0] === 0xff ? 0x333300000000 + tail : null;
  if (tail === 0xffffffff) return BROADCAST_MAC;
  return ip[0]! >> 4 === 14 ? 0x01005e000000 + (tail & 0x7fffff) : null;
}

/** `FROM -> TO`, `FROM to TO` or `to TO` from the front of the words; what is missing is the members', without a port. */
function takeEnds(words: string[]): readonly [End, End] {
  const arrow = words.findIndex((word) => word === "->" || word === "to");
  if (arrow < 0) {
    const first = words[0] ?? "";
    if (parseIp(first) !== null || first.includes(":")) throw new PacketDescriptionError(EXPECTED);
    return [THE_MEMBERS, THE_MEMBERS];
  }
  const before = words.splice(0, arrow);
  const from = before.length === 0 ? THE_MEMBERS : end(before);
  words.shift();
  const hasPort = parseIp(words[0] ?? "") !== null && readNumber(words[1] ?? "", MAX_U16) !== null;
  return [from, end(words.splice(0, hasPort ? 2 : 1))];
}

/** `ip`, `ip:port` (IPv4), `[ip]:port`, `ip port`, or `:port` for the member's own address. */
function end(words: readonly string[]): End {
  const [place = "", port = "0", more] = words;
  const match = /^(?:\[(.+)\]|([^:]*)):(\d+)$/.exec(place);
  const host = match === null ? place : (match[1] ?? match[2]!);
  const number = readNumber(match?.[3] ?? port, MAX_U16);
  const ip = host === "" && match !== null ? null : parseIp(host);
  if ((ip === null && host !== "") || place === "" || more !== undefined) {
    throw new PacketDescriptionError(`"${more ?? host}" is no IP address; ${EXPECTED}`);
  }
  if (number === null) throw new PacketDescriptionError(`"${match?.[3] ?? port}" is no port`);
  return { ip, port: number };
}

/** Both addresses, of one family; what was not written is the member's. `family` is a wish, null for none. */
function addresses(from: End, to: End, ips: MemberIps, family: 4 | 6 | null): readonly [Uint8Array, Uint8Array] {
  const written = from.ip ?? to.ip;
  if (from.ip !== null && to.ip !== null && from.ip.length !== to.ip.length) {
    throw new PacketDescriptionError("both addresses must be of one family");
  }
  const lengths = written !== null ? [written.length] : family === null ? [4, 16] : [family === 4 ? 4 : 16];
  for (const length of lengths) {
    const source = from.ip ?? ips.from.find((one) => one.length === length);
    const destination = to.ip ?? ips.to.find((one) => one.length === length);
    if (source !== undefined && destination !== undefined) return [source, destination];
  }
  const what = lengths.length > 1 ? "IP" : lengths[0] === 4 ? "IPv4" : "IPv6";
  throw new PacketDescriptionError(`the two members have no ${what} addresses that could be taken; ${EXPECTED}`);
}

function takeProtocol(words: string[]): number {
  const word = words.shift() ?? "";
  const protocol = IP_PROTOCOLS.get(word) ?? readNumber(word, MAX_U8);
  if (protocol === null) throw new PacketDescriptionError("ip wants a protocol, as in: ip 10.1.1.1 -> 10.1.1.2 47");
  return protocol;
}

/** The flags byte of TCP. */
function takeFlags(protocol: number, words: string[]): number {
  if (protocol !== IpProtocol.TCP) return 0;
  let flags = 0;
  for (const word of words.splice(0).flatMap((one) => one.split(/[,+]/))) {
    const bit = CHARACTERISTICS.get(`tcp_${word}`);
    if (bit === undefined || bit > 7) {
      throw new PacketDescriptionError(`"${word}" is no flag of TCP: syn, ack, fin, rst, psh, urg, ece, cwr`);
    }
    flags |= 1 << bit;
  }
  return flags;
}

/** Type and code, as in `echo`, `3 1` or `3/1`. */
function takeIcmp(words: string[], isV6: boolean): readonly [number, number] {
  const [word = "echo", code = "0"] = words.splice(0).flatMap((one) => one.split("/"));
  const type = ICMP_TYPES.get(word)?.[isV6 ? 1 : 0] ?? readNumber(word, MAX_U8);
  if (type === null || type < 0) {
    const names = [...ICMP_TYPES.keys()].join(", ");
    throw new PacketDescriptionError(`"${word}" is no type of ICMP: a number, or ${names}`);
  }
  const number = readNumber(code, MAX_U8);
  if (number === null) throw new PacketDescriptionError(`"${code}" is no code of ICMP: write a number up to 255`);
  return [type, number];
}
