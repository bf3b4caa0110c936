/**
 * Members and askers that were heard lately, in memory: when each asked last, with what software, from where. A push
 * needs it, so does telling who is online; it is written down now and then, so that both work after a restart too.
 * Facts: controller.md §7, §8 (push).
 */
import type { Identity } from "../identity/identity.ts";
import type { RequestMetadata } from "../network/request-metadata.ts";
import type { Millis } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";

/** A member counts as online for this long after its last request (controller.md §8). */
export const ONLINE_MS = 120_000;
/** Requests of one (network, node) that come sooner after the last one are dropped (controller.md §7). */
export const REQUEST_GATE_MS = 1000;

export interface MemberSession {
  readonly networkId: bigint;
  readonly address: Address;
  identity: Identity;
  /** The request's dictionary as it came, and what was read in it. */
  metadata: Uint8Array;
  facts: RequestMetadata;
  lastSeen: Millis;
  /** `ip/port` of the last request that came without a relay; empty if none did. */
  physicalAddress: string;
  /** A request of it is being worked on: another one waits for the next interval. */
  busy: boolean;
}

/** What a request tells of its sender. */
export interface Sighting {
  readonly identity: Identity;
  readonly metadata: Uint8Array;
  readonly facts: RequestMetadata;
  /** `ip/port`, or empty if the request was relayed. */
  readonly physicalAddress: string;
}

/** Bounded: whoever was silent for longest makes room. */
export class MemberSessions {
  readonly capacity: number;
  /** In order of the last request. */
  readonly #all = new Map<string, MemberSession>();
  readonly #ofNetwork = new Map<bigint, Map<Address, MemberSession>>();
  /** Heard since they were last written down. */
  readonly #unsaved = new Set<MemberSession>();

  /** One of the unsaved was never written down: after a restart nobody would know that it is there. */
  #hasNew = false;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get size(): number {
    return this.#all.size;
  }

  get hasNew(): boolean {
    return this.#hasNew;
  }

  find(networkId: bigint, address: Address): MemberSession | undefined {
    return this.#ofNetwork.get(networkId)?.get(address);
  }

  /** Notes a request; the session as it is now. */
  seen(networkId: bigint, address: Address, sighting: Sighting, now: Millis): MemberSession {
    const { identity, metadata, facts } = sighting;
    const known = this.find(networkId, address);
    if (known === undefined) this.#hasNew = true;
    const session = known ?? {
      networkId,
      address,
      identity,
      metadata,
      facts,
      lastSeen: now,
      physicalAddress: "",
      busy: false,
    };
    session.identity = identity;
    session.metadata = metadata;
    session.facts = facts;
    session.lastSeen = now;
    if (sighting.physicalAddress !== "") session.physicalAddress = sighting.physicalAddress;
    this.#keep(session);
    this.#unsaved.add(session);
    return session;
  }

  /** Takes a session that was written down before a restart, unless the member was heard since. */
  restore(session: MemberSession): void {
    if (this.find(session.networkId, session.address) === undefined && this.size < this.capacity) this.#keep(session);
  }

  /** Those of a network that count as online. */
  *online(networkId: bigint, now: Millis): Generator<MemberSession> {
    for (const session of this.#ofNetwork.get(networkId)?.values() ?? []) {
      if (now - session.lastSeen < ONLINE_MS) yield session;
    }
  }

  onlineCount(networkId: bigint, now: Millis): number {
    let count = 0;
    for (const _ of this.online(networkId, now)) count++;
    return count;
  }

  /** Takes up to `limit` sessions that have to be written down; `seen` or `unwritten` makes them due again. */
  takeUnsaved(limit: number): MemberSession[] {
    const taken: MemberSession[] = [];
    this.#hasNew = false;
    for (const session of this.#unsaved) {
      if (taken.length >= limit) break;
      taken.push(session);
      this.#unsaved.delete(session);
    }
    return taken;
  }

  /** They could not be written down. */
  unwritten(sessions: readonly MemberSession[]): void {
    for (const session of sessions)
      if (this.#all.has(keyOf(session.networkId, session.address))) this.#unsaved.add(session);
  }

  forget(networkId: bigint, address: Address): void {
    const session = this.find(networkId, address);
    if (session === undefined) return;
    this.#unsaved.delete(session);
    this.#all.delete(keyOf(networkId, address));
    const members = this.#ofNetwork.get(networkId);
    members?.delete(address);
    if (members?.size === 0) this.#ofNetwork.delete(networkId);
  }

  forgetNetwork(networkId: bigint): void {
    for (const address of [...(this.#ofNetwork.get(networkId)?.keys() ?? [])]) this.forget(networkId, address);
  }

  #keep(session: MemberSession): void {
    const key = keyOf(session.networkId, session.address);
    this.#all.delete(key);
    this.#all.set(key, session);
    let members = this.#ofNetwork.get(session.networkId);
    if (members === undefined) {
      members = new Map();
      this.#ofNetwork.set(session.networkId, members);
    }
    members.set(session.address, session);
    if (this.#all.size > this.capacity) this.#forgetOldest();
  }

  #forgetOldest(): void {
    for (const { networkId, address } of this.#all.values()) {
      this.forget(networkId, address);
      return;
    }
  }
}

/** One key for a member of a network. */
export function keyOf(networkId: bigint, address: Address): string {
  return `${networkId.toString(16)}/${address.toString(16)}`;
}
