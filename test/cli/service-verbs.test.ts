/** The reference's verbs, run against a stand-in for the recorded service and compared with its recorded output. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Answers, FakeService, type Run, recordedRuns, runCommand } from "./recorded-cli.ts";

const runs = recordedRuns("service-verbs.txt");
const bondRuns = recordedRuns("bond-verbs.txt");

/** The nth recording of a command line. */
function recorded(command: string, index = 0, from: readonly Run[] = runs): Run {
  const found = from.filter((run) => run.command === command)[index];
  assert.ok(found, `no recording of ${command}`);
  return found;
}

const compact = (text: string) => JSON.stringify(JSON.parse(text));
const STATUS = recorded("-j info").stdout;
const PEERS = recorded("-j listpeers").stdout;
const NETWORKS = recorded("-j listnetworks").stdout;
const BONDED = recorded("-j bond list").stdout;
const MOONS = recorded("listmoons").stdout;
const JOINED = recorded("-j join 9c650471be00beef").stdout;
/** When `listpeers` was run: the times in its output are differences from this. */
const LISTPEERS_CLOCK = 1795397197066;
const PEERS_CLOCK = 1795397197118;

/** Whitespace of the recorded JSON out, its numbers (0.0) as they are. */
const minify = (text: string) => text.replace(/\n\s*/g, "").replaceAll('": ', '":');

interface Case {
  readonly command: string;
  readonly index?: number;
  readonly answers?: Answers;
  readonly now?: number;
  /** What must have been asked of the service. */
  readonly requests?: readonly string[];
}

const N2 = "9c650471be000002";

const CASES: readonly Case[] = [
  { command: "info", answers: { "GET /status": minify(STATUS) }, requests: ["GET /status"] },
  { command: "status", answers: { "GET /status": minify(STATUS) } },
  { command: "-j info", answers: { "GET /status": minify(STATUS) } },
  { command: "info -j", answers: { "GET /status": minify(recorded("info -j").stdout) } },
  { command: "listpeers", answers: { "GET /peer": minify(PEERS) }, now: LISTPEERS_CLOCK },
  { command: "-j listpeers", answers: { "GET /peer": minify(PEERS) } },
  { command: "peers", answers: { "GET /peer": minify(PEERS) }, now: PEERS_CLOCK },
  { command: "-j peers", answers: { "GET /peer": minify(PEERS) } },
  { command: "listnetworks", answers: { "GET /network": minify(NETWORKS) } },
  { command: "-j listnetworks", answers: { "GET /network": minify(NETWORKS) } },
  {
    command: "leave 9c650471be0000aa",
    answers: { "DELETE /network/9c650471be0000aa": '{"result":true}' },
    requests: ["DELETE /network/9c650471be0000aa"],
  },
  { command: "leave 9c650471be0000aa", index: 1, answers: { "DELETE /network/9c650471be0000aa": "{}" } },
  { command: "-j leave 9c650471be0000aa", answers: { "DELETE /network/9c650471be0000aa": "{}" } },
  { command: "leave 123", requests: [] },
  { command: "leave", requests: [] },
  { command: "join 123", requests: [] },
  { command: "join", requests: [] },
  { command: "join zzzzzzzzzzzzzzzz", requests: ["POST /network/zzzzzzzzzzzzzzzz {}"] },
  {
    command: "join 9c650471be00beef",
    answers: { "POST /network/9c650471be00beef": JOINED },
    requests: ["POST /network/9c650471be00beef {}"],
  },
  { command: "-j join 9c650471be00beef", answers: { "POST /network/9c650471be00beef": JOINED } },
  {
    command: "listnetworks",
    index: 1,
    answers: {
      "GET /network": `[${minify(NETWORKS).slice(1).split(',{"allowDNS":false')[0]},${JOINED.replace("REQUESTING_CONFIGURATION", "NOT_FOUND")}]`,
    },
  },
  { command: "leave 9c650471be00beef", answers: { "DELETE /network/9c650471be00beef": '{"result":true}' } },
  ...[
    "ip",
    "ip4",
    "ip6",
    "ip6plane",
    "ip6prefix",
    "name",
    "status",
    "mtu",
    "allowDNS",
    "bridge",
    "routes",
    "nosuch",
  ].map((property) => ({ command: `get ${N2} ${property}`, answers: { "GET /network": minify(NETWORKS) } })),
  { command: `get ${N2}`, requests: [] },
  { command: "get abc ip", requests: [] },
  { command: "get 1111111111111111 ip", answers: { "GET /network": minify(NETWORKS) } },
  ...["allowDNS=1", "allowDNS=true", "allowDNS=0", "allowDNS=yes"].map((setting) => ({
    command: `set ${N2} ${setting}`,
    answers: { [`POST /network/${N2}`]: recorded(`set ${N2} ${setting}`).stdout },
    requests: [`POST /network/${N2} {"allowDNS":${/=[1t]/.test(setting)}}`],
  })),
  { command: `set ${N2} bogus=1`, requests: [] },
  { command: `set ${N2}`, requests: [] },
  { command: "set abc allowDNS=1", requests: [] },
  {
    command: "set 9c650471be00f00d allowDNS=1",
    answers: { "POST /network/9c650471be00f00d": recorded("set 9c650471be00f00d allowDNS=1").stdout },
  },
  { command: "leave 9c650471be00f00d", answers: { "DELETE /network/9c650471be00f00d": '{"result":true}' } },
  { command: "listmoons", answers: { "GET /moon": minify(MOONS) } },
  { command: "deorbit f3448767cd", answers: { "DELETE /moon/f3448767cd": '{"result":true}' } },
  { command: "-j deorbit f3448767cd", answers: { "DELETE /moon/f3448767cd": '{"result":true}' } },
  { command: "listmoons", index: 1, answers: { "GET /moon": "[]" } },
  {
    command: "orbit f3448767cd f3448767cd",
    answers: { "POST /moon/f3448767cd": "{}" },
    requests: ['POST /moon/f3448767cd {"seed":"f3448767cd"}'],
  },
  { command: "orbit", requests: [] },
  { command: "orbit f3448767cd", requests: [] },
  { command: "orbit 000000f3448767cd f3448767cd" },
  { command: "listmoons", index: 2, answers: { "GET /moon": minify(MOONS) } },
  { command: "deorbit zz", requests: ["DELETE /moon/zz"] },
  { command: "bond", requests: [] },
  { command: "bond list", answers: { "GET /peer": minify(BONDED) } },
  { command: "-j bond list", answers: { "GET /peer": minify(BONDED) } },
  { command: "listbonds", answers: { "GET /peer": minify(BONDED) } },
  { command: "bond 9c650471be show", answers: { "GET /bond/show/9c650471be": [400, "{}"] } },
  { command: "bond 9c650471be rotate", answers: { "POST /bond/rotate/9c650471be": [400, "{}"] } },
  { command: "bond 9c650471be", requests: [] },
  { command: "bond setmtu" },
  { command: "/status", answers: { "GET /status": recorded("/status").stdout } },
  { command: "/health", answers: { "GET /health": recorded("/health").stdout } },
  { command: "/nosuch", requests: ["GET /nosuch"] },
  { command: "/controller", answers: { "GET /controller": recorded("/controller").stdout } },
  { command: "/controller/network", answers: { "GET /controller/network": recorded("/controller/network").stdout } },
  { command: "-p9 info", requests: [] },
  { command: "-Twrongtoken info" },
  { command: "-Twrongtoken join 9c650471be000002" },
  { command: "-Twrongtoken peers" },
];

/** Recorded runs that are not compared word for word, and why. */
const OUT_OF_SCOPE: Readonly<Record<string, string>> = {
  "-h": "help is ours",
  "-v": "our version is main's business",
  "": "no command: help is ours, and so is its exit code",
  bogus: "an unknown command is an error here",
  "-z": "an unknown switch is an error here",
  "-p0 info": "exit code only, below",
  "-p99999 info": "exit code only, below",
  "-jx info": "exit code only, below",
  "-T": "exit code only, below",
  "set 9c650471be000002 allowGlobal": "help is ours; exit code and stream below",
  "-D/home/nonexistent info": "names the program; below",
  dump: "its path and interfaces are this machine's; below",
};

/** The recordings of listpeers on the root and of the second peers table, taken at other peers' times. */
const SECOND_NODE = ["listpeers", "peers"];

describe("the reference CLI's verbs", () => {
  const service = new FakeService();
  before(() => service.start());
  after(() => service.stop());

  for (const { command, index = 0, answers = {}, now = 0, requests } of CASES) {
    test(`"${command}" (recording ${index}) prints what the reference printed`, async () => {
      service.answers = answers;
      service.requests.length = 0;
      const words = command.split(" ");
      const { stdout, stderr, exit } = await service.run(words, now);
      const expected = recorded(command, index);
      assert.deepEqual(
        { stdout, stderr, exit },
        { stdout: expected.stdout, stderr: expected.stderr, exit: expected.exit },
      );
      if (requests !== undefined) assert.deepEqual(service.requests, requests);
    });
  }

  test("every recorded command is compared or listed as out of scope", () => {
    const compared = new Map<string, number>();
    for (const { command } of CASES) compared.set(command, (compared.get(command) ?? 0) + 1);
    for (const command of new Set(runs.map((run) => run.command))) {
      const count = runs.filter((run) => run.command === command).length - (SECOND_NODE.includes(command) ? 1 : 0);
      if (Object.hasOwn(OUT_OF_SCOPE, command)) continue;
      assert.equal(compared.get(command), count, command);
    }
  });

  test("switches may stand before or after the verb, glued or not, and --json is -j", async () => {
    service.answers = { "GET /status": minify(STATUS) };
    const home = service.home;
    for (const args of [
      ["-j", `-D${home}`, "info"],
      ["info", "-j", `-D${home}`],
      ["info", "--json", "-D", home],
      ["status", "--json", "--home", home, "-H127.0.0.1"],
      ["-q", `-T${service.token}`, "-j", "info", `-D${home}`],
    ]) {
      const { stdout, exit } = await runCommand(args);
      assert.deepEqual([args, stdout, exit], [args, STATUS, 0]);
    }
    assert.equal((await runCommand(["info"], 0, { ZEROTIER_HOME: home })).exit, 0);
    assert.equal((await runCommand(["info"], 0, { ZEROTIER_HOME: "/nonexistent", ORRERY_HOME: home })).exit, 0);
  });

  test("a port outside 1…65535, a letter too many or a missing value end with exit code 1", async () => {
    for (const args of [["-p0", "info"], ["-p99999", "info"], ["info", "-pabc"], ["-jx", "info"], ["-T"]]) {
      assert.equal((await service.run(args)).exit, 1, args.join(" "));
    }
  });

  test("set without an equals sign prints help on stderr and ends with exit code 2", async () => {
    const { stdout, stderr, exit } = await service.run(["set", N2, "allowGlobal"]);
    assert.deepEqual([stdout, exit], ["", 2]);
    assert.match(stderr, /^Usage: orrery set /);
  });

  test("an unknown command is named on stderr and ends with exit code 1", async () => {
    const { stdout, stderr, exit } = await service.run(["bogus"]);
    assert.deepEqual([stdout, exit], ["", 1]);
    assert.match(stderr, /unknown command 'bogus'/);
  });

  test("a missing port or token file is named on stderr and ends with exit code 2", async () => {
    const { stderr, stdout, exit } = await runCommand(["-D/home/nonexistent", "info"]);
    const expected = recorded("-D/home/nonexistent info").stderr.replace("zerotier-cli", "orrery");
    assert.deepEqual([stdout, stderr, exit], ["", expected, 2]);
    const noToken = await runCommand(["-D/home/nonexistent", "-p9", "info"]);
    const text = "orrery: authtoken.secret not found or readable in /home/nonexistent (try again as root)\n";
    assert.deepEqual([noToken.stderr, noToken.exit], [text, 2]);
  });

  test("a changing verb without connection prints status 0 and ends with exit code 1", async () => {
    const { stdout, exit } = await service.run(["-p9", "join", N2]);
    assert.deepEqual([stdout, exit], ["0 join connection failed\n", 1]);
  });

  test("details checked against the reference by hand are kept", async () => {
    const bare = { ...(JSON.parse(JOINED) as object), assignedAddresses: [] };
    service.answers = {
      "POST /moon/1111111111": '{"waiting":true}',
      "POST /network/9c650471be00beef": JOINED,
      "GET /network": JSON.stringify([bare]),
    };
    const cases: [string, string, number][] = [
      ["-j orbit 1111111111 2222222222", "200 orbit OK\n", 0],
      ["-Twrong listbonds", "401 listbonds {}\n", 1],
      ["-p9 /status", "0 /status connection failed\n", 1],
      ["join 9c650471be00beef extra more", "200 join OK\n", 0],
      ["get 9c650471be00beef ip", "\n", 0],
      ["get 9c650471be00beef ip6plane", "\n", 0],
    ];
    for (const [command, text, code] of cases) {
      const { stdout, exit } = await service.run(command.split(" "));
      assert.deepEqual([command, stdout, exit], [command, text, code]);
    }
  });

  test("an answer that is no JSON is said to be none", async () => {
    service.answers = { "GET /peer": "<html>" };
    const { stdout, exit } = await service.run(["peers"]);
    assert.match(stdout, /^200 peers invalid JSON response \(.*line 1, column 1.*\)\n$/);
    assert.equal(exit, 1);
  });

  test("peers without version, path or with a tunnel are shown as documented", async () => {
    const peer = { address: "1234567890", latency: -1, paths: [], role: "LEAF", version: "-1.-1.-1", versionMajor: -1 };
    const path = { address: "10.0.0.1/9993", preferred: true, lastSend: 0, lastReceive: 5 };
    service.answers = { "GET /peer": compact(JSON.stringify([peer, { ...peer, tunneled: true, paths: [path] }])) };
    const list = await service.run(["listpeers"], 105);
    assert.equal(list.stdout.split("\n")[1], "200 listpeers 1234567890 - -1 - LEAF");
    assert.equal(list.stdout.split("\n")[2], "200 listpeers 1234567890 10.0.0.1/9993;-1;100 -1 - LEAF");
    const table = await service.run(["peers"], 105);
    assert.deepEqual(table.stdout.split("\n").slice(2), [
      "1234567890 -      LEAF      -1 RELAY",
      "1234567890 -      LEAF      -1 RELAY -1       100      10.0.0.1/9993",
      "NOTE: Currently tunneling through a TCP relay. Ensure that UDP is not blocked.",
      "",
    ]);
  });

  test("listbonds says so when there is none", async () => {
    service.answers = { "GET /peer": minify(PEERS) };
    const { stdout } = await service.run(["listbonds"]);
    assert.equal(stdout.split("\n")[1], "      NONE\t\t\t\tNONE\t    NONE       NONE");
  });

  for (const command of ["bond list", "listbonds"]) {
    test(`"${command}" prints what the reference printed while bonded`, async () => {
      service.answers = { "GET /peer": minify(BONDED) };
      assert.equal((await service.run(command.split(" "))).stdout, recorded(command, 0, bondRuns).stdout);
    });
  }

  test("bond show prints the two tables of the reference", async () => {
    const shown = recorded("bond f3448767cd show", 0, bondRuns);
    const json = recorded("-j bond f3448767cd show", 0, bondRuns).stdout;
    // Recorded one after the other: the ages moved in between.
    const answer = json.replaceAll(": 1147", ": 1131");
    service.answers = { "GET /bond/show/f3448767cd": minify(answer) };
    assert.equal((await service.run(["bond", "f3448767cd", "show"])).stdout, shown.stdout);
    service.answers = { "GET /bond/show/f3448767cd": minify(json) };
    assert.equal((await service.run(["-j", "bond", "f3448767cd", "show"])).stdout, json);
  });

  test("bond rotate and setmtu print what the reference printed", async () => {
    service.answers = { "POST /bond/rotate/f3448767cd": "{}", "POST /bond/setmtu/1400/apiba/10.77.2.2": "{}" };
    for (const command of [
      "bond f3448767cd rotate",
      "-j bond f3448767cd rotate",
      "-j bond setmtu 1400 apiba 10.77.2.2",
    ]) {
      assert.equal((await service.run(command.split(" "))).stdout, recorded(command, 0, bondRuns).stdout);
    }
    service.answers = { "POST /bond/setmtu/60/apiba/10.77.2.2": [400, "Specified MTU is not reasonable"] };
    const refused = await service.run("-j bond setmtu 60 apiba 10.77.2.2".split(" "));
    const expected = recorded("-j bond setmtu 60 apiba 10.77.2.2", 0, bondRuns);
    assert.deepEqual([refused.stdout, refused.exit], [expected.stdout, expected.exit]);
  });

  test("dump writes the sections of the reference into the current directory", async () => {
    service.answers = { "GET /status": minify(STATUS), "GET /network": minify(NETWORKS), "GET /peer": minify(PEERS) };
    const before = process.cwd();
    process.chdir(service.home);
    try {
      const file = join(service.home, "zerotier_dump.txt");
      const { stdout, exit } = await service.run(["dump"]);
      assert.deepEqual([stdout, exit], [`Writing dump to: ${file}\n`, 0]);
      const text = readFileSync(file, "utf8");
      const head = `\nzerotier version: 1.14.1\n\nstatus\n------\n${minify(STATUS)}\n\nnetworks\n--------\n`;
      assert.ok(text.includes(head), text.slice(0, 200));
      assert.ok(text.includes(`\n\npeers\n-----\n${minify(PEERS)}\n\nlocal.conf\n----------\nNone Present\n\n`));
      assert.ok(text.includes("\n\nNetwork Interfaces\n------------------\n"));
      assert.ok(!text.includes(service.token));
    } finally {
      process.chdir(before);
    }
  });
});
