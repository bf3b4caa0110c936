/** Worlds that lie in the home (`orrery world rotate` writes there), offered to a running node. */
import type { Logger } from "pino";
import { now } from "../io/clock.ts";
import type { NodeCommands } from "../node/queries.ts";
import type { Home } from "../store/files.ts";
import { startingWorlds } from "../store/starting-worlds.ts";
import { formatWorldId } from "../world/world.ts";

/** Offers the node what lies in the home now. Returns what was adopted. */
export function adoptFiles(home: Home, commands: NodeCommands, log: Logger): string[] {
  const { planet, moons } = startingWorlds(home);
  return [planet, ...moons].flatMap((world) => {
    const result = commands.adoptWorld(world, now());
    const name = `world ${formatWorldId(world.id)}`;
    if (result === "refused")
      log.warn({ world: formatWorldId(world.id) }, "not adopted: older, or signed by another key");
    return result === "adopted" ? [name] : [];
  });
}
