/** Asks the controller of a home through `/api/v1`, and what its commands have in common. */
import { type Command, CommanderError, InvalidArgumentError } from "commander";
import { type CliContext, fail, printJson } from "./context.ts";
import { homeDirectory } from "./home-option.ts";
import { askService } from "./service-client.ts";

export interface ControllerOptions {
  readonly home?: string;
  readonly json?: boolean;
}

/** A JSON object of the API; what is looked at is checked by the API's own tests. */
export type ApiObject = Readonly<Record<string, unknown>>;

interface Refusal {
  readonly error?: {
    readonly message?: string;
    readonly fields?: readonly { readonly path: string; readonly message: string }[];
  };
}

/** The answer of the running daemon. Ends the command with its message if it refuses or does not run. */
export async function askController(
  context: CliContext,
  options: ControllerOptions,
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
  path: string,
  body?: unknown,
): Promise<ApiObject> {
  const home = homeDirectory(options.home, context.env);
  const answer = await askService(home, method, `/api/v1${path}`, body);
  if (answer.state === "absent") {
    return fail(
      context,
      `orrery: no daemon answers for ${home} (${answer.reason}): start it with "orrery up --home ${home}"`,
    );
  }
  if (answer.state === "refused") return fail(context, `orrery: ${refusalText(answer.status, answer.body)}`);
  return (answer.json ?? {}) as ApiObject;
}

/** Every page of a list. */
export async function askAll(context: CliContext, options: ControllerOptions, path: string): Promise<ApiObject[]> {
  const items: ApiObject[] = [];
  const separator = path.includes("?") ? "&" : "?";
  for (let cursor: string | null = null; ; ) {
    const rest: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const page = await askController(context, options, "GET", `${path}${separator}limit=1000${rest}`);
    items.push(...(page["items"] as ApiObject[]));
    cursor = page["next"] as string | null;
    if (cursor === null) return items;
  }
}

function refusalText(status: number, body: string): string {
  try {
    const { error } = JSON.parse(body) as Refusal;
    const fields = error?.fields ?? [];
    if (fields.length > 0) return fields.map(({ path, message }) => `${path}: ${message}`).join("\norrery: ");
    if (error?.message !== undefined) return error.message;
  } catch {
    // Not our API: an older daemon, or one whose controller is switched off.
  }
  return status === 404
    ? "the daemon has no controller (controller.enabled is off)"
    : `the daemon answered ${status}: ${body}`;
}

/** Adds the options that every command of the controller has. */
export function withControllerOptions(command: Command): Command {
  return command
    .option("--home <directory>", "home directory (else ORRERY_HOME, else /var/lib/orrery)")
    .option("--json", "print JSON");
}

/** Columns as wide as their longest cell; the last one unpadded. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd();
  return `${rows.map(line).join("\n")}\n`;
}

/** Prints an answer: as JSON if asked to, else as text. */
export function print(context: CliContext, options: ControllerOptions, value: unknown, text: () => string): void {
  if (options.json) printJson(context, value);
  else context.stdout(text());
}

/** Objects as `key: value` lines, lists and objects in them as JSON; what is empty is left out. */
export function lines(value: ApiObject): string {
  const shown = Object.entries(value).filter(
    ([, one]) => one !== null && one !== "" && !(Array.isArray(one) && one.length === 0),
  );
  return shown.map(([key, one]) => `${key}: ${typeof one === "object" ? JSON.stringify(one) : String(one)}\n`).join("");
}

/** Sixteen hex digits. */
export function networkArgument(text: string): string {
  if (/^[0-9a-fA-F]{16}$/.test(text)) return text.toLowerCase();
  throw new InvalidArgumentError("a network has sixteen hex digits, such as 8056c2e21c000001");
}

/** Ten hex digits. */
export function memberArgument(text: string): string {
  if (/^[0-9a-fA-F]{10}$/.test(text)) return text.toLowerCase();
  throw new InvalidArgumentError("a member has ten hex digits, such as 8056c2e21c");
}

/**
 * `key=value` words as an object: `true`, `false`, numbers, `null` and JSON lists or objects are taken as such, everything
 * else is text; dots go into objects, as in `ipv4.assign=true`.
 */
export function settingsOf(words: readonly string[]): ApiObject {
  const settings: Record<string, unknown> = {};
  for (const word of words) {
    const at = word.indexOf("=");
    if (at <= 0) throw new CommanderError(1, "orrery.setting", `"${word}" is no setting: write key=value`);
    const path = word.slice(0, at).split(".");
    let into = settings;
    for (const key of path.slice(0, -1)) {
      const inner = (into[key] ?? {}) as Record<string, unknown>;
      into[key] = inner;
      into = inner;
    }
    into[path.at(-1)!] = settingValue(word.slice(at + 1));
  }
  return settings;
}

function settingValue(text: string): unknown {
  if (text === "yes") return true;
  if (text === "no") return false;
  if (!/^(?:true|false|null|-?\d+|[[{"].*)$/s.test(text)) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
