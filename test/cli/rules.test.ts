/** `orrery rules …` as somebody at a terminal sees it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
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

/** What `check` says of each source: the exit code, and the beginnings of its lines behind the file's name. */
const CHECKED: Readonly<Record<string, readonly string[]>> = {
  "talk-both-tags": [":19:5: error: tag devtype has the id 1000 of tag department: give it another one"],
  "talk-department": [": nothing to find fault with"],
  "talk-devtype": [": warning: nothing is ever accepted"],
  "talk-firewall": [": nothing to find fault with"],
  "talk-superuser": [": nothing to find fault with"],
  "talk-tee": [": warning: nothing is ever accepted"],
};

for (const [name, expected] of Object.entries(CHECKED)) {
  test(`the talk's ${name} is checked: ${expected.join()}`, async () => {
    const path = new URL(`${name}.rules`, FIXTURES).pathname;
    const { code, out } = await rules("check", path);
    const told = out.split("\n").filter((line) => line.startsWith(path));
    assert.equal(told.length, expected.length);
    for (const [index, line] of told.entries()) assert.ok(line.startsWith(`${path}${expected[index]}`), line);
    assert.equal(code, expected[0]!.endsWith("fault with") ? 0 : 1);
  });
}

/** What `explain` says of packets under each source: its options, and its last line. */
const EXPLAINED: readonly (readonly [string, string, string])[] = [
  ["talk-firewall", "tcp to :443 syn", 'delivered: the receiver accepts it by "accept" in line 12'],
  [
    "talk-firewall",
    "tcp to :8080 syn",
    'NOT delivered: the sender drops it: "break" in line 19 leaves it to capabilities, and the sender has none',
  ],
  [
    "talk-firewall",
    "--from-ip 10.1.1.9 udp 10.1.1.1 to 10.1.1.2",
    'NOT delivered: the sender drops it by "drop" in line 3',
  ],
  [
    "talk-department",
    "--from-tag department=sales --to-tag department=sales tcp to :445",
    'delivered: the receiver accepts it by "accept" in line 12',
  ],
  [
    "talk-department",
    "--from-tag department=sales --to-tag department=support tcp to :445",
    "NOT delivered: the sender drops it: no rule accepts it, and the sender has no capability; what nothing accepts is dropped",
  ],
  [
    "talk-devtype",
    "icmp echo",
    'NOT delivered: the sender drops it: "break" in line 8 leaves it to capabilities, and the sender has none',
  ],
  [
    "talk-superuser",
    "--from-cap superuser arp",
    'delivered: the receiver accepts it by "accept" in line 5 of the capability superuser',
  ],
  [
    "talk-tee",
    "tcp to :22 syn",
    "NOT delivered: the sender drops it: no rule accepts it, and the sender has no capability; what nothing accepts is dropped",
  ],
];

for (const [name, words, last] of EXPLAINED) {
  test(`the talk's ${name} is explained for ${words}`, async () => {
    const path = new URL(`${name}.rules`, FIXTURES).pathname;
    const { code, out } = await rules("explain", "--file", path, ...words.split(" "));
    assert.equal(out.trimEnd().split("\n").at(-1), last);
    assert.equal(code, last.startsWith("NOT") ? 1 : 0);
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

test("a mistake is told to scripts, by every command that reads a source", async () => {
  const path = file("mistake.rules", "accept ethertype ipv4;\n  accept dprot 80;\n");
  for (const words of [
    ["compile", path],
    ["check", path],
    ["explain", "--file", path, "arp"],
  ]) {
    const { code, out, errors } = await rules(...words, "--json");
    assert.deepEqual([code, errors], [1, ""]);
    assert.deepEqual(JSON.parse(out), {
      error: {
        reason: "unknown-match",
        message: '"dprot" is no match',
        hint: "did you mean dport?",
        place: { line: 2, column: 10 },
      },
    });
  }
});

test("a file that cannot be read, and JSON that is none, end with 78", async () => {
  const missing = join(directory, "nothing.rules");
  for (const words of [
    ["compile", missing],
    ["decompile", missing],
    ["check", missing],
    ["explain", "--file", missing, "arp"],
  ]) {
    const { code, errors } = await rules(...words);
    assert.equal(code, 78);
    assert.match(errors, /nothing\.rules: cannot be read \(ENOENT\)/);
  }
  const broken = file("broken.json", '{ "rules": [');
  for (const words of [
    ["decompile", broken],
    ["check", broken],
    ["explain", "--file", broken, "arp"],
  ]) {
    assert.equal((await rules(...words)).code, 78);
  }
});

test("rules come from standard input, and compiled ones do as well as sources", async () => {
  const run = (words: readonly string[], input: string) =>
    spawnSync(process.execPath, ["--import", "tsx", "src/main.ts", "rules", ...words], {
      cwd: new URL("../../", import.meta.url),
      input,
      encoding: "utf8",
    });
  const compiled = run(["compile", "-"], "drop ethertype arp and dport 22;\naccept;\n");
  assert.deepEqual([compiled.status, compiled.stderr], [0, ""]);
  const checked = run(["check", "-"], compiled.stdout);
  assert.equal(checked.status, 1);
  assert.match(checked.stdout, /^-: error: "dport 22" cannot hold together with "ethertype arp" before it/);
  const explained = run(["explain", "--file", "-", "udp"], compiled.stdout);
  assert.deepEqual([explained.status, explained.stderr], [0, ""]);
  const source = run(["decompile", "-"], compiled.stdout);
  assert.match(source.stdout, /^drop\n\tethertype arp\n\tand dport 22\n;\n/);
});

test("members that copies may go to can be named", async () => {
  const path = file("tee.rules", "tee -1 deadbeef01;\naccept;\n");
  const lost = await rules("check", path, "--member", "deadbeef02");
  assert.match(lost.out, /:1:1: error: deadbeef01 is no authorized member/);
  assert.equal((await rules("check", path, "--member", "deadbeef02", "--member", "deadbeef01")).code, 0);
  assert.equal((await rules("check", path, "--member", "x")).code, 1);
});

test("a flag of a tag is its bits, and a value that there is not is told", async () => {
  const path = file("flags.rules", "tag role id 5 flag 3 admin flag 31 top default 0;\naccept tand role admin;\n");
  const words = ["explain", "--file", path, "--from-tag", "role=admin", "--to-tag", "role=admin"];
  const { code, out } = await rules(...words, "arp");
  assert.equal(code, 0);
  // A broadcast is looked at for all first, when nobody's tags are known.
  assert.match(out, /role: sender 8 \(admin\), receiver none, so the receiver decides/);
  assert.match(out, /role: sender 8 \(admin\), receiver 8 \(admin\)/);
  assert.equal((await rules("explain", "--file", path, "--from-tag", "role=top", "udp")).code, 1);
  const wrong = await rules("explain", "--file", path, "--from-tag", "role=admim", "udp");
  assert.match(wrong.errors, /the tag role has no value "admim": did you mean admin\?/);
  assert.match((await rules("explain", "--file", path, "--from-tag", "rule=1", "udp")).errors, /did you mean role\?/);
  assert.match((await rules("explain", "--file", path, "--from-cap", "x", "udp")).errors, /: there are none\n/);
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
  assert.match(out, /^at the sender 1111111111: ACCEPT$/m);
  assert.match(out, /^at the receiver 2222222222: ACCEPT$/m);
  assert.match(out, /3 \+ {3}tdiff department 0 +department: sender 100 \(sales\), receiver 100 \(sales\)$/m);
  assert.match(out, /\ndelivered: the receiver accepts it by "accept" in line 3\n$/);
});

test("two of different departments may not, and the sender says why", async () => {
  const { code, out } = await rules("explain", "--file", DEPARTMENTS, "--to-tag", "department=engineering", SMB);
  assert.equal(code, 1);
  assert.match(out, /NOT delivered: the sender drops it by "drop" in line 5\n$/);
  assert.match(out, /^at the receiver 2222222222, if it came to that: DROP$/m);
});

test("before the receiver's tags are known the sender lets it go, and the receiver decides", async () => {
  const words = ["explain", "--file", DEPARTMENTS, "--first", "--json", "--to-tag", "department=engineering", SMB];
  const { code, out } = await rules(...words);
  const explanation = JSON.parse(out) as {
    delivered: boolean;
    ends: { side: string; verdict: string }[];
  };
  assert.equal(code, 1);
  assert.deepEqual(
    explanation.ends.map(({ side, verdict }) => `${side} ${verdict}`),
    ["sender accept", "receiver drop"],
  );
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
    "arp fd00::1 -> fd00::2",
    "icmp 10.1.1.1 -> 10.1.1.2 solicitation",
    "icmp echo 300",
    "udp 10.1.1.1:1 to 10.1.1.2:70000",
    "arp size 10",
    "arp tos 3",
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
