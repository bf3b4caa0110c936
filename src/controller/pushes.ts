/**
 * Configurations that go out because something changed, to members that did not ask. Each is acknowledged by its
 * receiver (vl2-networks.md §4.2), so that one that got lost can be sent again; who never answers asks by itself within
 * a minute. Changes that come close together are one push; many members are served in turns, so that nobody else has
 * to wait for them.
 */
import type { Millis } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";
import type { MemberSession } from "./sessions.ts";
import { keyOf } from "./sessions.ts";
import type { ControllerStatistics } from "./statistics.ts";

/** Members served in one turn: a few milliseconds of signing. */
const MEMBERS_PER_TURN = 16;
const REPEAT_AFTER_MS = 400;
/** The first one and two more. */
const MAX_SENDINGS = 3;
/** Pushes that may wait for their acknowledgement; beyond it the oldest are not sent again. */
const MAX_UNACKNOWLEDGED = 20_000;
const NEVER = Number.POSITIVE_INFINITY;

/** A configuration on its way. */
interface Sent {
  readonly session: MemberSession;
  readonly chunks: readonly Uint8Array[];
  /** When it is sent again. */
  due: Millis;
  sendings: number;
}

export interface PushPorts {
  /** The members of a network that are online. */
  online(networkId: bigint): Promise<Iterable<MemberSession>>;
  session(networkId: bigint, address: Address): Promise<MemberSession | null>;
  /** A fresh configuration for a member, its chunks under `updateId`; null if it is not to have one. */
  issue(session: MemberSession, updateId: bigint): Promise<readonly Uint8Array[] | null>;
  /** Sends one NETWORK_CONFIG payload. */
  send(to: Address, payload: Uint8Array): void;
  newUpdateId(): bigint;
  clock(): Millis;
  /** Resolves when others had their turn. */
  breathe(): Promise<void>;
  pushed(session: MemberSession, afterMs: number): void;
  failed(error: unknown): void;
}

export class Pushes {
  readonly #ports: PushPorts;
  readonly #statistics: ControllerStatistics;
  /** What waits, with the time of the change that caused it: single members, then whole networks. */
  readonly #members = new Map<string, { networkId: bigint; address: Address; since: Millis }>();
  readonly #networks = new Map<bigint, Millis>();
  readonly #unacknowledged = new Map<bigint, Sent>();
  #running = false;

  constructor(ports: PushPorts, statistics: ControllerStatistics) {
    this.#ports = ports;
    this.#statistics = statistics;
  }

  /** Members and networks that wait for their turn. */
  get waiting(): number {
    return this.#members.size + this.#networks.size;
  }

  get unacknowledged(): number {
    return this.#unacknowledged.size;
  }

  member(networkId: bigint, address: Address, since: Millis): void {
    const key = keyOf(networkId, address);
    if (!this.#members.has(key)) this.#members.set(key, { networkId, address, since });
    void this.#run();
  }

  network(networkId: bigint, since: Millis): void {
    if (!this.#networks.has(networkId)) this.#networks.set(networkId, since);
    void this.#run();
  }

  /** A member has said that it has the whole of an update. */
  acknowledged(from: Address, updateId: bigint): void {
    if (this.#unacknowledged.get(updateId)?.session.address !== from) return;
    this.#unacknowledged.delete(updateId);
    this.#statistics.pushes.acknowledged++;
  }

  /** Sends again what was not acknowledged in time. */
  tick(now: Millis): void {
    for (const [updateId, sent] of this.#unacknowledged) {
      // In order of sending, and every wait is equally long.
      if (sent.due > now) return;
      this.#unacknowledged.delete(updateId);
      if (sent.sendings >= MAX_SENDINGS) {
        this.#statistics.pushes.given_up++;
        continue;
      }
      this.#statistics.pushes.repeated++;
      for (const chunk of sent.chunks) this.#ports.send(sent.session.address, chunk);
      this.#await(updateId, { ...sent, due: now + REPEAT_AFTER_MS, sendings: sent.sendings + 1 });
    }
  }

  get deadline(): Millis {
    for (const { due } of this.#unacknowledged.values()) return due;
    return NEVER;
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    while (this.waiting > 0) {
      try {
        await (this.#members.size > 0 ? this.#nextMember() : this.#nextNetwork());
      } catch (error) {
        // The one that failed is out of the queue; its member asks by itself.
        this.#ports.failed(error);
      }
    }
    this.#running = false;
  }

  async #nextMember(): Promise<void> {
    for (const [key, { networkId, address, since }] of this.#members) {
      this.#members.delete(key);
      const session = await this.#ports.session(networkId, address);
      if (session !== null) await this.#push(session, since);
      return;
    }
  }

  async #nextNetwork(): Promise<void> {
    for (const [networkId, since] of this.#networks) {
      this.#networks.delete(networkId);
      let turn = 0;
      for (const session of [...(await this.#ports.online(networkId))]) {
        // What changed meanwhile about a single member must not wait for the others.
        while (this.#members.size > 0) await this.#nextMember();
        await this.#push(session, since);
        if (++turn % MEMBERS_PER_TURN === 0) await this.#ports.breathe();
      }
      return;
    }
  }

  async #push(session: MemberSession, since: Millis): Promise<void> {
    const updateId = this.#ports.newUpdateId();
    const chunks = await this.#ports.issue(session, updateId);
    if (chunks === null) return;
    for (const chunk of chunks) this.#ports.send(session.address, chunk);
    const now = this.#ports.clock();
    this.#statistics.pushes.sent++;
    this.#await(updateId, { session, chunks, due: now + REPEAT_AFTER_MS, sendings: 1 });
    this.#ports.pushed(session, now - since);
  }

  #await(updateId: bigint, sent: Sent): void {
    this.#unacknowledged.set(updateId, sent);
    if (this.#unacknowledged.size <= MAX_UNACKNOWLEDGED) return;
    for (const oldest of this.#unacknowledged.keys()) {
      this.#unacknowledged.delete(oldest);
      return;
    }
  }
}
