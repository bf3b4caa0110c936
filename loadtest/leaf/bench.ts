/** A leaf beside another: who carries more between two machines, and at what cost. `--help` says how. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Lab } from "./lab.ts";
import { becomeDirect, type Figures, IPERF_PORT, measure } from "./measure.ts";
import { type LeafBenchOptions, parseOptions, USAGE, UsageError } from "./options.ts";
import { killPrograms, type RunningLeaf, startController, startLeaf, startProgram, stopPrograms } from "./programs.ts";
import { formatTable } from "./report.ts";

const OURS = "orrery";

async function run(options: LeafBenchOptions): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), "orrery-leafbench-"));
  const lab = new Lab();
  process.on("exit", () => {
    killPrograms();
    lab.close();
    rmSync(scratch, { recursive: true, force: true });
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
  const program = resolve(options.program);
  const homeOf = (name: string) => {
    const home = join(scratch, name);
    mkdirSync(home);
    return home;
  };
  const controller = await startController(lab, program, homeOf("root"));
  const profile = options.profile === null ? "" : ` --cpu-prof --cpu-prof-dir=${resolve(options.profile)}`;
  const programs = [{ name: OURS, command: `${process.execPath}${profile} ${program} up --home {home} --port {port}` }];
  if (options.baseline !== null) programs.push({ name: options.baselineName, command: options.baseline });
  const senders: RunningLeaf[] = [];
  const receivers: RunningLeaf[] = [];
  for (const { name, command } of programs) {
    for (const [leaves, side] of [
      [senders, "a"],
      [receivers, "b"],
    ] as const) {
      const home = homeOf(`${name}-${side}`);
      const leaf = await startLeaf(name, command, lab.place(`${name}-${side}`), home, controller);
      leaves.push(leaf);
      if (side === "b") startProgram(leaf.place, ["iperf3", "-s", "-p", String(IPERF_PORT)], home);
    }
  }
  const pairs = senders.flatMap((from) => receivers.map((to) => ({ from, to })));
  for (const { from, to } of pairs) {
    if (!(await becomeDirect(lab, from, to)))
      process.stderr.write(`${from.program} → ${to.program} is relayed, not direct\n`);
  }
  const figures: Figures[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const test of options.tests) {
      for (const { from, to } of pairs) {
        const one = await measure(test, from, to, options.seconds, options.udpMbits);
        figures.push(one);
        process.stderr.write(
          `round ${round} ${test} ${from.program} → ${to.program}: ${one.mbits.toFixed(0)} Mbit/s\n`,
        );
      }
    }
  }
  await stopPrograms();
  const machine = `${cpus().length} cores ${cpus()[0]?.model ?? ""}, Node ${process.version}`;
  process.stdout.write(`${machine}, ${new Date().toISOString().slice(0, 10)}\n\n${formatTable(figures)}\n`);
  if (options.json !== null) writeFileSync(options.json, `${JSON.stringify({ machine, options, figures }, null, 2)}\n`);
}

async function main(argv: readonly string[]): Promise<number> {
  if (argv.includes("--help")) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  try {
    await run(parseOptions(argv));
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

process.exit(await main(process.argv.slice(2)));
