/**
 * The identity pool: the memory-hard hash on threads of its own, behind a bounded queue. Validation is asked for by
 * strangers' packets, so it must never run on the thread that asks, and never pile up.
 * Facts: vl1-identity-crypto.md §2 (cost), vl1-behaviour.md §2.3 (why it is rationed).
 */
import { randomFillSync } from "node:crypto";
import { Worker } from "node:worker_threads";
import { SECRET_KEY_BYTES } from "../crypto/c25519.ts";
import { Identity } from "./identity.ts";
import type { PoolAnswer, PoolRequest } from "./pool-messages.ts";

export interface IdentityPoolOptions {
  /** Worker threads at most; they are started when first needed. */
  readonly threads: number;
  /** Validations that may wait for a thread; more are refused. */
  readonly maxQueued: number;
  /** Fills the seed of a generated identity; the system's randomness unless given. */
  readonly random?: (into: Uint8Array) => void;
  /** Another program for the workers: how tests make one crash. */
  readonly workerFile?: URL;
}

/** A job is tried again once if its worker dies under it: the fault may have been the thread's, not the job's. */
const MAX_ATTEMPTS = 2;

interface Job {
  readonly request: PoolRequest;
  /** Called once; null means that no worker survived the job. */
  readonly settle: (answer: PoolAnswer | null) => void;
  attempts: number;
}

interface Thread {
  readonly worker: Worker;
  job: Job | null;
}

/** Runs validations and generations on worker threads. An idle pool does not keep the process alive. */
export class IdentityPool {
  readonly #options: IdentityPoolOptions;
  readonly #validations: Job[] = [];
  /** Operators ask for these; they go before any number of strangers' validations and are not counted among them. */
  readonly #generations: Job[] = [];
  readonly #threads = new Set<Thread>();
  #closed = false;

  constructor(options: IdentityPoolOptions) {
    this.#options = options;
  }

  /** Jobs waiting for a thread (those being worked on are not counted). */
  get queued(): number {
    return this.#validations.length + this.#generations.length;
  }

  /**
   * Checks address and proof of work of `identity` and calls `done` later, never during this call. False if the queue
   * is full or the pool closed: `done` is then never called, and neither is it for jobs that `close()` cuts off. An
   * identity whose check cannot be finished counts as not valid.
   */
  validate(identity: Identity, done: (valid: boolean) => void): boolean {
    if (this.#closed || (this.#validations.length >= this.#options.maxQueued && !this.#hasFreeThread())) return false;
    this.#validations.push({
      request: { kind: "validate", address: identity.address, publicKey: identity.publicKey },
      settle: (answer) => done(answer?.kind === "validate" && answer.valid),
      attempts: 0,
    });
    this.#dispatch();
    return true;
  }

  /** Makes a new identity. Rejects if the pool is closed or its workers die. */
  generate(): Promise<Identity> {
    const seed = new Uint8Array(SECRET_KEY_BYTES);
    if (this.#options.random !== undefined) this.#options.random(seed);
    else randomFillSync(seed);
    return new Promise((resolve, reject) => {
      const settle = (answer: PoolAnswer | null): void => {
        if (answer?.kind === "generate") resolve(new Identity(answer.address, answer.publicKey, answer.secretKey));
        else reject(new Error("no identity was generated: the pool is closed or its workers died"));
      };
      if (this.#closed) {
        settle(null);
        return;
      }
      this.#generations.push({ request: { kind: "generate", seed }, settle, attempts: 0 });
      this.#dispatch();
    });
  }

  /** Ends the threads at once. Waiting generations are rejected; waiting validations are forgotten. */
  async close(): Promise<void> {
    this.#closed = true;
    const unfinished = this.#generations.splice(0);
    this.#validations.length = 0;
    const threads = [...this.#threads];
    this.#threads.clear();
    for (const { job } of threads) if (job?.request.kind === "generate") unfinished.push(job);
    for (const job of unfinished) job.settle(null);
    await Promise.all(threads.map(({ worker }) => worker.terminate()));
  }

  #hasFreeThread(): boolean {
    if (this.#threads.size < this.#options.threads) return true;
    for (const thread of this.#threads) if (thread.job === null) return true;
    return false;
  }

  #freeThread(): Thread | null {
    for (const thread of this.#threads) if (thread.job === null) return thread;
    return this.#threads.size < this.#options.threads ? this.#start() : null;
  }

  #dispatch(): void {
    while (this.queued > 0) {
      const thread = this.#freeThread();
      if (thread === null) return;
      const job = this.#generations.shift() ?? this.#validations.shift();
      if (job === undefined) return;
      thread.job = job;
      job.attempts++;
      thread.worker.ref();
      thread.worker.postMessage(job.request);
    }
  }

  #start(): Thread {
    const worker = startWorker(this.#options.workerFile);
    const thread: Thread = { worker, job: null };
    this.#threads.add(thread);
    worker.on("message", (answer: PoolAnswer) => {
      const job = thread.job;
      thread.job = null;
      worker.unref();
      this.#dispatch();
      if (!this.#closed) job?.settle(answer);
    });
    // Without a listener the error would be thrown here; what to do about it is decided when the thread has ended.
    worker.on("error", () => {});
    worker.on("exit", () => this.#ended(thread));
    return thread;
  }

  /** A thread is gone: its job goes to another one, or is given up. */
  #ended(thread: Thread): void {
    if (!this.#threads.delete(thread)) return;
    const job = thread.job;
    if (job !== null && job.attempts < MAX_ATTEMPTS) {
      (job.request.kind === "generate" ? this.#generations : this.#validations).unshift(job);
    } else {
      job?.settle(null);
    }
    this.#dispatch();
  }
}

/**
 * Starts a worker beside this file: `.js` when built, `.ts` when run from source. From source the loader that runs
 * this thread is not inherited by workers on every Node version, so the worker first registers it.
 */
function startWorker(file: URL | undefined): Worker {
  const fromSource = import.meta.url.endsWith(".ts");
  const target = file ?? new URL(fromSource ? "./pool-worker.ts" : "./pool-worker.js", import.meta.url);
  if (!fromSource) return new Worker(target, { name: "identity" });
  const loader = JSON.stringify(import.meta.resolve("tsx/esm/api"));
  const program = JSON.stringify(target.href);
  return new Worker(`import(${loader}).then((tsx) => { tsx.register(); return import(${program}); })`, {
    eval: true,
    name: "identity",
  });
}
