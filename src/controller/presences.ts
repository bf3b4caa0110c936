/**
 * The sessions' memory on disk: who was heard, written every few seconds, and read again after a restart, so that a
 * change made right afterwards reaches members that have not asked since.
 */
import { parseIdentity } from "../identity/identity.ts";
import { decodeRequestMetadata } from "../network/request-metadata.ts";
import type { Millis } from "../node/ports.ts";
import type { Ledger } from "./ledger.ts";
import type { Presence } from "./records.ts";
import { type MemberSession, type MemberSessions, ONLINE_MS } from "./sessions.ts";

const WRITE_INTERVAL_MS = 5000;
/** The interval while there are members that were never written down. */
const NEW_INTERVAL_MS = 200;
const PRESENCES_PER_WRITE = 1000;
/** Members of one network read after a restart. */
const MAX_RESTORED = 100_000;

export class Presences {
  readonly #ledger: Ledger;
  readonly #sessions: MemberSessions;
  readonly #startedAt: Millis;
  readonly #restored = new Map<bigint, Promise<void>>();
  #lastWrite: Millis = 0;

  constructor(ledger: Ledger, sessions: MemberSessions, startedAt: Millis) {
    this.#ledger = ledger;
    this.#sessions = sessions;
    this.#startedAt = startedAt;
  }

  /** True once in a while: then `write` is due. */
  isDue(now: Millis): boolean {
    const interval = this.#sessions.hasNew ? NEW_INTERVAL_MS : WRITE_INTERVAL_MS;
    if (now - this.#lastWrite < interval) return false;
    this.#lastWrite = now;
    return true;
  }

  /** Writes down everybody who was heard since the last time. */
  async write(): Promise<void> {
    for (;;) {
      const sessions = this.#sessions.takeUnsaved(PRESENCES_PER_WRITE);
      if (sessions.length === 0) return;
      try {
        await this.#ledger.store.transaction((transaction) => transaction.putPresences(sessions.map(presenceOf)));
      } catch (error) {
        this.#sessions.unwritten(sessions);
        throw error;
      }
    }
  }

  /** Knows again who was online when the program ended. Costs nothing once everybody has asked anew. */
  async restore(networkId: bigint, now: Millis): Promise<void> {
    if (now - this.#startedAt >= ONLINE_MS) return this.#restored.clear();
    let restoring = this.#restored.get(networkId);
    if (restoring === undefined) {
      restoring = this.#read(networkId);
      this.#restored.set(networkId, restoring);
    }
    await restoring;
  }

  async #read(networkId: bigint): Promise<void> {
    const seenSince = this.#startedAt - ONLINE_MS;
    for (const presence of await this.#ledger.store.presences(networkId, seenSince, MAX_RESTORED)) {
      const session = await this.#sessionOf(presence);
      if (session !== null) this.#sessions.restore(session);
    }
  }

  async #sessionOf({
    networkId,
    address,
    lastSeen,
    metadata,
    physicalAddress,
  }: Presence): Promise<MemberSession | null> {
    const member = await this.#ledger.member(networkId, address);
    const identity = parseIdentity(member?.settings.identity ?? "");
    if (identity === null) return null;
    const facts = decodeRequestMetadata(metadata);
    return { networkId, address, identity, metadata, facts, lastSeen, physicalAddress, busy: false };
  }
}

function presenceOf({ networkId, address, lastSeen, metadata, physicalAddress }: MemberSession): Presence {
  return { networkId, address, lastSeen, metadata, physicalAddress };
}
