/**
 * What every command group is given instead of the process: two sinks and the environment. Commands end by
 * returning (exit 0) or by throwing; `runCli` turns what was thrown into an exit code, so tests run commands
 * in-process and `main` is the only place that exits.
 */
import { Command, CommanderError } from "commander";
import { ConfigError } from "../config/errors.ts";
import { WorldError } from "../world/forge.ts";

/** Where a command writes and what it may read of its surroundings. Texts are written as they are, newlines included. */
export interface CliContext {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly env: NodeJS.ProcessEnv;
}

/** Success. */
export const EXIT_OK = 0;
/** The command was understood and its answer is no, or it could not be done. */
export const EXIT_FAILURE = 1;
/** The operator's configuration or home is at fault (sysexits' EX_CONFIG). */
export const EXIT_CONFIG = 78;

/** Ends a command with an exit code; whatever was to be said is printed already. */
export class CliExit extends Error {
  override readonly name = "CliExit";
  readonly code: number;

  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

/** Prints one line on stderr and ends the command with exit code 1. */
export function fail(context: CliContext, message: string): never {
  context.stderr(`${message}\n`);
  throw new CliExit(EXIT_FAILURE);
}

/** Prints a command's help on stdout and ends with exit code 1, as the reference's tools do when words are missing. */
export function failWithHelp(command: Command): never {
  command.outputHelp();
  throw new CliExit(EXIT_FAILURE);
}

/** Prints a value as JSON: two spaces of indentation, bigints as decimal strings, a final newline. */
export function printJson(context: CliContext, value: unknown): void {
  const text = JSON.stringify(value, (_key, field: unknown) => (typeof field === "bigint" ? String(field) : field), 2);
  context.stdout(`${text}\n`);
}

/** A program whose own output (help, usage errors) goes through `context` and which throws instead of exiting. */
export function createProgram(context: CliContext): Command {
  return new Command("orrery")
    .exitOverride()
    .configureOutput({ writeOut: context.stdout, writeErr: context.stderr })
    .showHelpAfterError("(add --help for the arguments)");
}

/** Runs `program` with `args` (without node and script name). Returns the exit code; throws only our own bugs. */
export async function runCli(program: Command, args: readonly string[], context: CliContext): Promise<number> {
  try {
    await program.parseAsync([...args], { from: "user" });
    return EXIT_OK;
  } catch (error) {
    if (error instanceof CliExit) return error.code;
    if (error instanceof CommanderError) return error.exitCode;
    if (error instanceof ConfigError) {
      context.stderr(`${error.describe()}\n`);
      return EXIT_CONFIG;
    }
    if (error instanceof WorldError) {
      context.stderr(`${error.message}\n`);
      return EXIT_FAILURE;
    }
    throw error;
  }
}
