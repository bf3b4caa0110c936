/** What must not be in the repository: somebody's machine, secrets, hosts to download from, large files. */
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { PROJECT, projectFiles } from "./source-files.ts";

const MAX_FILE_BYTES = 2 * 1024 * 1024;
const SECRETS = [/-----BEGIN [A-Z ]*PRIVATE KEY-----/, /\bgh[pousr]_[A-Za-z0-9]{30,}/, /\bAKIA[A-Z0-9]{16}\b/];

/** Text of every file that is text. */
const texts = new Map<string, string>();
for (const path of projectFiles()) {
  const bytes = readFileSync(join(PROJECT, path));
  if (!bytes.subarray(0, 8000).includes(0)) texts.set(path, bytes.toString("utf8"));
}

function filesWith(pattern: RegExp | string): string[] {
  return [...texts]
    .filter(([, text]) => (typeof pattern === "string" ? text.includes(pattern) : pattern.test(text)))
    .map(([path]) => path);
}

describe("the files of the repository", () => {
  test("name no directory of the machine that they were written on", () => {
    // Where this checkout is, whatever that is; a checkout in a top-level folder named like a system one proves nothing.
    const places = [PROJECT, dirname(PROJECT), homedir()].filter((path) => path.split("/").length > 2);
    for (const place of places) {
      if (/^\/(?:tmp|var|usr|etc|srv)\b/.test(place)) continue;
      assert.deepEqual(filesWith(`${place}/`), [], place);
    }
    // `user` and `nonexistent` are nobody's.
    assert.deepEqual(filesWith(/(?<![\w.])\/(?:home|Users)\/(?!user\b|nonexistent\b)[a-z][\w-]*\//), []);
  });

  test("fetch from no host of their own choosing", () => {
    const hosts = [...texts].flatMap(([path, text]) =>
      /(?:^|\/)(?:\.npmrc|\.yarnrc|package\.json|package-lock\.json|Dockerfile|\.ci\/run|.*\.sh)$/.test(path)
        ? [...text.matchAll(/\b(?:registry|proxy|index-url)\s*[=:]\s*\S+|https?:\/\/(?!127\.0\.0\.1)[^\s"')]+/g)]
            .map((match) => match[0])
            // Funding and licence links of packages come with the lockfile; nothing is fetched from them.
            .filter(() => path !== "package-lock.json")
            .map((found) => `${path}: ${found}`)
        : [],
    );
    assert.deepEqual(hosts, []);
  });

  test("hold no secret of anybody", () => {
    for (const pattern of SECRETS) assert.deepEqual(filesWith(pattern), []);
    const names = projectFiles().filter((path) =>
      /(?:^|\/)(?:\.env|id_rsa|authtoken\.secret|identity\.secret)$/.test(path),
    );
    assert.deepEqual(
      names.filter((path) => !path.startsWith("test/fixtures/")),
      [],
    );
  });

  test("leave nothing for later", () => {
    const mark = new RegExp(`\\b(?:${["TO", "DO"].join("")}|${["FIX", "ME"].join("")}|${["X", "XX"].join("")})\\b`);
    assert.deepEqual(
      filesWith(mark).filter((path) => /\.(?:ts|mjs|ya?ml|service|md)$/.test(path)),
      [],
    );
  });

  test("are not large", () => {
    const large = projectFiles().filter((path) => statSync(join(PROJECT, path)).size > MAX_FILE_BYTES);
    assert.deepEqual(large, []);
  });

  test("are at the top level only what the design puts there", () => {
    const allowed = new Set(
      (
        ".ci .dockerignore .gitignore .npmrc LICENSE README.md biome.json config deploy grafana loadtest package-lock.json " +
        "package.json src test tsconfig.json"
      ).split(" "),
    );
    const found = new Set(projectFiles().map((path) => path.split("/")[0]!));
    assert.deepEqual(
      [...found].filter((name) => !allowed.has(name)),
      [],
    );
  });
});
