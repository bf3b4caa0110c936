import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { IDENTITIES, testPlanet } from "../support/constellation.ts";
import { Client } from "./client.ts";
import { Lab, labUnavailable } from "./lab.ts";
import { endpointsOf, RootDaemon } from "./root-daemon.ts";

describe("two roots of one planet", { skip: labUnavailable() }, () => {
  let lab: Lab;
  let first: RootDaemon;
  let second: RootDaemon;
  let a: Client;
  let b: Client;
  before(async () => {
    lab = new Lab();
    const hosts = [lab.openHost("root1"), lab.openHost("root2")] as const;
    const identities = [IDENTITIES[10]!, IDENTITIES[11]!] as const;
    const planet = testPlanet(
      identities.map((identity, index) => ({ identity, endpoints: endpointsOf(hosts[index]!) })),
    );
    first = RootDaemon.withPlanet(lab, hosts[0], identities[0], planet);
    second = RootDaemon.withPlanet(lab, hosts[1], identities[1], planet);
    await Promise.all([first.start(), second.start()]);
    const hostA = lab.hostBehind("a", lab.router("left", "symmetric"));
    const hostB = lab.hostBehind("b", lab.router("right", "symmetric"));
    lab.block(hostA, hosts[1].ipv4);
    lab.block(hostB, hosts[0].ipv4);
    a = new Client(lab, hostA, IDENTITIES[0]!, first.planetFile);
    b = new Client(lab, hostB, IDENTITIES[1]!, first.planetFile);
    await Promise.all([a.connected(), b.connected()]);
  });
  after(() => lab.close());

  test("bring together a client that reaches only one with a client that reaches only the other", async () => {
    a.send(b, "from the first");
    await b.message(a, "from the first", 12_000);
    b.send(a, "from the second");
    await a.message(b, "from the second", 12_000);
    assert.deepEqual(await a.pathsTo(second), []);
    assert.deepEqual(await b.pathsTo(first), []);
  });

  test("lose nothing between them once they know where the clients are", async () => {
    const sent = Array.from({ length: 100 }, (_, number) => `across ${number}`);
    for (const text of sent) {
      a.send(b, text);
      await sleep(10);
    }
    await b.message(a, sent.at(-1)!);
    await sleep(200);
    const received = b.texts(a).filter((text) => text.startsWith("across"));
    assert.deepEqual(received.toSorted(), sent.toSorted());
  });
});
