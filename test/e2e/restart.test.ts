import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { IDENTITIES } from "../support/constellation.ts";
import { Client } from "./client.ts";
import { Lab, labUnavailable } from "./lab.ts";
import { RootDaemon } from "./root-daemon.ts";

/** From the open port of the new process to the first relayed message. */
const SERVED_AGAIN_MS = 1000;
const PERIOD_MS = 20;

describe("a root that dies", { skip: labUnavailable() }, () => {
  let lab: Lab;
  let root: RootDaemon;
  let a: Client;
  let b: Client;
  before(async () => {
    lab = new Lab();
    root = RootDaemon.init(lab, lab.openHost("root"));
    await root.start();
    a = new Client(lab, lab.hostBehind("a", lab.router("left", "symmetric")), IDENTITIES[0]!, root.planetFile);
    b = new Client(lab, lab.hostBehind("b", lab.router("right", "symmetric")), IDENTITIES[1]!, root.planetFile);
    await Promise.all([a.connected(), b.connected()]);
    a.send(b, "hello");
    await b.message(a, "hello");
    // The peer cache groups its writes; a client that came a moment before the end may have to say HELLO again.
    await sleep(1000);
  });
  after(() => lab.close());

  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    test(`by ${signal} and is started again relays for its clients within a second`, async () => {
      await root.stop(signal);
      let number = 0;
      const chatter = setInterval(() => a.send(b, `${signal} ${number++}`), PERIOD_MS);
      try {
        const started = await root.start();
        const serving = performance.now();
        const first = await b.waitFor(
          "a relayed message",
          ({ event, at }) => event === "message" && at > serving - started,
          20_000,
        );
        const waited = first.at - serving;
        assert.ok(waited < SERVED_AGAIN_MS, `the first message came ${waited.toFixed(0)} ms after the start`);
      } finally {
        clearInterval(chatter);
      }
    });
  }
});
