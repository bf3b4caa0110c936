/** `orrery world moon init | sign`: what `zerotier-idtool initmoon | genmoon` do, file for file (cli.md §3). */
import { randomFillSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { forgeWorld, generateSigningKey } from "../world/forge.ts";
import { formatMoonJson, newMoonTemplate, parseMoonJson } from "../world/moon-json.ts";
import { formatWorldId } from "../world/world.ts";
import { type CliContext, fail, failWithHelp } from "./context.ts";
import { findIdentity, readTextOrNull } from "./identity-argument.ts";

/** Adds `moon` to the group `world`. */
export function registerWorldMoon(world: Command, context: CliContext): void {
  const moon = world
    .command("moon")
    .description("make a moon in two steps, interchangeable with zerotier-idtool initmoon and genmoon");

  moon
    .command("init")
    .description("print a moon template: add stableEndpoints to it and keep it secret, it holds the signing key")
    .argument("[identity]", "public identity of the first root, or a file that holds it")
    .action((argument: string | undefined, _options: unknown, command: Command) => {
      const name = argument ?? failWithHelp(command);
      const identity = findIdentity(name) ?? fail(context, `${name} is not a valid identity`);
      const key = generateSigningKey((into) => randomFillSync(into));
      context.stdout(`${formatMoonJson(newMoonTemplate(identity.publicOnly(), key))}\n`);
    });

  moon
    .command("sign")
    .description("sign a moon template and write <16 hex digits>.moon")
    .argument("[template]", "JSON file of `moon init`, with endpoints filled in")
    .option("--directory <dir>", "where to write the file", ".")
    .action((file: string | undefined, options: { directory: string }, command: Command) =>
      signTemplate(context, file ?? failWithHelp(command), options.directory),
    );
}

function signTemplate(context: CliContext, file: string, directory: string): void {
  const text = readTextOrNull(file) ?? fail(context, `cannot read ${file}`);
  const world = forgeWorld({ ...parseMoonJson(text, file), timestamp: BigInt(Date.now()) });
  const name = `${formatWorldId(world.id)}.moon`;
  try {
    writeFileSync(join(directory, name), world.bytes);
  } catch {
    fail(context, `Error writing to ${join(directory, name)}`);
  }
  context.stdout(`wrote ${name} (signed world with timestamp ${world.timestamp})\n`);
}
