/** What every implementation of the controller's store has to do: transactions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { member, NETWORK, network } from "./controller-records.ts";
import { describeStore, type OpenStore } from "./controller-store-contract.ts";

export function describeTransactions(kind: string, open: () => Promise<OpenStore>): void {
  describeStore(`${kind}: transactions`, open, (store) => {
    test("see their own changes and give what they resolve with", async () => {
      const seen = await store().transaction(async (transaction) => {
        await transaction.putNetwork(network(NETWORK, { name: "mine" }));
        await transaction.putMember(member(NETWORK, 5));
        return [(await transaction.network(NETWORK))!.json["name"], (await transaction.memberCounts(NETWORK)).total];
      });
      assert.deepEqual(seen, ["mine", 1]);
    });

    test("that reject change nothing, reject with the same reason and leave the others alone", async () => {
      const reason = new Error("no");
      const outcomes = await Promise.allSettled([
        store().transaction((transaction) => transaction.putNetwork(network(1n))),
        store().transaction(async (transaction) => {
          await transaction.putNetwork(network(2n));
          await transaction.deleteNetwork(1n);
          throw reason;
        }),
        store().transaction((transaction) => transaction.putNetwork(network(3n))),
      ]);
      assert.deepEqual(
        outcomes.map((outcome) => outcome.status),
        ["fulfilled", "rejected", "fulfilled"],
      );
      assert.equal((outcomes[1] as PromiseRejectedResult).reason, reason);
      assert.deepEqual(await store().networkIds(null, 10), [1n, 3n]);
    });

    test("that fail in the database change nothing either", async () => {
      await assert.rejects(
        store().transaction(async (transaction) => {
          await transaction.putNetwork(network(1n));
          await transaction.putMember(member(2n, 5));
        }),
      );
      assert.deepEqual(await store().networkIds(null, 10), []);
    });

    test("run one after the other, in the order in which they were asked for", async () => {
      await store().transaction((transaction) => transaction.putNetwork(network(NETWORK, { count: 0 })));
      const order: number[] = [];
      await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          store().transaction(async (transaction) => {
            const { json } = (await transaction.network(NETWORK))!;
            if (index % 7 === 0) await nextTurn();
            await transaction.putNetwork(network(NETWORK, { count: Number(json["count"]) + 1 }));
            order.push(index);
          }),
        ),
      );
      assert.equal((await store().network(NETWORK))!.json["count"], 50);
      assert.deepEqual(
        order,
        Array.from({ length: 50 }, (_, index) => index),
      );
    });

    test("are seen by others when they are over, not before", async () => {
      let goOn = () => {};
      const waiting = new Promise<void>((resolve) => {
        goOn = resolve;
      });
      let written = () => {};
      const isWritten = new Promise<void>((resolve) => {
        written = resolve;
      });
      const changed = store().transaction(async (transaction) => {
        await transaction.putNetwork(network(NETWORK));
        await transaction.putMember(member(NETWORK, 5));
        written();
        await waiting;
        await transaction.deleteMember(NETWORK, 5);
      });
      await isWritten;
      // Whatever this read sees, it is not the member that the transaction has and is about to delete.
      const read = store().member(NETWORK, 5);
      await nextTurn();
      goOn();
      assert.equal(await read, null);
      await changed;
      assert.notEqual(await store().network(NETWORK), null);
    });

    test("cannot be used when they are over", async () => {
      let kept: ((id: bigint) => Promise<unknown>) | null = null;
      await store().transaction(async (transaction) => {
        kept = (id) => transaction.putNetwork(network(id));
      });
      await assert.rejects(kept!(1n), /over/);
      assert.deepEqual(await store().networkIds(null, 10), []);
    });
  });
}
