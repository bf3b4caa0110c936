/** `orrery world`: planets and moons from the command line. One file per verb beside this one. */
import type { Command } from "commander";
import type { CliContext } from "./context.ts";
import { registerWorldForge } from "./world-forge.ts";
import { registerWorldMoon } from "./world-moon.ts";
import { registerWorldRotate } from "./world-rotate.ts";
import { registerWorldShow } from "./world-show.ts";

/** Adds `orrery world show | forge | moon | rotate | adoption`. */
export function registerWorld(program: Command, context: CliContext): void {
  const world = program.command("world").description("show, make and change worlds: the signed lists of roots");
  registerWorldShow(world, context);
  registerWorldForge(world, context);
  registerWorldMoon(world, context);
  registerWorldRotate(world, context);
}
