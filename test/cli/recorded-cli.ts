/** Recorded runs of the reference CLI, and a stand-in for the service that it was run against. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CliContext, createProgram, runCli } from "../../src/cli/context.ts";
import { registerServiceVerbs } from "../../src/cli/service-verbs.ts";
import { loadEngine } from "../../src/http/engine.ts";

export interface Run {
  /** What follows the program name, as typed. */
  readonly command: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: number;
}

const NO_NEWLINE = "⏎(no trailing newline)\n";

function runOf(block: string): Run {
  const [, command = "", rest = ""] = /^\$ zerotier-cli ?(.*)\n([\s\S]*)$/.exec(block) ?? [];
  const [, output = "", exit = "-1"] = /^([\s\S]*?)\[exit (\d+)\]/.exec(rest) ?? [];
  const [stdout = "", stderr = ""] = output.split("[stderr]\n");
  return { command, stdout: stdout.replace(NO_NEWLINE, ""), stderr, exit: Number(exit) };
}

/** The runs of a recording, in order. */
export function recordedRuns(file: string): Run[] {
  const text = readFileSync(new URL(`../fixtures/cli/${file}`, import.meta.url), "utf8");
  const starts = [...text.matchAll(/^\$ zerotier-cli/gm)].map((match) => match.index);
  return starts.map((start, index) => runOf(text.slice(start, starts[index + 1] ?? text.length)));
}

/** `METHOD path` to what is answered; status 200 unless a number stands in front of the body. */
export type Answers = Readonly<Record<string, string | readonly [number, string]>>;

/** A service that answers from a table, and the requests that it got as `METHOD path body`. */
export class FakeService {
  readonly requests: string[] = [];
  readonly home = mkdtempSync(join(tmpdir(), "orrery-cli-"));
  answers: Answers = {};
  readonly token = "abcdefghijklmnopqrstuvwx";
  #close: () => Promise<void> = () => Promise.resolve();

  async start(): Promise<void> {
    const listener = await loadEngine().listen(["127.0.0.1"], 0, {
      maxBodyBytes: 65536,
      admit: (head) =>
        head.headers.get("x-zt1-auth") === this.token ? null : { status: 401, headers: {}, body: "{}" },
      handle: ({ method, path, query, body }) => {
        this.requests.push(
          `${method} ${path}${query === "" ? "" : `?${query}`} ${new TextDecoder().decode(body)}`.trim(),
        );
        const answer = this.answers[`${method} ${path}`] ?? [404, ""];
        const [status, text] = typeof answer === "string" ? ([200, answer] as const) : answer;
        return { status, headers: {}, body: text };
      },
    });
    this.#close = () => listener.close();
    writeFileSync(join(this.home, "zerotier-one.port"), String(listener.port));
    writeFileSync(join(this.home, "authtoken.secret"), this.token);
  }

  async stop(): Promise<void> {
    await this.#close();
    rmSync(this.home, { recursive: true });
  }

  /** Runs our command line against this service. */
  async run(args: readonly string[], now = 0): Promise<Run> {
    return await runCommand([`-D${this.home}`, ...args], now);
  }
}

/** Runs our command line in this process. */
export async function runCommand(args: readonly string[], now = 0, env: NodeJS.ProcessEnv = {}): Promise<Run> {
  let stdout = "";
  let stderr = "";
  const context: CliContext = {
    stdout: (text) => {
      stdout += text;
    },
    stderr: (text) => {
      stderr += text;
    },
    env: { HOME: "/nonexistent", ...env },
  };
  const program = createProgram(context);
  registerServiceVerbs(program, context, () => now);
  const exit = await runCli(program, args, context);
  return { command: args.join(" "), stdout, stderr, exit };
}
