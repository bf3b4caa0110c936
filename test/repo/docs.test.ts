/**
 * Documentation that can be pasted: every npm, orrery and node command in a code block of a Markdown file is one that
 * exists, with options that exist. Links inside the repository lead somewhere.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { USAGE } from "../../loadtest/udp/options.ts";
import { PROJECT, projectFiles, readProjectFile } from "./source-files.ts";

const run = promisify(execFile);
const pages = projectFiles().filter((path) => path.endsWith(".md") && !path.startsWith("test/fixtures/"));

const { scripts } = JSON.parse(readProjectFile("package.json")) as { scripts: Record<string, string> };
const NPM_OWN = ["ci", "install", "prune", "test", "start"];

interface PastedCommand {
  readonly page: string;
  readonly words: readonly string[];
}

/** Commands in the shell blocks of a page: prompts, sudo, variables and wrappers taken off, pipes and lists taken apart. */
function commandsOf(page: string): PastedCommand[] {
  const found: PastedCommand[] = [];
  for (const [, language, block] of readProjectFile(page).matchAll(/^ *```(\w*)\n([\s\S]*?)^ *```/gm)) {
    if (!["sh", "bash", "shell", "console", ""].includes(language!)) continue;
    for (const line of block!.replace(/\\\n\s*/g, " ").split("\n")) {
      for (const part of line.replace(/(?:^|\s)#.*$/, "").split(/&&|\|\||[|;]|\s&(?:\s|$)/)) {
        const command = part
          .trim()
          .replace(/^\$ /, "")
          .replace(
            /^(?:sudo(?: -u \w+)? |[A-Z][A-Z0-9_]*=\S* |ip netns exec \w+ |docker exec (?:-\w+ )*\w+ |taskset -c \d+ )+/,
            "",
          );
        const words = command.split(/\s+/).map((word) => word.replace(/^["'[]+|["'\]]+$/g, ""));
        if (words[0] !== "") found.push({ page, words });
      }
    }
  }
  return found;
}

/** The arguments that a pasted command gives to orrery; null if it runs something else. */
function orreryArguments(words: readonly string[]): readonly string[] | null {
  if (words[0] === "orrery") return words.slice(1);
  if (words[0] === "npx" && words[1] === "orrery") return words.slice(2);
  if (words[0] === "node" && /(?:^|\/)dist\/main\.js$/.test(words[1] ?? "")) return words.slice(2);
  return null;
}

const helpTexts = new Map<string, Promise<string>>();

/** What `orrery WORDS --help` prints; asked once for the same words. */
function helpOf(words: readonly string[]): Promise<string> {
  const key = words.join(" ");
  const known = helpTexts.get(key);
  if (known !== undefined) return known;
  const args = ["--import", "tsx", "src/main.ts", ...words, "--help"];
  const asked = run(process.execPath, args, { cwd: PROJECT }).then(({ stdout }) => stdout);
  helpTexts.set(key, asked);
  return asked;
}

/** What is wrong with a command of ours, or null. */
async function faultOf(args: readonly string[]): Promise<string | null> {
  const [verb] = args;
  if (verb === undefined || verb.startsWith("-") || verb.startsWith("/")) return null;
  let path = [verb];
  let help = await helpOf(path);
  if (!new RegExp(`^Usage: orrery ${verb}(?:\\||\\s|$)`, "m").test(help)) return `orrery has no command ${verb}`;
  if (/^Commands:/m.test(help)) {
    path = [...path, args[1] ?? ""];
    help = await helpOf(path);
    if (!new RegExp(`^Usage: orrery ${path.join(" ")}(?:\\||\\s|$)`, "m").test(help)) {
      return `orrery ${verb} has no command ${args[1]}`;
    }
  }
  const unknown = args
    .slice(path.length)
    .filter((word) => /^--?[a-zA-Z]/.test(word))
    .map((word) => word.split("=")[0]!)
    .find((option) => !new RegExp(`(?<![\\w-])${option}(?![\\w-])`).test(help));
  return unknown === undefined ? null : `orrery ${path.join(" ")} has no option ${unknown}`;
}

describe("the documentation", () => {
  const commands = pages.flatMap(commandsOf);

  test("has commands to check", () => {
    assert.ok(commands.some(({ words }) => words[0] === "node"));
  });

  test("runs npm scripts that exist", () => {
    const broken = commands
      .filter(({ words: [program, verb, name] }) => {
        if (program !== "npm") return false;
        return verb === "run" ? scripts[name ?? ""] === undefined : !NPM_OWN.includes(verb ?? "");
      })
      .map(({ page, words }) => `${page}: ${words.join(" ")}`);
    assert.deepEqual(broken, []);
  });

  test("runs orrery commands that exist, with options that they have", async () => {
    const broken: string[] = [];
    for (const { page, words } of commands) {
      const args = orreryArguments(words);
      const fault = args === null ? null : await faultOf(args);
      if (fault !== null) broken.push(`${page}: ${fault}`);
    }
    assert.deepEqual(broken, []);
  });

  test("finds fault with orrery commands that do not exist", async () => {
    assert.match((await faultOf(["launch"]))!, /no command launch/);
    assert.match((await faultOf(["world", "destroy"]))!, /world has no command destroy/);
    assert.match((await faultOf(["up", "--home", "x", "--bogus"]))!, /no option --bogus/);
    assert.equal(await faultOf(["up", "--home", "x"]), null);
  });

  test("starts the load generator with options that it has", () => {
    const generator = commands.filter(({ words }) => words.includes("loadtest/udp/generator.ts"));
    assert.ok(generator.length > 0);
    for (const { page, words } of generator) {
      for (const option of words
        .slice(words.indexOf("loadtest/udp/generator.ts"))
        .filter((word) => word.startsWith("--"))) {
        assert.ok(USAGE.includes(`  ${option} `), `${page}: ${option}`);
      }
    }
  });

  test("names files of the repository that exist", () => {
    const broken: string[] = [];
    for (const page of pages) {
      const text = readProjectFile(page);
      for (const [, link] of text.matchAll(/\]\((?!https?:|#|mailto:)([^)\s#]+)/g)) {
        if (!existsSync(join(PROJECT, dirname(page), link!))) broken.push(`${page} links to ${link}`);
      }
      for (const [, path] of text.matchAll(/\b((?:config|deploy|grafana|loadtest|src|test)\/[\w./-]*\.\w+)/g)) {
        const known = existsSync(join(PROJECT, path!)) || existsSync(join(PROJECT, dirname(page), path!));
        if (!known) broken.push(`${page} names ${path}`);
      }
    }
    assert.deepEqual(broken, []);
  });

  test("includes a README that says how to test, once there is one", (t) => {
    if (!existsSync(join(PROJECT, "README.md"))) {
      t.diagnostic("README.md is not there yet");
      return;
    }
    const readme = commandsOf("README.md").map(({ words }) => words.join(" "));
    assert.ok(readme.includes("npm test"), "README.md does not show `npm test` in a code block");
    assert.ok(readme.some((command) => command === "npm start" || / up(?: |$)/.test(command)));
  });
});
