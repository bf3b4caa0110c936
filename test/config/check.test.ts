import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { registerConfig } from "../../src/cli/config.ts";
import { type CliContext, createProgram, runCli } from "../../src/cli/context.ts";

let home: string;
before(() => {
  home = mkdtempSync(join(tmpdir(), "orrery-check-"));
});
after(() => rmSync(home, { recursive: true, force: true }));

async function check(yaml: string, ...flags: string[]) {
  writeFileSync(join(home, "orrery.yaml"), yaml);
  let stdout = "";
  let stderr = "";
  const context: CliContext = {
    stdout: (text) => {
      stdout += text;
    },
    stderr: (text) => {
      stderr += text;
    },
    env: { ORRERY_HOME: home, ORRERY_LOG_LEVEL: "warn", ORRERY_LOG_LEVLE: "x" },
  };
  const program = createProgram(context);
  registerConfig(program, context);
  const code = await runCli(program, ["config", "check", ...flags], context);
  return { code, stdout: stdout.replaceAll(home, "~"), stderr: stderr.replaceAll(home, "~") };
}

describe("orrery config check", () => {
  test("prints every effective value, where it comes from and how a change takes effect", async () => {
    const { code, stdout, stderr } = await check("listen: {port: 9000}\nphysical: {10.0.0.0/8: {blacklist: true}}");
    assert.equal(code, 0);
    const lines = stdout.split("\n");
    assert.match(lines[0]!, /^KEY {2,}VALUE {2,}FROM {2,}CHANGED BY$/);
    assert.ok(lines.some((line) => /^listen\.port +9000 +orrery\.yaml +restart$/.test(line)));
    assert.ok(lines.some((line) => /^log\.level +warn +env +reload$/.test(line)));
    assert.ok(lines.some((line) => /^api\.enabled +true +default +restart$/.test(line)));
    assert.ok(lines.some((line) => /^physical +\{"10\.0\.0\.0\/8":\{"blacklist":true/.test(line)));
    assert.equal(stderr, "warning: ORRERY_LOG_LEVLE is unknown and ignored: did you mean ORRERY_LOG_LEVEL?\n");
  });

  test("prints the same as JSON", async () => {
    const { code, stdout } = await check("listen: {port: 9000}", "--json");
    const report = JSON.parse(stdout);
    assert.equal(code, 0);
    assert.equal(report.ok, true);
    assert.equal(report.warnings.length, 1);
    assert.deepEqual(
      report.settings.find((setting: { key: string }) => setting.key === "listen.port"),
      { key: "listen.port", value: 9000, source: ["orrery.yaml"], hot: false },
    );
  });

  test("lists every mistake, one line each, and ends with 78", async () => {
    const { code, stdout, stderr } = await check("listen:\n  port: abc\n  prot: 1");
    assert.equal(code, 78);
    assert.equal(stdout, "");
    assert.equal(
      stderr,
      '~/orrery.yaml:2:9: listen.port: expected a number between 0 and 65535, got "abc": ' +
        'write for example "port: 9993"\n' +
        '~/orrery.yaml:3:3: listen.prot: unknown key: did you mean "port"?\n',
    );
  });

  test("lists mistakes as JSON with their places", async () => {
    const { code, stdout } = await check("listen:\n  port: abc", "--json");
    assert.equal(code, 78);
    assert.deepEqual(JSON.parse(stdout), {
      ok: false,
      home: "~",
      errors: [
        {
          file: "~/orrery.yaml",
          line: 2,
          column: 9,
          message: 'listen.port: expected a number between 0 and 65535, got "abc"',
          advice: 'write for example "port: 9993"',
        },
      ],
    });
  });
});
