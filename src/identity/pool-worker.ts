/**
 * A thread of the identity pool: takes one job after the other and runs the memory-hard hash. See pool.ts.
 * Facts: setpriority(2) (on Linux 0 means the calling thread), sched(7).
 */
import { constants, getPriority, setPriority } from "node:os";
import { parentPort } from "node:worker_threads";
import { generateIdentity, validateIdentity } from "./generate.ts";
import { Identity } from "./identity.ts";
import type { PoolAnswer, PoolRequest } from "./pool-messages.ts";

/** Of a core that relays at its limit, this leaves about a hundredth for strangers; of an idle one all there is. */
const NICER = 20;

/** Gives way to the threads that relay. Elsewhere than on Linux this would slow the whole process down. */
function giveWay(): void {
  if (process.platform !== "linux") return;
  try {
    setPriority(Math.min(getPriority() + NICER, constants.priority.PRIORITY_LOW));
  } catch {
    // A sandbox may forbid even this. The relay workers go first all the same where they may.
  }
}

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
giveWay();
port.on("message", (request: PoolRequest) => port.postMessage(answer(request)));
