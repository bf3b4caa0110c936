/**
 * `orrery doctor`: looks at everything that has ever kept a root from working, and says for each thing what to do.
 * The judgements are in doctor-checks.ts and doctor-network.ts, the facts in doctor-facts.ts.
 */
import { existsSync } from "node:fs";
import type { Command } from "commander";
import { ConfigError } from "../config/errors.ts";
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
import { daemonState, maximumReceiveBuffer, secretModes, signingKeyState, timeEvidence } from "./doctor-facts.ts";
import { checkListenPort, checkReachability } from "./doctor-network.ts";
import { DEFAULT_SETTINGS, type DoctorSettings, readSettings } from "./doctor-settings.ts";
import { homeDirectory } from "./home-option.ts";

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
      const findings = await examine(homeDirectory(options.home, context.env));
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
export async function examine(directory: string): Promise<Finding[]> {
  if (!existsSync(directory)) {
    return [
      {
        name: "home",
        status: "fail",
        detail: `${directory} does not exist`,
        advice: `orrery init --home ${directory}`,
      },
    ];
  }
  const home = new Home(directory);
  const findings: Finding[] = [checkModes(secretModes(home))];
  const settings = attempt(findings, "configuration", () => readSettings(home)) ?? DEFAULT_SETTINGS;
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
  findings.push(checkReceiveBuffer(settings.receiveBufferBytes, maximumReceiveBuffer()));
  if (identity != null) findings.push(...(await examineRoot(home, identity, worlds, settings)));
  return findings;
}

/** The checks that need to know who we are. */
async function examineRoot(
  home: Home,
  identity: Identity,
  worlds: readonly World[],
  settings: DoctorSettings,
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
  findings.push(await checkListenPort(settings.port, daemon));
  const endpoints = ownEndpoints(ours, identity);
  if (ours.length > 0) {
    findings.push(checkEndpoints(endpoints, local), checkPorts(endpoints, local, settings.port));
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

/** Runs `read`; a ConfigError becomes a finding and the result undefined. */
function attempt<T>(findings: Finding[], name: string, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const place = [error.file, error.line, error.column].filter((part) => part !== undefined).join(":");
    const detail = place === "" ? error.message : `${place}: ${error.message}`;
    findings.push({ name, status: "fail", detail, ...(error.advice === "" ? {} : { advice: error.advice }) });
    return undefined;
  }
}
