/**
 * When a node whose UDP is blocked uses a tunnel over TCP: what goes through it, when it is opened, when it is closed.
 * Told of what happens and of the time; does nothing itself.
 * Facts: vl1-behaviour.md §7.1. Ours: failed attempts are repeated at growing intervals.
 */
import type { Millis } from "./ports.ts";

/** So long nothing may have come by UDP, and so long the node must have tried, before a tunnel is thought of. */
export const TUNNEL_AFTER_MS = 60_000;
/** The tunnel goes when something came by UDP within this. */
export const DIRECT_AGAIN_MS = 30_000;
/** A tunnel is opened for a node that is sending: the datagram before this one left so long ago. */
const SEND_GAP_MIN_MS = 2500;
const SEND_GAP_MAX_MS = 60_000;
/** A clock that jumps by more than this between two looks belongs to a machine that slept. */
const SLEPT_MS = 10_000;
const FIRST_RETRY_MS = 5000;
const MAX_RETRY_MS = 60_000;

/** What is to be done with a datagram: a sum of these. */
export const BY_UDP = 1;
export const BY_TUNNEL = 2;
export const OPEN_TUNNEL = 4;

export class TunnelPolicy {
  readonly #forced: boolean;
  #begun: Millis;
  #lookedAt: Millis;
  /** When something last came by UDP from somewhere that counts. */
  #heardAt: Millis = Number.NEGATIVE_INFINITY;
  /** When something was last sent to where the tunnel would help. */
  #sentAt: Millis = Number.NEGATIVE_INFINITY;
  #retryAt: Millis = Number.NEGATIVE_INFINITY;
  #retryMs = FIRST_RETRY_MS;

  /** `forced`: everything goes through the tunnel and nothing by UDP. */
  constructor(forced: boolean, now: Millis) {
    this.#forced = forced;
    this.#begun = now;
    this.#lookedAt = now;
  }

  /** True if nothing is to be considered for a datagram: UDP works, or has not been tried for long. Cheap. */
  udpWillDo(now: Millis): boolean {
    return !this.#forced && (now - this.#heardAt < TUNNEL_AFTER_MS || now - this.#begun < TUNNEL_AFTER_MS);
  }

  /** Something came by UDP. */
  heard(now: Millis): void {
    this.#heardAt = now;
  }

  /** True if `heard` was called so lately that it need not be again. */
  heardJustNow(now: Millis): boolean {
    return now - this.#heardAt < 1000;
  }

  /** A datagram is to leave for somewhere that the tunnel reaches; what is to be done. */
  sending(isOpen: boolean, now: Millis): number {
    const gap = now - this.#sentAt;
    this.#sentAt = now;
    if (this.#forced) return isOpen ? BY_TUNNEL : this.#mayOpen(now);
    if (this.udpWillDo(now)) return BY_UDP;
    if (isOpen) return BY_UDP + BY_TUNNEL;
    const isBusy = gap > SEND_GAP_MIN_MS && gap < SEND_GAP_MAX_MS;
    return BY_UDP + (isBusy ? this.#mayOpen(now) : 0);
  }

  #mayOpen(now: Millis): number {
    return now >= this.#retryAt ? OPEN_TUNNEL : 0;
  }

  /** The tunnel carries something. */
  works(): void {
    this.#retryMs = FIRST_RETRY_MS;
  }

  /** The tunnel could not be had, or was lost. */
  failed(now: Millis): void {
    this.#retryAt = now + this.#retryMs;
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
  }

  /** To be called at least every 10 s: notices that the machine slept. */
  look(now: Millis): void {
    if (now - this.#lookedAt > SLEPT_MS) this.#begun = now;
    this.#lookedAt = now;
  }

  /** True if an open tunnel is of no use any more. */
  isSuperfluous(now: Millis): boolean {
    return !this.#forced && now - this.#heardAt < DIRECT_AGAIN_MS;
  }
}
