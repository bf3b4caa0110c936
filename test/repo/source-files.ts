/** What the repository tests share: where the project is, which files git tracks, what a source file imports. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Absolute path of the project. */
export const PROJECT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/**
 * Files below the project that git tracks or would track (ignored ones excluded), relative, sorted, existing.
 * `under` limits the list to a folder.
 */
export function projectFiles(under = "."): string[] {
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", under], {
    cwd: PROJECT,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  return listed
    .split("\0")
    .filter((path) => path !== "" && existsSync(join(PROJECT, path)))
    .sort();
}

/** Text of a project file named by its relative path. */
export function readProjectFile(path: string): string {
  return readFileSync(join(PROJECT, path), "utf8");
}

/** Source with comments blanked and strings kept, so that a word in a comment is not taken for code. */
export function withoutComments(source: string): string {
  // Strings, templates and regular expressions are matched first, so that "//" inside them stays. A template's
  // `${…}` may hold nested templates; the sources of this project do not rely on that being understood.
  const token =
    /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|(?<=[=(,:;!&|?{}[\n]\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
  return source.replace(token, (text) =>
    text.startsWith("//") || text.startsWith("/*") ? text.replace(/[^\n]/g, " ") : text,
  );
}

/** One import or re-export of a module. */
export interface ModuleImport {
  /** As written, e.g. `node:fs` or `../protocol/bytes.ts`. */
  readonly specifier: string;
  /** True for `import type` and `export type`. */
  readonly typeOnly: boolean;
  /** Project path of a relative import, e.g. `src/protocol/bytes.ts`; null for packages. */
  readonly target: string | null;
}

/** Static and dynamic imports and re-exports of a TypeScript file named by its project path. */
export function importsOf(path: string): ModuleImport[] {
  const source = withoutComments(readProjectFile(path));
  const found: ModuleImport[] = [];
  const add = (specifier: string, typeOnly: boolean) => {
    const target = specifier.startsWith(".") ? relative(PROJECT, resolve(PROJECT, dirname(path), specifier)) : null;
    found.push({ specifier, typeOnly, target });
  };
  for (const match of source.matchAll(/^\s*(?:import|export)\s+(type\s)?[^;'"`]*?\bfrom\s+["']([^"']+)["']/gm)) {
    add(match[2]!, match[1] !== undefined);
  }
  for (const match of source.matchAll(/^\s*import\s+["']([^"']+)["']/gm)) add(match[1]!, false);
  for (const match of source.matchAll(/\b(?:import|require)\s*\(\s*["']([^"']+)["']/g)) add(match[1]!, false);
  return found;
}
