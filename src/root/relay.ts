/**
 * The relay decision: what becomes of one datagram. Pure; called for every datagram by whoever relays.
 * Facts: vl1-packets.md §1 (classification), vl1-behaviour.md §4.1.
 */
import { FRAGMENT_HEADER_BYTES, PACKET_HEADER_BYTES, RELAY_MAX_HOPS } from "../protocol/constants.ts";
import { FRAGMENT_HOPS_OFFSET } from "../protocol/fragment.ts";
import { DESTINATION_OFFSET, FLAGS_OFFSET, FRAGMENT_INDICATOR, HOPS_MASK, SOURCE_OFFSET } from "../protocol/packet.ts";

/** The node has to look at it: it is for us, or it is no packet. */
export const PUNT = -1;
/** The destination is not here: another root may know it. */
export const UPSTREAM = -2;
export const DROP_HOP_LIMIT = -3;
export const DROP_FROM_SELF = -4;
export const DROP_RESERVED = -5;
export const DROP_RUNT = -6;

/** A slot of the peer table (≥ 0), or one of the codes above. */
export type RelayDecision = number;

/** What the decision reads of the peer table. */
export interface RelayTable {
  /** Slot of an address, or a negative number. */
  find(high: number, low: number): number;
  /** When its path expires, ms since the epoch. */
  expiry(slot: number): number;
}

/** Our own address, split as the table wants it. */
export interface OwnAddress {
  readonly high: number;
  readonly low: number;
}

/** Four bytes in network order, as an int32. */
export function low32(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!;
}

/** Decides about one datagram of any length and content, at `now` ms since the epoch. */
export function decide(bytes: Uint8Array, table: RelayTable, self: OwnAddress, now: number): RelayDecision {
  return decideAt(bytes, 0, bytes.length, table, self, now);
}

/** As `decide`, about the `length` bytes from `start`: whoever receives many at once makes no view for each. */
export function decideAt(
  bytes: Uint8Array,
  start: number,
  length: number,
  table: RelayTable,
  self: OwnAddress,
  now: number,
): RelayDecision {
  if (length <= FRAGMENT_HEADER_BYTES) return PUNT;
  const high = bytes[start + DESTINATION_OFFSET]!;
  const low = low32(bytes, start + DESTINATION_OFFSET + 1);
  const fragment = bytes[start + SOURCE_OFFSET] === FRAGMENT_INDICATOR;
  if (!fragment && length < PACKET_HEADER_BYTES) return DROP_RUNT;
  if (high === self.high && low === self.low) return PUNT;
  if (high === FRAGMENT_INDICATOR || (high === 0 && low === 0)) return DROP_RESERVED;
  if (fragment) {
    if (bytes[start + FRAGMENT_HOPS_OFFSET]! >= RELAY_MAX_HOPS) return DROP_HOP_LIMIT;
  } else {
    if ((bytes[start + FLAGS_OFFSET]! & HOPS_MASK) >= RELAY_MAX_HOPS) return DROP_HOP_LIMIT;
    const source = start + SOURCE_OFFSET;
    if (bytes[source] === self.high && low32(bytes, source + 1) === self.low) return DROP_FROM_SELF;
  }
  const slot = table.find(high, low);
  return slot >= 0 && table.expiry(slot) > now ? slot : UPSTREAM;
}

/** One hop more, in place: the only change a relay makes, and the MAC does not cover it. */
export function addHop(bytes: Uint8Array, start = 0): void {
  const fragment = bytes[start + SOURCE_OFFSET] === FRAGMENT_INDICATOR;
  const offset = start + (fragment ? FRAGMENT_HOPS_OFFSET : FLAGS_OFFSET);
  bytes[offset] = (bytes[offset]! & ~HOPS_MASK) | ((bytes[offset]! + 1) & HOPS_MASK);
}
