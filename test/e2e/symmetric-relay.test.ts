import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { IDENTITIES } from "../support/constellation.ts";
import { Client } from "./client.ts";
import { Lab, labUnavailable } from "./lab.ts";
import { RootDaemon } from "./root-daemon.ts";

const MESSAGES = 300;

for (const workers of [0, 1, 2]) {
  describe(`two clients behind symmetric NATs, relayed by ${workers || "no"} workers`, {
    skip: labUnavailable(),
  }, () => {
    let lab: Lab;
    let root: RootDaemon;
    before(async () => {
      lab = new Lab();
      root = RootDaemon.init(lab, lab.openHost("root"));
      root.configure(`dataplane: {workers: ${workers}}\n`);
      await root.start();
    });
    after(() => lab.close());

    test("never meet, and the root relays between them without losing anything", async () => {
      const [a, b] = [
        new Client(lab, lab.hostBehind("a", lab.router("left", "symmetric")), IDENTITIES[0]!, root.planetFile),
        new Client(lab, lab.hostBehind("b", lab.router("right", "symmetric")), IDENTITIES[1]!, root.planetFile),
      ];
      await Promise.all([a.connected(), b.connected()]);
      a.send(b, "first");
      await b.message(a, "first");
      const sent = Array.from({ length: MESSAGES }, (_, number) => `message ${number}`);
      for (const text of sent) {
        a.send(b, text);
        b.send(a, text);
        await sleep(10);
      }
      await Promise.all([b.message(a, sent.at(-1)!), a.message(b, sent.at(-1)!)]);
      await sleep(200);
      assert.deepEqual(b.texts(a).slice(1).toSorted(), sent.toSorted());
      assert.deepEqual(a.texts(b).toSorted(), sent.toSorted());
      assert.deepEqual(await a.pathsTo(b), [], "a path through two symmetric NATs would mean the laboratory is wrong");
    });

    test("get messages through that are larger than a datagram", async () => {
      const [a, b] = [
        new Client(lab, lab.hostBehind("c", lab.router("west", "symmetric")), IDENTITIES[2]!, root.planetFile),
        new Client(lab, lab.hostBehind("d", lab.router("east", "symmetric")), IDENTITIES[3]!, root.planetFile),
      ];
      await Promise.all([a.connected(), b.connected()]);
      // Random, so that compression leaves nothing out and it really is several fragments.
      const long = randomBytes(4500).toString("base64");
      a.send(b, long);
      await b.message(a, long);
    });
  });
}
