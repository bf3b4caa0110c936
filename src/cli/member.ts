/** `orrery member …`: who is in a network. Everything goes through the running daemon's `/api/v1`. */
import type { Command } from "commander";
import type { CliContext } from "./context.ts";
import {
  type ApiObject,
  askAll,
  askController,
  type ControllerOptions,
  lines,
  memberArgument,
  networkArgument,
  print,
  settingsOf,
  table,
  withControllerOptions,
} from "./controller-client.ts";

interface ListOptions extends ControllerOptions {
  readonly search?: string;
  readonly waiting?: boolean;
}

const NETWORK = ["<network>", "sixteen hex digits", networkArgument] as const;
const MEMBERS = ["<member...>", "ten hex digits each"] as const;

/** Adds `orrery member list | show | add | authorize | deauthorize | set | delete`. */
export function registerMember(program: Command, context: CliContext): void {
  const group = program.command("member").description("members of a network, and nodes that wait to become one");
  withControllerOptions(
    group
      .command("list")
      .description("every member, with how it is right now")
      .argument(...NETWORK)
      .option("--search <text>", "part of address, name, description or IP")
      .option("--waiting", "only nodes that nobody has looked at yet"),
  ).action((network: string, options: ListOptions) => list(context, network, options));
  withControllerOptions(
    group
      .command("show")
      .description("one member")
      .argument(...NETWORK)
      .argument("<member>", "ten hex digits", memberArgument),
  ).action(async (network: string, member: string, options: ControllerOptions) => {
    const shown = await askController(context, options, "GET", pathOf(network, member));
    print(context, options, shown, () => lines(shown));
  });
  withControllerOptions(
    group
      .command("add")
      .description("expect a member that has not shown up yet: it is authorized as soon as it asks")
      .argument(...NETWORK)
      .argument("<member>", "ten hex digits, or a whole public identity: then only the node with these keys gets in")
      .argument("[key=value...]", "settings, such as name=printer ipAssignments='[\"10.1.0.7\"]'"),
  ).action(async (network: string, member: string, words: string[], options: ControllerOptions) => {
    const address = memberArgument(member.split(":")[0]!);
    const identity = member.includes(":") ? { identity: member } : {};
    const shown = await askController(context, options, "PUT", pathOf(network, address), {
      ...settingsOf(words),
      ...identity,
    });
    print(context, options, shown, () => lines(shown));
  });
  for (const [verb, authorized, description] of [
    ["authorize", true, "let members in; online ones are in at once"],
    ["deauthorize", false, "cut members off, at once"],
  ] as const) {
    withControllerOptions(
      group
        .command(verb)
        .description(description)
        .argument(...NETWORK)
        .argument(...MEMBERS),
    ).action((network: string, members: string[], options: ControllerOptions) =>
      each(context, network, members, options, `${verb}d`, (path) =>
        askController(context, options, "PATCH", path, { authorized }),
      ),
    );
  }
  withControllerOptions(
    group
      .command("set")
      .description("change settings, such as name=printer bridge=true authorized=yes capabilities=[1000]")
      .argument(...NETWORK)
      .argument("<member>", "ten hex digits", memberArgument)
      .argument("<key=value...>", "what changes; lists as JSON"),
  ).action(async (network: string, member: string, words: string[], options: ControllerOptions) => {
    const shown = await askController(context, options, "PATCH", pathOf(network, member), settingsOf(words));
    print(context, options, shown, () => lines(shown));
  });
  withControllerOptions(
    group
      .command("delete")
      .description("cut members off and forget them; one that asks again waits anew")
      .argument(...NETWORK)
      .argument(...MEMBERS),
  ).action((network: string, members: string[], options: ControllerOptions) =>
    each(context, network, members, options, "deleted", (path) => askController(context, options, "DELETE", path)),
  );
}

function pathOf(network: string, member: string): string {
  return `/networks/${network}/members/${member}`;
}

async function each(
  context: CliContext,
  network: string,
  members: readonly string[],
  options: ControllerOptions,
  done: string,
  act: (path: string) => Promise<ApiObject>,
): Promise<void> {
  const answers: ApiObject[] = [];
  for (const member of members.map(memberArgument)) {
    const answer = await act(pathOf(network, member));
    answers.push(Object.keys(answer).length === 0 ? { address: member } : answer);
    if (!options.json) context.stdout(`${member} ${done}\n`);
  }
  if (options.json) print(context, options, answers, () => "");
}

async function list(context: CliContext, network: string, options: ListOptions): Promise<void> {
  const query = new URLSearchParams();
  if (options.search !== undefined) query.set("search", options.search);
  if (options.waiting) query.set("stranger", "true");
  const members = await askAll(context, options, `/networks/${network}/members?${query.toString()}`);
  print(context, options, members, () =>
    table([
      ["MEMBER", "STATE", "ONLINE", "VERSION", "REACH", "IPS", "PHYSICAL", "NAME"],
      ...members.map((member) => {
        const status = member["status"] as Readonly<Record<string, string | boolean | null>>;
        const ips = member["ipAssignments"] as readonly string[];
        return [
          String(member["address"]),
          member["authorized"] ? (member["bridge"] ? "bridge" : "in") : member["stranger"] ? "waiting" : "out",
          status["online"] ? "yes" : "no",
          String(status["version"] ?? "-"),
          String(status["reach"]),
          ips.length === 0 ? "-" : ips.join(","),
          String(status["physicalAddress"] ?? "-"),
          String(member["name"]),
        ];
      }),
    ]),
  );
}
