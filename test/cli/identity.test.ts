import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { registerIdentity } from "../../src/cli/identity.ts";
import { findVanityIdentity, vanityProblem } from "../../src/cli/vanity.ts";
import { generateIdentity, validateIdentity } from "../../src/identity/generate.ts";
import { type Identity, parseIdentity } from "../../src/identity/identity.ts";
import { formatAddress } from "../../src/protocol/address.ts";
import { idtoolRecording, recordedRuns } from "./idtool-recording.ts";
import { cli, present, temporaryDirectory } from "./run-cli.ts";

const directory = temporaryDirectory();
const at = (name: string) => join(directory, name);
const identity = (...args: string[]) => cli(registerIdentity, ["identity", ...args]);

/** The public identity of the recording (its secret was not recorded) and one made here. */
const recordedPublic = present(/3a6b42e392:0:[0-9a-f]{127}4/.exec(idtoolRecording), "recorded identity")[0];
const recordedSecret = present(
  /[0-9a-f]{10}:0:[0-9a-f]{128}:[0-9a-f]{128}/.exec(idtoolRecording),
  "recorded secret",
)[0];

before(() => {
  process.chdir(directory);
  writeFileSync("id2.public", recordedPublic);
  writeFileSync("id2.secret", recordedSecret);
  writeFileSync("msg.txt", "a message\n");
});

describe("orrery identity, against the recorded zerotier-idtool", () => {
  const comparable = [...recordedRuns("validate"), ...recordedRuns("getpublic"), ...recordedRuns("sign")].filter(
    // Without arguments the reference prints its own help; with id2.secret it prints what only that secret gives.
    (run) => run.args.length > 1 && !(run.args[1] === "id2.secret" && run.args[0] !== "validate"),
  );

  test("the recording holds enough to compare", () => assert.ok(comparable.length >= 9, `${comparable.length} runs`));

  for (const run of comparable.filter((run) => run.args.length > 2 || run.args[0] !== "sign")) {
    test(`${run.args.map((arg) => arg.slice(0, 24)).join(" ")} answers the same`, async () => {
      assert.deepEqual(await identity(...run.args), { code: run.code, stdout: run.stdout, stderr: run.stderr });
    });
  }

  test("verify answers in the recorded words", async () => {
    const signature = (await identity("sign", "id2.secret", "msg.txt")).stdout;
    assert.match(signature, /^[0-9a-f]{192}$/);
    writeFileSync("sig.hex", `${signature}\n`);
    const valid = { code: 0, stdout: "msg.txt signature valid\n", stderr: "" };
    const failed = { code: 1, stdout: "", stderr: "msg.txt signature check FAILED\n" };
    assert.deepEqual(await identity("verify", "id2.secret", "msg.txt", signature), valid);
    assert.deepEqual(await identity("verify", recordedSecret, "msg.txt", "sig.hex"), valid);
    assert.deepEqual(await identity("verify", "id2.public", "msg.txt", signature), failed);
    assert.deepEqual(await identity("verify", "id2.secret", "msg.txt", "00ff"), failed);
    assert.deepEqual(await identity("verify", "id2.secret", "msg.txt", "missing.sig"), failed);
    assert.deepEqual(await identity("verify", "id2.secret", "missing", "sig.hex"), {
      code: 1,
      stdout: "",
      stderr: "missing is not readable\n",
    });
  });

  for (const verb of ["validate", "public", "sign", "verify"]) {
    test(`${verb} without its arguments prints help on stdout and exits 1`, async () => {
      const { code, stdout, stderr } = await identity(verb);
      assert.deepEqual([code, stderr], [1, ""]);
      assert.match(stdout, new RegExp(`Usage: orrery identity ${verb}`));
    });
  }
});

describe("orrery identity generate", () => {
  test("prints a valid secret identity without a newline", async () => {
    const { code, stdout } = await identity("generate");
    const made = present(parseIdentity(stdout), "identity");
    assert.equal(code, 0);
    assert.ok(made.hasSecret && validateIdentity(made) && !stdout.endsWith("\n"));
  });

  test("writes both files, the secret one for its owner only, and says so", async () => {
    const run = await identity("generate", "new.secret", "new.public");
    assert.deepEqual(run, { code: 0, stdout: "new.secret written\nnew.public written\n", stderr: "" });
    assert.equal(statSync(at("new.secret")).mode & 0o777, 0o600);
    const secret = present(parseIdentity(readFileSync("new.secret", "utf8")), "secret");
    const shared = present(parseIdentity(readFileSync("new.public", "utf8")), "public");
    assert.ok(secret.hasSecret && !shared.hasSecret && secret.equals(shared));
  });

  test("overwrites a secret only when told to", async () => {
    writeFileSync("precious.secret", recordedSecret, { mode: 0o644 });
    const refused = await identity("generate", "precious.secret");
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /precious\.secret exists.*--force/);
    assert.equal(readFileSync("precious.secret", "utf8"), recordedSecret);
    assert.equal((await identity("generate", "precious.secret", "--force")).code, 0);
    assert.notEqual(readFileSync("precious.secret", "utf8"), recordedSecret);
    assert.equal(statSync(at("precious.secret")).mode & 0o777, 0o600);
  });

  test("reports a file that cannot be written as the reference does", async () => {
    const recorded = present(
      recordedRuns("generate").find((run) => run.args[1]?.startsWith("nodir")),
      "recorded run",
    );
    assert.deepEqual(await identity("generate", "nodir/x.secret"), { code: 1, stdout: "", stderr: recorded.stderr });
  });

  test("as JSON gives the secret only if no file took it", async () => {
    const toStdout = JSON.parse((await identity("generate", "--json")).stdout) as Record<string, string>;
    assert.ok(present(parseIdentity(toStdout["secret"] ?? ""), "secret").hasSecret);
    const toFile = JSON.parse((await identity("generate", "j.secret", "--json")).stdout) as Record<string, unknown>;
    assert.equal(toFile["secret"], undefined);
    assert.deepEqual(toFile["written"], ["j.secret"]);
  });

  test("refuses prefixes that no address can have, before it tries", async () => {
    for (const prefix of ["ff", "xyz", "12345678901", "0000000000"]) {
      assert.notEqual(vanityProblem(prefix), null, prefix);
      const { code, stderr } = await identity("generate", "v.secret", "v.public", prefix);
      assert.equal(code, 1);
      assert.match(stderr, /^no such address: /);
    }
    assert.equal(vanityProblem("00aB"), null);
  });
});

describe("vanity addresses", () => {
  const made = (address: string): Identity =>
    present(parseIdentity(recordedPublic.replace(/^.{10}/, address)), "identity");

  test("every miss is told and the first hit is returned", async () => {
    const queue = ["1111111111", "a222222222", "ab33333333", "ab44444444"].map(made);
    const tried: string[] = [];
    const found = await findVanityIdentity(
      "AB",
      () => Promise.resolve(present(queue.shift(), "next identity")),
      (address) => tried.push(address),
    );
    assert.equal(formatAddress(found.address), "ab33333333");
    assert.deepEqual(tried, ["1111111111", "a222222222"]);
    assert.equal(queue.length, 1);
  });

  test("the command reports its progress on stderr in the reference's words", async () => {
    const own = generateIdentity((into) => into.fill(7));
    const prefix = formatAddress(own.address).slice(0, 1);
    const { code, stdout, stderr } = await identity("generate", "vanity.secret", "vanity.public", prefix);
    assert.equal(code, 0);
    assert.equal(stdout, "vanity.secret written\nvanity.public written\n");
    const lines = stderr.trimEnd().split("\n");
    const address = present(parseIdentity(readFileSync("vanity.public", "utf8")), "identity").address;
    assert.equal(lines.pop(), `vanity address: found ${formatAddress(address)} !`);
    assert.ok(formatAddress(address).startsWith(prefix));
    for (const line of lines) {
      assert.match(line, new RegExp(`^vanity address: tried [0-9a-f]{10} looking for first 4 bits of ${prefix}0{9}$`));
    }
  });
});

test("as JSON, public and validate and verify answer in fields", async () => {
  const shared = JSON.parse((await identity("public", "id2.secret", "--json")).stdout) as unknown;
  assert.deepEqual(shared, { address: recordedSecret.slice(0, 10), public: recordedSecret.slice(0, 141) });
  const valid = await identity("validate", recordedPublic.replace(/4$/, "0"), "--json");
  assert.deepEqual([valid.code, JSON.parse(valid.stdout)], [1, { address: "3a6b42e392", valid: false }]);
  const verified = await identity("verify", "id2.secret", "msg.txt", "00", "--json");
  assert.equal(verified.code, 1);
  assert.equal((JSON.parse(verified.stdout) as { valid: boolean }).valid, false);
});
