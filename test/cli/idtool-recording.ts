/** The recorded runs of zerotier-idtool (fixtures/cli/idtool.txt), split into blocks. */
import { readFileSync } from "node:fs";

export interface RecordedRun {
  readonly args: readonly string[];
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

const NO_NEWLINE = "⏎(no trailing newline)\n";

export const idtoolRecording = readFileSync(new URL("../fixtures/cli/idtool.txt", import.meta.url), "utf8");

/** Every recorded command whose words after the program name begin with `verb`. */
export function recordedRuns(verb: string): RecordedRun[] {
  const runs: RecordedRun[] = [];
  const blocks = idtoolRecording.matchAll(/^\$ zerotier-idtool (.*)\n([\s\S]*?)\[exit (-?\d+)\]$/gm);
  for (const [, command = "", output = "", code = ""] of blocks) {
    const args = command.split(" ");
    if (args[0] !== verb) continue;
    const [stdout = "", stderr = ""] = output.split("[stderr]\n");
    runs.push({ args, stdout: stdout.replace(NO_NEWLINE, ""), stderr, code: Number(code) });
  }
  return runs;
}
