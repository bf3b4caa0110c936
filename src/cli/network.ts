/** `orrery network …`: the networks of this controller. Everything goes through the running daemon's `/api/v1`. */
import { readFileSync } from "node:fs";
import { type Command, InvalidArgumentError } from "commander";
import type { CliContext } from "./context.ts";
import {
  type ApiObject,
  askAll,
  askController,
  type ControllerOptions,
  lines,
  networkArgument,
  print,
  settingsOf,
  table,
  withControllerOptions,
} from "./controller-client.ts";

interface CreateOptions extends ControllerOptions {
  readonly name?: string;
  readonly description?: string;
  readonly ipRange?: { readonly start: string; readonly end: string };
  readonly subnet?: string;
  readonly private?: boolean;
  readonly public?: boolean;
  readonly route?: readonly { readonly target: string; readonly via: string | null }[];
  readonly rules?: string;
}

/** Adds `orrery network create | list | show | set | rules | delete`. */
export function registerNetwork(program: Command, context: CliContext): void {
  const group = program.command("network").description("networks that this controller serves");
  withControllerOptions(
    group
      .command("create")
      .description("make a network: private, with the default rules and a free subnet unless told otherwise")
      .option("--name <name>", "a name for people")
      .option("--description <text>", "more for people")
      .option("--private", "members have to be authorized (the default)")
      .option("--public", "everybody who knows the id gets in")
      .option("--subnet <ip/bits>", 'IPv4 network of the members; "none" for no addresses; else a free one is chosen')
      .option(
        "--ip-range <start-end>",
        "addresses for members, such as 10.1.0.10-10.1.0.99; needs a --route that contains it",
        rangeOf,
      )
      .option("--route <target[@via]>", "managed route, again for more: 10.1.0.0/24 or 10.2.0.0/16@10.1.0.1", addRoute)
      .option("--rules <file>", "flow rules; else only IPv4, ARP and IPv6 pass"),
  ).action((options: CreateOptions) => create(context, options));
  withControllerOptions(
    group.command("list").description("every network").option("--search <text>", "part of id, name or description"),
  ).action((options: ControllerOptions & { readonly search?: string }) => list(context, options));
  withControllerOptions(
    group.command("show").description("one network").argument("<network>", "sixteen hex digits", networkArgument),
  ).action(async (network: string, options: ControllerOptions) => {
    const shown = await askController(context, options, "GET", `/networks/${network}`);
    print(context, options, shown, () => lines(shown));
  });
  withControllerOptions(
    group
      .command("set")
      .description("change settings, such as name=lab mtu=1400 access=public ipv6.sixPlane=true")
      .argument("<network>", "sixteen hex digits", networkArgument)
      .argument("<key=value...>", "what changes; lists and objects as JSON"),
  ).action(async (network: string, words: string[], options: ControllerOptions) => {
    const shown = await askController(context, options, "PATCH", `/networks/${network}`, settingsOf(words));
    print(context, options, shown, () => lines(shown));
  });
  withControllerOptions(
    group
      .command("rules")
      .description("show the flow rules, or set them from a file")
      .argument("<network>", "sixteen hex digits", networkArgument)
      .argument("[file]", "a rule source; without it the rules are printed"),
  ).action(async (network: string, file: string | undefined, options: ControllerOptions) => {
    const path = `/networks/${network}/rules`;
    const shown =
      file === undefined
        ? await askController(context, options, "GET", path)
        : await askController(context, options, "PUT", path, { source: readFileSync(file, "utf8") });
    print(context, options, shown, () => `${String(shown["source"] ?? "# these rules have no source").trimEnd()}\n`);
  });
  withControllerOptions(
    group
      .command("delete")
      .description("delete a network with its members; there is no way back but a backup")
      .argument("<network>", "sixteen hex digits", networkArgument),
  ).action(async (network: string, options: ControllerOptions) => {
    await askController(context, options, "DELETE", `/networks/${network}`);
    print(context, options, { deleted: network }, () => `network ${network} is deleted\n`);
  });
}

async function create(context: CliContext, options: CreateOptions): Promise<void> {
  const { name, description, ipRange, subnet, route, rules } = options;
  const isExplicit = ipRange !== undefined || route !== undefined;
  const body: ApiObject = {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...(options.public ? { access: "public" } : {}),
    ...(subnet === undefined ? {} : { subnet: subnet === "none" ? null : subnet }),
    ...(isExplicit && subnet === undefined ? { routes: route ?? [] } : {}),
    ...(ipRange === undefined ? {} : { ipv4: { assign: true, pools: [ipRange] } }),
    ...(rules === undefined ? {} : { rules: { source: readFileSync(rules, "utf8") } }),
  };
  const made = await askController(context, options, "POST", "/networks", body);
  print(context, options, made, () => {
    const [first] = made["routes"] as readonly { target: string }[];
    const addresses = first === undefined ? "" : `, addresses from ${first.target}`;
    return `network ${String(made["id"])} is there${addresses}\non a client: zerotier-cli join ${String(made["id"])}\n`;
  });
}

async function list(context: CliContext, options: ControllerOptions & { readonly search?: string }): Promise<void> {
  const query = options.search === undefined ? "" : `?search=${encodeURIComponent(options.search)}`;
  const networks = await askAll(context, options, `/networks${query}`);
  print(context, options, networks, () =>
    table([
      ["NETWORK", "ACCESS", "MEMBERS", "WAITING", "SUBNET", "NAME"],
      ...networks.map((network) => {
        const counts = network["memberCounts"] as Readonly<Record<string, number>>;
        const [first] = network["routes"] as readonly { target: string }[];
        return [
          String(network["id"]),
          String(network["access"]),
          `${counts["authorized"]}/${counts["total"]}`,
          String(counts["strangers"] ?? 0),
          first?.target ?? "-",
          String(network["name"]),
        ];
      }),
    ]),
  );
}

function rangeOf(text: string): { start: string; end: string } {
  const [start, end, more] = text.split("-");
  if (start && end && more === undefined) return { start, end };
  throw new InvalidArgumentError("write the first and the last address, such as 10.1.0.10-10.1.0.99");
}

function addRoute(text: string, before: readonly object[] = []): readonly object[] {
  const [target, via = null, more] = text.split("@");
  if (target === "" || more !== undefined) throw new InvalidArgumentError("write a network, and maybe @ and a gateway");
  return [...before, { target, via }];
}
