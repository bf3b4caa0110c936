/**
 * Who may import whom. The table is the design: an area may import itself, what its row names, and nothing else
 * of ours. Three further rules follow it: system calls only at the edge, no clock or randomness in the core, and
 * plain module hygiene (named exports, `.ts` extensions, no catch-all modules).
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { importsOf, projectFiles, readProjectFile, withoutComments } from "./source-files.ts";

const DATA = ["json", "protocol", "crypto", "identity", "world", "network"];
const ROLES = ["root", "leaf", "controller"];
const EDGE = ["store", "http", "telemetry", "config", "cli", "console", "daemon", "main"];

/** Areas, and single files of an area (by their path below src), that each area may import besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  json: [],
  protocol: [],
  crypto: [],
  identity: ["protocol", "crypto"],
  world: ["protocol", "crypto", "identity"],
  network: ["json", "protocol", "crypto", "identity"],
  node: DATA,
  root: [...DATA, "node"],
  leaf: [...DATA, "node"],
  controller: [...DATA, "node"],
  bonding: ["protocol", "node"],
  // The node's ports are the interfaces that io implements; it sees nothing else of the node.
  io: ["protocol", "identity", "node/ports.ts"],
  dataplane: [...DATA, "node", ...ROLES, "io"],
};

/** Single files with more freedom than their area. */
const FILE_MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "protocol/armor.ts": ["crypto"],
  "protocol/compression.ts": ["crypto"],
};

/** What the edge may not import of itself: `main` starts everything, so nothing imports it. */
const EDGE_MAY_NOT_IMPORT = ["main"];

/** System interfaces, and where they may be used. Everything unlisted is free. */
const SYSTEM_MODULES: Readonly<Record<string, readonly string[]>> = {
  "node:fs": ["io", "store", "config", "cli", "main"],
  "node:fs/promises": ["io", "store", "config", "cli", "main"],
  "node:dgram": ["io", "store", "config", "cli"],
  // The identity pool's threads lower their own priority.
  "node:os": ["io", "store", "config", "cli", "main", "identity/pool-worker.ts"],
  "node:child_process": ["io", "store", "config", "cli"],
  koffi: ["io", "store", "config", "cli"],
  "node:net": ["io", "http", "cli", "main"],
  "node:tls": ["io", "http", "cli", "main"],
  "node:http": ["http", "telemetry", "cli", "main"],
  "node:https": ["http", "telemetry", "cli", "main"],
  "node:worker_threads": ["identity/pool.ts", "identity/pool-worker.ts", "dataplane", "io", "main"],
};

/** The core: same inputs and same `now`, same outputs. */
const PURE_AREAS = [...DATA, "node", "bonding", ...ROLES];

const IMPURE = [
  { what: "a clock", pattern: /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.now\b|\bprocess\.hrtime\b/ },
  { what: "a timer", pattern: /\b(?:setTimeout|setInterval|setImmediate|queueMicrotask)\s*\(|\bprocess\.nextTick\b/ },
  { what: "randomness", pattern: /\bMath\.random\b|\brandomBytes\b|\brandomFill|\brandomUUID\b|\bgetRandomValues\b/ },
  { what: "the process", pattern: /\bprocess\.(?:env|argv|exit|cwd|on)\b|\bconsole\.\w+\s*\(/ },
];

/** `src/protocol/armor.ts` gives `protocol`; `src/main.ts` gives `main`. */
function areaOf(path: string): string {
  return path.split("/")[1]!.replace(/\.ts$/, "");
}

function allows(list: readonly string[], path: string): boolean {
  return list.includes(areaOf(path)) || list.includes(path.slice("src/".length));
}

const sources = projectFiles("src").filter((path) => path.endsWith(".ts"));

describe("source modules", () => {
  test("the table names every area there is", () => {
    const known = new Set([...Object.keys(MAY_IMPORT), ...EDGE]);
    assert.deepEqual(
      [...new Set(sources.map(areaOf))].filter((area) => !known.has(area)),
      [],
    );
  });

  test("import only what the table allows", () => {
    const broken: string[] = [];
    for (const path of sources) {
      const area = areaOf(path);
      for (const { target } of importsOf(path)) {
        if (target === null || areaOf(target) === area) continue;
        const allowed = EDGE.includes(area)
          ? !EDGE_MAY_NOT_IMPORT.includes(areaOf(target))
          : allows([...MAY_IMPORT[area]!, ...(FILE_MAY_IMPORT[path.slice("src/".length)] ?? [])], target);
        if (!allowed) broken.push(`${path} imports ${target}`);
      }
    }
    assert.deepEqual(broken, []);
  });

  test("import files that exist, by their .ts name", () => {
    const broken: string[] = [];
    const known = new Set(sources);
    for (const path of sources) {
      for (const { target, specifier } of importsOf(path)) {
        if (target !== null && !known.has(target)) broken.push(`${path} imports ${specifier}`);
      }
    }
    assert.deepEqual(broken, []);
  });

  test("import the system only where the edge is", () => {
    const broken: string[] = [];
    for (const path of sources) {
      for (const { specifier } of importsOf(path)) {
        const where = SYSTEM_MODULES[specifier];
        if (where !== undefined && !allows(where, path)) broken.push(`${path} imports ${specifier}`);
      }
    }
    assert.deepEqual(broken, []);
  });

  test("write built-in modules with their node: prefix", () => {
    const bare =
      /^(?:assert|buffer|child_process|crypto|dgram|events|fs|http|https|net|os|path|tls|url|util|zlib)(?:\/|$)/;
    const broken = sources.flatMap((path) =>
      importsOf(path)
        .filter(({ specifier }) => bare.test(specifier))
        .map(({ specifier }) => `${path} imports ${specifier}`),
    );
    assert.deepEqual(broken, []);
  });

  test("of the core use no clock, no timer, no randomness and no process", () => {
    const broken: string[] = [];
    for (const path of sources) {
      if (!PURE_AREAS.includes(areaOf(path))) continue;
      // The pool is the one place of the core that owns threads; a thread may need to be started anew after a while.
      if (path.startsWith("src/identity/pool")) continue;
      const code = withoutComments(readProjectFile(path));
      for (const { what, pattern } of IMPURE) {
        const match = pattern.exec(code);
        if (match !== null) broken.push(`${path} uses ${what}: ${match[0]}`);
      }
    }
    assert.deepEqual(broken, []);
  });

  test("have no cycles between files", () => {
    const values = new Map(
      sources.map((path) => [
        path,
        importsOf(path)
          .filter((one) => !one.typeOnly && one.target !== null)
          .map((one) => one.target!),
      ]),
    );
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (path: string, trail: readonly string[]) => {
      const start = trail.indexOf(path);
      if (start >= 0) cycles.push([...trail.slice(start), path].join(" -> "));
      if (start >= 0 || done.has(path)) return;
      for (const next of values.get(path) ?? []) visit(next, [...trail, path]);
      done.add(path);
    };
    for (const path of sources) visit(path, []);
    assert.deepEqual(cycles, []);
  });
});
