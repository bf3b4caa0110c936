/** A whole home in one file, and back: while somebody writes, when the file is damaged, when a home is in the way. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ConfigError } from "../../src/config/errors.ts";
import { backUp, readManifest, restore } from "../../src/store/backup.ts";
import { Database } from "../../src/store/database.ts";

const base = mkdtempSync(join(tmpdir(), "orrery-backup-"));
after(() => rmSync(base, { recursive: true, force: true }));
const AT = new Date("2026-01-31T12:00:00Z");
let number = 0;
let home = "";
let file = "";

beforeEach(() => {
  number++;
  home = join(base, `home${number}`);
  file = join(base, `backup${number}.tar.gz`);
  for (const folder of ["moons.d", "peers.d", "signing", "networks.d"])
    mkdirSync(join(home, folder), { recursive: true });
  writeFileSync(join(home, "identity.secret"), "secret", { mode: 0o600 });
  writeFileSync(join(home, "orrery.yaml"), "log: {level: debug}\n");
  writeFileSync(join(home, "signing", "key.secret"), "key");
  writeFileSync(join(home, "networks.d", "8056c2e21c000001.conf"), "\n");
  writeFileSync(join(home, "peers.d", "1234567890.peer"), "forgettable");
  writeFileSync(join(home, "zerotier-one.pid"), "1");
});

const acknowledged = (child: ChildProcess) => {
  const state = { last: -1 };
  child.stdout!.on("data", (chunk: Buffer) => {
    const lines = chunk.toString().trim().split("\n");
    state.last = Number(lines.at(-1));
  });
  return state;
};

function startChild(): ChildProcess {
  const program = new URL("./writing-child.ts", import.meta.url).pathname;
  return spawn(process.execPath, ["--import", "tsx", program, join(home, "orrery.db")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

async function tokensIn(path: string): Promise<number> {
  const database = await Database.open(path);
  const { count } = (await database.reader
    .selectFrom("api_tokens")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .executeTakeFirst())!;
  await database.close();
  return Number(count);
}

test("what cannot be made again comes back, with the modes of secrets; what can is left out", async () => {
  const manifest = await backUp(home, file, "test", AT);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(
    manifest.files.map(({ path }) => path),
    ["identity.secret", "networks.d/8056c2e21c000001.conf", "orrery.yaml", "signing/key.secret"],
  );
  const target = join(base, `restored${number}`);
  const { movedTo } = await restore(file, target, false);
  assert.equal(movedTo, null);
  assert.equal(readFileSync(join(target, "identity.secret"), "utf8"), "secret");
  assert.equal(statSync(join(target, "identity.secret")).mode & 0o777, 0o600);
  assert.equal(readFileSync(join(target, "signing", "key.secret"), "utf8"), "key");
});

test("a backup taken while a controller writes holds every change that was acknowledged before it", async () => {
  const child = startChild();
  const state = acknowledged(child);
  while (state.last < 20) await sleep(20);
  const before = state.last;
  await backUp(home, file, "test", AT);
  await sleep(50);
  assert.ok(state.last > before, "the controller went on writing");
  child.kill("SIGKILL");
  await new Promise((resolve) => child.once("exit", resolve));
  const target = join(base, `restored${number}`);
  await restore(file, target, false);
  assert.ok((await tokensIn(join(target, "orrery.db"))) > before);
});

test("SIGKILL at any moment loses no change that was acknowledged", async () => {
  const child = startChild();
  const state = acknowledged(child);
  while (state.last < 50) await sleep(10);
  child.kill("SIGKILL");
  await new Promise((resolve) => child.once("exit", resolve));
  assert.ok((await tokensIn(join(home, "orrery.db"))) > state.last);
});

test("a home that is there is not touched, or moved aside if that is asked for", async () => {
  await backUp(home, file, "test", AT);
  await assert.rejects(
    restore(file, home, false),
    (error: unknown) => error instanceof ConfigError && /not empty/.test(error.describe()),
  );
  writeFileSync(join(home, "orrery.yaml"), "changed");
  const { movedTo } = await restore(file, home, true);
  assert.equal(readFileSync(join(home, "orrery.yaml"), "utf8"), "log: {level: debug}\n");
  assert.equal(readFileSync(join(movedTo!, "orrery.yaml"), "utf8"), "changed");
});

test("a damaged file is refused, and nothing is left of the attempt", async () => {
  await backUp(home, file, "test", AT);
  const bytes = readFileSync(file);
  const target = join(base, `damaged${number}`);
  for (const damaged of [bytes.subarray(0, bytes.length - 20), Buffer.from("no archive"), Buffer.alloc(0)]) {
    const path = join(base, "damaged.tar.gz");
    writeFileSync(path, damaged);
    await assert.rejects(restore(path, target, false), ConfigError);
    await assert.rejects(readManifest(path), ConfigError);
  }
  assert.ok(!readdirSync(base).some((name) => name.startsWith(".orrery-") || name.startsWith("damaged1")));
  await assert.rejects(restore(join(base, "absent"), target, false), ConfigError);
});

test("a home without anything is refused", async () => {
  const empty = join(base, `empty${number}`);
  mkdirSync(empty);
  await assert.rejects(backUp(empty, file, "test", AT), ConfigError);
  cpSync(home, join(empty, "ignored"), { recursive: true });
  await assert.rejects(backUp(join(base, "absent"), file, "test", AT), ConfigError);
});
