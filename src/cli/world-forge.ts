/** `orrery world forge`: a planet from identities and endpoints, without a home and without a network. */
import { randomFillSync } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Command } from "commander";
import { formatSigningKey } from "../store/signing-keys.ts";
import { type ForgeInput, forgeWorld, generateSigningKey, isReservedWorldId, randomPlanetId } from "../world/forge.ts";
import { parseMkworldConfig } from "../world/moon-json.ts";
import { formatWorldId, type World, type WorldRoot, WorldType } from "../world/world.ts";
import { type CliContext, fail, printJson } from "./context.ts";
import { readTextOrNull, requireIdentity } from "./identity-argument.ts";
import { readSigningKey } from "./signing-key-file.ts";
import { requireEndpoint, requireRoot } from "./world-edit.ts";
import { describeWorld, worldJson } from "./world-text.ts";

const SECRET_FILE_MODE = 0o600;

interface ForgeOptions {
  identity?: string;
  endpoint: string[];
  root: string[];
  id?: string;
  signingKey?: string;
  mkworld?: string;
  output: string;
  json?: true;
}

/** Adds `forge` to the group `world`. */
export function registerWorldForge(world: Command, context: CliContext): void {
  const collect = (value: string, all: string[]) => [...all, value];
  world
    .command("forge")
    .description("make the first version of a planet")
    .option("--identity <identity>", "identity (text or file) of a root that --endpoint is about")
    .option("--endpoint <ip/port>", "an address of that root; repeat for more", collect, [])
    .option("--root <identity=ip/port,…>", "a further root with its addresses; repeat for more", collect, [])
    .option("--id <hex>", "world id; a random one by default")
    .option("--signing-key <file>", "key that signs; made there if the file does not exist")
    .option("--mkworld <file>", "take roots, keys, id and time from a mkworld.config.json instead")
    .requiredOption("--output <file>", "file to write the planet to")
    .option("--json", "print the world as JSON")
    .action((options: ForgeOptions) => forge(context, options));
}

function forge(context: CliContext, options: ForgeOptions): void {
  if (existsSync(options.output)) {
    fail(context, `${options.output} exists: the next version of a world is made by "orrery world rotate"`);
  }
  const world =
    options.mkworld === undefined ? forgeFromFlags(context, options) : forgeFromMkworld(context, options.mkworld);
  write(context, options.output, world.bytes);
  if (options.json) printJson(context, { file: options.output, ...worldJson(world, []) });
  else context.stdout(`wrote ${options.output}\n${describeWorld(world, [])}`);
}

function forgeFromFlags(context: CliContext, options: ForgeOptions): World {
  const roots = rootsOf(context, options);
  const signingKeyFile = options.signingKey ?? `${options.output}.signing-key.secret`;
  const fresh = !existsSync(signingKeyFile);
  const signingKey = fresh ? generateSigningKey((into) => randomFillSync(into)) : readSigningKey(signingKeyFile);
  const world = forgeWorld({
    type: WorldType.PLANET,
    id: options.id === undefined ? randomPlanetId((into) => randomFillSync(into)) : parseId(context, options.id),
    timestamp: BigInt(Date.now()),
    updatesMustBeSignedBy: signingKey.public,
    roots,
    signingKey,
  });
  // The key is written before the world: a world without its key is of no use, the reverse does no harm.
  if (fresh) {
    write(context, signingKeyFile, formatSigningKey(signingKey), SECRET_FILE_MODE);
    context.stderr(`made a new signing key, ${signingKeyFile}: back it up, only it can sign the next version\n`);
  }
  return world;
}

function rootsOf(context: CliContext, options: ForgeOptions): WorldRoot[] {
  const roots = options.root.map(requireRoot);
  if (options.identity !== undefined) {
    const identity = requireIdentity(options.identity, context).publicOnly();
    roots.unshift({ identity, stableEndpoints: options.endpoint.map(requireEndpoint) });
  } else if (options.endpoint.length > 0) {
    fail(context, "--endpoint says where the root of --identity is: give that too, or use --root identity=ip/port");
  }
  return roots;
}

function forgeFromMkworld(context: CliContext, file: string): World {
  const text = readTextOrNull(file) ?? fail(context, `cannot read ${file}`);
  const config = parseMkworldConfig(text, file);
  const keyOf = (name: string) => readSigningKey(resolve(dirname(file), name));
  const input: ForgeInput = {
    type: WorldType.PLANET,
    id: config.id ?? randomPlanetId((into) => randomFillSync(into)),
    timestamp: config.timestamp ?? BigInt(Date.now()),
    updatesMustBeSignedBy: keyOf(config.updateKeyFile).public,
    roots: config.roots,
    signingKey: keyOf(config.signingKeyFile),
  };
  warnOfReservedId(context, input.id);
  return forgeWorld(input);
}

function parseId(context: CliContext, text: string): bigint {
  if (!/^[0-9a-fA-F]{1,16}$/.test(text)) fail(context, `"${text}" is not a world id: up to 16 hex digits`);
  const id = BigInt(`0x${text}`);
  warnOfReservedId(context, id);
  return id;
}

function warnOfReservedId(context: CliContext, id: bigint): void {
  if (id === 0n || !isReservedWorldId(id)) return;
  context.stderr(
    `warning: ${formatWorldId(id)} is a reserved id: clients may replace this planet by the one built into them\n`,
  );
}

function write(context: CliContext, file: string, content: string | Uint8Array, mode = 0o644): void {
  try {
    writeFileSync(file, content, { mode, flag: "wx" });
  } catch {
    fail(context, `Error writing to ${file}`);
  }
}
