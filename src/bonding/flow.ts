/**
 * Flows: packets that belong together and should not overtake one another, told by their ports and protocol.
 * Facts: vl1-behaviour.md §8.
 */
import type { Millis } from "../node/ports.ts";
import { EtherType } from "../protocol/ethernet.ts";
import { EXT_FRAME_FLAG_CERTIFICATE } from "../protocol/messages/ext-frame.ts";
import { Verb } from "../protocol/verbs.ts";
import type { Link } from "./link.ts";

/** A packet that belongs to no flow. */
export const NO_FLOW = -1;

const FRAME_ETHER_TYPE = 8;
const EXT_FRAME_FLAGS = 8;
const EXT_FRAME_ETHER_TYPE = 21;
const IPV4_MIN_BYTES = 20;
const IPV4_FRAGMENT_OFFSET = 6;
const IPV4_PROTOCOL = 9;
const IPV6_BYTES = 40;
const IPV6_NEXT_HEADER = 6;
const PORTS_BYTES = 4;
/** TCP, UDP, SCTP, UDP-Lite. */
const PROTOCOLS_WITH_PORTS: ReadonlySet<number> = new Set([6, 17, 132, 136]);

/** True for the verbs that carry a frame to one member. */
export function carriesFrame(verb: number): boolean {
  return verb === Verb.FRAME || verb === Verb.EXT_FRAME;
}

/**
 * The flow of a packet: destination port, source port and protocol, exclusive-ored; so both directions are one flow.
 * NO_FLOW for all that has no ports.
 */
export function flowOf(verb: number, payload: Uint8Array): number {
  if (verb === Verb.FRAME) return flowOfFrame(payload, FRAME_ETHER_TYPE);
  if (verb !== Verb.EXT_FRAME || (payload[EXT_FRAME_FLAGS]! & EXT_FRAME_FLAG_CERTIFICATE) !== 0) return NO_FLOW;
  return flowOfFrame(payload, EXT_FRAME_ETHER_TYPE);
}

function flowOfFrame(bytes: Uint8Array, at: number): number {
  const etherType = (bytes[at]! << 8) | bytes[at + 1]!;
  const ip = at + 2;
  if (etherType === EtherType.IPV4) {
    if (bytes.length < ip + IPV4_MIN_BYTES) return NO_FLOW;
    // Only the first piece of a fragmented packet has ports: none of them may be told apart by them.
    const fragmented = ((bytes[ip + IPV4_FRAGMENT_OFFSET]! & 0x3f) | bytes[ip + IPV4_FRAGMENT_OFFSET + 1]!) !== 0;
    if (fragmented) return NO_FLOW;
    return flowOfPorts(bytes, ip + (bytes[ip]! & 0x0f) * 4, bytes[ip + IPV4_PROTOCOL]!);
  }
  if (etherType === EtherType.IPV6 && bytes.length >= ip + IPV6_BYTES) {
    return flowOfPorts(bytes, ip + IPV6_BYTES, bytes[ip + IPV6_NEXT_HEADER]!);
  }
  return NO_FLOW;
}

function flowOfPorts(bytes: Uint8Array, at: number, protocol: number): number {
  if (!PROTOCOLS_WITH_PORTS.has(protocol) || bytes.length < at + PORTS_BYTES) return NO_FLOW;
  return ((bytes[at]! << 8) | bytes[at + 1]!) ^ ((bytes[at + 2]! << 8) | bytes[at + 3]!) ^ protocol;
}

const FLOW_IDLE_MS = 243_000;

interface Flow {
  link: Link;
  lastUsed: Millis;
}

/** Which link a flow is on. Bounded by its key: there are 65536 flows at most. */
export class FlowTable {
  readonly #flows = new Map<number, Flow>();

  get size(): number {
    return this.#flows.size;
  }

  /** Where a flow is, if it is known. */
  find(flow: number, now: Millis): Link | null {
    const known = this.#flows.get(flow);
    if (known === undefined) return null;
    known.lastUsed = now;
    return known.link;
  }

  assign(flow: number, link: Link, now: Millis): void {
    const known = this.#flows.get(flow);
    link.flows++;
    if (known === undefined) {
      this.#flows.set(flow, { link, lastUsed: now });
      return;
    }
    known.link.flows--;
    known.link = link;
    known.lastUsed = now;
  }

  /** Forgets flows that were idle for long, and those on links for which `gone` holds. */
  tidy(now: Millis, gone: (link: Link) => boolean): void {
    for (const [flow, { link, lastUsed }] of this.#flows) {
      if (now - lastUsed < FLOW_IDLE_MS && !gone(link)) continue;
      link.flows--;
      this.#flows.delete(flow);
    }
  }
}
