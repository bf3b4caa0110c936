/** What every implementation of the controller's store has to do: records, transactions, questions by member. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { ControllerStore, ControllerTransaction, JoinToken } from "../../src/controller/ports.ts";
import { ExactNumber, formatJson } from "../../src/json/json.ts";
import { parseJson } from "../../src/json/json-parse.ts";
import { ALL_MEMBERS, ALL_NETWORKS, member, NETWORK, network, OTHER_NETWORK, presence } from "./controller-records.ts";

export interface OpenStore {
  readonly store: ControllerStore;
  close(): Promise<void>;
}

const ALICE = 0x1111111111;
const BOB = 0x2222222222;
const CAROL = 0xabcdef0123;

/** Runs `body` with a fresh store of the kind that `open` makes, once for each test. */
export function describeStore(
  title: string,
  open: () => Promise<OpenStore>,
  body: (store: () => ControllerStore) => void,
) {
  describe(title, () => {
    let opened: OpenStore;
    beforeEach(async () => {
      opened = await open();
    });
    afterEach(() => opened.close());
    body(() => opened.store);
  });
}

export function describeRecords(kind: string, open: () => Promise<OpenStore>): void {
  describeStore(`${kind}: records`, open, (store) => {
    const change = (work: (transaction: ControllerTransaction) => Promise<void>) => store().transaction(work);
    const withNetwork = (work: (transaction: ControllerTransaction) => Promise<void>) =>
      change(async (transaction) => {
        await transaction.putNetwork(network(NETWORK));
        await work(transaction);
      });

    test("come back with every key and every number as it was", async () => {
      const text =
        '{"__proto__":1,"authTokens":[null],"big":18446744073709551615,"extra":{"kept":[true,null,"ü\\u0000"]},"float":1.0,"id":"9c650471be000001","small":-0.25}';
      const json = parseJson(text, true) as ReturnType<typeof network>["json"];
      await change(async (transaction) => {
        await transaction.putNetwork({ id: NETWORK, json, own: { description: "Büro" } });
        await transaction.putMember({ ...member(NETWORK, ALICE), json });
      });
      const found = await store().network(NETWORK);
      assert.equal(formatJson(found!.json), text);
      assert.deepEqual(found!.own, { description: "Büro" });
      assert.equal(found!.id, NETWORK);
      assert.equal(formatJson((await store().member(NETWORK, ALICE))!.json), text);
    });

    test("that are not there are null", async () => {
      assert.equal(await store().network(NETWORK), null);
      assert.equal(await store().member(NETWORK, ALICE), null);
      assert.equal(await store().presence(NETWORK, ALICE), null);
      assert.equal(await store().joinToken("abcdefghij"), null);
      assert.deepEqual(await store().memberCounts(NETWORK), { total: 0, authorized: 0, bridges: 0, strangers: 0 });
    });

    test("keep the network id and the address with leading zeros and above 2^63", async () => {
      for (const id of [1n, 0xffffffffffffffffn]) {
        await change(async (transaction) => {
          await transaction.putNetwork(network(id));
          await transaction.putMember(member(id, 0x12));
        });
        assert.equal((await store().network(id))!.id, id);
        const found = await store().member(id, 0x12);
        assert.deepEqual([found!.networkId, found!.address], [id, 0x12]);
      }
      assert.deepEqual(await store().networkIds(null, 10), [1n, 0xffffffffffffffffn]);
      assert.deepEqual(await store().networkIds(1n, 10), [0xffffffffffffffffn]);
    });

    test("of members need their network", async () => {
      await assert.rejects(
        change((transaction) => transaction.putMember(member(NETWORK, ALICE))),
        /9c650471be000001/,
      );
      assert.equal(await store().memberCount(), 0);
    });

    test("are counted by kind while members come, change and go", async () => {
      await withNetwork(async (transaction) => {
        await transaction.putMember(member(NETWORK, ALICE, { authorized: true, activeBridge: true }));
        await transaction.putMember(member(NETWORK, BOB, {}, { stranger: true }));
        await transaction.putMember(member(NETWORK, CAROL, { authorized: true }));
      });
      assert.deepEqual(await store().memberCounts(NETWORK), { total: 3, authorized: 2, bridges: 1, strangers: 1 });
      await change(async (transaction) => {
        await transaction.putMember(member(NETWORK, BOB, { authorized: true }));
        await transaction.putMember(member(NETWORK, ALICE, { authorized: false, activeBridge: true }));
      });
      assert.deepEqual(await store().memberCounts(NETWORK), { total: 3, authorized: 2, bridges: 1, strangers: 0 });
      await change(async (transaction) => {
        await transaction.deleteMember(NETWORK, ALICE);
        await transaction.deleteMember(NETWORK, ALICE);
        await transaction.putNetwork(network(NETWORK, { name: "renamed" }));
      });
      assert.deepEqual(await store().memberCounts(NETWORK), { total: 2, authorized: 2, bridges: 0, strangers: 0 });
      assert.deepEqual([await store().networkCount(), await store().memberCount()], [1, 2]);
      const [listing] = (await store().networks(ALL_NETWORKS)).items;
      assert.deepEqual([listing!.counts.total, listing!.counts.authorized], [2, 2]);
      assert.equal(listing!.record.json["name"], "renamed");
    });

    test("of a deleted network go with everything that belongs to it, and nothing else", async () => {
      await withNetwork(async (transaction) => {
        await transaction.putNetwork(network(OTHER_NETWORK));
        for (const id of [NETWORK, OTHER_NETWORK]) {
          await transaction.putMember(member(id, ALICE, { ipAssignments: ["10.0.0.1"] }));
          await transaction.putPresences([presence(id, ALICE, 5)]);
          await transaction.putJoinToken({ ...TOKEN, id: `token-${id}`, networkId: id });
        }
        await transaction.deleteNetwork(NETWORK);
      });
      assert.equal(await store().network(NETWORK), null);
      assert.equal(await store().member(NETWORK, ALICE), null);
      assert.equal(await store().presence(NETWORK, ALICE), null);
      assert.deepEqual(await store().joinTokens(NETWORK), []);
      assert.equal(await store().ipTaken(NETWORK, Uint8Array.of(10, 0, 0, 1), BOB), false);
      assert.equal(await store().ipTaken(OTHER_NETWORK, Uint8Array.of(10, 0, 0, 1), BOB), true);
      assert.equal((await store().joinTokens(OTHER_NETWORK)).length, 1);
      assert.notEqual(await store().presence(OTHER_NETWORK, ALICE), null);
      await withNetwork(async () => {});
      assert.deepEqual(await store().memberRevisions(NETWORK), []);
    });

    test("tell whether somebody else has a managed address, whatever else stands in the list", async () => {
      await withNetwork(async (transaction) => {
        await transaction.putNetwork(network(OTHER_NETWORK));
        const ipAssignments = ["10.44.1.180", "fd44:1::75:BBD5:4543", "nonsense", 7, "10.44.1.180", "10.0.0.9/16"];
        await transaction.putMember(member(NETWORK, ALICE, { ipAssignments }));
      });
      const six = Uint8Array.of(0xfd, 0x44, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x75, 0xbb, 0xd5, 0x45, 0x43);
      for (const ip of [Uint8Array.of(10, 44, 1, 180), six, Uint8Array.of(10, 0, 0, 9)]) {
        assert.equal(await store().ipTaken(NETWORK, ip, BOB), true);
        assert.equal(await store().ipTaken(NETWORK, ip, ALICE), false);
        assert.equal(await store().ipTaken(OTHER_NETWORK, ip, BOB), false);
      }
      await change((transaction) => transaction.putMember(member(NETWORK, ALICE, { ipAssignments: ["10.0.0.9"] })));
      assert.equal(await store().ipTaken(NETWORK, six, BOB), false);
      assert.equal(await store().ipTaken(NETWORK, Uint8Array.of(10, 0, 0, 9), BOB), true);
      await change((transaction) => transaction.putMember(member(NETWORK, BOB, { ipAssignments: ["10.0.0.9"] })));
      assert.equal(await store().ipTaken(NETWORK, Uint8Array.of(10, 0, 0, 9), ALICE), true);
      await change(async (transaction) => {
        await transaction.deleteMember(NETWORK, ALICE);
        await transaction.deleteMember(NETWORK, BOB);
      });
      assert.equal(await store().ipTaken(NETWORK, Uint8Array.of(10, 0, 0, 9), CAROL), false);
    });

    test("of bridges, revisions and records come in order of address", async () => {
      await withNetwork(async (transaction) => {
        await transaction.putMember(member(NETWORK, CAROL, { id: "ABCDEF0123", activeBridge: true, revision: 7 }));
        await transaction.putMember(
          member(NETWORK, ALICE, { activeBridge: 1, revision: new ExactNumber("18446744073709551615") }),
        );
        await transaction.putMember(member(NETWORK, BOB, { revision: "nothing" }));
      });
      assert.deepEqual(await store().bridges(NETWORK, 10), [ALICE, CAROL]);
      assert.deepEqual(await store().bridges(NETWORK, 1), [ALICE]);
      assert.deepEqual(await store().memberRevisions(NETWORK), [
        { id: "1111111111", revision: 18446744073709551615n },
        { id: "2222222222", revision: 0n },
        { id: "ABCDEF0123", revision: 7n },
      ]);
      const records = await store().memberRecords(NETWORK, null, 2);
      assert.deepEqual(
        records.map((record) => record.address),
        [ALICE, BOB],
      );
      assert.deepEqual(
        (await store().memberRecords(NETWORK, BOB, 2)).map((record) => record.json["id"]),
        ["ABCDEF0123"],
      );
    });

    test("tell which authorizations end, the first one first", async () => {
      assert.equal(await store().nextExpiry(), null);
      await withNetwork(async (transaction) => {
        await transaction.putMember(member(NETWORK, ALICE, { authorized: true }, { authorizationExpiresAt: 2000 }));
        await transaction.putMember(member(NETWORK, BOB, { authorized: true }, { authorizationExpiresAt: 1000 }));
        await transaction.putMember(member(NETWORK, CAROL, { authorized: false }, { authorizationExpiresAt: 500 }));
      });
      const expired = async (now: number, limit = 10) =>
        (await store().expired(now, limit)).map((record) => record.address);
      assert.equal(await store().nextExpiry(), 1000);
      assert.deepEqual(await expired(999), []);
      assert.deepEqual(await expired(1000), [BOB]);
      assert.deepEqual(await expired(5000), [BOB, ALICE]);
      assert.deepEqual(await expired(5000, 1), [BOB]);
      assert.equal((await store().member(NETWORK, CAROL))!.own.authorizationExpiresAt, 500);
      await change((transaction) => transaction.putMember(member(NETWORK, BOB, { authorized: false })));
      assert.equal(await store().nextExpiry(), 2000);
    });

    test("tell which stranger has been silent for longest: by its last request, or since it was made", async () => {
      assert.equal(await store().oldestStranger(NETWORK), null);
      const stranger = { stranger: true };
      await withNetwork(async (transaction) => {
        await transaction.putMember(member(NETWORK, ALICE, { creationTime: 100 }, stranger));
        await transaction.putMember(member(NETWORK, BOB, { creationTime: 200 }, stranger));
        await transaction.putMember(member(NETWORK, CAROL, { creationTime: 1 }));
      });
      const oldest = async () => (await store().oldestStranger(NETWORK))?.address;
      assert.equal(await oldest(), ALICE);
      await change((transaction) => transaction.putPresences([presence(NETWORK, ALICE, 300)]));
      assert.equal(await oldest(), BOB);
      await change((transaction) =>
        transaction.putMember(member(NETWORK, ALICE, { creationTime: 100, name: "a" }, stranger)),
      );
      assert.equal(await oldest(), BOB);
      await change((transaction) => transaction.putMember(member(NETWORK, BOB)));
      assert.equal(await oldest(), ALICE);
    });

    test("of presence are kept through changes, newest first, and only for members", async () => {
      await withNetwork(async (transaction) => {
        for (const address of [ALICE, BOB, CAROL]) await transaction.putMember(member(NETWORK, address));
        await transaction.putPresences([
          presence(NETWORK, ALICE, 100, "203.0.113.7/9993"),
          presence(NETWORK, BOB, 200),
          presence(NETWORK, 0x9999999999, 300),
        ]);
        await transaction.putMember(member(NETWORK, ALICE, { name: "changed" }));
      });
      assert.deepEqual(await store().presence(NETWORK, ALICE), presence(NETWORK, ALICE, 100, "203.0.113.7/9993"));
      assert.equal(await store().presence(NETWORK, CAROL), null);
      assert.equal(await store().presence(NETWORK, 0x9999999999), null);
      const seen = async (since: number, limit: number) =>
        (await store().presences(NETWORK, since, limit)).map((one) => one.address);
      assert.deepEqual(await seen(0, 10), [BOB, ALICE]);
      assert.deepEqual(await seen(0, 1), [BOB]);
      assert.deepEqual(await seen(101, 10), [BOB]);
      await change((transaction) => transaction.putPresences([presence(NETWORK, ALICE, 300)]));
      assert.deepEqual(await seen(0, 10), [ALICE, BOB]);
      await change((transaction) => transaction.deleteMember(NETWORK, ALICE));
      assert.deepEqual(await seen(0, 10), [BOB]);
      const { items } = await store().members(ALL_MEMBERS);
      assert.deepEqual(
        items.map((item) => item.presence),
        [presence(NETWORK, BOB, 200), null],
      );
    });

    test("of join tokens are replaced and removed", async () => {
      const later = { ...TOKEN, id: "second0000", createdAt: 5, usesLeft: null };
      await withNetwork(async (transaction) => {
        await transaction.putJoinToken(later);
        await transaction.putJoinToken({ ...TOKEN, usesLeft: 9 });
        await transaction.putJoinToken(TOKEN);
      });
      assert.deepEqual(await store().joinToken(TOKEN.id), TOKEN);
      assert.deepEqual(await store().joinTokens(NETWORK), [TOKEN, later]);
      await change((transaction) => transaction.deleteJoinToken(TOKEN.id));
      assert.deepEqual(await store().joinTokens(NETWORK), [later]);
    });
  });
}

const TOKEN: JoinToken = {
  id: "abcdefghij",
  networkId: NETWORK,
  hash: new Uint8Array(32).fill(7),
  name: "for the office",
  createdAt: 1,
  expiresAt: 0,
  usesLeft: 3,
  authorizationMs: 3_600_000,
};
