/**
 * A worker for the identity pool that dies of some jobs: of a validation whose public key starts with 0xdd always,
 * with 0xde the first time (counted in memory that the test shares with all workers), and of every generation.
 */
import { getEnvironmentData, parentPort } from "node:worker_threads";
import type { PoolAnswer, PoolRequest } from "../../src/identity/pool-messages.ts";

/** One Int32: how often a worker has died of 0xde. */
const crashes = getEnvironmentData("crashes");

parentPort?.on("message", (request: PoolRequest) => {
  if (request.kind === "generate") process.exit(1);
  const first = request.publicKey[0];
  if (first === 0xdd) throw new Error("this job kills its worker");
  if (first === 0xde && crashes instanceof Int32Array && Atomics.add(crashes, 0, 1) === 0) process.exit(7);
  const answer: PoolAnswer = { kind: "validate", valid: true };
  parentPort?.postMessage(answer);
});
