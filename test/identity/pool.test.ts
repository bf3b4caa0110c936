import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { getPriority } from "node:os";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { setEnvironmentData } from "node:worker_threads";
import { validateIdentity } from "../../src/identity/generate.ts";
import { Identity, parseIdentity } from "../../src/identity/identity.ts";
import { IdentityPool } from "../../src/identity/pool.ts";
import { identityVector, noise } from "../crypto/vectors.ts";

const valid = parseIdentity(identityVector("id1").public) ?? assert.fail();
const invalid = new Identity(valid.address + 1, valid.publicKey);
const crashingWorker = new URL("./crashing-worker.ts", import.meta.url);

/** Validates and waits; fails if the pool refuses the job. */
function validated(pool: IdentityPool, identity: Identity): Promise<boolean> {
  return new Promise((resolve) => assert.equal(pool.validate(identity, resolve), true, "refused"));
}

describe("IdentityPool", () => {
  test("validates on another thread: the caller's goes on meanwhile", async () => {
    const pool = new IdentityPool({ threads: 1, maxQueued: 10 });
    let turns = 0;
    const ticking = setInterval(() => turns++, 1);
    const answers = await Promise.all([valid, invalid, valid].map((identity) => validated(pool, identity)));
    clearInterval(ticking);
    await pool.close();
    assert.deepEqual(answers, [true, false, true]);
    assert.ok(turns > 5, `${turns} turns of the event loop`);
  });

  test("its threads give way to all others", { skip: process.platform !== "linux" && "Linux only" }, async () => {
    /** Threads of this process with a lower priority than ours. */
    const humble = () =>
      readdirSync("/proc/self/task").filter((thread) => {
        const fields = readFileSync(`/proc/self/task/${thread}/stat`, "utf8").split(") ")[1]!.split(" ");
        return Number(fields[16]) > getPriority();
      }).length;
    const before = humble();
    const pool = new IdentityPool({ threads: 2, maxQueued: 10 });
    await Promise.all([valid, valid].map((identity) => validated(pool, identity)));
    assert.equal(humble() - before, 2);
    await pool.close();
  });

  test("never answers during the call", async () => {
    const pool = new IdentityPool({ threads: 1, maxQueued: 1 });
    let answered = false;
    const done = new Promise<void>((resolve) => {
      pool.validate(valid, () => {
        answered = true;
        resolve();
      });
    });
    assert.equal(answered, false);
    await done;
    await pool.close();
  });

  test("holds no more than it was allowed, counts what waits, and takes more once there is room", async () => {
    const pool = new IdentityPool({ threads: 1, maxQueued: 2 });
    const answers: boolean[] = [];
    const accepted = [1, 2, 3, 4, 5].map(() => pool.validate(valid, (answer) => answers.push(answer)));
    assert.deepEqual(accepted, [true, true, true, false, false]);
    assert.equal(pool.queued, 2);
    assert.equal(await validatedWhenFree(pool), true);
    assert.deepEqual(answers, [true, true, true]);
    assert.equal(pool.queued, 0);
    await pool.close();
  });

  /** Tries until the pool accepts one more validation, and waits for its answer. */
  async function validatedWhenFree(pool: IdentityPool): Promise<boolean> {
    for (;;) {
      const answer = await new Promise<boolean | null>((resolve) => {
        if (!pool.validate(valid, resolve)) setTimeout(() => resolve(null), 5);
      });
      if (answer !== null) return answer;
    }
  }

  test("generates valid identities, from the randomness it is given", async () => {
    const random = (into: Uint8Array) => into.set(noise(into.length, 1));
    const pool = new IdentityPool({ threads: 2, maxQueued: 0, random });
    const [a, b] = await Promise.all([pool.generate(), pool.generate()]);
    assert.ok(a.equals(b));
    assert.ok(a.hasSecret && validateIdentity(a));
    await pool.close();
    const other = new IdentityPool({ threads: 1, maxQueued: 0 });
    assert.ok(!(await other.generate()).equals(a));
    await other.close();
  });

  test("lets a generation pass validations that wait", async () => {
    const pool = new IdentityPool({ threads: 1, maxQueued: 100 });
    const order: string[] = [];
    const validations = Array.from({ length: 40 }, () => validated(pool, valid).then(() => order.push("validated")));
    await pool.generate();
    order.push("generated");
    await Promise.all(validations);
    await pool.close();
    assert.ok(order.indexOf("generated") < 20, `generated after ${order.indexOf("generated")} validations`);
  });

  test("after close refuses, rejects what was asked for, and answers nothing more", async () => {
    const pool = new IdentityPool({ threads: 1, maxQueued: 10 });
    let answers = 0;
    for (let i = 0; i < 5; i++) pool.validate(valid, () => answers++);
    const generation = assert.rejects(pool.generate(), /no identity was generated/);
    await pool.close();
    await generation;
    assert.equal(
      pool.validate(valid, () => answers++),
      false,
    );
    await assert.rejects(pool.generate(), /no identity was generated/);
    await pool.close();
    assert.equal(pool.queued, 0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(answers, 0);
  });
});

describe("IdentityPool with workers that die", () => {
  const keyStarting = (byte: number) => new Identity(1, new Uint8Array(64).fill(byte));

  test("tries a job again on another worker, gives up a deadly one, and serves the others", async () => {
    const crashes = new Int32Array(new SharedArrayBuffer(4));
    setEnvironmentData("crashes", crashes);
    const pool = new IdentityPool({ threads: 1, maxQueued: 10, workerFile: crashingWorker });
    const answers = await Promise.all([0x01, 0xde, 0x02, 0xdd, 0x03].map((byte) => validated(pool, keyStarting(byte))));
    assert.deepEqual(answers, [true, true, true, false, true]);
    assert.equal(crashes[0], 2, "one death, one survival");
    assert.equal(pool.queued, 0);
    await pool.close();
  });

  test("rejects a generation that no worker survives", async () => {
    const pool = new IdentityPool({ threads: 2, maxQueued: 10, workerFile: crashingWorker });
    await assert.rejects(pool.generate(), /no identity was generated/);
    assert.equal(await validated(pool, keyStarting(1)), true);
    await pool.close();
  });

  test("does not spin when its workers cannot even start", async () => {
    const workerFile = new URL("./no-such-worker.ts", import.meta.url);
    const pool = new IdentityPool({ threads: 1, maxQueued: 10, workerFile });
    assert.equal(await validated(pool, valid), false);
    await pool.close();
  });
});

test("a process with an idle pool exits by itself, and one with work in it does not before", async () => {
  const program = `
    import { parseIdentity } from ${JSON.stringify(new URL("../../src/identity/identity.ts", import.meta.url).href)};
    import { IdentityPool } from ${JSON.stringify(new URL("../../src/identity/pool.ts", import.meta.url).href)};
    const pool = new IdentityPool({ threads: 1, maxQueued: 4 });
    const identity = parseIdentity(${JSON.stringify(identityVector("id2").public)});
    for (let i = 0; i < 3; i++) pool.validate(identity, (valid) => console.log(valid));
  `;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--import", import.meta.resolve("tsx"), "--input-type=module", "--eval", program],
    { timeout: 20_000 },
  );
  assert.equal(stdout, "true\ntrue\ntrue\n");
});
