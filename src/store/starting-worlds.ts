/**
 * Who we are and which worlds we start with, from the files of a home.
 * Facts: vl1-behaviour.md §6.2 (the planet at start), local-api.md §7 (files).
 */
import { ConfigError } from "../config/errors.ts";
import type { Identity } from "../identity/identity.ts";
import { publicPlanet } from "../world/planet.ts";
import { supersedes, type World } from "../world/world.ts";
import type { Home } from "./files.ts";

export interface StartingWorlds {
  readonly identity: Identity;
  readonly planet: World;
  readonly moons: readonly World[];
}

/**
 * Throws ConfigError for a home without identity or with damaged files. A home with an identity and no `planet` is
 * one of the reference's: it lives on the public planet. A `planet` file that is an older version of the public
 * planet is replaced by the built-in one; a private planet never is.
 */
export function startingWorlds(home: Home): StartingWorlds {
  const identity = home.loadIdentity();
  if (identity === null) {
    throw new ConfigError("holds no identity", {
      file: home.file("identity.secret"),
      advice: `run: orrery init --home ${home.path}`,
    });
  }
  const file = home.loadPlanet();
  const builtIn = publicPlanet();
  const planet = file === null || supersedes(file, builtIn) ? builtIn : file;
  return { identity, planet, moons: home.loadMoons() };
}
