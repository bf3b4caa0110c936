/**
 * `orrery up`: runs the daemon in the foreground until SIGTERM or SIGINT. SIGHUP reads the configuration again.
 * An empty home becomes a private planet first; one with nothing but a planet file becomes a node of that planet.
 */
import type { Command } from "commander";
import type { Logger } from "pino";
import type { FlagValue } from "../config/layers.ts";
import { loadConfig } from "../config/load.ts";
import { packageVersion } from "../config/package-version.ts";
import { type Daemon, startDaemon } from "../daemon/daemon.ts";
import { ListenError } from "../http/listen.ts";
import { generateIdentity } from "../identity/generate.ts";
import { now } from "../io/clock.ts";
import { IoError } from "../io/errors.ts";
import { randomFill } from "../io/random.ts";
import { formatAddress } from "../protocol/address.ts";
import { Home } from "../store/files.ts";
import { createLogger } from "../telemetry/log.ts";
import { type CliContext, CliExit, EXIT_FAILURE } from "./context.ts";
import { homeDirectory } from "./home-option.ts";
import { reportText } from "./init.ts";
import { prepareHome } from "./prepare-home.ts";

interface UpOptions {
  readonly home?: string;
  readonly config?: string;
  readonly port?: string;
  readonly logLevel?: string;
  readonly tap: boolean;
}

/** Adds `orrery up`. */
export function registerUp(program: Command, context: CliContext): void {
  program
    .command("up")
    .description(
      "run the daemon in the foreground; an empty home becomes a private planet first, one with a planet file a node of it",
    )
    .option("--home <directory>", "home directory (else ORRERY_HOME, else /var/lib/orrery)")
    .option("--config <file>", "configuration file (else ORRERY_CONFIG, else orrery.yaml in the home directory)")
    .option("--port <number>", "UDP port, and TCP port of the service API; 0 = random (listen.port)")
    .option("--no-tap", "join networks without making interfaces, which takes no privileges (leaf.tap)")
    .option("--log-level <level>", "trace, debug, info, warn, error or silent (log.level)")
    .action((options: UpOptions) => up(context, options));
}

async function up(context: CliContext, options: UpOptions): Promise<void> {
  const home = new Home(homeDirectory(options.home, context.env));
  const readConfig = () =>
    loadConfig({ home: home.path, file: options.config, env: context.env, flags: flagValues(options) });
  const loaded = readConfig();
  const log = createLogger(loaded.config.log);
  if (home.loadIdentity() === null && home.loadPlanet() !== null) {
    // Somebody gave us a planet to live on: a node of it is what is wanted, not another planet.
    home.prepare();
    home.saveIdentity(generateIdentity(randomFill));
  } else if (home.loadIdentity() === null) {
    const report = prepareHome({ home, kind: "planet", endpoints: [], port: loaded.config.listen.port, now: now() });
    context.stderr(reportText(report));
  }
  const daemon = await started(context, () =>
    startDaemon({ home, loaded, readConfig, log, version: packageVersion() }),
  );
  // One line for people and scripts; everything after it is the log.
  context.stdout(`${readyLine(daemon, home)}\n`);
  await untilStopped(daemon, log);
}

function flagValues(options: UpOptions): FlagValue[] {
  const flags: FlagValue[] = [];
  if (options.port !== undefined) flags.push({ flag: "--port", key: "listen.port", value: options.port });
  if (options.logLevel !== undefined) flags.push({ flag: "--log-level", key: "log.level", value: options.logLevel });
  if (!options.tap) flags.push({ flag: "--no-tap", key: "leaf.tap", value: "false" });
  return flags;
}

/** What the system refuses at the start is the operator's to mend: one line, no stack. */
async function started(context: CliContext, start: () => Promise<Daemon>): Promise<Daemon> {
  try {
    return await start();
  } catch (error) {
    if (!(error instanceof IoError) && !(error instanceof ListenError)) throw error;
    const advice = error instanceof IoError ? `: ${error.advice}` : "";
    context.stderr(`orrery: ${error.message}${advice}\n`);
    throw new CliExit(EXIT_FAILURE);
  }
}

function readyLine(daemon: Daemon, home: Home): string {
  const { node } = daemon;
  const role = node.isUpstream() ? "root" : "node (our identity is no root of its planet or moons)";
  const telemetry = daemon.telemetryPort === 0 ? "" : `, metrics on port ${daemon.telemetryPort}`;
  return `orrery ${formatAddress(node.identity.address)} serves as ${role} at ${daemon.listeningOn.join(" ")}, home ${home.path}${telemetry}`;
}

function untilStopped(daemon: Daemon, log: Logger): Promise<void> {
  return new Promise((resolve, reject) => {
    const reload = () => void daemon.reload();
    const stop = (signal: NodeJS.Signals) => {
      process.off("SIGHUP", reload);
      log.info({ signal }, "stopping");
      daemon.stop().then(resolve, reject);
    };
    process.on("SIGHUP", reload);
    process.once("SIGTERM", stop);
    process.once("SIGINT", stop);
  });
}
