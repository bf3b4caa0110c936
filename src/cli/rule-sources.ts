/** Where the rules commands take rules from: a file, standard input, or a network of the running controller. */
import { readFileSync } from "node:fs";
import { ConfigError } from "../config/errors.ts";
import type { JsonValue } from "../json/json.ts";
import { JsonSyntaxError, parseJson } from "../json/json-parse.ts";
import { compileRules } from "../network/rules/compile.ts";
import type { CompiledRules } from "../network/rules/document.ts";
import { type NamedRules, namedFromJson, namedFromSource } from "../network/rules/named-rules.ts";
import type { RuleSourceError, SourcePlace } from "../network/rules/source-error.ts";
import { type CliContext, CliExit, EXIT_FAILURE, fail, printJson } from "./context.ts";
import { type ApiObject, askController, type ControllerOptions } from "./controller-client.ts";

const STDIN = 0;

export interface RulesOptions extends ControllerOptions {
  readonly network?: string;
}

/** Text of a file or of standard input. Throws ConfigError if it cannot be read. */
export function readText(file: string): string {
  try {
    return readFileSync(file === "-" ? STDIN : file, "utf8");
  } catch (error) {
    throw new ConfigError(`cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`, {
      file,
      advice: "name a file that exists, or - for standard input",
    });
  }
}

export function readJson(file: string): JsonValue {
  try {
    return parseJson(readText(file));
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new ConfigError(`is no JSON: ${error.message}`, {
      file,
      advice: "compile a source with: orrery rules compile",
    });
  }
}

/** How a source is compiled, and how its mistake is told. */
export interface CompileWords {
  readonly strict?: boolean;
  /** As JSON on standard output instead of text on the other. */
  readonly json?: boolean;
}

/** Compiles, or ends the command showing the place that is wrong. */
export function compiledSource(context: CliContext, file: string, source: string, words: CompileWords): CompiledRules {
  const result = compileRules(source, { strict: words.strict ?? false });
  if (result.ok) return result.value;
  if (words.json) printJson(context, { error: errorJson(result.error) });
  else context.stderr(errorText(file, source, result.error));
  throw new CliExit(EXIT_FAILURE);
}

function errorJson({ reason, message, hint, line, column }: RuleSourceError): object {
  return { reason, message, hint, place: { line, column } };
}

function errorText(file: string, source: string, { message, hint, line, column }: RuleSourceError): string {
  const advice = hint === "" ? "" : `\n  ${hint}`;
  return `${file}:${line}:${column}: ${message}\n${pointer(source, { line, column })}${advice === "" ? "" : `${advice.slice(1)}\n`}`;
}

/** The line of the source with a mark below the place. */
export function pointer(source: string, { line, column }: SourcePlace): string {
  const text = source.split(/\r\n|\r|\n/)[line - 1];
  if (text === undefined) return "";
  const number = String(line);
  const blanks = [...text.slice(0, Math.max(column - 1, 0))]
    .map((character) => (character === "\t" ? "\t" : " "))
    .join("");
  return `  ${number} | ${text}\n  ${" ".repeat(number.length)} | ${blanks}^\n`;
}

/** Rules of a file (a source, or compiled JSON) or of a network of the running controller. */
export async function namedRules(
  context: CliContext,
  file: string | undefined,
  options: RulesOptions,
): Promise<{ readonly rules: NamedRules; readonly source: string | null; readonly name: string }> {
  if (file === undefined) {
    const shown = await askRules(context, options);
    const name = `network ${options.network}`;
    const { source, origin } = shown as { readonly source: string | null; readonly origin: string };
    // Only its own source has the lines that its owner knows.
    const compiled = origin === "stored" && source !== null ? compileRules(source) : null;
    if (compiled?.ok) return { rules: namedFromSource(compiled.value), source, name };
    const rules = namedFromJson(documentOf(shown));
    if (rules === null) return fail(context, "orrery: the network has no rules");
    return { rules, source: null, name };
  }
  const text = readText(file);
  if (text.trimStart().startsWith("{")) {
    const rules = namedFromJson(readJsonText(file, text));
    if (rules === null) return fail(context, `orrery: ${file} holds no rules: it wants a list under "rules"`);
    return { rules, source: null, name: file };
  }
  return {
    rules: namedFromSource(compiledSource(context, file, text, { json: options.json ?? false })),
    source: text,
    name: file,
  };
}

function readJsonText(file: string, text: string): JsonValue {
  try {
    return parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new ConfigError(`is no JSON: ${error.message}`, { file, advice: "name a rule source or compiled rules" });
  }
}

/** Rules, capabilities and tags as the controller keeps them. */
export async function networkRules(context: CliContext, options: RulesOptions): Promise<JsonValue> {
  return documentOf(await askRules(context, options));
}

async function askRules(context: CliContext, options: RulesOptions): Promise<ApiObject> {
  if (options.network === undefined) return fail(context, "orrery: name a file, or a network with --network");
  return askController(context, options, "GET", `/networks/${options.network}/rules`);
}

/** The API's answer in the form of the compiler's document. Names are null where the controller has no source. */
function documentOf(shown: ApiObject): JsonValue {
  const things = (key: string) =>
    (shown[key] ?? []) as readonly (ApiObject & { readonly name: string | null; readonly id: number })[];
  const named = (key: string) => things(key).filter(({ name }) => name !== null);
  const document = {
    config: { rules: shown["rules"] ?? [], capabilities: things("capabilities"), tags: things("tags") },
    capabilitiesByName: Object.fromEntries(named("capabilities").map(({ name, id }) => [name, id])),
    tagsByName: Object.fromEntries(named("tags").map((tag) => [tag.name, tag])),
  };
  return parseJson(JSON.stringify(document));
}
