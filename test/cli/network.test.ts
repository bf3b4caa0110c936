/** `orrery network` and `orrery member` against the real API of a real controller, as somebody at a shell uses them. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createProgram, runCli } from "../../src/cli/context.ts";
import { registerMember } from "../../src/cli/member.ts";
import { registerNetwork } from "../../src/cli/network.ts";
import type { ServiceApi } from "../../src/http/service.ts";
import type { Identity } from "../../src/identity/identity.ts";
import { formatAddress } from "../../src/protocol/address.ts";
import { IDENTITIES } from "../support/constellation.ts";
import type { ControlledNode } from "../support/controlled-node.ts";
import { SERVICE_TOKEN, ServedController } from "../support/served-controller.ts";

const [, A] = IDENTITIES as [Identity, Identity];

describe("networks from the command line", () => {
  const home = mkdtempSync(join(tmpdir(), "orrery-network-"));
  let it: ControlledNode;
  let service: ServiceApi;
  let served: ServedController;

  before(async () => {
    served = await ServedController.open();
    ({ it, service } = served);
    writeFileSync(join(home, "zerotier-one.port"), String(service.port));
    writeFileSync(join(home, "authtoken.secret"), SERVICE_TOKEN, { mode: 0o600 });
  });
  after(async () => {
    await served.close();
    rmSync(home, { recursive: true });
  });

  async function orrery(...words: string[]): Promise<{ code: number; out: string; err: string }> {
    let out = "";
    let err = "";
    const context = {
      stdout: (text: string) => {
        out += text;
      },
      stderr: (text: string) => {
        err += text;
      },
      env: { ORRERY_HOME: home },
    };
    const program = createProgram(context);
    registerNetwork(program, context);
    registerMember(program, context);
    const code = await runCli(program, words, context);
    return { code, out, err };
  }

  async function networkNamed(name: string): Promise<string> {
    const { out } = await orrery("network", "list", "--json");
    const networks = JSON.parse(out) as { id: string; name: string }[];
    return networks.find((network) => network.name === name)!.id;
  }

  test("are made by one line, as RouterOS does it, and listed with who waits", async () => {
    const made = await orrery(
      "network",
      "create",
      "--name",
      "shop",
      "--private",
      "--ip-range",
      "10.1.0.10-10.1.0.99",
      "--route",
      "10.1.0.0/24",
      "--route",
      "10.2.0.0/16@10.1.0.1",
    );
    assert.deepEqual([made.code, made.err], [0, ""]);
    assert.match(made.out, /zerotier-cli join [0-9a-f]{16}/);
    const id = await networkNamed("shop");
    it.now += 2000;
    await it.ask(BigInt(`0x${id}`), A);
    const { out } = await orrery("network", "list");
    assert.match(out, new RegExp(`^${id} +private +0/1 +1 +10\\.1\\.0\\.0/24 +shop$`, "m"));
    const waiting = await orrery("member", "list", id, "--waiting");
    assert.match(waiting.out, new RegExp(`^${formatAddress(A.address)} +waiting +yes +1\\.14\\.1`, "m"));
  });

  test("let members in and cut them off", async () => {
    const id = await networkNamed("shop");
    const who = formatAddress(A.address);
    assert.equal((await orrery("member", "authorize", id, who)).out, `${who} authorized\n`);
    assert.match((await orrery("member", "list", id)).out, new RegExp(`^${who} +in +yes .* 10\\.1\\.0\\.\\d+`, "m"));
    assert.match((await orrery("member", "set", id, who, "name=till", "bridge=yes")).out, /^bridge: true$/m);
    assert.equal((await orrery("member", "deauthorize", id, who)).code, 0);
    assert.equal((await orrery("member", "delete", id, who)).out, `${who} deleted\n`);
  });

  test("expect members that have not shown up yet", async () => {
    const id = await networkNamed("shop");
    const added = await orrery("member", "add", id, "8056c2e21c", "name=printer", "--json");
    assert.equal(added.code, 0, added.err);
    assert.equal((JSON.parse(added.out) as { authorized: boolean }).authorized, true);
  });

  test("say what is wrong with a setting and what to write, and end with 1", async () => {
    const id = await networkNamed("shop");
    const wrong = await orrery("network", "set", id, "mtu=100");
    assert.equal(wrong.code, 1);
    assert.match(wrong.err, /^orrery: mtu: .*1280/);
    assert.match((await orrery("network", "show", "abc")).err, /sixteen hex digits/);
    const gone = await orrery("network", "show", "ffffffffff000001");
    assert.deepEqual([gone.code, gone.err], [1, "orrery: there is no network ffffffffff000001\n"]);
  });

  test("take rules from a file and show them, and disappear when they are deleted", async () => {
    const id = await networkNamed("shop");
    const file = join(home, "rules");
    writeFileSync(file, "drop not ethertype ipv4 and not ethertype arp;\naccept;\n");
    assert.equal((await orrery("network", "rules", id, file)).code, 0);
    assert.match((await orrery("network", "rules", id)).out, /^drop not ethertype ipv4/);
    writeFileSync(file, "drop not ethertipe ipv4;");
    assert.match((await orrery("network", "rules", id, file)).err, /line 1, column 10/);
    assert.equal((await orrery("network", "delete", id)).code, 0);
    assert.doesNotMatch((await orrery("network", "list")).out, /shop/);
  });

  test("cannot be reached without a daemon, and say how to start one", async () => {
    rmSync(join(home, "zerotier-one.port"));
    const { code, err } = await orrery("network", "list");
    assert.equal(code, 1);
    assert.match(err, /start it with "orrery up --home/);
  });
});
