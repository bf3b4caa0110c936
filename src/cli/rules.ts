/** `orrery rules compile | decompile | check | explain`: the rule language, with or without a controller. */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { ConfigError } from "../config/errors.ts";
import type { JsonValue } from "../json/json.ts";
import { JsonSyntaxError, parseJson } from "../json/json-parse.ts";
import { checkRules, type Finding } from "../network/rules/check.ts";
import { compileRules } from "../network/rules/compile.ts";
import { decompileRules } from "../network/rules/decompile.ts";
import { type CompiledRules, formatRulesDocument } from "../network/rules/document.ts";
import { type NamedRules, namedFromJson, namedFromSource } from "../network/rules/named-rules.ts";
import type { RuleSourceError, SourcePlace } from "../network/rules/source-error.ts";
import { parseAddress } from "../protocol/address.ts";
import { type CliContext, CliExit, EXIT_FAILURE, fail, printJson } from "./context.ts";
import { type ApiObject, askAll, askController, type ControllerOptions, networkArgument } from "./controller-client.ts";
import { type ExplainCommandOptions, explainCommand } from "./rules-explain.ts";

const STDIN = 0;

export interface RulesOptions extends ControllerOptions {
  readonly network?: string;
}

/** Adds the group. */
export function registerRules(program: Command, context: CliContext): void {
  const group = program.command("rules").description("the flow-rule language: compile, decompile, check, explain");
  const withHome = (command: Command) =>
    command
      .option("--network <id>", "take rules and members from the running controller", networkArgument)
      .option("--home <directory>", "home directory of that controller (else ORRERY_HOME, else /var/lib/orrery)")
      .option("--json", "print JSON");
  group
    .command("compile")
    .description("print what a source compiles to, as JSON that a controller takes")
    .argument("<file>", "rule source; - reads standard input")
    .option("--strict", "exactly as the reference's compiler does it, its mistakes included")
    .action((file: string, options: { strict?: boolean }) => {
      const compiled = compiledSource(context, file, readText(file), options.strict ?? false);
      context.stdout(`${formatRulesDocument(compiled.document)}\n`);
    });
  withHome(
    group
      .command("decompile")
      .description("print the source of compiled rules")
      .argument("[file]", "JSON of the compiler or of a network; - reads standard input"),
  ).action(async (file: string | undefined, options: RulesOptions) => {
    const value = file === undefined ? await networkRules(context, options) : readJson(file);
    const decompiled = decompileRules(value);
    if (decompiled === null) return fail(context, 'orrery: this JSON holds no rules: it wants a list under "rules"');
    if (options.json) printJson(context, decompiled);
    else context.stdout(decompiled.source);
    if (decompiled.omissions.length > 0 && !options.json) {
      context.stderr(decompiled.omissions.map((line) => `orrery: left out, ${line}\n`).join(""));
      throw new CliExit(EXIT_FAILURE);
    }
  });
  withHome(
    group
      .command("check")
      .description("tell what is probably not meant; exit code 1 if there is anything")
      .argument("[file]", "rule source, or compiled JSON; - reads standard input"),
  ).action((file: string | undefined, options: RulesOptions) => check(context, file, options));
  withHome(
    group
      .command("explain")
      .description("show which rules decide about a packet, at both ends; exit code 1 if it is dropped")
      .argument(
        "<packet...>",
        "such as tcp 10.1.1.1:5000 to 10.1.1.2:22 syn (-> in quotes does as well), or arp, icmp, udp, ethertype 0x8863",
      )
      .option("--file <file>", "rule source, or compiled JSON (else --network)")
      .option("--from <member>", "address of the sender")
      .option("--to <member>", "address of the receiver")
      .option("--from-tag <tag=value>", "a tag of the sender, again for more", collect, [])
      .option("--to-tag <tag=value>", "a tag of the receiver, again for more", collect, [])
      .option("--from-cap <name>", "a capability of the sender, again for more", collect, [])
      .option("--multicast", "the frame goes to a multicast group")
      .option("--broadcast", "the frame is broadcast")
      .option("--first", "the first packet: the sender does not know the receiver's tags yet"),
  ).action((words: string[], options: ExplainCommandOptions) => explainCommand(context, words.join(" "), options));
}

function collect(word: string, before: readonly string[]): readonly string[] {
  return [...before, word];
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

function readJson(file: string): JsonValue {
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

/** Compiles, or ends the command showing the place that is wrong. */
export function compiledSource(context: CliContext, file: string, source: string, strict: boolean): CompiledRules {
  const result = compileRules(source, { strict });
  if (result.ok) return result.value;
  context.stderr(errorText(file, source, result.error));
  throw new CliExit(EXIT_FAILURE);
}

function errorText(file: string, source: string, { message, hint, line, column }: RuleSourceError): string {
  const advice = hint === "" ? "" : `\n  ${hint}`;
  return `${file}:${line}:${column}: ${message}\n${pointer(source, { line, column })}${advice === "" ? "" : `${advice.slice(1)}\n`}`;
}

/** The line of the source with a mark below the place. */
function pointer(source: string, { line, column }: SourcePlace): string {
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
    const rules = namedFromJson(await networkRules(context, options));
    if (rules === null) return fail(context, "orrery: the network has no rules");
    return { rules, source: null, name: `network ${options.network}` };
  }
  const text = readText(file);
  if (text.trimStart().startsWith("{")) {
    const rules = namedFromJson(readJsonText(file, text));
    if (rules === null) return fail(context, `orrery: ${file} holds no rules: it wants a list under "rules"`);
    return { rules, source: null, name: file };
  }
  return { rules: namedFromSource(compiledSource(context, file, text, false)), source: text, name: file };
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
async function networkRules(context: CliContext, options: RulesOptions): Promise<JsonValue> {
  if (options.network === undefined) return fail(context, "orrery: name a file, or a network with --network");
  const shown = await askController(context, options, "GET", `/networks/${options.network}/rules`);
  return documentOf(shown);
}

/** The API's answer in the form of the compiler's document. */
function documentOf(shown: ApiObject): JsonValue {
  const named = (key: string) =>
    (shown[key] ?? []) as readonly (ApiObject & { readonly name: string; readonly id: number })[];
  const document = {
    config: { rules: shown["rules"] ?? [], capabilities: named("capabilities"), tags: named("tags") },
    capabilitiesByName: Object.fromEntries(named("capabilities").map(({ name, id }) => [name, id])),
    tagsByName: Object.fromEntries(named("tags").map((tag) => [tag.name, tag])),
  };
  return parseJson(JSON.stringify(document));
}

async function check(context: CliContext, file: string | undefined, options: RulesOptions): Promise<void> {
  const { rules, source, name } = await namedRules(context, file, options);
  const members = options.network === undefined ? null : await authorizedMembers(context, options);
  const findings = checkRules(rules, members);
  if (options.json) printJson(context, findings);
  else
    context.stdout(
      findings.length === 0
        ? `${name}: nothing to find fault with\n`
        : findings.map((one) => findingText(name, source, one)).join(""),
    );
  if (findings.length > 0) throw new CliExit(EXIT_FAILURE);
}

async function authorizedMembers(context: CliContext, options: RulesOptions): Promise<Set<number>> {
  const members = await askAll(context, options, `/networks/${options.network}/members`);
  return new Set(
    members
      .filter((member) => member["authorized"] === true)
      .map((member) => parseAddress(String(member["address"])) ?? 0),
  );
}

function findingText(name: string, source: string | null, { severity, message, place, capability }: Finding): string {
  const where = place === null ? name : `${name}:${place.line}:${place.column}`;
  const inside = capability === null ? "" : ` (capability ${capability})`;
  const shown = place === null || source === null ? "" : pointer(source, place);
  return `${where}: ${severity}: ${message}${inside}\n${shown}`;
}
