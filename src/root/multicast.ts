/**
 * The multicast tables of a root: who subscribed to which group of which network, and who may be asked for whom.
 * A root takes subscriptions of every network without proof and answers everybody. Bounded in all and per member.
 * Facts: vl1-behaviour.md §4.4, vl1-packets.md §5.10, §5.14.
 *
 * Two things are ours, and only change what a GATHER is answered:
 * - A GATHER that finds nobody is kept for 5 s and answered when somebody subscribes.
 * - Clients announce the group of their own IP address (by which ARP and neighbour discovery find them) up to 5 s
 *   after they got it. Until then a GATHER for such a group is answered with members who came to the network just
 *   now: one of them is who is looked for, and the others ignore a question that is not for them.
 */

import type { Node } from "../node/node.ts";
import type { Millis } from "../node/ports.ts";
import { replyOk } from "../node/reply.ts";
import type { Handler, Request } from "../node/request.ts";
import type { Address } from "../protocol/address.ts";
import {
  MAX_PACKET_BYTES,
  MULTICAST_LIKE_EXPIRE_MS,
  PACKET_HEADER_BYTES,
  QUEUE_LIFETIME_MS,
} from "../protocol/constants.ts";
import { BROADCAST_MAC, type MulticastGroup } from "../protocol/ethernet.ts";
import { decodeMulticastGather, encodeOkMulticastGather } from "../protocol/messages/multicast-gather.ts";
import { decodeMulticastLike } from "../protocol/messages/multicast-like.ts";
import { OK_BODY_OFFSET } from "../protocol/messages/ok.ts";

/**
 * Groups that one member may always subscribe to while there is room at all, and the share of what is free that it may
 * take beyond these: no number of greedy members can fill the table for the others.
 */
const MODEST_GROUPS = 64;
const GREEDY_SHARE = 1 / 16;
const MAX_UNANSWERED = 1024;
/** How long a member counts as new to its network, and how many new ones a GATHER is answered with. */
const NEWCOMER_MS = 15_000;
const MAX_NEWCOMERS = 16;
const GATHER_FIXED_BYTES = PACKET_HEADER_BYTES + OK_BODY_OFFSET + 8 + 6 + 4 + 6;
const MAX_GATHERED = Math.floor((MAX_PACKET_BYTES - GATHER_FIXED_BYTES) / 5);

/** First three bytes of the MAC of an IPv6 solicited-node group. */
const SOLICITED_NODE_PREFIX = 0x3333ff;

/** Members of one group and when each last subscribed. */
type Members = Map<Address, Millis>;

/** A GATHER that nobody could answer yet. */
interface Unanswered {
  readonly request: Request;
  readonly key: string;
  readonly limit: number;
}

export class MulticastTable {
  readonly #groups = new Map<string, Members>();
  readonly #groupsOf = new Map<Address, number>();
  /** Per network: who subscribed to something new within the last 15 s, newest last. */
  readonly #newcomers = new Map<bigint, Map<Address, Millis>>();
  readonly #maxMembers: number;
  readonly #node: Node;
  #unanswered: Unanswered[] = [];
  #members = 0;

  constructor(node: Node, maxMembers: number) {
    this.#node = node;
    this.#maxMembers = maxMembers;
  }

  get groups(): number {
    return this.#groups.size;
  }

  /** Subscriptions in all groups. */
  get members(): number {
    return this.#members;
  }

  readonly handleLike: Handler = (node, request) => {
    const decoded = decodeMulticastLike(request.payload);
    if (!decoded.ok) {
      node.drop("malformed");
      return false;
    }
    for (const { networkId, group } of decoded.value.subscriptions) {
      this.#subscribe(networkId, group, request.peer.address, request.now);
    }
    return true;
  };

  readonly handleGather: Handler = (node, request) => {
    const decoded = decodeMulticastGather(request.payload);
    if (!decoded.ok) {
      node.drop("malformed");
      return false;
    }
    const { networkId, group, limit } = decoded.value;
    if (limit === 0) return true;
    const key = groupKey(networkId, group);
    if (this.#answer(request, networkId, group, key, limit)) return true;
    if (this.#unanswered.length >= MAX_UNANSWERED) this.#unanswered.shift();
    this.#unanswered.push({ request: { ...request, payload: new Uint8Array(request.payload) }, key, limit });
    return true;
  };

  /** A member subscribes that is in this process: the node itself. */
  subscribe(networkId: bigint, group: MulticastGroup, now: Millis): void {
    this.#subscribe(networkId, group, this.#node.identity.address, now);
  }

  /** Who subscribed, at most `limit`, the node itself left out. */
  find(networkId: bigint, group: MulticastGroup, limit: number): Address[] {
    const self = this.#node.identity.address;
    const found: Address[] = [];
    for (const address of this.#groups.get(groupKey(networkId, group))?.keys() ?? []) {
      if (found.length >= limit) break;
      if (address !== self) found.push(address);
    }
    return found;
  }

  /** Drops what expired. */
  expire(now: Millis): void {
    for (const [key, members] of this.#groups) {
      for (const [address, at] of members) {
        if (now - at >= MULTICAST_LIKE_EXPIRE_MS) this.#remove(members, address);
      }
      if (members.size === 0) this.#groups.delete(key);
    }
    for (const [network, newcomers] of this.#newcomers) {
      for (const [address, at] of newcomers) {
        if (now - at >= NEWCOMER_MS) newcomers.delete(address);
      }
      if (newcomers.size === 0) this.#newcomers.delete(network);
    }
    this.#unanswered = this.#unanswered.filter(({ request }) => now - request.now < QUEUE_LIFETIME_MS);
  }

  #subscribe(network: bigint, group: MulticastGroup, member: Address, now: Millis): void {
    const key = groupKey(network, group);
    let members = this.#groups.get(key);
    if (members === undefined || !members.has(member)) {
      const own = this.#groupsOf.get(member) ?? 0;
      const free = this.#maxMembers - this.#members;
      if (free <= 0 || (own >= MODEST_GROUPS && own >= free * GREEDY_SHARE)) {
        this.#node.drop("queue_full");
        return;
      }
      if (members === undefined) {
        members = new Map();
        this.#groups.set(key, members);
      }
      this.#groupsOf.set(member, own + 1);
      this.#members++;
      this.#arrived(network, member, now);
    }
    members.set(member, now);
    this.#answerWaiting(network, group, key, now);
  }

  /** Remembers who subscribed to something new, for a short while. */
  #arrived(network: bigint, member: Address, now: Millis): void {
    let newcomers = this.#newcomers.get(network);
    if (newcomers === undefined) {
      newcomers = new Map();
      this.#newcomers.set(network, newcomers);
    }
    newcomers.delete(member);
    newcomers.set(member, now);
  }

  #answerWaiting(network: bigint, group: MulticastGroup, key: string, now: Millis): void {
    if (this.#unanswered.length === 0) return;
    this.#unanswered = this.#unanswered.filter(({ request, key: wanted, limit }) => {
      if (wanted !== key || now - request.now >= QUEUE_LIFETIME_MS) return true;
      return !this.#answer({ ...request, now }, network, group, key, limit);
    });
  }

  /** Sends OK(GATHER) if anybody but the asker is known. */
  #answer(request: Request, networkId: bigint, group: MulticastGroup, key: string, limit: number): boolean {
    const asker = request.peer.address;
    const members = this.#groups.get(key);
    let found = members === undefined ? [] : [...members.keys()].filter((address) => address !== asker);
    let total = members?.size ?? 0;
    if (found.length === 0 && isAddressResolution(group)) {
      found = this.#newcomersExcept(networkId, asker, request.now);
      total = found.length;
    }
    if (found.length === 0) return false;
    const count = Math.min(found.length, limit, MAX_GATHERED);
    if (count < found.length) this.#shuffle(found);
    const body = encodeOkMulticastGather({ networkId, group, results: { total, members: found.slice(0, count) } });
    replyOk(this.#node, request, body);
    return true;
  }

  #newcomersExcept(network: bigint, asker: Address, now: Millis): Address[] {
    const newest: Address[] = [];
    for (const [address, at] of this.#newcomers.get(network) ?? []) {
      if (address !== asker && now - at < NEWCOMER_MS) newest.push(address);
    }
    return newest.slice(-MAX_NEWCOMERS);
  }

  #shuffle(addresses: Address[]): void {
    for (let i = addresses.length - 1; i > 0; i--) {
      const id = this.#node.sender.packetId();
      const j = (((id[0]! << 16) | (id[1]! << 8) | id[2]!) >>> 0) % (i + 1);
      const swapped = addresses[i]!;
      addresses[i] = addresses[j]!;
      addresses[j] = swapped;
    }
  }

  #remove(members: Members, address: Address): void {
    members.delete(address);
    this.#members--;
    const left = (this.#groupsOf.get(address) ?? 1) - 1;
    if (left > 0) this.#groupsOf.set(address, left);
    else this.#groupsOf.delete(address);
  }
}

/** Broadcast with an IPv4 address as ADI (ARP), or an IPv6 solicited-node group: vl2-ethernet.md §5.1. */
function isAddressResolution({ mac, adi }: MulticastGroup): boolean {
  return (mac === BROADCAST_MAC && adi !== 0) || Math.floor(mac / 0x1000000) === SOLICITED_NODE_PREFIX;
}

function groupKey(network: bigint, group: MulticastGroup): string {
  return `${network.toString(36)} ${group.mac.toString(36)} ${group.adi.toString(36)}`;
}
