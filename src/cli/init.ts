/** `orrery init`: prepares a home and says what to do next. */
import type { Command } from "commander";
import { now } from "../io/clock.ts";
import { formatAddress } from "../protocol/address.ts";
import { DEFAULT_PORT } from "../protocol/constants.ts";
import { type Endpoint, formatEndpoint } from "../protocol/inet-address.ts";
import { Home } from "../store/files.ts";
import { formatWorldId } from "../world/world.ts";
import { type CliContext, fail, printJson } from "./context.ts";
import { homeDirectory } from "./home-option.ts";
import { type InitReport, prepareHome } from "./prepare-home.ts";
import { requireEndpoint } from "./world-edit.ts";
import { shortWorldId, timestampText } from "./world-text.ts";

const MAX_PORT = 65535;

interface InitOptions {
  planet?: true;
  moon?: true;
  home?: string;
  endpoint: string[];
  port: string;
  json?: true;
}

/** Adds `orrery init`. */
export function registerInit(program: Command, context: CliContext): void {
  program
    .command("init")
    .description("prepare a home: identity, signing key, planet or moon, tokens; overwrites nothing, asks no network")
    .option("--planet", "a planet of your own: clients live in it and on nothing else (default)")
    .option("--moon", "a moon: a root beside the public planet")
    .option("--home <dir>", "home directory")
    .option("--endpoint <ip/port>", "where clients reach this root; repeat for more", collect, [])
    .option("--port <number>", "port of the addresses that are chosen without --endpoint", String(DEFAULT_PORT))
    .option("--json", "print the report as JSON")
    .action((options: InitOptions) => init(context, options));
}

function collect(value: string, all: string[]): string[] {
  return [...all, value];
}

function init(context: CliContext, options: InitOptions): void {
  if (options.planet && options.moon) fail(context, "a home is made for a planet or for a moon: give one of the two");
  const port = /^\d{1,5}$/.test(options.port) ? Number(options.port) : 0;
  if (port < 1 || port > MAX_PORT) fail(context, `"${options.port}" is not a port: 1 to ${MAX_PORT}`);
  const report = prepareHome({
    home: new Home(homeDirectory(options.home, context.env)),
    kind: options.moon ? "moon" : "planet",
    endpoints: options.endpoint.map(requireEndpoint),
    port,
    now: now(),
  });
  if (options.json) printJson(context, reportJson(report));
  else context.stdout(reportText(report));
}

/** The report for machines. */
export function reportJson(report: InitReport): Record<string, unknown> {
  const { identity, world, endpoints, ...rest } = report;
  return {
    ...rest,
    address: formatAddress(identity.address),
    worldId: formatWorldId(world.id),
    timestamp: Number(world.timestamp),
    endpoints: endpoints.map(formatEndpoint),
  };
}

/** The report as people read it, newline-terminated. */
export function reportText(report: InitReport): string {
  const { kind, world } = report;
  const lines = [
    `home      ${report.home}`,
    `identity  ${formatAddress(report.identity.address)}`,
    `${kind.padEnd(8)}  ${shortWorldId(world)}, version ${timestampText(world.timestamp)}`,
    `endpoints ${endpointText(report.endpoints, report.endpointSource)}`,
    ...(report.created.length > 0 ? [`made      ${report.created.join(", ")}`] : []),
    ...(report.kept.length > 0 ? [`kept      ${report.kept.join(", ")}`] : []),
    ...report.warnings.map((warning) => `warning   ${warning}`),
    "",
    "CLIENTS",
    ...report.clientSteps.map((step) => `  ${step}`),
    "",
    "BACK UP, away from this machine",
    ...report.backUp.flatMap(({ file, why }) => [`  ${file}`, `    ${why}`]),
    "",
    `START     orrery up --home ${report.home}`,
  ];
  return `${lines.join("\n")}\n`;
}

function endpointText(endpoints: readonly Endpoint[], source: InitReport["endpointSource"]): string {
  const text = endpoints.map(formatEndpoint).join(" ") || "none";
  return source === "chosen" ? `${text}  (chosen from this machine's addresses; --endpoint IP/PORT sets others)` : text;
}
