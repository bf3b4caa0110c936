import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { IDENTITIES } from "../support/constellation.ts";
import { Client } from "./client.ts";
import { Lab, labUnavailable } from "./lab.ts";
import { RootDaemon } from "./root-daemon.ts";

describe("clients of a running root", { skip: labUnavailable() }, () => {
  let lab: Lab;
  let root: RootDaemon;
  before(async () => {
    lab = new Lab();
    root = RootDaemon.init(lab, lab.openHost("root", "both"));
    await root.start();
  });
  after(() => lab.close());

  test("come online over IPv4, over IPv6 and from behind a NAT, and talk to one another through it", async () => {
    const open = new Client(lab, lab.openHost("open"), IDENTITIES[0]!, root.planetFile);
    const sixer = new Client(lab, lab.openHost("sixer", "ipv6"), IDENTITIES[1]!, root.planetFile);
    const hidden = new Client(
      lab,
      lab.hostBehind("hidden", lab.router("nat", "symmetric")),
      IDENTITIES[2]!,
      root.planetFile,
    );
    await Promise.all([open.online(), sixer.online(), hidden.online()]);
    open.send(sixer, "four to six");
    sixer.send(hidden, "six to four");
    await Promise.all([sixer.message(open, "four to six"), hidden.message(sixer, "six to four")]);
    assert.deepEqual(await open.pathsTo(root), [`${root.host.ipv4}/9993`]);
    assert.deepEqual(await sixer.pathsTo(root), [`${root.host.ipv6}/9993`]);
  });

  test("that start together behind one address do not wait for one another", async () => {
    const router = lab.router("office", "cone");
    const clients = [3, 4, 5, 6].map(
      (index) => new Client(lab, lab.hostBehind(`desk${index}`, router), IDENTITIES[index]!, root.planetFile),
    );
    await Promise.all(clients.map((client) => client.online()));
    const times = clients.map(({ events }) => events.find(({ event }) => event === "online")!.at);
    // A client whose first HELLO is lost asks again 5 s later.
    const spread = Math.max(...times) - Math.min(...times);
    assert.ok(spread < 4000, `the last one came ${spread.toFixed(0)} ms after the first`);
  });
});
