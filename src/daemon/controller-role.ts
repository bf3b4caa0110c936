/**
 * The controller role of a running daemon: opens the database of the home, gives the node its controller, hands it the
 * time, and takes both down again.
 */
import type { Logger } from "pino";
import type { Config } from "../config/load.ts";
import { Controller } from "../controller/controller.ts";
import { ApiTokens } from "../http/api-tokens.ts";
import { EventLog } from "../http/event-log.ts";
import { ControllerV1 } from "../http/v1/api.ts";
import { RULE_LANGUAGE } from "../http/v1/rule-language.ts";
import type { Identity } from "../identity/identity.ts";
import type { IdentityPool } from "../identity/pool.ts";
import { now } from "../io/clock.ts";
import { hostPrefixes } from "../io/host-routes.ts";
import { randomFill } from "../io/random.ts";
import type { Node } from "../node/node.ts";
import { SqlApiTokens } from "../store/api-tokens.ts";
import { hasControllerFiles, importControllerFiles } from "../store/controller-d.ts";
import { SqlControllerStore } from "../store/controller-store.ts";
import { DATABASE_FILE, Database } from "../store/database.ts";
import type { Home } from "../store/files.ts";
import type { ControllerSource } from "../telemetry/definition.ts";
import { logControllerEvent } from "../telemetry/events.ts";
import type { Metrics } from "../telemetry/metrics.ts";

/** Nothing that the controller does is due more exactly than this. */
const TICK_MS = 100;
/** Marks a database into which controller.d was read. */
const TAKEN_OVER = "controller.d taken over";

/** Networks and members are counted this often, for metrics. */
const COUNT_INTERVAL_MS = 5000;

export interface ControllerRole {
  readonly controller: Controller;
  readonly v1: ControllerV1;
  /** For metrics. */
  readonly source: ControllerSource;
  /** Tells the log and `metrics` of what happens from now on. */
  tell(metrics: Metrics): void;
  close(): Promise<void>;
}

/** The database of a home, up to date and with the reference's networks taken over. */
export interface ControllerDatabase {
  readonly database: Database;
  readonly store: SqlControllerStore;
}

/**
 * Opens the database; takes as long as there is to migrate or to take over, so it is done before the first datagram is
 * read. Throws ConfigError if it cannot be used.
 */
export async function openControllerDatabase(
  home: Home,
  settings: Config["controller"],
  log: Logger,
): Promise<ControllerDatabase> {
  const database = await Database.open(home.file(DATABASE_FILE));
  const store = new SqlControllerStore(database, { auditEntries: settings.auditEntries });
  await takeOver(home, database, store, log);
  return { database, store };
}

/** Starts the role. */
export async function startController(
  node: Node,
  { database, store }: ControllerDatabase,
  settings: Config["controller"],
  program: { readonly log: Logger; readonly version: string; readonly pool: IdentityPool },
): Promise<ControllerRole> {
  const { log } = program;
  const tokens = await ApiTokens.open(new SqlApiTokens(database, settings.auditEntries), randomFill);
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
  const events = new EventLog(now);
  controller.subscribe((event) => events.publish(event));
  const v1 = new ControllerV1({
    controller,
    rules: RULE_LANGUAGE,
    tokens,
    events,
    validateIdentity: (identity) => validated(program.pool, identity),
    hostPrefixes: () =>
      hostPrefixes().map(({ prefix, interfaceName }) => ({ prefix, by: `interface ${interfaceName}` })),
    random: randomFill,
    now,
    version: program.version,
  });
  v1.onError = (error, request) => log.error({ err: error, ...request }, "controller API");
  const timer = setInterval(() => {
    controller.tick(now());
    tokens.save(now()).catch((error: unknown) => log.error({ err: error }, "noting the use of tokens"));
  }, TICK_MS);
  const counts = { networks: 0, members: 0 };
  const count = async () => {
    counts.networks = await store.networkCount();
    counts.members = await store.memberCount();
  };
  const counting = setInterval(() => {
    count().catch((error: unknown) => log.error({ err: error }, "counting networks and members"));
  }, COUNT_INTERVAL_MS);
  void count();
  return {
    controller,
    v1,
    source: {
      statistics: controller.statistics,
      get gauges() {
        return controller.gauges;
      },
      counts,
      get database() {
        return database.statistics;
      },
      api: v1,
    },
    tell: (metrics) => {
      controller.subscribe((event) => {
        if (event.type === "config-pushed") metrics.observeConfigPush(event.afterMs / 1000);
        logControllerEvent(log, event);
      });
    },
    close: async () => {
      clearInterval(timer);
      clearInterval(counting);
      v1.close();
      await controller.close();
    },
  };
}

/** True if address and keys belong together; false too if the pool is too busy to say. */
function validated(pool: IdentityPool, identity: Identity): Promise<boolean> {
  return new Promise((resolve) => {
    if (!pool.validate(identity, resolve)) resolve(false);
  });
}

/** Takes the reference's networks over when this home is started for the first time. From then on the database counts. */
async function takeOver(home: Home, database: Database, store: SqlControllerStore, log: Logger): Promise<void> {
  if (!hasControllerFiles(home.path) || (await database.marker(TAKEN_OVER)) !== null) return;
  const { networks, members, skipped } = await importControllerFiles(home.path, store, now());
  await database.setMarker(TAKEN_OVER, String(now()));
  for (const reason of skipped) log.warn({ reason }, "a file of controller.d was not taken over");
  log.info({ networks, members }, "took over controller.d: orrery.db counts from now on");
}
