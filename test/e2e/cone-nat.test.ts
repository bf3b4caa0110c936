import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { IDENTITIES } from "../support/constellation.ts";
import { Client } from "./client.ts";
import { Lab, labUnavailable, type Router } from "./lab.ts";
import { RootDaemon } from "./root-daemon.ts";

const DIRECT_TIMEOUT_MS = 12_000;

/** One of them goes on talking, as programs do, until both have a direct path. Gives the paths of both. */
async function talkUntilDirect(speaker: Client, listener: Client) {
  const talk = setInterval(() => speaker.send(listener, "still there?"), 100);
  try {
    return await Promise.all([
      speaker.directTo(listener, DIRECT_TIMEOUT_MS),
      listener.directTo(speaker, DIRECT_TIMEOUT_MS),
    ]);
  } finally {
    clearInterval(talk);
  }
}

describe("two clients that the root introduces", { skip: labUnavailable() }, () => {
  let lab: Lab;
  let root: RootDaemon;
  let left: Router;
  let right: Router;
  before(async () => {
    lab = new Lab();
    root = RootDaemon.init(lab, lab.openHost("root", "both"));
    await root.start();
    left = lab.router("left", "cone");
    right = lab.router("right", "cone");
  });
  after(() => lab.close());

  test("meet through two cone NATs, although only one of them had something to say", async () => {
    const a = new Client(lab, lab.hostBehind("a", left), IDENTITIES[0]!, root.planetFile);
    const b = new Client(lab, lab.hostBehind("b", right), IDENTITIES[1]!, root.planetFile);
    await Promise.all([a.connected(), b.connected()]);
    a.send(b, "are you there?");
    await b.message(a, "are you there?");
    const [pathsOfA, pathsOfB] = await talkUntilDirect(a, b);
    assert.ok(
      pathsOfA.every((path) => path.startsWith(`${right.publicIpv4}/`)),
      pathsOfA.join(" "),
    );
    assert.ok(
      pathsOfB.every((path) => path.startsWith(`${left.publicIpv4}/`)),
      pathsOfB.join(" "),
    );
    b.send(a, "here, and without the root");
    await a.message(b, "here, and without the root");
  });

  test("meet over IPv6 through stateful firewalls when both have it", async () => {
    const routers = [lab.router("west", "symmetric"), lab.router("east", "symmetric")] as const;
    const hosts = [lab.hostBehind("c", routers[0], "both"), lab.hostBehind("d", routers[1], "both")] as const;
    const c = new Client(lab, hosts[0], IDENTITIES[2]!, root.planetFile);
    const d = new Client(lab, hosts[1], IDENTITIES[3]!, root.planetFile);
    await Promise.all([c.connected(), d.connected()]);
    c.send(d, "over six?");
    await d.message(c, "over six?");
    const [pathsOfC, pathsOfD] = await talkUntilDirect(c, d);
    assert.ok(
      pathsOfC.some((path) => path.startsWith(`${hosts[1].ipv6}/`)),
      pathsOfC.join(" "),
    );
    assert.ok(
      pathsOfD.some((path) => path.startsWith(`${hosts[0].ipv6}/`)),
      pathsOfD.join(" "),
    );
  });

  test("meet over the only family that both have", async () => {
    const routers = [lab.router("north", "cone"), lab.router("south", "cone")] as const;
    const e = new Client(lab, lab.hostBehind("e", routers[0], "both"), IDENTITIES[4]!, root.planetFile);
    const f = new Client(lab, lab.hostBehind("f", routers[1]), IDENTITIES[5]!, root.planetFile);
    await Promise.all([e.connected(), f.connected()]);
    e.send(f, "four will do");
    await f.message(e, "four will do");
    const [pathsOfE, pathsOfF] = await talkUntilDirect(e, f);
    assert.ok(
      pathsOfE.every((path) => path.startsWith(`${routers[1].publicIpv4}/`)),
      pathsOfE.join(" "),
    );
    assert.ok(
      pathsOfF.every((path) => path.startsWith(`${routers[0].publicIpv4}/`)),
      pathsOfF.join(" "),
    );
  });
});
