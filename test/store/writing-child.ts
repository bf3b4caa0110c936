/** A process that changes networks as fast as it can, tells each change once it is acknowledged, and is killed. */
import { SqlApiTokens } from "../../src/store/api-tokens.ts";
import { Database } from "../../src/store/database.ts";

const database = await Database.open(process.argv[2]!);
const tokens = new SqlApiTokens(database, 1000);
for (let number = 0; ; number++) {
  const id = String(number).padStart(10, "0");
  const token = {
    id,
    hash: new Uint8Array(32),
    name: "n",
    scope: "read" as const,
    createdAt: 1,
    expiresAt: 0,
    lastUsedAt: 0,
  };
  await tokens.add(token, "child");
  process.stdout.write(`${id}\n`);
}
