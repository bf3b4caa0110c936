/**
 * How many configurations a controller makes in a second, and how fast a change reaches everybody: ours, and beside it
 * any other controller that is given as a command line. Needs root: everything runs in network namespaces of its own.
 *
 *   node --import tsx loadtest/controller/bench.ts [--members 10000] [--online 1000] [--seconds 5] [--rounds 3]
 *     [--baseline "zerotier-one -U -p{port} {home}" --baseline-name NAME] [--json FILE]
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { generateIdentity } from "../../src/identity/generate.ts";
import { formatIdentity } from "../../src/identity/identity.ts";
import { formatAddress } from "../../src/protocol/address.ts";
import { makeEndpoint, parseEndpoint, parseIp } from "../../src/protocol/inet-address.ts";
import { forgeWorld, generateSigningKey } from "../../src/world/forge.ts";
import { type World, WorldType } from "../../src/world/world.ts";
import { enterNetworkNamespace } from "../bench/libc.ts";
import { Crowd, type Member } from "./crowd.ts";

const { values } = parseArgs({
  options: {
    members: { type: "string", default: "10000" },
    online: { type: "string", default: "1000" },
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    baseline: { type: "string" },
    "baseline-name": { type: "string", default: "baseline" },
    json: { type: "string" },
  },
});
const MEMBERS = Number(values.members);
const ONLINE = Number(values.online);
const SECONDS = Number(values.seconds);
const ROUNDS = Number(values.rounds);
const PORT = 9993;
const IN_FLIGHT = 200;
/** Controllers discard what one member asks within a second. */
const ASK_AGAIN_MS = 1100;
const LOST_MS = 3000;
const CLOCK_TICKS = 100;
const random = (into: Uint8Array) => void randomFillSync(into);

function ip(...words: string[]): void {
  execFileSync("ip", words, { stdio: ["ignore", "ignore", "inherit"] });
}

/** One controller under test, in a namespace of its own. */
class Candidate {
  readonly name: string;
  readonly host: string;
  readonly home: string;
  readonly process: ChildProcess;
  readonly crowd: Crowd;
  networkId = 0n;
  readonly rates: number[] = [];
  readonly cpus: number[] = [];
  readonly pushMedians: number[] = [];
  readonly pushLasts: number[] = [];
  firstContacts = 0;

  constructor(name: string, host: string, home: string, child: ChildProcess, crowd: Crowd) {
    this.name = name;
    this.host = host;
    this.home = home;
    this.process = child;
    this.crowd = crowd;
  }

  /** Asks the reference's API; what is not answered within 5 s is asked once more. */
  async api(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    try {
      return await this.#ask(method, path, body);
    } catch (error) {
      process.stderr.write(`  ${this.name}: ${method} ${path}: ${String(error)}, once more\n`);
      return this.#ask(method, path, body);
    }
  }

  async #ask(method: string, path: string, body: unknown): Promise<Record<string, unknown>> {
    const token = readFileSync(join(this.home, "authtoken.secret"), "utf8").trim();
    const answer = await fetch(`http://${this.host}:${PORT}${path}`, {
      method,
      // Idle connections are closed by the server: each request has one of its own.
      headers: { "X-ZT1-Auth": token, Connection: "close" },
      signal: AbortSignal.timeout(5000),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${this.name}: ${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as Record<string, unknown>;
  }

  /** CPU seconds of the process so far, all threads. */
  cpu(): number {
    const fields = readFileSync(`/proc/${this.process.pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS;
  }
}

const work = mkdtempSync(join(tmpdir(), "orrery-controller-bench-"));
const namespaces: string[] = [];
const children: ChildProcess[] = [];

function cleanUp(): void {
  for (const child of children) child.kill("SIGKILL");
  for (const name of namespaces) {
    try {
      ip("netns", "del", name);
    } catch {
      // Gone already.
    }
  }
  rmSync(work, { recursive: true, force: true });
}

function namespace(name: string): string {
  const full = `orrery-bench-${process.pid}-${name}`;
  ip("netns", "add", full);
  ip("-n", full, "link", "set", "lo", "up");
  namespaces.push(full);
  return full;
}

/** Puts this process into a namespace of its own, to which the candidates are joined. */
function enterGenerator(): void {
  const generator = namespace("gen");
  enterNetworkNamespace(openSync(`/run/netns/${generator}`, "r"));
}

async function start(index: number, name: string, command: string): Promise<Candidate> {
  const own = namespace(`c${index}`);
  const [near, far] = [`20.${index + 1}.0.1`, `20.${index + 1}.0.2`];
  execFileSync("ip", ["link", "add", `v${index}`, "type", "veth", "peer", "name", "eth0", "netns", own]);
  execFileSync("ip", ["addr", "add", `${near}/24`, "dev", `v${index}`]);
  execFileSync("ip", ["link", "set", `v${index}`, "up"]);
  execFileSync("nsenter", [`--net=/run/netns/${own}`, "ip", "addr", "add", `${far}/24`, "dev", "eth0"]);
  execFileSync("nsenter", [`--net=/run/netns/${own}`, "ip", "link", "set", "eth0", "up"]);
  const root = generateIdentity(random);
  const key = generateSigningKey(random);
  const planet: World = forgeWorld({
    type: WorldType.PLANET,
    id: BigInt(index + 1) << 40n,
    timestamp: BigInt(Date.now()),
    updatesMustBeSignedBy: key.public,
    roots: [{ identity: root.publicOnly(), stableEndpoints: [parseEndpoint(`${near}/${PORT}`)!] }],
    signingKey: key,
  });
  const home = join(work, `home${index}`);
  mkdirSync(home);
  writeFileSync(join(home, "planet"), planet.bytes);
  writeFileSync(join(home, "local.conf"), JSON.stringify({ settings: { allowManagementFrom: [`${near}/24`] } }));
  const identity = generateIdentity(random);
  writeFileSync(join(home, "identity.secret"), formatIdentity(identity, true), { mode: 0o600 });
  writeFileSync(join(home, "identity.public"), formatIdentity(identity));
  const crowd = await Crowd.open(root, planet, near, PORT, random);
  crowd.target(identity.publicOnly(), makeEndpoint(parseIp(far)!, PORT));
  crowd.add(MEMBERS);
  const networkId = `${formatAddress(identity.address)}000001`;
  populate(home, networkId, crowd.members.keys());
  const words = command.replaceAll("{home}", home).replaceAll("{port}", String(PORT)).split(" ");
  const log = openSync(join(work, `log${index}`), "a");
  const child = spawn("nsenter", [`--net=/run/netns/${own}`, ...words], { stdio: ["ignore", log, log] });
  children.push(child);
  const candidate = new Candidate(name, far, home, child, crowd);
  candidate.networkId = BigInt(`0x${networkId}`);
  await until(async () => (await candidate.api("GET", "/status"))["online"] === true, `${name} to be online`);
  return candidate;
}

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (await holds().catch(() => false)) return;
    await sleep(100);
  }
  throw new Error(`waited a minute for ${what}: see ${work}`);
}

/** A network with every member authorized, as files that each kind of controller reads when it starts. */
function populate(home: string, networkId: string, addresses: Iterable<number>): void {
  const folder = join(home, "controller.d", "network");
  const members = join(folder, networkId, "member");
  mkdirSync(members, { recursive: true });
  const network = {
    id: networkId,
    nwid: networkId,
    objtype: "network",
    name: "bench",
    private: true,
    enableBroadcast: true,
    mtu: 2800,
    multicastLimit: 32,
    v4AssignMode: { zt: true },
    v6AssignMode: { "6plane": false, rfc4193: false, zt: false },
    ipAssignmentPools: [{ ipRangeStart: "10.10.0.1", ipRangeEnd: "10.10.200.254" }],
    routes: [{ target: "10.10.0.0/16", via: null }],
    rules: [{ type: "ACTION_ACCEPT", not: false, or: false }],
    capabilities: [],
    tags: [],
    revision: 1,
    creationTime: Date.now(),
  };
  writeFileSync(join(folder, `${networkId}.json`), JSON.stringify(network));
  for (const one of addresses) {
    const address = formatAddress(one);
    const member = {
      id: address,
      address,
      nwid: networkId,
      objtype: "member",
      authorized: true,
      revision: 1,
      creationTime: Date.now(),
    };
    writeFileSync(join(members, `${address}.json`), JSON.stringify(member));
  }
}

/** Keeps `IN_FLIGHT` requests under way until `isOver`; returns answers per second. */
async function load(candidate: Candidate, members: readonly Member[], isOver: () => boolean): Promise<number> {
  const { crowd, networkId } = candidate;
  let next = 0;
  const begun = performance.now();
  const before = crowd.counts.answers;
  while (!isOver()) {
    const now = Date.now();
    let open = 0;
    for (const member of members) if (!member.answered && now - member.askedAt < LOST_MS) open++;
    for (let tried = 0; open < IN_FLIGHT && tried < members.length; tried++) {
      const member = members[next++ % members.length]!;
      if (now - member.askedAt < (member.answered ? ASK_AGAIN_MS : LOST_MS)) continue;
      crowd.ask(member, networkId, now);
      open++;
    }
    await sleep(2);
  }
  return ((crowd.counts.answers - before) * 1000) / (performance.now() - begun);
}

/** Every member asks for the first time. */
async function firstContacts(candidate: Candidate): Promise<void> {
  const members = [...candidate.crowd.members.values()];
  const begun = performance.now();
  for (let from = 0; from < members.length; from += IN_FLIGHT) {
    const batch = members.slice(from, from + IN_FLIGHT);
    const deadline = Date.now() + 30_000;
    while (batch.some(({ answered, askedAt }) => !answered || askedAt === 0) && Date.now() < deadline) {
      const now = Date.now();
      for (const member of batch) {
        if (member.askedAt === 0 || (!member.answered && now - member.askedAt > ASK_AGAIN_MS))
          candidate.crowd.ask(member, candidate.networkId, now);
      }
      await sleep(2);
    }
  }
  candidate.firstContacts = (members.length * 1000) / (performance.now() - begun);
}

async function measureRequests(candidate: Candidate): Promise<void> {
  const members = [...candidate.crowd.members.values()];
  const cpuBefore = candidate.cpu();
  const answersBefore = candidate.crowd.counts.answers;
  const end = Date.now() + SECONDS * 1000;
  candidate.rates.push(await load(candidate, members, () => Date.now() >= end));
  const answers = candidate.crowd.counts.answers - answersBefore;
  candidate.cpus.push(((candidate.cpu() - cpuBefore) * 1e6) / Math.max(answers, 1));
}

/** The time from a change by the API to each of the members that are online. */
async function measurePush(candidate: Candidate, round: number): Promise<void> {
  const members = [...candidate.crowd.members.values()].slice(0, ONLINE);
  await sleep(ASK_AGAIN_MS);
  let asked = 0;
  for (const member of members) {
    candidate.crowd.ask(member, candidate.networkId, Date.now());
    if (++asked % 50 === 0) await sleep(50);
  }
  await sleep(2000);
  const wanted = new Set(members);
  const times: number[] = [];
  const begun = performance.now();
  candidate.crowd.onConfig = (member, pushed) => {
    if (pushed && wanted.delete(member)) times.push(performance.now() - begun);
  };
  const id = candidate.networkId.toString(16).padStart(16, "0");
  await candidate.api("POST", `/controller/network/${id}`, { name: `round ${round}` });
  const end = Date.now() + 30_000;
  while (wanted.size > 0 && Date.now() < end) await sleep(5);
  candidate.crowd.onConfig = () => {};
  times.sort((a, b) => a - b);
  candidate.pushMedians.push(times[Math.floor(times.length / 2)] ?? Number.NaN);
  candidate.pushLasts.push(wanted.size === 0 ? (times.at(-1) ?? Number.NaN) : Number.POSITIVE_INFINITY);
  if (wanted.size > 0) process.stderr.write(`  ${candidate.name}: ${wanted.size} members got no push within 30 s\n`);
}

const median = (numbers: readonly number[]) =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

async function main(): Promise<void> {
  enterGenerator();
  const ours = `${process.execPath} ${join(import.meta.dirname, "../../dist/main.js")} up --no-tap --home {home} --port {port}`;
  const commands: [string, string][] = [["orrery", ours]];
  if (values.baseline !== undefined) commands.push([values["baseline-name"], values.baseline]);
  const candidates: Candidate[] = [];
  for (const [index, [name, command]] of commands.entries()) {
    const candidate = await start(index, name, command);
    process.stderr.write(`${name} serves\n`);
    await firstContacts(candidate);
    process.stderr.write(`  ${candidate.firstContacts.toFixed(0)} first contacts per second\n`);
    candidates.push(candidate);
  }
  for (let round = 1; round <= ROUNDS; round++) {
    for (const candidate of candidates) {
      await measureRequests(candidate);
      await measurePush(candidate, round);
      process.stderr.write(
        `round ${round} ${candidate.name}: ${candidate.rates.at(-1)!.toFixed(0)}/s, ${candidate.cpus.at(-1)!.toFixed(0)} µs CPU each; ` +
          `push to ${ONLINE}: median ${candidate.pushMedians.at(-1)!.toFixed(0)} ms, last ${candidate.pushLasts.at(-1)!.toFixed(0)} ms\n`,
      );
    }
  }
  const results = candidates.map((candidate) => ({
    name: candidate.name,
    members: MEMBERS,
    firstContactsPerSecond: candidate.firstContacts,
    requestsPerSecond: median(candidate.rates),
    cpuMicrosecondsPerRequest: median(candidate.cpus),
    online: ONLINE,
    pushMedianMs: median(candidate.pushMedians),
    pushLastMs: median(candidate.pushLasts),
  }));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
  const lines = results.map(
    (one) =>
      `| ${one.name} | ${one.firstContactsPerSecond.toFixed(0)} | ${one.requestsPerSecond.toFixed(0)} | ${one.cpuMicrosecondsPerRequest.toFixed(0)} | ${one.pushMedianMs.toFixed(0)} | ${one.pushLastMs.toFixed(0)} |`,
  );
  process.stdout.write(
    `| ${MEMBERS} members | first contacts/s | requests/s | CPU µs each | push median ms | push to all ${ONLINE} ms |\n|---|---|---|---|---|---|\n${lines.join("\n")}\n`,
  );
}

process.once("SIGINT", () => process.exit(1));
process.once("exit", cleanUp);
try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
}
process.exit();
