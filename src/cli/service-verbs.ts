/**
 * The verbs of the reference's CLI as commands of ours: same arguments, same switches, same text, same exit codes
 * (cli.md §2). Help texts are ours; an unknown verb is an error here, not exit code 0.
 */
import { type Command, Option } from "commander";
import { bond, listBonds } from "./bonds.ts";
import { failWithReply, openSession, parsePort, type ServiceSession, type ServiceSwitches } from "./client.ts";
import { type CliContext, failWithHelp } from "./context.ts";
import { dump } from "./dump.ts";
import { info } from "./info.ts";
import { deorbit, listMoons, orbit } from "./moons.ts";
import { get, join, leave, listNetworks, set } from "./networks.ts";
import { listPeers, peers } from "./peers.ts";

/** What a verb does with its words. */
type Verb = (session: ServiceSession, words: readonly string[], command: Command) => Promise<void>;

interface VerbSpec {
  readonly name: string;
  readonly alias?: string;
  /** As commander writes arguments. All are optional: what is missing is answered in the reference's words. */
  readonly words?: string;
  readonly help: string;
  readonly run: Verb;
}

const VERBS: readonly VerbSpec[] = [
  { name: "info", alias: "status", help: "address, version and whether a root is reached", run: info },
  { name: "listpeers", help: "peers, one line each", run: listPeers },
  { name: "peers", help: "peers as a table", run: peers },
  { name: "listnetworks", help: "networks that were joined", run: listNetworks },
  { name: "join", words: "[network]", help: "join a network", run: (session, [id]) => join(session, id) },
  { name: "leave", words: "[network]", help: "leave a network", run: (session, [id]) => leave(session, id) },
  {
    name: "set",
    words: "[network] [setting]",
    help: "change allowManaged, allowGlobal, allowDefault or allowDNS (key=value)",
    run: (session, [id, setting], command) => set(session, () => command.outputHelp({ error: true }), id, setting),
  },
  {
    name: "get",
    words: "[network] [property]",
    help: "print one property of a network; also ip, ip4, ip6, ip6plane, ip6prefix",
    run: (session, [id, property]) => get(session, id, property),
  },
  { name: "listmoons", help: "moons and their roots, as JSON", run: listMoons },
  {
    name: "orbit",
    words: "[world] [seed]",
    help: "join a moon by way of one of its roots",
    run: (session, [world, seed]) => orbit(session, world, seed),
  },
  { name: "deorbit", words: "[world]", help: "leave a moon", run: (session, [world]) => deorbit(session, world) },
  {
    name: "bond",
    words: "[words...]",
    help: "list | <peer> show | <peer> rotate | setmtu <mtu> <interface> <ip>",
    run: bond,
  },
  { name: "listbonds", help: "bonded peers", run: (session) => listBonds(session, "listbonds") },
  { name: "dump", help: "write zerotier_dump.txt for support into the current directory", run: dump },
];

/** `-j`, `-D`, `-p`, `-T`, `-H`, with long names on the verbs; values may be glued to the letter. */
function addSwitches(command: Command): Command {
  return command
    .option("-j, --json", "print JSON")
    .option("-D, --home <dir>", "home directory of the service (default: $ORRERY_HOME, $ZEROTIER_HOME)")
    .option("-p, --port <port>", "port of its API (default: from zerotier-one.port)")
    .option("-T, --token <token>", "its token (default: from authtoken.secret)")
    .addOption(new Option("-H, --host <ip>", "its IP address").default("127.0.0.1"))
    .addOption(new Option("-q", "ignored").hideHelp());
}

/** The same letters before the verb, as in `orrery -j info`. No long names: those belong to the commands. */
const LEADING_SWITCHES: readonly (readonly [string, string])[] = [
  ["-j", "for info, peers and the like: print JSON"],
  ["-D <dir>", "for the same: home directory of the service"],
  ["-p <port>", "for the same: port of its API"],
  ["-T <token>", "for the same: its token"],
  ["-H <ip>", "for the same: its IP address"],
  ["-q", "ignored"],
];

function switchesOf(program: Command, command: Command): ServiceSwitches {
  const leading = program.opts<{ j?: true; D?: string; p?: string; T?: string; H?: string }>();
  const given = command.opts<ServiceSwitches>();
  const own = command.getOptionValueSource("host") === "default" ? undefined : given.host;
  const pick = (key: string, value: string | undefined) => (value === undefined ? {} : { [key]: value });
  return {
    json: given.json === true || leading.j === true,
    ...pick("home", given.home ?? leading.D),
    ...pick("port", given.port ?? leading.p),
    ...pick("token", given.token ?? leading.T),
    ...pick("host", own ?? leading.H),
  };
}

/** The body of any GET as it is. */
async function fetchPath(session: ServiceSession, path: string): Promise<void> {
  const reply = await session.send("GET", path);
  if (reply.status !== 200) failWithReply(session, path, reply);
  session.context.stdout(reply.body);
}

/**
 * Adds the reference's verbs and `/path` (any GET of the API). `now` is ms since the epoch, for "how long ago".
 * Switches may stand before the verb too: this turns on positional options, so that the same letters can mean other
 * things to other commands.
 */
export function registerServiceVerbs(program: Command, context: CliContext, now: () => number = Date.now): void {
  program.enablePositionalOptions();
  for (const [flags, help] of LEADING_SWITCHES) program.addOption(new Option(flags, help).hideHelp());
  const open = (command: Command): ServiceSession => {
    const switches = switchesOf(program, command);
    if (switches.port !== undefined && parsePort(switches.port) === null) failWithHelp(command);
    return openSession(switches, context, now);
  };
  for (const verb of VERBS) {
    const command = addSwitches(program.command(verb.name).description(verb.help));
    if (verb.alias !== undefined) command.alias(verb.alias);
    if (verb.words !== undefined) command.arguments(verb.words);
    command.allowExcessArguments();
    command.action(async () => verb.run(open(command), command.args, command));
  }
  const other = addSwitches(program.command("*", { hidden: true }).arguments("[words...]"));
  other.action(async () => {
    const [path = ""] = other.args;
    if (!path.startsWith("/")) program.error(`error: unknown command '${path}'`, { code: "commander.unknownCommand" });
    await fetchPath(open(other), path);
  });
}
