/**
 * `orrery doctor`: looks at everything that has ever kept a root from working, and says for each thing what to do.
 * The judgements are in doctor-checks.ts and doctor-network.ts, the facts in doctor-facts.ts.
 */
import type { Command } from "commander";
import { ConfigError } from "../config/errors.ts";
import { type Config, type LoadedConfig, loadConfig } from "../config/load.ts";
import type { Identity } from "../identity/identity.ts";
import { now } from "../io/clock.ts";
import { systemAddresses } from "../io/interfaces.ts";
import { type Endpoint, endpointKey } from "../protocol/inet-address.ts";
import { Home } from "../store/files.ts";
import { publicPlanet } from "../world/planet.ts";
import { formatWorldId, type World } from "../world/world.ts";
import { type CliContext, CliExit, EXIT_FAILURE, printJson } from "./context.ts";
import {
  checkClock,
  checkEndpoints,
  checkIpv6,
  checkMembership,
  checkModes,
  checkPorts,
  checkReceiveBuffer,
  checkSigningKey,
  checkWorldVersion,
  type Finding,
} from "./doctor-checks.ts";
import {
  daemonState,
  maximumReceiveBuffer,
  secretModes,
  signingKeyState,
  timeEvidence,
  writtenPort,
} from "./doctor-facts.ts";
import { checkListenPort, checkReachability } from "./doctor-network.ts";
import { homeDirectory } from "./home-option.ts";
import { statOrNull } from "./identity-argument.ts";

const NAME_COLUMN = 18;

/** Adds `orrery doctor`. */
export function registerDoctor(program: Command, context: CliContext): void {
  program
    .command("doctor")
    .description(
      "check home, clock, ports, endpoints, buffers and keys of this root, with advice; exits 1 on a failure",
    )
    .option("--home <dir>", "home directory")
    .option("--json", "print the findings as JSON")
    .action(async (options: { home?: string; json?: true }) => {
      const findings = await examine(homeDirectory(options.home, context.env), context.env);
      const failed = findings.some((finding) => finding.status === "fail");
      if (options.json) printJson(context, { ok: !failed, findings });
      else context.stdout(findings.map(findingText).join(""));
      if (failed) throw new CliExit(EXIT_FAILURE);
    });
}

/** One finding as text, newline-terminated; the advice stands below it. */
export function findingText(finding: Finding): string {
  const line = `${finding.status.padEnd(5)} ${finding.name.padEnd(NAME_COLUMN)} ${finding.detail}\n`;
  return finding.advice === undefined
    ? line
    : `${line}${" ".repeat(5)} ${" ".repeat(NAME_COLUMN)} -> ${finding.advice}\n`;
}

/** Runs every check on the home at `directory`. Never throws for what is wrong there: that is a finding. */
export async function examine(directory: string, env: NodeJS.ProcessEnv): Promise<Finding[]> {
  if (!(statOrNull(directory)?.isDirectory() ?? false)) {
    return [
      {
        name: "home",
        status: "fail",
        detail: `${directory} is no directory`,
        advice: `orrery init --home ${directory}`,
      },
    ];
  }
  const home = new Home(directory);
  const findings: Finding[] = [checkModes(secretModes(home))];
  const loaded = attempt(findings, "configuration", () => loadConfig({ home: home.path, env }));
  if (loaded !== undefined) findings.push(configurationFinding(loaded));
  const identity = attempt(findings, "identity", () => home.loadIdentity());
  if (identity === null) {
    findings.push({
      name: "identity",
      status: "fail",
      detail: `no identity.secret in ${home.path}`,
      advice: `orrery init --home ${home.path}, or restore it from your backup`,
    });
  }
  const planet = attempt(findings, "planet", () => home.loadPlanet());
  const moons = attempt(findings, "moons", () => home.loadMoons()) ?? [];
  const worlds = [...(planet == null ? [] : [planet]), ...moons];
  findings.push(checkClock(now(), timeEvidence(home, worlds)));
  const listen = loaded?.config.listen ?? null;
  if (listen !== null) findings.push(checkReceiveBuffer(listen.receiveBufferBytes, maximumReceiveBuffer()));
  if (identity != null) findings.push(...(await examineRoot(home, identity, worlds, listen)));
  return findings;
}

/** The checks that need to know who we are. */
async function examineRoot(
  home: Home,
  identity: Identity,
  worlds: readonly World[],
  listen: Config["listen"] | null,
): Promise<Finding[]> {
  const findings: Finding[] = [checkMembership(identity, worlds)];
  const ours = worlds.filter((world) => world.roots.some((root) => root.identity.equals(identity)));
  const local = systemAddresses().map(({ ip }) => ip);
  for (const world of ours) {
    findings.push(checkWorldVersion(world, publicPlanet(), now()));
    const file = home.file("signing", `${formatWorldId(world.id)}.secret`);
    const state = attempt(findings, "signing key", () => signingKeyState(home, world));
    if (state != null) findings.push(checkSigningKey(world, state, file));
  }
  const daemon = await daemonState(home, identity);
  // A running daemon may have been given another port by a flag; before the start only the configuration knows.
  const configured = listen?.port ?? 0;
  const port = daemon === "ours" ? (writtenPort(home) ?? configured) : configured;
  findings.push(await checkListenPort(port, daemon));
  const endpoints = ownEndpoints(ours, identity);
  if (ours.length > 0) {
    findings.push(checkEndpoints(endpoints, local), checkPorts(endpoints, local, port));
    findings.push(checkIpv6(endpoints, local));
    findings.push(...(await checkReachability(identity, endpoints, local, daemon)));
  }
  return findings;
}

/** Our endpoints in all worlds that list us, each once. */
function ownEndpoints(worlds: readonly World[], identity: Identity): Endpoint[] {
  const all = worlds.flatMap((world) =>
    world.roots.flatMap((root) => (root.identity.equals(identity) ? root.stableEndpoints : [])),
  );
  return [...new Map(all.map((endpoint) => [endpointKey(endpoint), endpoint])).values()];
}

/** A configuration that loads, and what of it is ignored. */
function configurationFinding({ warnings }: LoadedConfig): Finding {
  const name = "configuration";
  if (warnings.length === 0) return { name, status: "ok", detail: "understood" };
  return { name, status: "warn", detail: warnings.join("; "), advice: "orrery config check shows what counts" };
}

/** Runs `read`; a ConfigError becomes findings, one for each problem in it, and the result undefined. */
function attempt<T>(findings: Finding[], name: string, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems.length > 0 ? error.problems : [error]) {
      const place = [problem.file, problem.line, problem.column].filter((part) => part !== undefined).join(":");
      const detail = place === "" ? problem.message : `${place}: ${problem.message}`;
      const advice = problem.advice === "" ? "see the line above" : problem.advice;
      findings.push({ name, status: "fail", detail, advice });
    }
    return undefined;
  }
}
