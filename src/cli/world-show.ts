/** `orrery world show` and `orrery world adoption`: what a world says, and who has heard it. */
import type { Command } from "commander";
import { ConfigError } from "../config/errors.ts";
import { Home } from "../store/files.ts";
import { WorldError } from "../world/forge.ts";
import { decodeWorld, MAX_WORLD_BYTES, type World } from "../world/world.ts";
import { type CliContext, fail, printJson } from "./context.ts";
import { homeDirectory } from "./home-option.ts";
import { readFileOrNull, statOrNull } from "./identity-argument.ts";
import { askService } from "./service-client.ts";
import { readSigningKey } from "./signing-key-file.ts";
import { type Adoption, adoptionText, describeWorld, type NamedKey, worldJson } from "./world-text.ts";

interface ShowOptions {
  home?: string;
  signedBy: string[];
  json?: true;
}

/** Adds `show` and `adoption` to the group `world`. */
export function registerWorldShow(world: Command, context: CliContext): void {
  world
    .command("show")
    .description("print a world: its roots, endpoints, version and who signed it")
    .argument("[what]", 'a planet or moon file, a home directory, or "home"', "home")
    .option("--home <dir>", "the home that is meant by home")
    .option("--signed-by <file>", "a signing key to try on the signature; repeat for more", collect, [])
    .option("--json", "print as JSON")
    .action((what: string, options: ShowOptions) => show(context, what, options));

  world
    .command("adoption")
    .description("show how many clients have which version of our worlds")
    .option("--home <dir>", "home directory of the running daemon")
    .option("--json", "print as JSON")
    .action((options: { home?: string; json?: true }) => adoption(context, options));
}

function collect(value: string, all: string[]): string[] {
  return [...all, value];
}

function show(context: CliContext, what: string, options: ShowOptions): void {
  const given = options.signedBy.map((file) => ({ name: file, key: readSigningKey(file).public }));
  const shown: { world: World; keys: NamedKey[] }[] = [];
  if (what === "home" || isDirectory(what)) {
    const home = new Home(what === "home" ? homeDirectory(options.home, context.env) : what);
    for (const world of worldsOf(home)) shown.push({ world, keys: [...given, ...homeKeys(home, world)] });
  } else {
    shown.push({ world: readWorld(what), keys: given });
  }
  if (options.json) {
    const worlds = shown.map(({ world, keys }) => worldJson(world, keys));
    printJson(context, what === "home" || isDirectory(what) ? worlds : worlds[0]);
  } else {
    context.stdout(shown.map(({ world, keys }) => describeWorld(world, keys)).join("\n"));
  }
}

function isDirectory(path: string): boolean {
  return statOrNull(path)?.isDirectory() ?? false;
}

/** The planet of a home and its moons. Throws ConfigError if there is none, or if one is damaged. */
function worldsOf(home: Home): World[] {
  const planet = home.loadPlanet();
  const worlds = [...(planet === null ? [] : [planet]), ...home.loadMoons()];
  if (worlds.length > 0) return worlds;
  throw new ConfigError("holds no world", { file: home.path, advice: `make one: orrery init --home ${home.path}` });
}

/** The signing key that a home keeps for a world, under a name for the description. */
function homeKeys(home: Home, world: World): NamedKey[] {
  const key = home.loadSigningKey(world.id);
  return key === null ? [] : [{ name: "the signing key in this home", key: key.public }];
}

/** Reads one world from a file. Throws WorldError that says what the file is instead. */
function readWorld(file: string): World {
  const bytes = readFileOrNull(file);
  if (bytes === null) throw new WorldError(`cannot read ${file}`);
  const verdict = decodeWorld(bytes);
  if (!verdict.ok) {
    const size = bytes.length > MAX_WORLD_BYTES ? `, and its ${bytes.length} bytes are too many` : "";
    throw new WorldError(`${file} is no planet and no moon (${verdict.code} at byte ${verdict.offset}${size})`);
  }
  return verdict.value.world;
}

async function adoption(context: CliContext, options: { home?: string; json?: true }): Promise<void> {
  const home = homeDirectory(options.home, context.env);
  const answer = await askService(home, "GET", "/orrery/adoption");
  if (answer.state === "absent")
    fail(context, `no daemon answers for ${home} (${answer.reason}): start orrery up first`);
  if (answer.state === "refused") fail(context, `the daemon answered ${answer.status} ${answer.body.trim()}`);
  const worlds = adoptionsOf(answer.json) ?? fail(context, "the daemon gave an answer that is no adoption list");
  if (options.json) printJson(context, answer.json);
  else if (worlds.length === 0) context.stdout("the daemon serves no world of its own\n");
  else context.stdout(worlds.map(adoptionText).join("\n"));
}

/** Checks the daemon's answer field by field: it may be a daemon of another version, or no daemon of ours at all. */
function adoptionsOf(json: unknown): Adoption[] | null {
  if (!Array.isArray(json)) return null;
  const worlds = json.map((item: unknown): Adoption | null => {
    const fields = (typeof item === "object" && item !== null ? item : {}) as Record<string, unknown>;
    const count = (name: string) => (typeof fields[name] === "number" ? fields[name] : Number.NaN);
    const counts = {
      current: count("current"),
      older: count("older"),
      newer: count("newer"),
      without: count("without"),
    };
    const id = fields["id"];
    const timestamp = String(fields["timestamp"]);
    if (typeof id !== "string" || !/^\d+$/.test(timestamp) || Object.values(counts).some(Number.isNaN)) return null;
    return { id, kind: fields["kind"] === "moon" ? "moon" : "planet", timestamp, ...counts };
  });
  return worlds.includes(null) ? null : (worlds as Adoption[]);
}
