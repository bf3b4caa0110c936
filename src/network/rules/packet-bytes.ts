/**
 * Headers of IP and of what is in it, as far as rules look at them: no checksums. Sizes are those of real packets, for
 * rules look at these.
 */
import { IpProtocol } from "./frame.ts";

/** Who sends to whom. Both addresses have 4 or both have 16 bytes. */
export interface Datagram {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
const HOP_LIMIT = 64;

/** A packet of the addresses' family. */
export function ipPacket(datagram: Datagram, protocol: number, payload: Uint8Array): Uint8Array {
  const { source, destination } = datagram;
  const isV6 = source.length === 16;
  const headerBytes = isV6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES;
  const packet = new Uint8Array(headerBytes + payload.length);
  const view = new DataView(packet.buffer);
  if (isV6) {
    packet[0] = 0x60;
    view.setUint16(4, payload.length);
    packet.set([protocol, HOP_LIMIT], 6);
    packet.set(source, 8);
    packet.set(destination, 24);
  } else {
    packet[0] = 0x45;
    view.setUint16(2, packet.length);
    packet.set([HOP_LIMIT, protocol], 8);
    packet.set(source, 12);
    packet.set(destination, 16);
  }
  packet.set(payload, headerBytes);
  return packet;
}

/** A header with ports, without data; of TCP with its byte of flags. */
export function portedHeader({ sourcePort, destinationPort }: Datagram, protocol: number, flags: number): Uint8Array {
  const header = new Uint8Array(protocol === IpProtocol.TCP ? 20 : protocol === IpProtocol.SCTP ? 12 : 8);
  const view = new DataView(header.buffer);
  view.setUint16(0, sourcePort);
  view.setUint16(2, destinationPort);
  if (protocol === IpProtocol.TCP) header.set([0x50, flags], 12);
  return header;
}

/** ICMP or ICMPv6 with 8 bytes. */
export function icmpMessage(type: number, code: number): Uint8Array {
  const message = new Uint8Array(8);
  message.set([type, code]);
  return message;
}

/** A neighbour solicitation or advertisement about `target`. */
export function neighborMessage(type: number, target: Uint8Array): Uint8Array {
  const message = new Uint8Array(24);
  message[0] = type;
  message.set(target, 8);
  return message;
}

/** The group in which an IPv6 address is asked for. */
export function solicitedNode(ip: Uint8Array): Uint8Array {
  const group = new Uint8Array(16);
  group.set([0xff, 0x02]);
  group.set([0x01, 0xff], 11);
  group.set(ip.subarray(13), 13);
  return group;
}
