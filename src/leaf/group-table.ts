/**
 * Who else is in the multicast groups of one network, as far as this member knows: from announcements (LIKE) and from
 * answers to its questions (GATHER). Bounded in all. Facts: vl2-ethernet.md §5.2–§5.4.
 */
import type { Millis } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";
import { MULTICAST_LIKE_EXPIRE_MS, QUEUE_LIFETIME_MS } from "../protocol/constants.ts";
import type { MulticastGroup } from "../protocol/ethernet.ts";
import { groupKey } from "./subscriptions.ts";

/** Frames of a group that wait for members to be found; the oldest makes room. */
const MAX_PENDING_FRAMES = 32;

/** A frame that goes to whoever is found within 5 s. */
export interface PendingFrame {
  readonly at: Millis;
  /** Who has it already. */
  readonly sentTo: Set<Address>;
  /** How many may have it in all. */
  readonly limit: number;
  /** Sends it to one more; what that does is the sender's business. */
  readonly send: (to: Address, now: Millis) => void;
}

/** One group. */
export interface Group {
  /** When each member was last heard of. */
  readonly members: Map<Address, Millis>;
  lastGather: Millis;
  pending: PendingFrame[];
}

export class GroupTable {
  readonly #groups = new Map<string, Group>();
  readonly #maxMembers: number;
  #members = 0;
  /** Members that were not taken because the table is full. */
  refused = 0;

  /** `maxMembers` bounds members of all groups together, and the groups themselves. */
  constructor(maxMembers: number) {
    this.#maxMembers = maxMembers;
  }

  get groups(): number {
    return this.#groups.size;
  }

  get members(): number {
    return this.#members;
  }

  find(group: MulticastGroup): Group | undefined {
    return this.#groups.get(groupKey(group));
  }

  /** The group, made if it is new; null if the table is full. */
  open(group: MulticastGroup): Group | null {
    const key = groupKey(group);
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    if (this.#groups.size >= this.#maxMembers) return null;
    const made: Group = { members: new Map(), lastGather: 0, pending: [] };
    this.#groups.set(key, made);
    return made;
  }

  /** `address` is in the group. A new member gets what is pending. */
  learn(group: MulticastGroup, address: Address, now: Millis): void {
    const entry = this.open(group);
    if (entry === null || (!entry.members.has(address) && this.#members >= this.#maxMembers)) {
      this.refused++;
      return;
    }
    const isNew = !entry.members.has(address);
    entry.members.set(address, now);
    if (!isNew) return;
    this.#members++;
    for (const frame of entry.pending) {
      if (now - frame.at >= QUEUE_LIFETIME_MS || frame.sentTo.has(address)) continue;
      frame.sentTo.add(address);
      frame.send(address, now);
    }
    entry.pending = entry.pending.filter((frame) => !isDone(frame, now));
  }

  /** Keeps a frame for members that are found later. */
  queue(group: Group, frame: PendingFrame): void {
    if (isDone(frame, frame.at)) return;
    if (group.pending.length >= MAX_PENDING_FRAMES) group.pending.shift();
    group.pending.push(frame);
  }

  /** The member says that it does not want the group (ERROR 8). */
  remove(group: MulticastGroup, address: Address): void {
    if (this.find(group)?.members.delete(address) === true) this.#members--;
  }

  expire(now: Millis): void {
    for (const [key, group] of this.#groups) {
      for (const [address, at] of group.members) {
        if (now - at < MULTICAST_LIKE_EXPIRE_MS) continue;
        group.members.delete(address);
        this.#members--;
      }
      group.pending = group.pending.filter((frame) => !isDone(frame, now));
      const idle = now - group.lastGather >= MULTICAST_LIKE_EXPIRE_MS;
      if (group.members.size === 0 && group.pending.length === 0 && idle) this.#groups.delete(key);
    }
  }
}

function isDone(frame: PendingFrame, now: Millis): boolean {
  return now - frame.at >= QUEUE_LIFETIME_MS || frame.sentTo.size >= frame.limit;
}
