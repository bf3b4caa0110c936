/**
 * A reader for classic pcap files of Ethernet, as the captures in `fixtures/captures` are: it yields the UDP
 * datagrams and nothing else. Times are those of the file; IP fragments are not put together.
 */
import { type Endpoint, makeEndpoint } from "../../src/protocol/inet-address.ts";

export interface CapturedDatagram {
  /** Number of the frame in the file, from 1, as tools count. */
  readonly no: number;
  /** Seconds since the epoch. */
  readonly at: number;
  readonly from: Endpoint;
  readonly to: Endpoint;
  /** IP time to live, or hop limit. */
  readonly ttl: number;
  readonly bytes: Uint8Array;
}

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const MAGIC_NANOSECONDS = 0xa1b23c4d;
const LINK_ETHERNET = 1;
const ETHERNET_HEADER_BYTES = 14;
const UDP_HEADER_BYTES = 8;
const PROTOCOL_UDP = 17;

/** The UDP datagrams of a capture. Throws on a file that is not one. */
export function* readPcap(file: Uint8Array): Generator<CapturedDatagram> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const little = [MAGIC_MICROSECONDS, MAGIC_NANOSECONDS].includes(view.getUint32(0, true));
  const magic = view.getUint32(0, little);
  if (magic !== MAGIC_MICROSECONDS && magic !== MAGIC_NANOSECONDS) throw new Error("not a pcap file");
  if (view.getUint32(20, little) !== LINK_ETHERNET) throw new Error("not a capture of Ethernet");
  const fraction = magic === MAGIC_NANOSECONDS ? 1e-9 : 1e-6;
  let offset = FILE_HEADER_BYTES;
  for (let no = 1; offset < file.length; no++) {
    const at = view.getUint32(offset, little) + view.getUint32(offset + 4, little) * fraction;
    const start = offset + RECORD_HEADER_BYTES;
    offset = start + view.getUint32(offset + 8, little);
    const datagram = udpOf(file.subarray(start, offset));
    if (datagram !== null) yield { no, at, ...datagram };
  }
}

function udpOf(frame: Uint8Array): Omit<CapturedDatagram, "no" | "at"> | null {
  const etherType = (frame[12]! << 8) | frame[13]!;
  const packet = frame.subarray(ETHERNET_HEADER_BYTES);
  if (etherType === 0x0800 && packet[9] === PROTOCOL_UDP) {
    return udp(packet.subarray((packet[0]! & 0x0f) * 4), packet.subarray(12, 16), packet.subarray(16, 20), packet[8]!);
  }
  if (etherType === 0x86dd && packet[6] === PROTOCOL_UDP) {
    return udp(packet.subarray(40), packet.subarray(8, 24), packet.subarray(24, 40), packet[7]!);
  }
  return null;
}

function udp(
  segment: Uint8Array,
  source: Uint8Array,
  destination: Uint8Array,
  ttl: number,
): Omit<CapturedDatagram, "no" | "at"> {
  const u16 = (at: number) => (segment[at]! << 8) | segment[at + 1]!;
  return {
    from: makeEndpoint(source, u16(0)),
    to: makeEndpoint(destination, u16(2)),
    ttl,
    bytes: segment.subarray(UDP_HEADER_BYTES, u16(4)),
  };
}
