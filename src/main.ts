#!/usr/bin/env node
/** The executable: one program, one file per command group in cli/. The only place that ends the process. */
import { registerBackup } from "./cli/backup.ts";
import { registerConfig } from "./cli/config.ts";
import { type CliContext, createProgram, runCli } from "./cli/context.ts";
import { registerController } from "./cli/controller.ts";
import { registerDoctor } from "./cli/doctor.ts";
import { registerIdentity } from "./cli/identity.ts";
import { registerInit } from "./cli/init.ts";
import { registerMember } from "./cli/member.ts";
import { registerNetwork } from "./cli/network.ts";
import { registerRules } from "./cli/rules.ts";
import { registerServiceVerbs } from "./cli/service-verbs.ts";
import { registerToken } from "./cli/token.ts";
import { registerUp } from "./cli/up.ts";
import { registerWorld } from "./cli/world.ts";
import { packageVersion } from "./config/package-version.ts";

const context: CliContext = {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  env: process.env,
};

const program = createProgram(context)
  .description("a private solar system for ZeroTier networks: a root server that unmodified clients live on")
  .version(packageVersion(), "-V, --version");
registerUp(program, context);
registerInit(program, context);
registerServiceVerbs(program, context);
registerWorld(program, context);
registerIdentity(program, context);
registerConfig(program, context);
registerNetwork(program, context);
registerMember(program, context);
registerRules(program, context);
registerToken(program, context);
registerController(program, context);
registerBackup(program, context);
registerDoctor(program, context);

process.exitCode = await runCli(program, process.argv.slice(2), context);
