/** `orrery config check`: what the program would run with, from where each value comes, or what is wrong with it. */
import type { Command } from "commander";
import { ConfigError } from "../config/errors.ts";
import { configValue, type LoadedConfig, loadConfig } from "../config/load.ts";
import { KEY_NAMES, KEYS } from "../config/schema.ts";
import { showValue } from "../config/show.ts";
import { type CliContext, CliExit, EXIT_CONFIG, printJson } from "./context.ts";
import { homeDirectory } from "./home-option.ts";

interface CheckOptions {
  readonly home?: string;
  readonly config?: string;
  readonly json?: true;
}

/** Adds `orrery config check`. */
export function registerConfig(program: Command, context: CliContext): void {
  const group = program.command("config").description("look at the configuration");
  group
    .command("check")
    .description("read all configuration as `up` would and print the effective values; exit code 78 if it is wrong")
    .option("--home <directory>", "home directory (else ORRERY_HOME, else /var/lib/orrery)")
    .option("--config <file>", "configuration file (else ORRERY_CONFIG, else orrery.yaml in the home directory)")
    .option("--json", "print values, sources and mistakes as JSON")
    .action((options: CheckOptions) => check(context, options));
}

function check(context: CliContext, options: CheckOptions): void {
  const home = homeDirectory(options.home, context.env);
  let loaded: LoadedConfig;
  try {
    loaded = loadConfig({ home, file: options.config, env: context.env });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const problems = error.problems.length > 0 ? error.problems : [error];
    if (options.json) printJson(context, { ok: false, home, errors: problems.map(problemJson) });
    else context.stderr(`${problems.map((problem) => problem.describe()).join("\n")}\n`);
    throw new CliExit(EXIT_CONFIG);
  }
  if (options.json) printJson(context, { ok: true, home, warnings: loaded.warnings, settings: rowsOf(loaded) });
  else printText(context, loaded);
}

function problemJson({ file, line, column, message, advice }: ConfigError) {
  return { file: file ?? null, line: line ?? null, column: column ?? null, message, advice };
}

function rowsOf({ config, sources }: LoadedConfig) {
  return KEY_NAMES.map((key) => ({
    key,
    value: showValue(configValue(config, key)),
    source: sources[key],
    hot: KEYS[key].meta.hot,
  }));
}

function printText(context: CliContext, loaded: LoadedConfig): void {
  const cells = rowsOf(loaded).map(({ key, value, source, hot }) => [
    key,
    typeof value === "string" ? value : JSON.stringify(value),
    source.join(", "),
    hot ? "reload" : "restart",
  ]);
  const lines = alignColumns([["KEY", "VALUE", "FROM", "CHANGED BY"], ...cells]);
  context.stdout(`${lines.join("\n")}\n`);
  for (const warning of loaded.warnings) context.stderr(`warning: ${warning}\n`);
}

/** Longer values do not widen the column for all: their line is simply longer. */
const MAX_COLUMN_WIDTH = 40;

function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) =>
    Math.max(...rows.map((row) => row[column]!.length).filter((width) => width <= MAX_COLUMN_WIDTH)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
}
