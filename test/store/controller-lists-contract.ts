/** What every implementation of the controller's store has to do: lists, page by page. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type {
  AuditQuery,
  ControllerStore,
  MemberOrder,
  MemberQuery,
  NetworkOrder,
} from "../../src/controller/ports.ts";
import { formatAddress } from "../../src/protocol/address.ts";
import { ALL_MEMBERS, ALL_NETWORKS, member, NETWORK, network, OTHER_NETWORK, presence } from "./controller-records.ts";
import { describeStore, type OpenStore } from "./controller-store-contract.ts";

const ALL_AUDIT: AuditQuery = { limit: 100, cursor: null, networkId: null, actor: null, action: "" };

async function fill(store: ControllerStore): Promise<void> {
  await store.transaction(async (transaction) => {
    await transaction.putNetwork(network(NETWORK, { name: "Zürich", creationTime: 30 }, "100% _done_"));
    await transaction.putNetwork(network(OTHER_NETWORK, { name: "alpha", creationTime: 10 }, "back\\slash"));
    await transaction.putNetwork(network(5n, { name: "Beta", creationTime: 20 }));
    await transaction.putMember(
      member(NETWORK, 0xa1, { name: "Printer", authorized: true, ipAssignments: ["10.1.2.3"], creationTime: 3 }),
    );
    await transaction.putMember(member(NETWORK, 0xa2, { name: "switch", activeBridge: true, creationTime: 2 }));
    await transaction.putMember(
      member(
        NETWORK,
        0xa3,
        { name: "_100%", authorized: true, activeBridge: true, creationTime: 1 },
        { description: "In the Cellar" },
      ),
    );
    await transaction.putMember(member(OTHER_NETWORK, 0xa4));
    await transaction.putPresences([presence(NETWORK, 0xa2, 50, "192.0.2.9/9993"), presence(NETWORK, 0xa1, 70)]);
  });
}

export function describeLists(kind: string, open: () => Promise<OpenStore>): void {
  describeStore(`${kind}: lists`, open, (store) => {
    const networks = async (query: Partial<typeof ALL_NETWORKS>) => {
      const { items, total } = await store().networks({ ...ALL_NETWORKS, ...query });
      assert.equal(total, items.length);
      return items.map((item) => item.record.id);
    };
    const members = async (query: Partial<MemberQuery>) => {
      const { items, total, next } = await store().members({ ...ALL_MEMBERS, ...query });
      assert.equal(total, items.length);
      assert.equal(next, null);
      return items.map((item) => item.record.address);
    };

    test("of networks come in each order, both ways", async () => {
      await fill(store());
      const expected: Record<NetworkOrder, bigint[]> = {
        id: [5n, NETWORK, OTHER_NETWORK],
        name: [OTHER_NETWORK, 5n, NETWORK],
        created: [OTHER_NETWORK, 5n, NETWORK],
        members: [5n, OTHER_NETWORK, NETWORK],
      };
      for (const [order, ids] of Object.entries(expected) as [NetworkOrder, bigint[]][]) {
        assert.deepEqual(await networks({ order }), ids, order);
        assert.deepEqual(await networks({ order, descending: true }), ids.toReversed(), order);
      }
    });

    test("of networks are searched in id, name and description, any case, with no character special", async () => {
      await fill(store());
      assert.deepEqual(await networks({ search: "ZÜRICH" }), [NETWORK]);
      assert.deepEqual(await networks({ search: "0471BE" }), [NETWORK, OTHER_NETWORK]);
      assert.deepEqual(await networks({ search: "%" }), [NETWORK]);
      assert.deepEqual(await networks({ search: "_" }), [NETWORK]);
      assert.deepEqual(await networks({ search: "k\\S" }), [OTHER_NETWORK]);
      assert.deepEqual(await networks({ search: "'; drop table networks; --" }), []);
    });

    test("of members come in each order, both ways", async () => {
      await fill(store());
      const expected: Record<MemberOrder, number[]> = {
        address: [0xa1, 0xa2, 0xa3],
        name: [0xa3, 0xa1, 0xa2],
        created: [0xa3, 0xa2, 0xa1],
        lastSeen: [0xa3, 0xa2, 0xa1],
      };
      for (const [order, addresses] of Object.entries(expected) as [MemberOrder, number[]][]) {
        assert.deepEqual(await members({ order }), addresses, order);
        assert.deepEqual(await members({ order, descending: true }), addresses.toReversed(), order);
      }
    });

    test("of members are searched and filtered, in every order", async () => {
      await fill(store());
      for (const order of ["address", "name", "created", "lastSeen"] as const) {
        const found = async (query: Partial<MemberQuery>) =>
          (await members({ order, ...query })).toSorted((a, b) => a - b);
        assert.deepEqual(await found({ search: "0000A1" }), [0xa1]);
        assert.deepEqual(await found({ search: "PRINT" }), [0xa1]);
        assert.deepEqual(await found({ search: "cellar" }), [0xa3]);
        assert.deepEqual(await found({ search: "10.1.2" }), [0xa1]);
        assert.deepEqual(await found({ search: "192.0.2.9/" }), [0xa2]);
        assert.deepEqual(await found({ search: "_" }), [0xa3]);
        assert.deepEqual(await found({ search: "0%" }), [0xa3]);
        assert.deepEqual(await found({ authorized: true }), [0xa1, 0xa3]);
        assert.deepEqual(await found({ authorized: false }), [0xa2]);
        assert.deepEqual(await found({ bridge: true }), [0xa2, 0xa3]);
        assert.deepEqual(await found({ bridge: false }), [0xa1]);
        assert.deepEqual(await found({ authorized: true, bridge: true }), [0xa3]);
        assert.deepEqual(await found({ authorized: false, bridge: false }), []);
        assert.deepEqual(await found({ seenSince: 50 }), [0xa1, 0xa2]);
        assert.deepEqual(await found({ seenSince: 51 }), [0xa1]);
        assert.deepEqual(await found({ notSeenSince: 70 }), [0xa2, 0xa3]);
        assert.deepEqual(await found({ seenSince: 10, notSeenSince: 70, search: "switch" }), [0xa2]);
        assert.deepEqual(await found({ networkId: OTHER_NETWORK }), [0xa4]);
      }
    });

    test("of the audit log begin with the newest and are found by network, actor and kind of action", async () => {
      const entry = { at: 1, actor: "api", action: "member.authorize", networkId: "9c650471be000001", object: "a" };
      await store().transaction(async (transaction) => {
        await transaction.appendAudit({ ...entry, changes: { authorized: [false, true] } });
        await transaction.appendAudit({ ...entry, actor: "cli", action: "network.create", changes: {} });
        await transaction.appendAudit({ ...entry, networkId: "", action: "token_revoke", changes: {} });
        await transaction.appendAudit({ ...entry, networkId: "9c650471be000002", changes: {} });
      });
      const found = async (query: Partial<AuditQuery>) => {
        const { items, total } = await store().audit({ ...ALL_AUDIT, ...query });
        assert.equal(total, items.length);
        return items.map((item) => item.id);
      };
      const [first, second, third, fourth] = (await found({})).toReversed();
      assert.ok(first! < second! && second! < third! && third! < fourth!);
      assert.deepEqual(await found({ networkId: NETWORK }), [second, first]);
      assert.deepEqual(await found({ actor: "cli" }), [second]);
      assert.deepEqual(await found({ actor: "api", networkId: NETWORK }), [first]);
      assert.deepEqual(await found({ action: "member." }), [fourth, first]);
      assert.deepEqual(await found({ action: "token_" }), [third]);
      assert.deepEqual(await found({ action: "%" }), []);
      const page = await store().audit({ ...ALL_AUDIT, limit: 3 });
      assert.deepEqual([page.items.map((item) => item.id), page.total], [[fourth, third, second], 4]);
      const rest = await store().audit({ ...ALL_AUDIT, limit: 3, cursor: page.next });
      assert.deepEqual(rest.items, [{ ...entry, id: first, changes: { authorized: [false, true] } }].map(asStored));
      assert.equal(rest.next, null);
    });

    test("refuse limits and cursors that make no sense, and say which", async () => {
      await fill(store());
      const { next } = await store().members({ ...ALL_MEMBERS, limit: 1 });
      const forged = (...parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString("base64url");
      const cursors = [
        "",
        "?",
        "nonsense",
        `${next}x`.repeat(500),
        forged(),
        forged("members name false", "a"),
        forged("members name false", 5, "00000000a1"),
        forged("members name false", "a", null),
        forged("members name false", "a", "\0"),
        forged({ $gt: "" }, "a", "b"),
        next!,
      ];
      for (const cursor of cursors) {
        await assert.rejects(store().members({ ...ALL_MEMBERS, order: "name", cursor }), { field: "cursor" }, cursor);
        await assert.rejects(store().networks({ ...ALL_NETWORKS, cursor }), { field: "cursor" }, cursor);
        await assert.rejects(store().audit({ ...ALL_AUDIT, cursor }), { field: "cursor" }, cursor);
      }
      for (const limit of [0, -1, 1.5, 1001, Number.NaN, Number.POSITIVE_INFINITY]) {
        await assert.rejects(store().members({ ...ALL_MEMBERS, limit }), { field: "limit" });
        await assert.rejects(store().networks({ ...ALL_NETWORKS, limit }), { field: "limit" });
        await assert.rejects(store().audit({ ...ALL_AUDIT, limit }), { field: "limit" });
        await assert.rejects(store().memberRecords(NETWORK, null, limit), { field: "limit" });
      }
    });

    test("never answer a made-up cursor with anything but a page or a refusal", async () => {
      await fill(store());
      const part = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.constant("members name false"));
      await fc.assert(
        fc.asyncProperty(fc.oneof(fc.string(), fc.array(part, { maxLength: 4 })), async (made) => {
          const cursor = typeof made === "string" ? made : Buffer.from(JSON.stringify(made)).toString("base64url");
          await store()
            .members({ ...ALL_MEMBERS, order: "name", cursor })
            .then(
              (page) => assert.ok(page.items.length <= 3),
              (error) => assert.equal(error.field, "cursor"),
            );
        }),
        { seed: 4, numRuns: 300 },
      );
    });

    test("give every member that stays exactly once, however pages are cut and while others come", async () => {
      await store().transaction((transaction) => transaction.putNetwork(network(NETWORK)));
      const names = fc.array(fc.constantFrom("", "a", "b", "B", "ä", "z%"), { minLength: 1, maxLength: 30 });
      const order = fc.constantFrom<MemberOrder>("address", "name", "created", "lastSeen");
      let next = 1;
      await fc.assert(
        fc.asyncProperty(names, order, fc.boolean(), fc.integer({ min: 1, max: 7 }), async (given, by, down, limit) => {
          const put = (name: string) =>
            store().transaction(async (transaction) => {
              const address = (next++ * 7919) % 0xffffff;
              const json = { name, creationTime: address % 3 };
              await transaction.putMember(member(NETWORK, address, json));
              if (address % 2 === 0) await transaction.putPresences([presence(NETWORK, address, address % 5)]);
              return formatAddress(address);
            });
          const expected = await Promise.all(given.map(put));
          const found: string[] = [];
          for (let cursor: string | null = null; ; ) {
            const query = { ...ALL_MEMBERS, order: by, descending: down, limit, cursor };
            const page = await store().members(query);
            found.push(...page.items.map((item) => formatAddress(item.record.address)));
            if (page.next === null) break;
            cursor = page.next;
            if (found.length < 300) await put("m");
          }
          assert.equal(new Set(found).size, found.length);
          assert.deepEqual(
            expected.filter((address) => !found.includes(address)),
            [],
          );
        }),
        { seed: 11, numRuns: 25 },
      );
    });
  });
}

/** An entry as it comes back: its objects have no prototype. */
function asStored<T extends { readonly changes: object }>(entry: T): T {
  return { ...entry, changes: Object.assign(Object.create(null), entry.changes) };
}
