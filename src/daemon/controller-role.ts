/**
 * The controller role of a running daemon: opens the database of the home, gives the node its controller, hands it the
 * time, and takes both down again.
 */
import type { Logger } from "pino";
import type { Config } from "../config/load.ts";
import { Controller } from "../controller/controller.ts";
import { now } from "../io/clock.ts";
import type { Node } from "../node/node.ts";
import { hasControllerFiles, importControllerFiles } from "../store/controller-d.ts";
import { SqlControllerStore } from "../store/controller-store.ts";
import { DATABASE_FILE, Database } from "../store/database.ts";
import type { Home } from "../store/files.ts";

/** Nothing that the controller does is due more exactly than this. */
const TICK_MS = 100;
/** Marks a database into which controller.d was read. */
const TAKEN_OVER = "controller.d taken over";

export interface ControllerRole {
  readonly controller: Controller;
  readonly database: Database;
  close(): Promise<void>;
}

/** Starts the role. Throws ConfigError if the database cannot be used. */
export async function startController(
  node: Node,
  home: Home,
  settings: Config["controller"],
  log: Logger,
): Promise<ControllerRole> {
  const database = await Database.open(home.file(DATABASE_FILE));
  const store = new SqlControllerStore(database, { auditEntries: settings.auditEntries });
  await takeOver(home, database, store, log);
  const limits = {
    ...settings,
    maxPerNetwork: settings.maxStrangers,
    recordsPerSecond: settings.strangersPerSecond,
  };
  const controller = new Controller(node, limits, {
    store,
    clock: now,
    breathe: () => new Promise((resolve) => setImmediate(resolve)),
    failed: (error) => log.error({ err: error }, "controller"),
  });
  const timer = setInterval(() => controller.tick(now()), TICK_MS);
  return {
    controller,
    database,
    close: async () => {
      clearInterval(timer);
      try {
        await controller.close();
      } finally {
        await database.close();
      }
    },
  };
}

/** Takes the reference's networks over when this home is started for the first time. From then on the database counts. */
async function takeOver(home: Home, database: Database, store: SqlControllerStore, log: Logger): Promise<void> {
  if (!hasControllerFiles(home.path) || (await database.marker(TAKEN_OVER)) !== null) return;
  const { networks, members, skipped } = await importControllerFiles(home.path, store);
  await database.setMarker(TAKEN_OVER, String(now()));
  for (const reason of skipped) log.warn({ reason }, "a file of controller.d was not taken over");
  log.info({ networks, members }, "took over controller.d: orrery.db counts from now on");
}
