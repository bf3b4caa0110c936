/** A thread of the identity pool: takes one job after the other and runs the memory-hard hash. See pool.ts. */
import { parentPort } from "node:worker_threads";
import { generateIdentity, validateIdentity } from "./generate.ts";
import { Identity } from "./identity.ts";
import type { PoolAnswer, PoolRequest } from "./pool-messages.ts";

function answer(request: PoolRequest): PoolAnswer {
  if (request.kind === "validate") {
    return { kind: "validate", valid: validateIdentity(new Identity(request.address, request.publicKey)) };
  }
  const { address, publicKey, secretKey } = generateIdentity((into) => into.set(request.seed));
  if (secretKey === null) throw new Error("a generated identity has a secret");
  return { kind: "generate", address, publicKey, secretKey };
}

const port = parentPort;
if (port === null) throw new Error("pool-worker is started by IdentityPool, not by itself");
port.on("message", (request: PoolRequest) => port.postMessage(answer(request)));
