/** Files that can be read in one sitting, named for the one thing that they hold. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { projectFiles, readProjectFile, withoutComments } from "./source-files.ts";

const MAX_LINES = 400;
const CATCH_ALL_NAMES = /^(?:utils?|helpers?|common|index|misc|types|shared)\.ts$/;

const code = projectFiles().filter((path) => /^(?:src|test|loadtest)\/.*\.ts$/.test(path));

/** Lines of a text; a final newline does not begin another. */
function lineCount(text: string): number {
  return text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
}

describe("source files", () => {
  test(`have at most ${MAX_LINES} lines`, () => {
    const tooLong = code
      .map((path) => ({ path, lines: lineCount(readProjectFile(path)) }))
      .filter(({ lines }) => lines > MAX_LINES)
      .map(({ path, lines }) => `${path}: ${lines} lines`);
    assert.deepEqual(tooLong, []);
  });

  test("are named in kebab-case, and never for a catch-all", () => {
    const misnamed = code.filter((path) => {
      const name = path.slice(path.lastIndexOf("/") + 1);
      return !/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.test)?\.ts$/.test(name) || CATCH_ALL_NAMES.test(name);
    });
    assert.deepEqual(misnamed, []);
  });

  test("of src lie one level deep, but for messages, routes, v1, credentials, rules and linux", () => {
    const deeper = code.filter(
      (path) =>
        path.startsWith("src/") &&
        path.split("/").length > 3 &&
        !/^src\/(?:protocol\/messages|http\/routes|http\/v1|network\/credentials|network\/rules|io\/linux|console\/\w+)\/[^/]+$/.test(
          path,
        ),
    );
    assert.deepEqual(deeper, []);
  });

  test("export by name", () => {
    const broken = code.filter((path) => /^\s*export\s+default\b/m.test(withoutComments(readProjectFile(path))));
    assert.deepEqual(broken, []);
  });

  test("leave no test skipped, focused or to be written", () => {
    const broken = code.filter((path) =>
      /\b(?:test|it|describe|suite)\.(?:only|skip|todo)\b|\bonly:\s*true\b/.test(
        withoutComments(readProjectFile(path)).replace(/\/(?:\\.|[^/\n])+\/[a-z]*/g, ""),
      ),
    );
    assert.deepEqual(broken, []);
  });
});
