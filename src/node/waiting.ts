/**
 * What waits for an identity: packets to send to a node that is being asked for, and packets received from one.
 * Both bounded in number and in time.
 * Facts: vl1-packets.md §3 and vl1-behaviour.md §1 (32 entries, 5000 ms).
 */
import type { Address } from "../protocol/address.ts";
import type { Endpoint } from "../protocol/inet-address.ts";
import type { Verb } from "../protocol/verbs.ts";
import type { Millis } from "./ports.ts";

/** Something to send to an address that is not known yet. */
interface Waiting {
  readonly verb: Verb;
  readonly payload: Uint8Array;
  readonly at: Millis;
  readonly compress: boolean | undefined;
}

/** Packets to nodes whose identity is being asked for; bounded per address and in all. */
export class SendQueue {
  readonly #waiting = new Map<Address, Waiting[]>();
  readonly #maxAddresses: number;
  readonly #perAddress: number;
  readonly #lifetimeMs: number;

  constructor(maxAddresses: number, perAddress: number, lifetimeMs: number) {
    this.#maxAddresses = maxAddresses;
    this.#perAddress = perAddress;
    this.#lifetimeMs = lifetimeMs;
  }

  get size(): number {
    let size = 0;
    for (const list of this.#waiting.values()) size += list.length;
    return size;
  }

  /** False when full. */
  add(to: Address, waiting: Waiting): boolean {
    const list = this.#waiting.get(to);
    if (list !== undefined) {
      if (list.length >= this.#perAddress) return false;
      list.push(waiting);
      return true;
    }
    if (this.#waiting.size >= this.#maxAddresses) return false;
    this.#waiting.set(to, [waiting]);
    return true;
  }

  /** Takes everything that waits for an address. */
  take(to: Address, now: Millis): readonly Waiting[] {
    const list = this.#waiting.get(to);
    if (list === undefined) return [];
    this.#waiting.delete(to);
    return list.filter((entry) => now - entry.at < this.#lifetimeMs);
  }

  /** Addresses that are still waited for; drops what is too old. */
  sweep(now: Millis): Address[] {
    const wanted: Address[] = [];
    for (const [address, list] of this.#waiting) {
      const fresh = list.filter((entry) => now - entry.at < this.#lifetimeMs);
      if (fresh.length === 0) this.#waiting.delete(address);
      else {
        this.#waiting.set(address, fresh);
        wanted.push(address);
      }
    }
    return wanted;
  }
}

/** A packet whose source is unknown. */
export interface Unopened {
  readonly source: Address;
  readonly packet: Uint8Array;
  readonly from: Endpoint;
  readonly socket: number;
  readonly at: Millis;
}

/** Packets from nodes whose identity is being asked for; the oldest makes room. */
export class ReceiveQueue {
  #waiting: Unopened[] = [];
  readonly #capacity: number;
  readonly #lifetimeMs: number;

  constructor(capacity: number, lifetimeMs: number) {
    this.#capacity = capacity;
    this.#lifetimeMs = lifetimeMs;
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** Keeps a copy of the packet. False when another one had to make room. */
  add(unopened: Unopened): boolean {
    const full = this.#waiting.length >= this.#capacity;
    if (full) this.#waiting.shift();
    this.#waiting.push({ ...unopened, packet: new Uint8Array(unopened.packet) });
    return !full;
  }

  /** Takes everything that came from an address. */
  take(source: Address, now: Millis): Unopened[] {
    const taken = this.#waiting.filter((entry) => entry.source === source && now - entry.at < this.#lifetimeMs);
    if (taken.length > 0) this.#waiting = this.#waiting.filter((entry) => entry.source !== source);
    return taken;
  }

  /** Drops what is too old; returns how many that were and which sources are still waited for. */
  sweep(now: Millis): { expired: number; sources: Set<Address> } {
    const before = this.#waiting.length;
    this.#waiting = this.#waiting.filter((entry) => now - entry.at < this.#lifetimeMs);
    return { expired: before - this.#waiting.length, sources: new Set(this.#waiting.map(({ source }) => source)) };
  }
}
