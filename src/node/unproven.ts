/**
 * Places from which an authenticated packet came, but which never answered us. The packet may be a replay with a
 * forged source, so nobody there gets more bytes than came from there: answers draw on a credit, and what does
 * not fit waits until the place proves itself by answering.
 * The rule is ours (the reference answers at once); the proof is the protocol's own (vl1-behaviour.md §3.2).
 */
import { QUEUE_LIFETIME_MS } from "../protocol/constants.ts";
import type { Endpoint } from "../protocol/inet-address.ts";
import type { Peer } from "./peer.ts";
import type { Millis } from "./ports.ts";

/** How many places one peer may have on probation, and how many answers wait for each. */
export const MAX_UNPROVEN_PER_PEER = 16;
const MAX_DEFERRED = 4;
/** What a place that we probe of our own accord may be answered: its first questions, while ours is on its way. */
const INVITED_CREDIT_BYTES = 256;
/** A place that stays silent is forgotten after this. */
const PROBATION_MS = 60_000;

/** One place on probation. */
export interface UnprovenPath {
  readonly key: string;
  readonly socket: number;
  readonly endpoint: Endpoint;
  /** Bytes received less bytes sent. */
  credit: number;
  lastSeen: Millis;
  lastProbe: Millis;
  deferred: { packet: Uint8Array; at: Millis }[];
}

/** The probation entry of (peer, place), made if needed; the one seen least recently makes room. */
export function unprovenPath(peer: Peer, key: string, socket: number, endpoint: Endpoint, now: Millis): UnprovenPath {
  peer.unproven ??= [];
  const list = peer.unproven;
  const found = list.find((entry) => entry.key === key);
  if (found !== undefined) {
    if (now - found.lastSeen > PROBATION_MS) found.credit = 0;
    found.lastSeen = now;
    return found;
  }
  const entry: UnprovenPath = { key, socket, endpoint, credit: 0, lastSeen: now, lastProbe: 0, deferred: [] };
  if (list.length < MAX_UNPROVEN_PER_PEER) list.push(entry);
  else {
    let oldest = 0;
    for (let i = 1; i < list.length; i++) if (list[i]!.lastSeen < list[oldest]!.lastSeen) oldest = i;
    list[oldest] = entry;
  }
  return entry;
}

/**
 * A place that we were told of by somebody we trust to (a root's RENDEZVOUS, the peer's own push, the operator) and
 * now probe: what comes from there is expected, so it has some credit before it has sent anything. Without it two
 * careful nodes would only ever ask each other.
 */
export function invite(peer: Peer, key: string, socket: number, endpoint: Endpoint, now: Millis): void {
  const entry = unprovenPath(peer, key, socket, endpoint, now);
  entry.credit = Math.max(entry.credit, INVITED_CREDIT_BYTES);
}

/** Forgets places that have been silent for a minute. */
export function tidyUnproven(peer: Peer, now: Millis): void {
  const left = peer.unproven?.filter((entry) => now - entry.lastSeen < PROBATION_MS);
  peer.unproven = left === undefined || left.length === 0 ? undefined : left;
}

/** Keeps an answer until the place is proven; the oldest makes room. */
export function defer(entry: UnprovenPath, packet: Uint8Array, now: Millis): void {
  if (entry.deferred.length >= MAX_DEFERRED) entry.deferred.shift();
  entry.deferred.push({ packet, at: now });
}

/** Takes the place off probation. Returns the answers that waited and are still fresh. */
export function prove(peer: Peer, key: string, now: Millis): Uint8Array[] {
  const list = peer.unproven;
  const index = list?.findIndex((entry) => entry.key === key) ?? -1;
  if (list === undefined || index < 0) return [];
  const [entry] = list.splice(index, 1);
  if (list.length === 0) peer.unproven = undefined;
  return entry!.deferred.filter(({ at }) => now - at < QUEUE_LIFETIME_MS).map(({ packet }) => packet);
}
