/**
 * What rules look at: an Ethernet payload, with the positions in it that more than one match needs, found once.
 * Facts: vl2-rules.md §3. Nothing is checked that the reference does not check, or both ends would disagree.
 */
import { EtherType } from "../../protocol/ethernet.ts";

const IPV4_MIN_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
const NEXT_HEADER_OFFSET = 6;
const IPV4_PROTOCOL_OFFSET = 9;
/** IPv6 extension headers that are walked over: hop-by-hop, routing, destination options, mobility. */
const HOP_BY_HOP = 0;
const ROUTING = 43;
const DESTINATION_OPTIONS = 60;
const MOBILITY = 135;

export const IpProtocol = { ICMP: 1, TCP: 6, UDP: 17, ICMPV6: 58, SCTP: 132, UDP_LITE: 136 } as const;
export const NO_PROTOCOL = -1;

/** One frame at a time; `load` begins the next. Allocates nothing. */
export class FrameView {
  etherType = 0;
  /** Behind the 14-byte header. A view, valid while the frame is. */
  data: Uint8Array = new Uint8Array(0);
  /** 0 in practice: tags of 802.1Q stay in the payload. */
  vlanId = 0;
  readonly #ipv4 = new Uint8Array(4);
  readonly #ipv6 = new Uint8Array(16);
  #walked = false;
  #v6Protocol = NO_PROTOCOL;
  #v6Position = 0;

  load(etherType: number, data: Uint8Array, vlanId = 0): this {
    this.etherType = etherType;
    this.data = data;
    this.vlanId = vlanId;
    this.#walked = false;
    return this;
  }

  get length(): number {
    return this.data.length;
  }

  get isV4(): boolean {
    return this.etherType === EtherType.IPV4 && this.data.length >= IPV4_MIN_BYTES;
  }

  get isV6(): boolean {
    return this.etherType === EtherType.IPV6 && this.data.length >= IPV6_HEADER_BYTES;
  }

  /** True even if it is too short to be walked. */
  get claimsV6(): boolean {
    return this.etherType === EtherType.IPV6;
  }

  /** A byte, 0 beyond the end. */
  byte(offset: number): number {
    return this.data[offset] ?? 0;
  }

  u16(offset: number): number {
    return (this.byte(offset) << 8) | this.byte(offset + 1);
  }

  /** An IP address of the payload, copied to where the next call copies the next one. */
  ip(offset: number, length: 4 | 16): Uint8Array {
    const ip = length === 4 ? this.#ipv4 : this.#ipv6;
    for (let i = 0; i < length; i++) ip[i] = this.data[offset + i]!;
    return ip;
  }

  /** Where the IPv4 header says that it ends. */
  get v4Position(): number {
    return 4 * (this.data[0]! & 15);
  }

  get v4Protocol(): number {
    return this.data[IPV4_PROTOCOL_OFFSET]!;
  }

  /** The protocol behind the extension headers, or `NO_PROTOCOL` if the walk fails. */
  get v6Protocol(): number {
    if (!this.#walked) this.#walk();
    return this.#v6Protocol;
  }

  /** Where that protocol's header begins. */
  get v6Position(): number {
    if (!this.#walked) this.#walk();
    return this.#v6Position;
  }

  #walk(): void {
    this.#walked = true;
    this.#v6Protocol = NO_PROTOCOL;
    const { data } = this;
    if (!this.isV6) return;
    let position = IPV6_HEADER_BYTES;
    let protocol = data[NEXT_HEADER_OFFSET]!;
    while (position <= data.length) {
      switch (protocol) {
        case HOP_BY_HOP:
        case ROUTING:
        case DESTINATION_OPTIONS:
        case MOBILITY:
          if (position + 8 > data.length) return;
          protocol = data[position]!;
          position += 8 * data[position + 1]! + 8;
          break;
        default:
          this.#v6Protocol = protocol;
          this.#v6Position = position;
          return;
      }
    }
  }
}
