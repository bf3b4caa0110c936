import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SqlControllerStore } from "../../src/store/controller-store.ts";
import { DATABASE_FILE, Database } from "../../src/store/database.ts";
import { describeLists } from "./controller-lists-contract.ts";
import { describeRecords, type OpenStore } from "./controller-store-contract.ts";
import { describeTransactions } from "./controller-transactions-contract.ts";

async function inMemory(): Promise<OpenStore> {
  const database = await Database.open(":memory:");
  return { store: new SqlControllerStore(database), close: () => database.close() };
}

async function onDisk(): Promise<OpenStore> {
  const path = mkdtempSync(join(tmpdir(), "orrery-store-"));
  const database = await Database.open(join(path, DATABASE_FILE));
  const close = async () => {
    await database.close();
    rmSync(path, { recursive: true, force: true });
  };
  return { store: new SqlControllerStore(database), close };
}

for (const [kind, open] of [
  ["the controller's store in memory", inMemory],
  ["the controller's store on disk", onDisk],
] as const) {
  describeRecords(kind, open);
  describeTransactions(kind, open);
  describeLists(kind, open);
}
