/** A host behind a TAP device, as small as can be: it answers ARP for one address, and sends UDP back to who sent it. */
import { EtherType } from "../../src/protocol/ethernet.ts";
import { parseIp } from "../../src/protocol/inet-address.ts";

const SOURCE_MAC = 6;
const ETHER_TYPE = 12;
const DATA = 14;
const ARP_OPERATION = DATA + 7;
const ARP_SENDER = DATA + 8;
const ARP_SENDER_IP = DATA + 14;
const ARP_TARGET = DATA + 18;
const ARP_TARGET_IP = DATA + 24;
const IP_SOURCE = DATA + 12;
const IP_DESTINATION = DATA + 16;
const UDP_PORTS = DATA + 20;

/** Answers a frame if it is for `address`; its MAC is 02:00:00:00:00 and the last byte of the address. */
export function answerLikeAHost(frame: Uint8Array, address: string, send: (answer: Uint8Array) => void): void {
  const ip = parseIp(address)!;
  const isFor = (at: number) => ip.every((byte, i) => frame[at + i] === byte);
  const etherType = (frame[ETHER_TYPE]! << 8) | frame[ETHER_TYPE + 1]!;
  const answer = new Uint8Array(frame);
  answer.set(frame.subarray(SOURCE_MAC, SOURCE_MAC + 6), 0);
  answer.set([2, 0, 0, 0, 0, ip[3]!], SOURCE_MAC);
  if (etherType === EtherType.ARP && frame[ARP_OPERATION] === 1 && isFor(ARP_TARGET_IP)) {
    answer[ARP_OPERATION] = 2;
    answer.set(frame.subarray(ARP_SENDER, ARP_SENDER + 10), ARP_TARGET);
    answer.set([2, 0, 0, 0, 0, ip[3]!], ARP_SENDER);
    answer.set(ip, ARP_SENDER_IP);
    send(answer);
  } else if (etherType === EtherType.IPV4 && isFor(IP_DESTINATION)) {
    // Sums do not depend on the order of what is summed: the checksums stay right.
    answer.set(frame.subarray(IP_SOURCE, IP_SOURCE + 4), IP_DESTINATION);
    answer.set(ip, IP_SOURCE);
    answer.set(frame.subarray(UDP_PORTS, UDP_PORTS + 2), UDP_PORTS + 2);
    answer.set(frame.subarray(UDP_PORTS + 2, UDP_PORTS + 4), UDP_PORTS);
    send(answer);
  }
}
