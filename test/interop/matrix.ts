/**
 * `npm run interop`: one suite for every pairing of our program with another implementation as root, controller and
 * leaves. Prints what each check of each pairing came to, and a table. Linux, as root, with ip, nft, curl, ping, iperf3
 * and tcpdump.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { labUnavailable } from "../e2e/lab.ts";
import { CHECKS } from "./checks.ts";
import { NetworkLab, type Pairing } from "./network-lab.ts";
import { type Implementation, ORRERY } from "./node.ts";

const USAGE = `usage: npm run interop -- [options]           (Linux, as root: it makes network namespaces without a way out)

  --other "COMMAND"     another implementation; {home} and {port} stand for its directory and port. Without it, ours alone
  --other-name NAME     how the table calls it (default: other)
  --pairing WORDS       only this one: ours or other, for root,controller,a,b; as in ours,ours,other,other
  --only TEXT           only checks whose name contains this
  --json FILE           write everything there
  --help`;

interface Outcome {
  readonly pairing: string;
  readonly check: string;
  readonly passed: boolean;
  readonly seconds: number;
  readonly told: string;
}

const say = (text: string) => process.stdout.write(`${text}\n`);
const nameOf = ({ root, controller, a, b }: Pairing) => [root, controller, a, b].map(({ name }) => name).join(" ");

function pairings(other: Implementation | null, wanted: string | undefined): Pairing[] {
  const both = other === null ? [ORRERY] : [ORRERY, other];
  if (wanted !== undefined) {
    const chosen = wanted.split(",").map((word) => (word === "ours" ? ORRERY : word === "other" ? other : null));
    const [root, controller, a, b] = chosen;
    if (chosen.length !== 4 || !root || !controller || !a || !b) throw new Error(`--pairing "${wanted}": see --help`);
    return [{ root, controller, a, b }];
  }
  return both.flatMap((root) =>
    both.flatMap((controller) => both.flatMap((a) => both.map((b) => ({ root, controller, a, b })))),
  );
}

async function tryPairing(pairing: Pairing, only: string): Promise<Outcome[]> {
  const name = nameOf(pairing);
  const outcomes: Outcome[] = [];
  const lab = new NetworkLab(pairing);
  const attempt = async (check: string, act: () => Promise<string>): Promise<boolean> => {
    const started = performance.now();
    const [passed, told] = await act().then(
      (text) => [true, text] as const,
      (error: Error) => [false, error.message.split("\n").slice(0, 3).join(" ")] as const,
    );
    const seconds = Math.round((performance.now() - started) / 100) / 10;
    outcomes.push({ pairing: name, check, passed, seconds, told });
    say(`  ${passed ? "ok  " : "FAIL"} ${check} (${seconds} s): ${told}`);
    return passed;
  };
  try {
    if (!(await attempt("join", async () => lab.start().then(() => "three members")))) return outcomes;
    for (const check of CHECKS) if (check.name.includes(only)) await attempt(check.name, () => check.run(lab));
  } finally {
    await lab.close();
  }
  return outcomes;
}

function table(outcomes: readonly Outcome[]): string {
  const names = [...new Set(outcomes.map(({ pairing }) => pairing))];
  const rows = [...new Set(outcomes.map(({ check }) => check))].map((check) => {
    const cells = names.map((pairing) => {
      const found = outcomes.find((one) => one.pairing === pairing && one.check === check);
      return found === undefined ? "–" : found.passed ? "ok" : "FAIL";
    });
    return `| ${check} | ${cells.join(" | ")} |`;
  });
  return [`| root controller a b | ${names.join(" | ")} |`, `|---|${names.map(() => "---|").join("")}`, ...rows].join(
    "\n",
  );
}

const { values } = parseArgs({
  options: {
    other: { type: "string" },
    "other-name": { type: "string" },
    pairing: { type: "string" },
    only: { type: "string" },
    json: { type: "string" },
    help: { type: "boolean" },
  },
});
if (values.help) say(USAGE);
else {
  const reason = labUnavailable();
  if (reason !== false) throw new Error(reason);
  const other = values.other === undefined ? null : { name: values["other-name"] ?? "other", command: values.other };
  const chosen = pairings(other, values.pairing);
  const outcomes: Outcome[] = [];
  for (const [i, pairing] of chosen.entries()) {
    say(`${i + 1} of ${chosen.length}: root, controller, a, b = ${nameOf(pairing)}`);
    outcomes.push(...(await tryPairing(pairing, values.only ?? "")));
  }
  say(`\n${table(outcomes)}`);
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(outcomes, null, 2));
  const failed = outcomes.filter(({ passed }) => !passed).length;
  say(`\n${outcomes.length - failed} of ${outcomes.length} passed`);
  process.exitCode = failed === 0 ? 0 : 1;
}
