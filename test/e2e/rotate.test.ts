import assert from "node:assert/strict";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { decodeWorld } from "../../src/world/world.ts";
import { IDENTITIES } from "../support/constellation.ts";
import { Client } from "./client.ts";
import { Lab, labUnavailable } from "./lab.ts";
import { RootDaemon, scratchDirectory } from "./root-daemon.ts";

describe("a planet that gets a new version", { skip: labUnavailable() }, () => {
  let lab: Lab;
  let root: RootDaemon;
  before(async () => {
    lab = new Lab();
    root = RootDaemon.init(lab, lab.openHost("root"));
    await root.start();
  });
  after(() => lab.close());

  test("reaches clients that still hold the old one, and disturbs nobody", async () => {
    const oldPlanet = join(scratchDirectory(), "planet");
    copyFileSync(root.planetFile, oldPlanet);
    const resident = new Client(lab, lab.openHost("resident"), IDENTITIES[0]!, oldPlanet);
    await resident.connected();

    root.command("world", "rotate", "--home", root.home, "--add-endpoint", `${root.host.ipv4}/443`);
    const newest = timestampOf(root.planetFile);
    assert.ok(newest > timestampOf(oldPlanet), "the command wrote no newer planet");

    // A node asks for worlds with its HELLO: at its start, and then about every four minutes.
    const returning = new Client(lab, lab.openHost("returning"), IDENTITIES[1]!, oldPlanet);
    await returning.connected();
    await returning.waitFor(
      "the new planet",
      ({ event, timestamp }) => event === "world" && BigInt(timestamp ?? 0) === newest,
      5000,
    );
    resident.send(returning, "still here");
    await returning.message(resident, "still here");
  });
});

function timestampOf(file: string): bigint {
  const decoded = decodeWorld(new Uint8Array(readFileSync(file)));
  if (!decoded.ok) throw new Error(`${file} is no world`);
  return decoded.value.world.timestamp;
}
