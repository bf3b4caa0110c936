/**
 * Transactions, one after the other, and one wait for the disk for all that are waiting: those that come while the disk
 * is busy share the next commit, each inside a savepoint, so that one that fails takes nothing else with it.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { CompiledQuery, type ControlledTransaction, type Kysely, type Transaction } from "kysely";
import type { Tables } from "./schema.ts";

/** How many transactions one commit takes at most, and how long it collects them. */
const MAX_GROUP = 256;
const MAX_GROUP_MS = 50;
/** Whoever comes when so many are waiting is refused. */
const MAX_WAITING = 10_000;

const SAVEPOINT = CompiledQuery.raw("savepoint job");
const ROLLBACK_TO_SAVEPOINT = CompiledQuery.raw("rollback to job");
const RELEASE_SAVEPOINT = CompiledQuery.raw("release job");

/** The store has more to do than it can, or is closed. */
export class StoreUnavailableError extends Error {
  override readonly name = "StoreUnavailableError";
}

export interface TransactionStatistics {
  /** Committed. */
  readonly transactions: number;
  /** Waits for the disk; the others shared one. */
  readonly commits: number;
  /** Rolled back, for whatever reason. */
  readonly failures: number;
  readonly waiting: number;
  /** How long the last commit took, ms. */
  readonly lastCommitMs: number;
}

interface Job {
  /** Runs and gives what tells the caller that it is on disk. */
  readonly work: (transaction: Transaction<Tables>) => Promise<() => void>;
  readonly reject: (reason: unknown) => void;
}

/** Job and how its caller is told, once it is committed. */
interface Finished {
  readonly job: Job;
  resolve: (() => void) | null;
}

export class TransactionQueue {
  readonly #db: Kysely<Tables>;
  readonly #waiting: Job[] = [];
  #draining: Promise<void> | null = null;
  /** While a group is open, resolves at its end. */
  #group: Promise<void> | null = null;
  #closed = false;
  #transactions = 0;
  #commits = 0;
  #failures = 0;
  #lastCommitMs = 0;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  get statistics(): TransactionStatistics {
    return {
      transactions: this.#transactions,
      commits: this.#commits,
      failures: this.#failures,
      waiting: this.#waiting.length,
      lastCommitMs: this.#lastCommitMs,
    };
  }

  /** Resolves with what `work` gave when it is on disk; rejects with what it threw, or with the disk's error. */
  run<T>(work: (transaction: Transaction<Tables>) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closed) return reject(new StoreUnavailableError("the store is closed"));
      if (this.#waiting.length >= MAX_WAITING) return reject(new StoreUnavailableError("too many changes are waiting"));
      this.#waiting.push({
        work: async (transaction) => {
          const result = await work(transaction);
          return () => resolve(result);
        },
        reject,
      });
      this.#draining ??= this.#drain();
    });
  }

  /** Resolves when no group is open. A new one does not open before what is awaited now has had its turn. */
  async settled(): Promise<void> {
    while (this.#group !== null) await this.#group;
  }

  /** Finishes what is waiting and refuses everything after. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#draining;
  }

  async #drain(): Promise<void> {
    do {
      // Everything that the sockets have brought in this turn is waiting by then, and shares the commit.
      await nextTurn();
      this.#group = this.#runGroup();
      await this.#group;
      this.#group = null;
    } while (this.#waiting.length > 0);
    this.#draining = null;
  }

  async #runGroup(): Promise<void> {
    const finished: Finished[] = [];
    let transaction: ControlledTransaction<Tables> | null = null;
    try {
      transaction = await this.#db.startTransaction().execute();
      const end = performance.now() + MAX_GROUP_MS;
      for (let count = 0; count < MAX_GROUP && performance.now() < end; count++) {
        const job = this.#waiting.shift();
        if (job === undefined) break;
        await this.#runJob(transaction, job, finished);
      }
      const start = performance.now();
      await transaction.commit().execute();
      this.#lastCommitMs = performance.now() - start;
      this.#commits++;
      this.#transactions += finished.length;
      for (const { resolve } of finished) resolve?.();
    } catch (error) {
      // The transaction as a whole is gone: nobody's changes are there, and everybody has to know.
      if (transaction !== null) await rollBack(transaction);
      // Where not even beginning is possible, the first one is told; the next may have more luck.
      const lost = finished.map(({ job }) => job);
      if (transaction === null) lost.push(...this.#waiting.splice(0, 1));
      this.#failures += lost.length;
      for (const job of lost) job.reject(error);
    }
  }

  /** Throws if the transaction as a whole cannot go on; the job itself has been rejected by then. */
  async #runJob(transaction: ControlledTransaction<Tables>, job: Job, finished: Finished[]): Promise<void> {
    const finish: Finished = { job, resolve: null };
    finished.push(finish);
    await transaction.executeQuery(SAVEPOINT);
    try {
      finish.resolve = await job.work(transaction);
    } catch (error) {
      finished.pop();
      this.#failures++;
      job.reject(error);
      // Fails if the database has already rolled back everything, as it does when the disk is full.
      await transaction.executeQuery(ROLLBACK_TO_SAVEPOINT);
    }
    await transaction.executeQuery(RELEASE_SAVEPOINT);
  }
}

/** The database may have done so already; then there is nothing left to do. */
async function rollBack(transaction: ControlledTransaction<Tables>): Promise<void> {
  try {
    await transaction.rollback().execute();
  } catch {
    // See above.
  }
}
