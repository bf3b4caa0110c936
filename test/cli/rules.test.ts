/** `orrery rules …` as somebody at a terminal sees it. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createProgram, runCli } from "../../src/cli/context.ts";
import { registerRules } from "../../src/cli/rules.ts";

const FIXTURES = new URL("../fixtures/rules/", import.meta.url);
const directory = mkdtempSync(join(tmpdir(), "orrery-rules-"));
after(() => rmSync(directory, { recursive: true, force: true }));

async function rules(...words: string[]) {
  const out: string[] = [];
  const errors: string[] = [];
  const context = {
    stdout: (text: string) => void out.push(text),
    stderr: (text: string) => void errors.push(text),
    env: {},
  };
  const program = createProgram(context);
  registerRules(program, context);
  const code = await runCli(program, ["rules", ...words], context);
  return { code, out: out.join(""), errors: errors.join("") };
}

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const DEPARTMENTS = file(
  "departments.rules",
  `tag department id 1000 enum 100 sales enum 200 engineering default 100;
drop not ethertype ipv4 and not ethertype arp and not ethertype ipv6;
accept dport 445 and ipprotocol tcp and tdiff department 0;
cap superuser id 1 accept; ;
drop chr tcp_syn and not chr tcp_ack;
accept;
`,
);
const SMB = "tcp 10.1.1.1:5000 to 10.1.1.2:445 syn";

for (const name of readdirSync(FIXTURES).filter((entry) => entry.endsWith(".rules"))) {
  test(`the talk's ${name} compiles verbatim, and what is decompiled of it compiles to the same`, async () => {
    const path = new URL(name, FIXTURES).pathname;
    const expected = readFileSync(path.replace(/rules$/, "json"), "utf8");
    const compiled = await rules("compile", path);
    assert.equal(compiled.code, 0);
    assert.deepEqual(JSON.parse(compiled.out), JSON.parse(expected));
    const decompiled = await rules("decompile", file("compiled.json", compiled.out));
    assert.equal(decompiled.code, 0);
    const again = await rules("compile", file("again.rules", decompiled.out));
    assert.deepEqual(JSON.parse(again.out), JSON.parse(expected));
  });
}

test("a mistake is shown where it stands, with what was probably meant", async () => {
  const path = file("mistake.rules", "accept ethertype ipv4;\n  accept dprot 80;\n");
  const { code, errors } = await rules("compile", path);
  assert.equal(code, 1);
  assert.equal(
    errors,
    `${path}:2:10: "dprot" is no match\n  2 |   accept dprot 80;\n    |          ^\n  did you mean dport?\n`,
  );
});

test("what is wrong with rules is told with place and exit code; --json for scripts", async () => {
  const path = file("unreachable.rules", "accept;\ndrop ipprotocol udp;\n");
  const { code, out } = await rules("check", path);
  assert.equal(code, 1);
  assert.match(
    out,
    /^.*unreachable\.rules:2:6: warning: never reached: "accept" above it takes every frame\n {2}2 \| drop/,
  );
  const [finding] = JSON.parse((await rules("check", path, "--json")).out) as {
    kind: string;
    place: { line: number };
  }[];
  assert.equal(finding!.kind, "unreachable");
  assert.equal(finding!.place.line, 2);
  assert.deepEqual(await rules("check", DEPARTMENTS), {
    code: 0,
    out: `${DEPARTMENTS}: nothing to find fault with\n`,
    errors: "",
  });
});

test("two of one department may talk, and both ends say by which rule", async () => {
  const { code, out } = await rules("explain", "--file", DEPARTMENTS, ...SMB.split(" "));
  assert.equal(code, 0);
  assert.match(out, /at the sender 1111111111: accept/);
  assert.match(out, /at the receiver 2222222222: accept/);
  assert.match(out, /department: own 100 \(sales\), other 100 \(sales\)/);
  assert.match(out, /delivered: both ends accept it, the receiver by "accept" in line 3\n$/);
});

test("two of different departments may not, and the sender says why", async () => {
  const { code, out } = await rules("explain", "--file", DEPARTMENTS, "--to-tag", "department=engineering", SMB);
  assert.equal(code, 1);
  assert.match(out, /NOT delivered: the sender decides by "drop" in line 5\n$/);
});

test("before the receiver's tags are known the sender lets it go, and the receiver decides", async () => {
  const words = ["explain", "--file", DEPARTMENTS, "--first", "--json", "--to-tag", "department=engineering", SMB];
  const { code, out } = await rules(...words);
  const explanation = JSON.parse(out) as {
    delivered: boolean;
    sender: { verdict: string };
    receiver: { verdict: string };
  };
  assert.equal(code, 1);
  assert.equal(explanation.sender.verdict, "accept");
  assert.equal(explanation.receiver.verdict, "drop");
});

test("a drop of the network's own rules beats a capability; only what no rule decides is left to it", async () => {
  const ssh = "tcp 10.1.1.1:5000 to 10.1.1.2:22 syn";
  assert.equal((await rules("explain", "--file", DEPARTMENTS, "--from-cap", "superuser", ssh)).code, 1);
  const open = file("open.rules", "break chr tcp_syn and not chr tcp_ack;\ncap superuser id 1 accept; ;\naccept;\n");
  assert.equal((await rules("explain", "--file", open, ssh)).code, 1);
  const { code, out } = await rules("explain", "--file", open, "--from-cap", "superuser", ssh);
  assert.equal(code, 0);
  assert.match(out, /capability superuser/);
});

test("packets of every kind can be described", async () => {
  const accepts: readonly (readonly [string, boolean])[] = [
    ["arp 10.1.1.1 -> 10.1.1.2", true],
    ["icmp 10.1.1.1 -> 10.1.1.2 echo", true],
    ["icmp fd00::1 -> fd00::2", true],
    ["udp fd00::1 53 -> fd00::2 5353 size 1200", true],
    ["ethertype 0x8863", false],
    ["tcp [fd00::1]:1 -> [fd00::2]:22 syn", false],
    ["tcp 10.1.1.1:1 -> 10.1.1.2:22 ack", true],
  ];
  for (const [packet, delivered] of accepts) {
    assert.equal((await rules("explain", "--file", DEPARTMENTS, packet)).code, delivered ? 0 : 1, packet);
  }
});

test("a description that makes no sense is told how to write one", async () => {
  for (const packet of [
    "tcp 10.1.1.1",
    "foo 10.1.1.1 to 10.1.1.2",
    "tcp 10.1.1.1:1 to 10.1.1.2:2 sym",
    "tcp 10.1.1.1:1 to fd00::1",
    "ethertype x",
  ]) {
    const { code, errors } = await rules("explain", "--file", DEPARTMENTS, packet);
    assert.equal(code, 1, packet);
    assert.match(errors, /^orrery: /);
  }
});
