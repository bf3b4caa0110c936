/**
 * `orrery world rotate`: the next version of a world. Clients take it over from the running root by themselves
 * (vl1-behaviour.md §6.2), so moving a root touches no client, as long as the old address answers until all have it.
 */
import type { Command } from "commander";
import { ConfigError } from "../config/errors.ts";
import { now } from "../io/clock.ts";
import { bytesEqual } from "../protocol/bytes.ts";
import { formatEndpoint } from "../protocol/inet-address.ts";
import { makeDirectory, PUBLIC_MODE, writeIfChanged } from "../store/atomic-file.ts";
import { Home } from "../store/files.ts";
import { forgeWorld, type SigningKey, WorldError } from "../world/forge.ts";
import { formatWorldId, supersedes, type World, WorldType } from "../world/world.ts";
import { type CliContext, printJson } from "./context.ts";
import { homeDirectory } from "./home-option.ts";
import { askService, type ServiceAnswer } from "./service-client.ts";
import { readSigningKey } from "./signing-key-file.ts";
import { type EditedRoots, editRoots, requireEndpoint, requireRoot } from "./world-edit.ts";
import { describeWorld, sameContent, shortKey, worldJson } from "./world-text.ts";

const BACKUP_DIRECTORY = "backup";
const BACKUP_DIRECTORY_MODE = 0o755;

interface RotateOptions {
  home?: string;
  moon?: string;
  endpoint: string[];
  addEndpoint: string[];
  removeEndpoint: string[];
  addRoot: string[];
  removeRoot: string[];
  signingKey?: string;
  json?: true;
}

/** Adds `rotate` to the group `world`. */
export function registerWorldRotate(world: Command, context: CliContext): void {
  const collect = (value: string, all: string[]) => [...all, value];
  world
    .command("rotate")
    .description("sign a newer version of this home's planet (or moon) and hand it to the running daemon")
    .option("--home <dir>", "home directory")
    .option("--moon <id>", "rotate this moon instead of the planet")
    .option("--add-endpoint <ip/port>", "a further address of this root; repeat for more", collect, [])
    .option("--remove-endpoint <ip/port>", "an address that this root leaves; repeat for more", collect, [])
    .option("--endpoint <ip/port>", "replaces all addresses of this root; repeat for more", collect, [])
    .option("--add-root <identity=ip/port,…>", "a further root, or new addresses of another one", collect, [])
    .option("--remove-root <address>", "a root that leaves, by its ten digits", collect, [])
    .option("--signing-key <file>", "the key, if it is not kept in this home")
    .option("--json", "print the result as JSON")
    .action((options: RotateOptions) => rotate(context, options));
}

/** The planet of a home, or one of its moons by id (hex). Throws ConfigError or WorldError if it is not there. */
export function findHomeWorld(home: Home, moonId: string | undefined): World {
  if (moonId === undefined) {
    const planet = home.loadPlanet();
    if (planet !== null) return planet;
    throw new ConfigError("is missing", {
      file: home.file("planet"),
      advice: `make it: orrery init --home ${home.path}`,
    });
  }
  if (!/^[0-9a-fA-F]{1,16}$/.test(moonId)) throw new WorldError(`"${moonId}" is not a moon id: up to 16 hex digits`);
  const id = BigInt(`0x${moonId}`);
  const moons = home.loadMoons();
  const moon = moons.find((held) => held.id === id);
  if (moon !== undefined) return moon;
  const held = moons.map((world) => formatWorldId(world.id)).join(", ");
  throw new WorldError(`this home holds no moon ${formatWorldId(id)}${held === "" ? "" : `, but ${held}`}`);
}

async function rotate(context: CliContext, options: RotateOptions): Promise<void> {
  const home = new Home(homeDirectory(options.home, context.env));
  const held = findHomeWorld(home, options.moon);
  const edited = editRoots(held.roots, home.loadIdentity(), {
    endpoints: options.endpoint.map(requireEndpoint),
    addEndpoints: options.addEndpoint.map(requireEndpoint),
    removeEndpoints: options.removeEndpoint.map(requireEndpoint),
    addRoots: options.addRoot.map(requireRoot),
    removeRoots: options.removeRoot.map((address) => address.toLowerCase()),
  });
  const next = forgeWorld({
    ...held,
    timestamp: laterThan(held.timestamp),
    roots: edited.roots,
    signingKey: findSigningKey(home, held, options.signingKey),
  });
  if (sameContent(held, next)) {
    if (options.json) printJson(context, { changed: false, world: worldJson(held, []) });
    else context.stdout(`nothing to change:\n${describeWorld(held, [])}`);
    return;
  }
  if (!supersedes(held, next)) throw new Error("a rotated world that its own clients would refuse");
  const backup = keepBackup(home, held);
  const file = save(home, next);
  const answer = await askService(home.path, "POST", "/orrery/reload");
  const warnings = [...droppedWarnings(edited, held), ...daemonWarnings(answer)];
  if (options.json) {
    printJson(context, { changed: true, file, backup, world: worldJson(next, []), daemon: answer.state, warnings });
    return;
  }
  context.stdout(`wrote ${file}\nkept the old version as ${backup}\n${describeWorld(next, [])}`);
  for (const warning of warnings) context.stderr(`warning: ${warning}\n`);
  context.stdout(`${daemonText(answer)}\n`);
}

/** Now, or one step after a version whose timestamp is in the future. */
function laterThan(timestamp: bigint): bigint {
  const time = BigInt(now());
  return time > timestamp ? time : timestamp + 1n;
}

function findSigningKey(home: Home, held: World, file: string | undefined): SigningKey {
  const key = file === undefined ? home.loadSigningKey(held.id) : readSigningKey(file);
  const place = file ?? home.file("signing", `${formatWorldId(held.id)}.secret`);
  if (key === null) {
    throw new ConfigError("is not here, and only this key can sign the next version", {
      file: place,
      advice: "bring it back from your backup, or name it: --signing-key FILE",
    });
  }
  if (!bytesEqual(key.public, held.updatesMustBeSignedBy)) {
    throw new ConfigError(
      `is key ${shortKey(key.public)}, but the next version must be signed by ${shortKey(held.updatesMustBeSignedBy)}`,
      { file: place, advice: "name the right key with --signing-key FILE: clients refuse a world signed by another" },
    );
  }
  return key;
}

function keepBackup(home: Home, held: World): string {
  makeDirectory(home.file(BACKUP_DIRECTORY), BACKUP_DIRECTORY_MODE);
  const file = home.file(BACKUP_DIRECTORY, `${formatWorldId(held.id)}-${held.timestamp}.world`);
  writeIfChanged(file, held.bytes, PUBLIC_MODE);
  return file;
}

function save(home: Home, world: World): string {
  if (world.type === WorldType.PLANET) {
    home.savePlanet(world);
    return home.file("planet");
  }
  home.saveMoon(world);
  return home.file("moons.d", `${formatWorldId(world.id)}.moon`);
}

function droppedWarnings(edited: EditedRoots, held: World): string[] {
  if (edited.dropped.length === 0) return [];
  const dropped = edited.dropped.map(formatEndpoint).join(", ");
  const warnings = [
    `clients on the old version know only ${dropped}: keep the old endpoint answering until ` +
      '"orrery world adoption" shows everyone on the new version',
  ];
  const nobodyLeft = held.roots.every((root) =>
    root.stableEndpoints.every((endpoint) => edited.dropped.includes(endpoint)),
  );
  if (nobodyLeft) warnings.push("no old endpoint is left: a client that is away during the change must be re-seeded");
  return warnings;
}

function daemonWarnings(answer: ServiceAnswer): string[] {
  return answer.state === "refused" ? [`the daemon answered ${answer.status}: ${answer.body.trim()}`] : [];
}

function daemonText(answer: ServiceAnswer): string {
  switch (answer.state) {
    case "answered":
      return 'the running daemon serves it from now on; follow it with "orrery world adoption"';
    case "refused":
      return "the running daemon did not take it over: it will be served from its next start";
    case "absent":
      return "no daemon runs on this home: it will be served from the next start";
  }
}
