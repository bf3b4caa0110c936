/** `orrery rules compile | decompile | check | explain`: the rule language, with or without a controller. */
import type { Command } from "commander";
import { checkRules, type Finding } from "../network/rules/check.ts";
import { decompileRules } from "../network/rules/decompile.ts";
import { formatRulesDocument } from "../network/rules/document.ts";
import { type Address, parseAddress } from "../protocol/address.ts";
import { type CliContext, CliExit, EXIT_FAILURE, fail, printJson } from "./context.ts";
import { askAll, memberArgument, networkArgument } from "./controller-client.ts";
import {
  type CompileWords,
  compiledSource,
  namedRules,
  networkRules,
  pointer,
  type RulesOptions,
  readJson,
  readText,
} from "./rule-sources.ts";
import { type ExplainCommandOptions, explainCommand } from "./rules-explain.ts";

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
    .option("--json", "print what is wrong with a source as JSON, too")
    .action((file: string, options: CompileWords) => {
      const compiled = compiledSource(context, file, readText(file), options);
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
      .argument("[file]", "rule source, or compiled JSON; - reads standard input")
      .option("--member <address>", "a member that copies may go to, again for more", collectMember),
  ).action((file: string | undefined, options: CheckOptions) => check(context, file, options));
  withHome(
    group
      .command("explain")
      .description("show which rules decide about a packet, at both ends; exit code 1 if it is dropped")
      .argument(
        "<packet...>",
        "such as tcp 10.1.1.1:5000 to 10.1.1.2:22 syn (in quotes -> does as well), udp to :53, icmp echo, arp, ethertype 0x8863; behind it size 1400",
      )
      .option("--file <file>", "rule source, or compiled JSON (else --network)")
      .option("--from <member>", "address of the sender; else somebody with what new members get")
      .option("--to <member>", "address of the receiver; else the same")
      .option("--from-tag <tag=value>", "a tag of the sender, again for more", collect)
      .option("--to-tag <tag=value>", "a tag of the receiver, again for more", collect)
      .option("--from-cap <name>", "a capability of the sender, again for more", collect)
      .option(
        "--from-ip <ip>",
        "an address that the sender owns, again for more; else its own, or what the packet says",
        collect,
      )
      .option("--to-ip <ip>", "an address of the receiver, again for more", collect)
      .option("--multicast", "the frame goes to a multicast group")
      .option("--broadcast", "the frame is broadcast")
      .option("--first", "the first packet: the sender does not know the receiver's tags yet"),
  ).action((words: string[], options: ExplainCommandOptions) => explainCommand(context, words.join(" "), options));
}

interface CheckOptions extends RulesOptions {
  readonly member?: readonly Address[];
}

function collectMember(word: string, before: readonly Address[] = []): readonly Address[] {
  return [...before, Number.parseInt(memberArgument(word), 16)];
}

function collect(word: string, before: readonly string[] = []): readonly string[] {
  return [...before, word];
}

async function check(context: CliContext, file: string | undefined, options: CheckOptions): Promise<void> {
  const { rules, source, name } = await namedRules(context, file, options);
  const members = options.member === undefined ? await authorizedMembers(context, options) : new Set(options.member);
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

/** Null without a controller. */
async function authorizedMembers(context: CliContext, options: RulesOptions): Promise<Set<Address> | null> {
  if (options.network === undefined) return null;
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
