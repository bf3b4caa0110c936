/**
 * The lockfile must be complete: npm sometimes writes one that lacks the platform packages of other systems, which
 * `npm ci` refuses there. It must also name no host to download from, so that any mirror serves it.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readProjectFile } from "./source-files.ts";

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly bundled?: boolean;
  readonly inBundle?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

const text = readProjectFile("package-lock.json");
const packages = (JSON.parse(text) as { packages: Record<string, LockedPackage> }).packages;

/** True if `name`, required by the package at `from`, is found by node's walk up the node_modules folders. */
function isLocked(from: string, name: string): boolean {
  for (let at = from; ; ) {
    if (packages[at === "" ? `node_modules/${name}` : `${at}/node_modules/${name}`] !== undefined) return true;
    if (at === "") return false;
    const parent = at.lastIndexOf("/node_modules/");
    at = parent < 0 ? "" : at.slice(0, parent);
  }
}

describe("package-lock.json", () => {
  test("holds every dependency, the optional ones of other platforms too", () => {
    const absent: string[] = [];
    for (const [path, locked] of Object.entries(packages)) {
      const wanted = {
        ...locked.dependencies,
        ...locked.optionalDependencies,
        ...(path === "" ? locked.devDependencies : {}),
      };
      for (const name of Object.keys(wanted))
        if (!isLocked(path, name)) absent.push(`${path || "the project"} wants ${name}`);
    }
    assert.deepEqual(absent, []);
  });

  test("has platform packages at all, so that the check above checks something", () => {
    assert.ok(Object.values(packages).some((locked) => Object.keys(locked.optionalDependencies ?? {}).length > 5));
  });

  test("gives every package a version and an integrity, and no place to download from", () => {
    const incomplete: string[] = [];
    for (const [path, locked] of Object.entries(packages)) {
      if (path === "" || locked.inBundle === true) continue;
      if (locked.version === undefined || !/^sha512-/.test(locked.integrity ?? "")) incomplete.push(path);
      if (locked.resolved !== undefined || locked.link === true) incomplete.push(`${path} is resolved to a place`);
    }
    assert.deepEqual(incomplete, []);
    assert.doesNotMatch(text, /"resolved"/);
  });

  test("agrees with package.json", () => {
    const manifest = JSON.parse(readProjectFile("package.json")) as LockedPackage;
    const root = packages[""]!;
    assert.deepEqual(root.dependencies, manifest.dependencies);
    assert.deepEqual(root.devDependencies, manifest.devDependencies);
    assert.deepEqual(root.optionalDependencies, manifest.optionalDependencies);
    assert.equal(root.version, manifest.version);
  });
});
