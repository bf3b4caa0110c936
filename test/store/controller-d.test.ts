/** What the reference left in a home is taken over whole, and comes back as it was. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { decodeRequestMetadata } from "../../src/network/request-metadata.ts";
import { exportControllerFiles, hasControllerFiles, importControllerFiles } from "../../src/store/controller-d.ts";
import { SqlControllerStore } from "../../src/store/controller-store.ts";
import { Database } from "../../src/store/database.ts";

const fixture = (name: string) =>
  JSON.parse(readFileSync(new URL(`../fixtures/vectors/api/${name}.json`, import.meta.url), "utf8")) as unknown;
const HOME_FILES = (fixture("home-files") as { files: Record<string, string> }).files;
const PLACED = (fixture("controller-import") as { exchanges: { files?: Record<string, unknown> }[] }).exchanges[0]!
  .files!;

const EVERY_MEMBER = {
  limit: 100,
  cursor: null,
  search: "",
  authorized: null,
  bridge: null,
  stranger: null,
  seenSince: null,
  notSeenSince: null,
  order: "address",
  descending: false,
} as const;

describe("controller.d", () => {
  let home: string;
  let database: Database;
  let store: SqlControllerStore;

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), "orrery-controller-d-"));
    database = await Database.open(":memory:");
    store = new SqlControllerStore(database);
  });
  afterEach(async () => {
    await database.close();
    rmSync(home, { recursive: true });
  });

  const put = (path: string, content: string) => {
    mkdirSync(dirname(join(home, path)), { recursive: true });
    writeFileSync(join(home, path), content);
  };

  test("of a recorded home comes back byte for byte, in directories that only its owner may enter", async () => {
    const files = Object.entries(HOME_FILES).filter(
      ([path]) => path.startsWith("controller.d/") && path.endsWith(".json"),
    );
    assert.ok(files.length >= 4);
    for (const [path, content] of files) put(path, content);
    assert.ok(hasControllerFiles(home));
    const report = await importControllerFiles(home, store);
    assert.deepEqual(report, { networks: 1, members: 3, skipped: [] });
    rmSync(join(home, "controller.d"), { recursive: true });
    assert.deepEqual(await exportControllerFiles(home, store), { networks: 1, members: 3, skipped: [] });
    for (const [path, content] of files) assert.equal(readFileSync(join(home, path), "utf8"), content, path);
    assert.equal(statSync(join(home, "controller.d")).mode & 0o777, 0o700);
  });

  test("says who may be online, so that a change reaches them before they ask again", async () => {
    const at = 1_800_000_000_000;
    for (const [path, content] of Object.entries(HOME_FILES)) if (path.startsWith("controller.d/")) put(path, content);
    await importControllerFiles(home, store, at);
    const [id] = await store.networkIds(null, 1);
    const presences = await store.presences(id!, at, 100);
    const members = await store.members({ ...EVERY_MEMBER, networkId: id! });
    const authorized = members.items.filter(
      ({ record }) => record.json["authorized"] === true && Number(record.json["vProto"]) > 0,
    );
    assert.ok(presences.length > 0);
    assert.equal(presences.length, authorized.length);
    assert.equal(decodeRequestMetadata(presences[0]!.metadata).protocolVersion, 12);
  });

  test("is read as the reference reads it: bad files are skipped, the id inside counts, unknown keys stay", async () => {
    for (const [path, content] of Object.entries(PLACED)) {
      put(`controller.d/${path}`, typeof content === "string" ? content : JSON.stringify(content));
    }
    const report = await importControllerFiles(home, store);
    const ids = (await store.networkIds(null, 100)).map((id) => id.toString(16));
    assert.deepEqual(ids, ["9c650471be000003", "9c650471be000004", "9c650471be000008"]);
    assert.ok(report.skipped.length > 0);
    const network = await store.network(0x9c650471be000003n);
    assert.deepEqual(JSON.parse(JSON.stringify(network!.json["extra"])), { kept: true });
    const member = await store.member(0x9c650471be000003n, 0x75bbd54543);
    assert.equal(String(member!.json["extraMember"]), "1");
  });
});
