/** Replays what the reference's controller answered; `recorded-stage.ts` tells how, and what cannot be equal. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Verb } from "../../src/protocol/verbs.ts";
import { recording, Stage } from "./recorded-stage.ts";

/** Exchanges that are put to a controller; not those with a member's own service, nor preparations. */
const putToController = (file: string) =>
  recording(file).filter(({ request }) => request !== undefined && !request.path.startsWith("/network"));

describe("the reference's controller API", () => {
  const stage = new Stage();
  before(() => stage.open());
  after(() => stage.close());
  for (const file of ["controller-network", "controller-rules", "controller-delete", "controller-member"]) {
    for (const exchange of putToController(file)) {
      test(`${file}: ${exchange.name}`, async () => {
        await stage.replay(exchange);
      });
    }
  }
});

describe("the reference's controller API on files of controller.d that somebody wrote", () => {
  const stage = new Stage();
  const exchanges = putToController("controller-import");
  const { files } = recording("controller-import")[0]!;
  /** The recorded controller had this network already. */
  const present = { "network/9c650471be000002.json": { id: "9c650471be000002", nwid: "9c650471be000002" } };
  before(async () => {
    await stage.open();
    await stage.takeOver({ ...files, ...present });
  });
  after(() => stage.close());

  test("the recording has the ten exchanges that are put to it", () => assert.equal(exchanges.length, 10));

  for (const exchange of exchanges) {
    test(exchange.name, async () => {
      await stage.replay(exchange);
      const wanted = EXPECTED_VERBS[exchange.name];
      if (wanted !== undefined) assert.deepEqual(new Set(stage.answered), new Set([wanted]));
    });
  }
});

/** What the member gets that asks right before the exchange, as its own service showed in the recording. */
const EXPECTED_VERBS: Readonly<Record<string, number>> = {
  "member after a request: defaults filled, unknown key kept": Verb.OK,
  "member of SSO network": Verb.ERROR,
  "SSO network object": Verb.OK,
};
