/** What a match was compared with, in words: for explanations. Facts: vl2-rules.md §3 to §5. */
import { formatAddress } from "../../protocol/address.ts";
import { BROADCAST_MAC, EtherType, formatMac, isMulticastMac } from "../../protocol/ethernet.ts";
import { formatIp } from "../../protocol/inet-address.ts";
import type { RuleContext } from "./evaluate.ts";
import { type FrameView, IpProtocol, NO_PROTOCOL } from "./frame.ts";
import { integerIn, isNeighborSolicitation, senderIpOf, tcpBits, typeOfService } from "./match.ts";
import type { NamedRules } from "./named-rules.ts";
import type { CharacteristicsMatch, Rule, TagMatch } from "./rule.ts";
import { CHARACTERISTICS, ETHERTYPES, IP_PROTOCOLS } from "./vocabulary.ts";

/** Describes matches of one frame at one end. */
export class MatchNotes {
  readonly #rules: NamedRules;
  readonly #frame: FrameView;
  readonly #context: RuleContext;

  constructor(rules: NamedRules, frame: FrameView, context: RuleContext) {
    this.#rules = rules;
    this.#frame = frame;
    this.#context = context;
  }

  /** The frame's own value of what the match asks for. */
  of(rule: Rule): string {
    const frame = this.#frame;
    const context = this.#context;
    switch (rule.type) {
      case "MATCH_SOURCE_ZEROTIER_ADDRESS":
        return `the sender is ${formatAddress(context.source)}`;
      case "MATCH_DEST_ZEROTIER_ADDRESS":
        return context.destination === 0
          ? "it goes to no node in particular yet"
          : `the receiver is ${formatAddress(context.destination)}`;
      case "MATCH_VLAN_ID":
      case "MATCH_VLAN_PCP":
      case "MATCH_VLAN_DEI":
        return "frames have no VLAN here";
      case "MATCH_MAC_SOURCE":
        return `the source MAC is ${formatMac(context.sourceMac)}`;
      case "MATCH_MAC_DEST":
        return `the destination MAC is ${formatMac(context.destinationMac)}`;
      case "MATCH_IPV4_SOURCE":
        return frame.isV4 ? `the source is ${formatIp(frame.ip(12, 4))}` : "it is no IPv4 packet";
      case "MATCH_IPV4_DEST":
        return frame.isV4 ? `the destination is ${formatIp(frame.ip(16, 4))}` : "it is no IPv4 packet";
      case "MATCH_IPV6_SOURCE":
        return frame.isV6 ? `the source is ${formatIp(frame.ip(8, 16))}` : "it is no IPv6 packet";
      case "MATCH_IPV6_DEST":
        return frame.isV6 ? `the destination is ${formatIp(frame.ip(24, 16))}` : "it is no IPv6 packet";
      case "MATCH_IP_TOS":
        return typeOfService(frame) < 0 ? "it is no IP packet" : `the class is 0x${hex(typeOfService(frame), 2)}`;
      case "MATCH_IP_PROTOCOL":
        return this.#protocol === NO_PROTOCOL
          ? "it is no IP packet"
          : `the protocol is ${protocolName(this.#protocol)}`;
      case "MATCH_ETHERTYPE":
        return `the ethertype is ${nameOf(ETHERTYPES, frame.etherType) ?? `0x${hex(frame.etherType, 4)}`}`;
      case "MATCH_ICMP":
        return this.#icmp();
      case "MATCH_IP_SOURCE_PORT_RANGE":
        return this.#port("source", 0);
      case "MATCH_IP_DEST_PORT_RANGE":
        return this.#port("destination", 2);
      case "MATCH_CHARACTERISTICS":
        return this.#characteristics(rule);
      case "MATCH_FRAME_SIZE_RANGE":
        return `it has ${frame.length} bytes`;
      case "MATCH_RANDOM":
        return "as if chance fell in the middle";
      case "MATCH_INTEGER_RANGE":
        return `the number there is ${integerIn(rule, frame.data)}`;
      case "MATCH_TAG_SENDER":
      case "MATCH_TAG_RECEIVER":
        return this.#oneTag(rule);
      case "MATCH_TAGS_DIFFERENCE":
      case "MATCH_TAGS_BITWISE_AND":
      case "MATCH_TAGS_BITWISE_OR":
      case "MATCH_TAGS_BITWISE_XOR":
      case "MATCH_TAGS_EQUAL":
        return this.#bothTags(rule);
      default:
        return "members do not know this match";
    }
  }

  get #protocol(): number {
    const frame = this.#frame;
    if (frame.isV4) return frame.v4Protocol;
    return frame.claimsV6 ? frame.v6Protocol : NO_PROTOCOL;
  }

  get #transport(): number {
    return this.#frame.isV4 ? this.#frame.v4Position : this.#frame.v6Position;
  }

  #icmp(): string {
    const wanted = this.#frame.isV4 ? IpProtocol.ICMP : IpProtocol.ICMPV6;
    if (this.#protocol !== wanted) return "it is no ICMP";
    return `the type is ${this.#frame.byte(this.#transport)}, the code ${this.#frame.byte(this.#transport + 1)}`;
  }

  #port(which: string, offset: number): string {
    const protocol = this.#protocol;
    if (protocol === NO_PROTOCOL) return "it is no IP packet";
    const ported: readonly number[] = [IpProtocol.TCP, IpProtocol.UDP, IpProtocol.SCTP, IpProtocol.UDP_LITE];
    if (!ported.includes(protocol)) return `it has no ports: the protocol is ${protocolName(protocol)}`;
    return `the ${which} port is ${this.#frame.u16(this.#transport + offset)}`;
  }

  /** Which of the rule's bits the frame has, and why it lacks authentication if that is asked for. */
  #characteristics({ maskHigh, maskLow }: CharacteristicsMatch): string {
    const context = this.#context;
    const mask = (BigInt(maskHigh) << 32n) | BigInt(maskLow);
    const has: Readonly<Record<string, boolean>> = {
      inbound: context.inbound,
      multicast: isMulticastMac(context.destinationMac),
      broadcast: context.destinationMac === BROADCAST_MAC,
      ipauth: this.#sender().isAuthentic,
      macauth: context.senderOwnsMac(context.sourceMac),
    };
    const bits = tcpBits(this.#frame);
    const asked = [...CHARACTERISTICS].filter(([, bit]) => ((mask >> BigInt(bit)) & 1n) === 1n);
    const found = asked.filter(([name, bit]) => has[name] ?? ((bits >> bit) & 1) === 1).map(([name]) => name);
    if (asked.length === 1 && asked[0]![0] === "inbound") return context.inbound ? "it comes in" : "it goes out";
    const sender = asked.some(([name]) => name === "ipauth") ? this.#sender().note : "";
    if (asked.length === 1 && sender !== "") return sender;
    const names = asked.map(([name]) => name).join(", ");
    const own = found.length > 0 ? `it has ${found.join(", ")}` : names === "" ? "nothing has" : `it has no ${names}`;
    return sender === "" ? own : `${own}; ${sender}`;
  }

  #sender(): { readonly isAuthentic: boolean; readonly note: string } {
    const frame = this.#frame;
    if (isNeighborSolicitation(frame))
      return { isAuthentic: true, note: "a neighbour solicitation is taken for authentic" };
    const ip = senderIpOf(frame);
    if (ip === null) {
      const what =
        frame.isV4 || frame.isV6 || frame.etherType === EtherType.ARP
          ? "the source address is unset"
          : "it has no IP address";
      return { isAuthentic: false, note: what };
    }
    const isAuthentic = this.#context.senderOwnsIp(ip);
    const owns = isAuthentic ? "is the sender's own" : "is none of the sender's own";
    return { isAuthentic, note: `${formatIp(ip)} ${owns}` };
  }

  #bothTags({ id }: TagMatch): string {
    const { inbound } = this.#context;
    const own = this.#context.localTag(id);
    const other = this.#context.remoteTag(id);
    const sender = inbound ? other : own;
    const receiver = inbound ? own : other;
    const values = `${this.#tagName(id)}: sender ${this.#value(id, sender)}, receiver ${this.#value(id, receiver)}`;
    return own !== undefined && other === undefined && !inbound ? `${values}, so the receiver decides` : values;
  }

  #oneTag({ id, type }: TagMatch): string {
    const isSender = type === "MATCH_TAG_SENDER";
    const isLocal = isSender !== this.#context.inbound;
    const value = isLocal ? this.#context.localTag(id) : this.#context.remoteTag(id);
    const note = `${this.#tagName(id)}: ${isSender ? "sender" : "receiver"} ${this.#value(id, value)}`;
    return value === undefined && !isLocal && !this.#context.inbound ? `${note}, so the receiver decides` : note;
  }

  #tagName(id: number): string {
    return this.#rules.tags.find((tag) => tag.id === id)?.name ?? `tag ${id}`;
  }

  #value(id: number, value: number | undefined): string {
    if (value === undefined) return "none";
    const tag = this.#rules.tags.find((one) => one.id === id);
    const names = Object.entries(tag?.enums ?? {}).concat(Object.entries(tag?.flags ?? {}));
    const name = names.find(([, one]) => one === value)?.[0];
    return name === undefined ? String(value) : `${value} (${name})`;
  }
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

function nameOf(names: ReadonlyMap<string, number>, value: number): string | undefined {
  return [...names].find(([, number]) => number === value)?.[0];
}

function protocolName(protocol: number): string {
  return nameOf(IP_PROTOCOLS, protocol) ?? String(protocol);
}
