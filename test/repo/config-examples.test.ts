/** The examples in config/ are real: every line of them, the commented-out settings included, fits the schema. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { KEY_NAMES, KEYS, SCHEMA } from "../../src/config/schema.ts";
import { projectFiles, readProjectFile } from "./source-files.ts";

const examples = projectFiles("config").filter((path) => path.endsWith(".yaml"));

/** The text with its commented-out settings ("#" and no space) switched on. */
function everythingOn(text: string): string {
  return text.replace(/^(\s*)#(?=[a-zA-Z])/gm, "$1");
}

/** Dotted names of the keys that a parsed example sets. */
function keysIn(value: Record<string, unknown>): string[] {
  return Object.entries(value).flatMap(([name, inner]) =>
    name in KEYS ? [name] : Object.keys((inner ?? {}) as object).map((key) => `${name}.${key}`),
  );
}

describe("the configuration examples", () => {
  test("are one for a planet and one for a moon", () => {
    assert.deepEqual(examples, ["config/moon.yaml", "config/planet.yaml"]);
  });

  for (const path of examples) {
    for (const [how, text] of [
      ["as it is", readProjectFile(path)],
      ["with every example in it switched on", everythingOn(readProjectFile(path))],
    ] as const) {
      test(`${path} fits the schema ${how}`, () => {
        const result = SCHEMA.safeParse(parse(text, { strict: true, uniqueKeys: true }));
        assert.ok(result.success, JSON.stringify(result.error?.issues, null, 2));
      });
    }
  }

  test("explain every key in planet.yaml, and mark those that a reload applies", () => {
    const text = readProjectFile("config/planet.yaml");
    const all = keysIn(parse(everythingOn(text)) as Record<string, unknown>);
    assert.deepEqual([...all].sort(), [...KEY_NAMES].sort());
    const lines = everythingOn(text).split("\n");
    for (const name of KEY_NAMES) {
      const key = name.slice(name.indexOf(".") + 1);
      const at = lines.findIndex((line) => line.trim().startsWith(`${key}:`));
      assert.ok(at > 0, name);
      let start = at;
      while (lines[start - 1]?.trim().startsWith("# ")) start--;
      const comment = lines.slice(start, at).join("\n");
      assert.equal(/\(hot\)/.test(comment), KEYS[name].meta.hot, `${name}: ${comment}`);
    }
  });

  test("show defaults as they are", () => {
    const given = parse(everythingOn(readProjectFile("config/planet.yaml"))) as Record<string, Record<string, unknown>>;
    const active = parse(readProjectFile("config/planet.yaml")) as Record<string, Record<string, unknown>>;
    for (const name of KEY_NAMES) {
      const [section, key] = name.split(".") as [string, string | undefined];
      if (key === undefined || typeof KEYS[name].initial !== "number" || active[section]?.[key] !== undefined) continue;
      assert.equal(given[section]![key], KEYS[name].initial, name);
    }
  });
});
