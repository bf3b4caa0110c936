/** `orrery rules … --network` against the real API of a real controller: its rules, its members, their addresses. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { registerMember } from "../../src/cli/member.ts";
import { registerNetwork } from "../../src/cli/network.ts";
import { registerRules } from "../../src/cli/rules.ts";
import { sixPlaneAddress } from "../../src/network/derived-addresses.ts";
import { formatIp } from "../../src/protocol/inet-address.ts";
import { SERVICE_TOKEN, ServedController } from "../support/served-controller.ts";
import { cli, type Register, temporaryDirectory } from "./run-cli.ts";

const LAPTOP = "8056c2e21c";
const PRINTER = "8056c2e21d";
const CAMERA = "8056c2e21f";
const STRANGER = "8056c2e21e";
const SOURCE = `# What the office may do
tag floor id 1 enum 1 ground enum 2 first;
cap admin id 9 accept; ;
drop not ethertype ipv4 and not ethertype arp and not ethertype ipv6
	or not chr ipauth;
tee 64 ${CAMERA} chr tcp_syn;
break chr tcp_syn and not tdiff floor 0;
accept;
`;

const register: Register = (program, context) => {
  registerNetwork(program, context);
  registerMember(program, context);
  registerRules(program, context);
};

describe("rules of a running controller", () => {
  const home = temporaryDirectory();
  let served: ServedController;
  let network = "";

  const orrery = (...words: string[]) => cli(register, words, { ORRERY_HOME: home });
  const done = async (...words: string[]) => {
    const { code, stdout, stderr } = await orrery(...words);
    assert.equal(code, 0, `${words.join(" ")}: ${stderr}`);
    return stdout;
  };
  const explain = (from: string, to: string, ...packet: string[]) =>
    orrery("rules", "explain", "--network", network, "--from", from, "--to", to, ...packet);

  before(async () => {
    served = await ServedController.open();
    writeFileSync(join(home, "zerotier-one.port"), String(served.service.port));
    writeFileSync(join(home, "authtoken.secret"), SERVICE_TOKEN, { mode: 0o600 });
    const rules = join(home, "office.rules");
    writeFileSync(rules, SOURCE);
    const made = await done("network", "create", "--json", "--subnet", "10.7.0.0/24", "--rules", rules);
    network = (JSON.parse(made) as { id: string }).id;
    await done("network", "set", network, "ipv6.sixPlane=true");
    const settings = (ip: string, floor: number) => [`ipAssignments=["${ip}"]`, `tags=[{"id":1,"value":${floor}}]`];
    await done("member", "add", network, LAPTOP, ...settings("10.7.0.1", 1));
    await done("member", "add", network, PRINTER, ...settings("10.7.0.2", 2));
    await done("member", "add", network, CAMERA);
  });
  after(() => served.close());

  test("are checked against who is a member, with the lines of the source that the controller keeps", async () => {
    assert.match(await done("rules", "check", "--network", network), /: nothing to find fault with\n$/);
    await done("member", "deauthorize", network, CAMERA);
    const { code, stdout } = await orrery("rules", "check", "--network", network);
    await done("member", "authorize", network, CAMERA);
    assert.equal(code, 1);
    assert.match(
      stdout,
      new RegExp(
        `^network ${network}:6:1: error: ${CAMERA} is no authorized member .*\\n  6 \\| tee 64 ${CAMERA} chr tcp_syn;\\n    \\| \\^\\n$`,
      ),
    );
  });

  test("are explained with the addresses, tags and names of the members", async () => {
    const { code, stdout } = await explain(LAPTOP, PRINTER, "tcp", "to", ":22", "syn");
    assert.equal(code, 1);
    assert.match(stdout, /5 - {3}or not chr ipauth +10\.7\.0\.1 is the sender's own/);
    assert.match(stdout, /7 \+ {3}not tdiff floor 0 +floor: sender 1 \(ground\), receiver 2 \(first\)/);
    assert.match(stdout, /\nNOT delivered: the sender drops it: "break" in line 7 leaves it to capabilities, and the/);
    const established = await explain(LAPTOP, PRINTER, "tcp", "to", ":22", "ack");
    assert.equal(established.code, 0);
  });

  test("let a holder of a capability through, and say so", async () => {
    await done("member", "set", network, LAPTOP, "capabilities=[9]");
    const { code, stdout } = await explain(LAPTOP, PRINTER, "tcp", "to", ":22", "syn");
    assert.equal(code, 0);
    assert.match(stdout, /delivered: the receiver accepts it by "accept" in line 3 of the capability admin\n$/);
  });

  test("stop an address that is not the sender's, but for those that follow from its own", async () => {
    const foreign = await explain(LAPTOP, PRINTER, "udp", "10.7.0.9", "to", "10.7.0.2");
    assert.match(foreign.stdout, /10\.7\.0\.9 is none of the sender's own/);
    assert.equal(foreign.code, 1);
    const derived = formatIp(sixPlaneAddress(BigInt(`0x${network}`), Number.parseInt(LAPTOP, 16)).ip);
    const own = await explain(LAPTOP, PRINTER, "udp", derived, "to", "fc00::1");
    assert.equal(own.code, 0, own.stdout);
    // Somebody else's 6PLANE address: the receiver takes it, the sender's own node does not let it out.
    const other = formatIp(sixPlaneAddress(BigInt(`0x${network}`), Number.parseInt(STRANGER, 16)).ip);
    const { stdout } = await explain(LAPTOP, PRINTER, "udp", other, "to", "fc00::1");
    assert.match(stdout, new RegExp(`^at the sender ${LAPTOP}: DROP$`, "m"));
    assert.match(stdout, new RegExp(`^at the receiver ${PRINTER}, if it came to that: ACCEPT$`, "m"));
  });

  test("say who is not authorized, and who is not there", async () => {
    await done("member", "add", network, STRANGER);
    await done("member", "deauthorize", network, STRANGER);
    const { stderr } = await explain(STRANGER, PRINTER, "arp");
    assert.match(stderr, new RegExp(`^orrery: ${STRANGER} is not authorized`));
    const nobody = await explain("8056c2e2ff", PRINTER, "arp");
    assert.deepEqual([nobody.code, nobody.stdout], [1, ""]);
    assert.match(nobody.stderr, /^orrery: .*8056c2e2ff/);
  });

  test("are decompiled with the names that the controller knows, and without those it lost", async () => {
    const source = await done("rules", "decompile", "--network", network);
    assert.match(source, /^tag floor$/m);
    assert.match(source, /^cap admin$/m);
    // A tool that sets rules without a source leaves tags and capabilities nameless.
    const record = await served.it.controller.reader.network(BigInt(`0x${network}`));
    await served.it.controller.changeNetwork(record!.id, "api", served.it.now, (current) => ({
      json: { ...current!.json, rulesSource: "" },
      own: current!.own,
    }));
    const nameless = await done("rules", "decompile", "--network", network);
    assert.match(nameless, /^tag tag_1$/m);
    assert.match(nameless, /^cap cap_9$/m);
    const { stdout } = await explain(LAPTOP, PRINTER, "tcp", "to", ":22", "syn");
    assert.match(stdout, /delivered: the receiver accepts it by "accept" of the capability cap_9\n$/);
  });
});
